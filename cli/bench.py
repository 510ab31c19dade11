"""`mtclar-stream bench`: how fast this machine is, by stage and from capture to socket; two backends side by side."""

from pathlib import Path
from typing import Annotated

import typer

from mtclar.cli.options import BackendOption, ProviderOption, ThreadsOption, backend_spec


def command(
    source: Annotated[
        str | None,
        typer.Option("--source", "-s", metavar="FILE", help="A clip with a face; else the bundled one."),
    ] = None,
    support: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A support set; the bundled clip brings its own.")
    ] = None,
    backend: BackendOption = "auto",
    provider: ProviderOption = None,
    threads: ThreadsOption = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer frames: under a minute.")] = False,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B",
            help="Only compare two backends, taking turns: NAME[:VARIANT][@THREADS], such as onnxruntime@2.",
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.", dir_okay=False)
    ] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with plots.", dir_okay=False)
    ] = None,
) -> None:
    """Measure this machine: stages, latency at 30 frames a second, throughput, processor, memory, scaling."""
    from rich.console import Console

    from mtclar.cli.benchmark import end_to_end, report, scaling, stages
    from mtclar.cli.benchmark.compare import compare as compare_backends
    from mtclar.cli.benchmark.effort import FULL, QUICK
    from mtclar.cli.benchmark.material import Material, machine
    from mtclar.cli.terminal import say
    from mtclar.engine.errors import UsageError
    from mtclar.engine.tracker import Tracker
    from mtclar.stream.summary import write_json

    console = Console()
    if compare is not None and html_file is not None:
        raise UsageError("--html has no page for --compare", "use --json, or leave --compare out")
    for path in (json_file, html_file):
        if path is not None:
            _writable(path)
    material = Material.prepare(source, support)
    effort = QUICK if quick else FULL
    if compare is not None:
        compared = compare_backends(material, *compare, effort.frames)
        report.print_comparison(console, compared)
        if json_file is not None:
            write_json(json_file, {"machine": machine(0), "compare": compared.as_json()})
            say(console, f"Written: {json_file}")
        return
    chosen = backend_spec(backend, provider)
    with Tracker.open(backend=chosen, threads=threads) as tracker:  # refused now, and engines compiled
        name = tracker.backend
    described = machine(effort.start_ups)
    say(console, "Stages, one after the other ...")
    by_stage = stages.measure(material, chosen, threads, effort.frames)
    say(console, "From capture to socket ...")
    whole, card = end_to_end.measure(
        material, chosen, threads, unpaced_frames=2 * effort.frames, paced_s=effort.paced_s
    )
    say(console, "Scaling ...")
    grown = scaling.measure(material, chosen, threads, effort.sizes)
    figures = {
        "machine": {**described, "gpu": card},
        "backend": name,
        "stages_ms": by_stage,
        "end_to_end": whole,
        "scaling": grown,
    }
    report.print_figures(console, figures)
    if json_file is not None:
        write_json(json_file, figures)
        say(console, f"Written: {json_file}")
    if html_file is not None:
        html_file.write_text(report.html(figures), encoding="utf-8")
        say(console, f"Written: {html_file}")


def _writable(path: Path) -> None:
    """Refused before the measurement, not after it."""
    from mtclar.engine.errors import UsageError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a"):
            pass
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror or error}", "name a place that can be written"
        ) from error
