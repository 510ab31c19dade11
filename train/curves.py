"""The picture of a run: each loss and the validation figures against the epoch."""

import json
from pathlib import Path

from mtclar.engine.files import write_whole

LOSSES = ("expression", "absolute", "delta", "similarity", "cosine")


def draw(curves: Path) -> Path:
    """Reads curves.jsonl, one line an epoch, and writes curves.png beside it; the path of the picture."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    rows = [json.loads(line) for line in curves.read_text(encoding="utf-8").splitlines()]
    epochs = [row["epoch"] for row in rows]
    figure, (losses, figures) = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for name in LOSSES:
        losses.plot(epochs, [row[name] for row in rows], label=name, marker="." if len(rows) < 30 else "")
    losses.set(title="Weighted losses, training", xlabel="epoch", yscale="log")
    losses.legend(loc="upper right", bbox_to_anchor=(1, 0.92))  # between expression and the others
    validation = [row["validation"] for row in rows]
    figures.plot(epochs, [v["majority_accuracy"] for v in validation], label="accuracy, majority subset")
    for i, axis in enumerate(("valence", "arousal")):
        figures.plot(epochs, [v["proxy_va"]["ccc"][i] for v in validation], label=f"{axis}, CCC (proxy)")
    figures.set(title="FER+ PublicTest, averaged weights", xlabel="epoch")
    figures.grid(alpha=0.3)
    figures.legend()
    picture = curves.with_suffix(".png")
    write_whole(picture, lambda file: figure.savefig(file, dpi=100, format="png"))
    pyplot.close(figure)
    return picture
