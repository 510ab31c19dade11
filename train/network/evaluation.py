"""Evaluates a torch network on FER+ photos and on single pictures of rendered people, without a support set."""

import numpy as np
import torch
from numpy.typing import NDArray

from mtclar.engine.data_types import Encoded
from mtclar.train.accuracy.encoder_figures import PhotoFigures, VaFigures, photo_figures
from mtclar.train.data.augmentation import centre
from mtclar.train.data.ferplus import Photos
from mtclar.train.data.rendered_people import People
from mtclar.train.network.architecture import Siamese

BATCH = 512


def evaluate_photos(network: Siamese, photos: Photos, device: str = "cpu") -> PhotoFigures:
    """Scores a network on one split of FER+."""
    encoded = encode(network, photos.images, 1.0, device)
    return photo_figures(encoded, photos, prior_free=network.config.temperature is not None)


def evaluate_people(network: Siamese, people: People, device: str = "cpu") -> VaFigures:
    """Scores a network on single pictures of rendered people, without a support set."""
    return VaFigures.of(encode(network, people.images, people.core, device).absolute, people.va)


def encode(network: Siamese, images: NDArray[np.uint8], core: float, device: str = "cpu") -> Encoded:
    """Encodes images [n, S, S] with the torch network in evaluation mode."""
    was_training = network.training
    network.eval()
    rows: list[tuple[torch.Tensor, ...]] = []
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            batch = torch.from_numpy(images[start : start + BATCH]).to(device)
            rows.append(network.encoder(centre(batch, network.config.input_size, core)))
    network.train(was_training)
    embedding, absolute, expression = (
        torch.cat(parts).float().cpu().numpy() for parts in zip(*rows, strict=True)
    )
    return Encoded(embedding=embedding, absolute=absolute, expression=expression)
