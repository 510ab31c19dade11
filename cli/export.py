"""`mtclar-stream export`: turns a checkpoint into the two ONNX graphs with their cards."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    checkpoint: Annotated[Path, typer.Argument(help="mtclar.pt, as `train` wrote it.")],
    out: Annotated[Path, typer.Option(help="Folder for encoder.onnx, pair.onnx and their cards.")],
) -> None:
    """Export a trained network to ONNX."""
    from mtclar.train import extra

    extra.require("torch", "onnx", purpose="export")
    from mtclar.train import export
    from mtclar.train.checkpoint import load_checkpoint

    for graph in export.export(load_checkpoint(checkpoint), out):
        typer.echo(f"{graph} ({graph.stat().st_size / 1e6:.1f} MB) and {graph.with_suffix('.json').name}")
