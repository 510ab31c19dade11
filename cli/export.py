"""`mtclar-stream export`: turns a checkpoint into the two ONNX graphs with their cards."""

from pathlib import Path
from typing import Annotated

import typer

from mtclar.cli.options import expanded


def command(
    checkpoint: Annotated[Path, typer.Argument(help="mtclar.pt, as `train` wrote it.")],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for encoder.onnx, pair.onnx and their cards; older ones are overwritten.",
            callback=expanded,
        ),
    ],
) -> None:
    """Export a trained network to ONNX."""
    from mtclar.train import extra

    extra.require("torch", "onnx", purpose="export")
    from mtclar.cli.outputs import Output, always, require_safe
    from mtclar.cli.terminal import Terminal, say
    from mtclar.train import export
    from mtclar.train.checkpoint import load_checkpoint

    loaded = load_checkpoint(checkpoint)
    require_safe([Output("--out", out / name, always) for name in export.FILES], {"CHECKPOINT": [checkpoint]})
    console = Terminal()
    for graph in export.export(loaded, out):
        size_mb = graph.stat().st_size / 1e6
        say(console, f"{graph} ({size_mb:.1f} MB) and {graph.with_suffix('.json').name}")
