"""Exports a checkpoint as two ONNX graphs, each with a model card.

Batch norm is folded into the convolutions; the picture's normalisation and the clipping of V/A to [-1, 1] are inside
the graph, so that a caller passes only bytes.
"""

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor, nn

from mtclar.engine import models
from mtclar.engine.errors import ModelError, MtclarError
from mtclar.engine.estimate import encoder
from mtclar.engine.estimate.comparer import PAIR_INPUTS, PAIR_OUTPUTS
from mtclar.engine.face.crop import FRAMING
from mtclar.engine.files.writing import write_together
from mtclar.train.network.architecture import Encoder, Siamese
from mtclar.train.network.checkpoint import Checkpoint

OPSET = 17  # the newest that every supported backend reads
ENCODER, PAIR = "encoder", "pair"
FILES = tuple(f"{name}.{kind}" for name in (ENCODER, PAIR) for kind in ("onnx", "json"))
LICENCE = "Apache-2.0 (weights); the photos they were trained on are not part of it"


class EncoderGraph(nn.Module):
    """The encoder with valence and arousal clipped to [-1, 1]."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, face: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """face uint8 [B, S, S] -> embedding [B, D], absolute [B, 2] in [-1, 1], expression logits [B, 8]."""
        embedding, absolute, expression = self.encoder(face)
        return embedding, absolute.clamp(-1, 1), expression


def export(checkpoint: Checkpoint, folder: Path) -> tuple[Path, Path]:
    """Exports a checkpoint into `folder`; returns the paths of the graphs."""
    return write(files_of(checkpoint), folder)


def files_of(checkpoint: Checkpoint) -> dict[str, bytes]:
    """encoder.onnx, pair.onnx and their cards, by file name; the bytes are reproducible.

    Raises MtclarError when the input size of the network is not the size of the engine's crops.
    """
    network, size = checkpoint.network, checkpoint.network.config.input_size
    if size != FRAMING.size:
        raise MtclarError(
            f"the network takes faces of {size} pixels, and the engine cuts {FRAMING.size}",
            "train it with the size of mtclar.engine.face.crop.FRAMING",
        )
    graphs = {ENCODER: encoder_graph(network), PAIR: pair_graph(network)}
    card_files = {f"{name}.json": card.encode() for name, card in cards(checkpoint, graphs).items()}
    return {f"{name}.onnx": graph for name, graph in graphs.items()} | card_files


def write(files: Mapping[str, bytes], folder: Path) -> tuple[Path, Path]:
    """Writes the files of `files_of` into `folder`; returns the paths of the graphs.

    It writes all four files or none, so that graphs and cards always match. Raises WriteError when writing fails.
    """
    write_together({folder / name: content for name, content in files.items()}, private=False)
    return folder / f"{ENCODER}.onnx", folder / f"{PAIR}.onnx"


def is_written(path: Path) -> bool:
    """Whether `path` is a graph or a card from `write`: both files exist and the card has the digest of the graph."""
    graph = path.with_suffix(".onnx")
    try:
        card = models.Card.read(path.with_suffix(".json"))
        return card.name == path.stem and models.sha256(graph) == card.sha256
    except (ModelError, OSError):
        return False


def cards(checkpoint: Checkpoint, graphs: Mapping[str, bytes]) -> dict[str, models.Card]:
    """The model cards of the two graphs."""
    config = checkpoint.network.config
    size, dim = config.input_size, config.embedding
    data = "; then ".join(checkpoint.stages)
    query, support = PAIR_INPUTS
    return {
        ENCODER: models.Card(
            name=ENCODER,
            sha256=hashlib.sha256(graphs[ENCODER]).hexdigest(),
            licence=LICENCE,
            source="trained by mtclar.train",
            inputs={encoder.INPUT: f"uint8 [B, {size}, {size}] grey"},
            outputs={
                "embedding": f"float32 [B, {dim}]",
                "absolute": "float32 [B, 2] valence, arousal in [-1, 1]",
                "expression": "float32 [B, 8] logits, FER+ order",
            },
            data=data,
            framing=asdict(FRAMING),
            embedding_dim=dim,
            prior_free=config.temperature is not None,
            figures=checkpoint.figures,
        ),
        PAIR: models.Card(
            name=PAIR,
            sha256=hashlib.sha256(graphs[PAIR]).hexdigest(),
            licence=LICENCE,
            source="trained by mtclar.train, together with the encoder",
            inputs={query: f"float32 [B, {dim}]", support: f"float32 [N, {dim}]"},
            outputs={
                "similarity": "float32 [B, N] in [0, 1]",
                "delta": "float32 [B, N, 2] V/A of the query less V/A of the support frame, in [-2, 2]",
            },
            data=data,
            embedding_dim=dim,
            encoder_sha256=hashlib.sha256(graphs[ENCODER]).hexdigest(),
        ),
    }


def encoder_graph(network: Siamese) -> bytes:
    """The `encoder` graph, dynamic in B."""
    size = network.config.input_size
    example = (torch.zeros(2, size, size, dtype=torch.uint8),)
    axes = {name: {0: "B"} for name in (encoder.INPUT, *encoder.OUTPUTS)}
    return _onnx(EncoderGraph(network.encoder), example, (encoder.INPUT,), encoder.OUTPUTS, axes)


def pair_graph(network: Siamese) -> bytes:
    """The `pair` graph, dynamic in B queries and N support frames."""
    example = (torch.zeros(2, network.config.embedding), torch.zeros(3, network.config.embedding))
    query, support = PAIR_INPUTS
    axes = {query: {0: "B"}, support: {0: "N"}} | {name: {0: "B", 1: "N"} for name in PAIR_OUTPUTS}
    return _onnx(network.pair, example, PAIR_INPUTS, PAIR_OUTPUTS, axes)


def _onnx(
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    dynamic_axes: Mapping[str, Mapping[int, str]],
) -> bytes:
    graph = BytesIO()
    with warnings.catch_warnings():
        # The TorchScript exporter is deprecated; it is used because its successor needs another package
        # (onnxscript) and these graphs have no control flow.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            module.eval().cpu(),
            example,
            graph,  # type: ignore[arg-type]  # the exporter that is used here takes a file
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=dynamic_axes,
        )
    return graph.getvalue()
