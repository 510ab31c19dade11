"""Named sets of hyper-parameters for `train --preset`: this project's best and the paper's."""

from dataclasses import replace

from mtclar.train.data.augmentation import UNCHANGED, CameraConfig
from mtclar.train.data.targets import TargetConfig
from mtclar.train.losses.label_smoothing import LabelSmoothingConfig
from mtclar.train.losses.objective import ObjectiveConfig
from mtclar.train.network.architecture import NetworkConfig
from mtclar.train.run.config import TrainConfig

# Real faces: V/A without a class prior, both views of FER+, and cameras of all kinds.
BEST = TrainConfig(
    network=NetworkConfig(enlarged_size=64, temperature=0.7),
    targets=TargetConfig(vote_power=2.0, collected_share=0.5, balance=0.4, adjust_logits=True),
    rendered_share=0.125,
    learning_rate=1e-3,
    average=0.9894,
    average_every=12,
)

# From a network of `best`: a low learning rate, which does not first destroy what is there, a weaker camera, and more
# pictures of people in each batch.
REFINE = replace(
    BEST,
    camera=CameraConfig(
        scale=0.1,
        stretch=0.04,
        shift=0.04,
        occlusion_share=0.1,
        gamma=0.3,
        side_light=0.2,
        contrast=0.25,
        resolution_share=0.35,
        resolution=(22, 200),
        blur_share=0.2,
        motion_share=0.05,
        noise=8.0,
        sharpen_share=0.1,
        jpeg_share=0.25,
        jpeg_quality=(20, 90),
    ),
    rendered_share=0.1875,
    people_share=0.25,
    learning_rate=4e-4,
    average=0.998,
    average_every=1,
)

PRESETS: dict[str, TrainConfig] = {
    "best": BEST,
    "refine": REFINE,
    # For a network that overfits its training photos: the targets of the photos are softened.
    "longer": replace(
        BEST, label_smoothing=LabelSmoothingConfig(mixup_share=0.3, distil=0.4, distil_from=0.0)
    ),
    # MT-CLAR as published (Parameshwara et al. 2023), on this project's residual network, since EmoNet's weights may
    # not be used. The second stage (MT-CLAR+SL) is trained at the same time, behind a stopped gradient, and so is the
    # expression head, which the paper does not have: both take the embedding as input and do not change it.
    "paper": TrainConfig(
        network=NetworkConfig(
            embedding=256,
            dropout=0.0,
            fusion="published",
            antisymmetric=False,
            pair_hidden=(2048, 1024, 512, 128),
            absolute_hidden=(1024, 512, 256, 128),
        ),
        objective=ObjectiveConfig(
            delta_mse=1.0,
            delta_ccc=1.0,
            similarity=1.0,
            cosine=1.0,
            random_weights=True,
            delta_schedule=True,
            alike_by_class=True,
        ),
        camera=replace(UNCHANGED, rotate_deg=20.0),
        epochs=40,
        batch=256,
        learning_rate=1e-4,
        warm_up=0.0,
        schedule="plateau",
        optimiser="adam",
        weight_decay=1e-4,
        average=0.0,
    ),
}
