"""`mtclar-stream export`: a recording as tables, a checkpoint as ONNX graphs, the networks in use for a GPU."""

from pathlib import Path
from typing import Annotated

import typer

from mtclar.cli.options import expanded
from mtclar.engine.installation.extras import install_command

RECORDING_TARGETS = ("csv", "parquet", "elan", "nova")
TARGETS = ("onnx", "tensorrt", "tensorrt-rtx", "triton", *RECORDING_TARGETS)


def command(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A recording of `run --record`, or mtclar.pt written by `train` (--to onnx); none for engines.",
            callback=expanded,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(TARGETS),
            help="Tables or annotations of a recording (default csv); ONNX graphs with cards of a checkpoint "
            "(default onnx); TensorRT engines, or a Triton repository.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Output folder; by default the recording's own, and for engines the cache that `run` reads.",
            callback=expanded,
        ),
    ] = None,
    compute_capability: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X.Y",
            help="Compute capability such as 8.6; may be repeated. Default: that of this machine's GPU.",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="fp16|fp32|int8|fp8",
            help="Precision of engines or of a repository (fp16); int8 and fp8 apply to the encoder only.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the networks of an earlier export in --out.")
    ] = False,
) -> None:
    """Export a recording as tables, a trained network to ONNX, or compile the networks in use for a GPU."""
    from mtclar.engine.errors import UsageError
    from mtclar.engine.files.writing import require_writable

    if to is None:
        to = "csv" if path is not None and path.is_dir() else "onnx"
    if to not in TARGETS:
        raise UsageError(f"unknown target {to!r}", f"choose one of: {', '.join(TARGETS)}")
    if to in RECORDING_TARGETS:
        if path is None:
            raise UsageError(f"--to {to} needs a recording", "name a folder that `run --record` has written")
        if compute_capability or precision is not None or force:
            raise UsageError("--compute-capability, --precision and --force are for networks", "remove them")
        from mtclar.label.output.recording_files import export_recording

        for written in export_recording(path, to, out):
            typer.echo(str(written))
        return
    if to == "onnx":
        if compute_capability:
            raise UsageError("--compute-capability is for engines", "add --to tensorrt-rtx")
        if precision is not None:
            raise UsageError(
                "--precision is for engines and repositories; ONNX graphs are fp32",
                "remove it, or add --to",
            )
        _onnx(path, out, force)
        return
    if force:
        raise UsageError("--force is for ONNX graphs", "remove it")
    if path is not None:
        raise UsageError(
            f"--to {to} compiles the networks that `run` uses, not a checkpoint",
            "remove the checkpoint",
        )
    if out is not None:
        require_writable(out / to)
    if to == "triton":
        if compute_capability:
            raise UsageError("--compute-capability is for engines", "add --to tensorrt-rtx")
        _triton(precision, out)
        return
    _engines(to, compute_capability or [], precision, out)


def _onnx(checkpoint: Path | None, out: Path | None, force: bool) -> None:
    """Write the graphs of a checkpoint with their cards.

    Files that `export` did not write are never overwritten; networks of another checkpoint only with `force`.
    """
    from functools import cache

    from mtclar.engine.errors import UsageError
    from mtclar.train import extra

    if checkpoint is None or out is None:
        raise UsageError("--to onnx needs a checkpoint and --out FOLDER", "`train` writes mtclar.pt")
    extra.require("torch", "onnx", purpose="export")
    from mtclar.cli.display.terminal import Terminal, print_text
    from mtclar.cli.files.outputs import Output, always, never, require_safe
    from mtclar.train.network import export
    from mtclar.train.network.checkpoint import load_checkpoint

    loaded = load_checkpoint(checkpoint)
    files = cache(lambda: export.files_of(loaded))  # exported only after the output folder was checked

    def output(path: Path) -> Output:
        if not export.is_written(path):
            return Output(
                "--out", path, never, "`export` did not write it; name another folder, or remove it"
            )
        may_replace = always if force else lambda path: path.read_bytes() == files()[path.name]
        return Output("--out", path, may_replace, "--force replaces the networks of an earlier export")

    require_safe([output(out / name) for name in export.FILES], {"CHECKPOINT": [checkpoint]})
    console = Terminal()
    for graph in export.write(files(), out):
        size_mb = graph.stat().st_size / 1e6
        print_text(console, f"{graph} ({size_mb:.1f} MB) and {graph.with_suffix('.json').name}")


def _triton(precision: str | None, out: Path | None) -> None:
    """Write the model repository."""
    from mtclar.engine import models
    from mtclar.engine.errors import BackendError, UsageError

    if out is None:
        raise UsageError("--to triton needs --out FOLDER", "the --model-repository of tritonserver")
    try:
        from mtclar.engine.backends.triton_repository import PRECISIONS, write_repository
        from mtclar.engine.backends.typed_onnx import DEFAULT_PRECISION
    except ImportError as error:
        raise BackendError(
            f"--to triton needs a missing package: {error.name}",
            install_command("tensorrt-rtx"),
        ) from error
    precision = precision or DEFAULT_PRECISION
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}", f"choose one of: {', '.join(PRECISIONS)}")
    for path in write_repository(models.path("encoder"), models.path("pair"), out, precision):
        typer.echo(str(path))


def _engines(to: str, capabilities: list[str], precision: str | None, out: Path | None) -> None:
    """Compile every network of the tracker and print the properties of the engines."""
    from mtclar.engine import models
    from mtclar.engine.errors import BackendError, UsageError

    try:
        from mtclar.engine.backends.tensorrt.ahead_of_time import compile_ahead
        from mtclar.engine.backends.tensorrt.cache import EngineCache, default_folder
        from mtclar.engine.backends.tensorrt.device import open_device
        from mtclar.engine.backends.tensorrt.distribution import TrtDistribution, parse_capability
        from mtclar.engine.backends.typed_onnx import DEFAULT_PRECISION, PRECISIONS
    except ImportError as error:
        raise BackendError(f"--to {to} needs a missing package: {error.name}", install_command(to)) from error

    precision = precision or DEFAULT_PRECISION
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}", f"choose one of: {', '.join(PRECISIONS)}")
    wanted = [parse_capability(text) for text in capabilities]
    distribution = TrtDistribution.load(to)
    if not wanted:
        try:
            device = open_device()
        except BackendError as error:
            raise UsageError(
                f"no GPU to compile for: {error.what}", "name one: --compute-capability 8.6"
            ) from error
        wanted = [device.capability]
        device.close()
    for capability in wanted:
        distribution.require_target(capability)
    folder = default_folder() if out is None else out
    graphs = [models.path(name) for name in models.NAMES]
    for done in compile_ahead(distribution, graphs, wanted, precision, EngineCache(folder)):
        typer.echo(
            f"{done.path.name}: {done.label.split()[0]} for {done.capability}, "
            f"{done.precision} as reported by the engine, {done.nbytes / 1e6:.1f} MB"
        )
    if out is not None:
        typer.echo(f"Copy them to {default_folder()} on the machine with the GPU (folder of its user).")
