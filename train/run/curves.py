"""The learning curves of a run: curves.jsonl with one line per epoch, and a plot of losses and validation figures."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtclar.engine.errors import MtclarError
from mtclar.engine.files.writing import write_whole

LOSSES = ("expression", "absolute", "delta", "similarity", "cosine")


@dataclass(frozen=True, slots=True)
class _Epoch:
    line: bytes
    number: int
    losses: tuple[float, ...]  # in the order of LOSSES
    accuracy: float
    ccc: tuple[float, float]


def append(curves: Path, epoch: dict[str, Any]) -> None:
    """Adds a line to curves.jsonl."""
    earlier = curves.read_bytes() if curves.exists() else b""
    write_whole(curves, earlier + json.dumps(epoch).encode() + b"\n", private=False)


def cut(curves: Path, epochs: int) -> None:
    """Keeps the lines of the first `epochs` epochs: a run killed before it saved a checkpoint has one line too many.

    Raises MtclarError that names a damaged line.
    """
    if curves.exists():
        kept = b"".join(epoch.line for epoch in _read(curves) if epoch.number <= epochs)
        write_whole(curves, kept, private=False)


def draw(curves: Path) -> Path:
    """Plots curves.jsonl as curves.png beside it and returns the path. Raises MtclarError for a damaged line."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    rows = _read(curves)
    epochs = [row.number for row in rows]
    figure, (losses, figures) = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for i, name in enumerate(LOSSES):
        losses.plot(epochs, [row.losses[i] for row in rows], label=name, marker="." if len(rows) < 30 else "")
    losses.set(title="Weighted losses, training", xlabel="epoch", yscale="log")
    losses.legend(loc="upper right", bbox_to_anchor=(1, 0.92))  # between expression and the others
    figures.plot(epochs, [row.accuracy for row in rows], label="accuracy, majority subset")
    for i, axis in enumerate(("valence", "arousal")):
        figures.plot(epochs, [row.ccc[i] for row in rows], label=f"{axis}, CCC (proxy)")
    figures.set(title="FER+ PublicTest, averaged weights", xlabel="epoch")
    figures.grid(alpha=0.3)
    figures.legend()
    picture = curves.with_suffix(".png")
    write_whole(picture, lambda file: figure.savefig(file, dpi=100, format="png"), private=False)
    pyplot.close(figure)
    return picture


def _read(curves: Path) -> list[_Epoch]:
    rows = []
    for number, line in enumerate(curves.read_bytes().splitlines(keepends=True), 1):
        try:
            row = json.loads(line)
            validation = row["validation"]
            valence, arousal = validation["proxy_va"]["ccc"]
            losses = tuple(float(row[name]) for name in LOSSES)
            accuracy = float(validation["majority_accuracy"])
            rows.append(_Epoch(line, int(row["epoch"]), losses, accuracy, (float(valence), float(arousal))))
        except (ValueError, KeyError, TypeError) as error:
            raise MtclarError(
                f"{curves}, line {number} is not an epoch of a run",
                "remove the line: a run can resume without it",
            ) from error
    return rows
