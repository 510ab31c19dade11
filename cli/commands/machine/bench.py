"""`mtclar-stream bench`: measures this machine by stage and from capture to socket, or compares two backends."""

from pathlib import Path
from typing import Annotated

import typer

from mtclar.cli.options import BackendOption, ProviderOption, ThreadsOption, backend_spec


def command(
    source: Annotated[
        str | None,
        typer.Option(
            "--source", "-s", metavar="FILE", help="A clip with a face; by default the bundled one."
        ),
    ] = None,
    support: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A support set; the bundled clip has its own.")
    ] = None,
    backend: BackendOption = "auto",
    provider: ProviderOption = None,
    threads: ThreadsOption = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Measure fewer frames: under a minute.")] = False,
    trace: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Only write the way of each frame of four seconds through the threads, as a trace for "
            "ui.perfetto.dev or chrome://tracing.",
            dir_okay=False,
        ),
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B",
            help="Only compare two backends, in alternating blocks: NAME[:VARIANT][@THREADS], such as onnxruntime@2.",
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
    from mtclar.cli.benchmark import end_to_end, report, scaling, stages
    from mtclar.cli.benchmark.compare import compare as compare_backends
    from mtclar.cli.benchmark.effort import FULL, QUICK
    from mtclar.cli.benchmark.material import Material, machine
    from mtclar.cli.benchmark.trace import TRACED_S, is_trace
    from mtclar.cli.display.terminal import Terminal, print_text
    from mtclar.cli.files.outputs import Output, require_safe
    from mtclar.engine.errors import UsageError
    from mtclar.engine.files.writing import write_json, write_whole
    from mtclar.engine.tracker import Tracker

    console = Terminal()
    if compare is not None and html_file is not None:
        raise UsageError("--html cannot be combined with --compare", "use --json, or leave out --compare")
    if trace is not None and (compare is not None or json_file is not None or html_file is not None):
        raise UsageError(
            "--trace cannot be combined with --compare, --json and --html", "run `bench` once for each"
        )
    hint = "name another file: only an earlier report is overwritten"
    outputs = [
        Output(option, path, report.is_report, hint)
        for option, path in (("--json", json_file), ("--html", html_file))
        if path is not None
    ]
    if trace is not None:
        outputs.append(
            Output("--trace", trace, is_trace, "name another file: only an earlier trace is overwritten")
        )
    inputs = {
        "--source": [] if source is None else [Path(source)],
        "--support": [] if support is None else [support],
    }
    require_safe(outputs, inputs)
    material = Material.prepare(source, support)
    effort = QUICK if quick else FULL
    if compare is not None:
        compared = compare_backends(material, *compare, effort.frames)
        report.print_comparison(console, compared)
        if json_file is not None:
            write_json(json_file, {"machine": machine(0), "compare": compared.as_json()}, private=False)
            print_text(console, f"Written: {json_file}")
        return
    chosen = backend_spec(backend, provider)
    if trace is not None:
        end_to_end.trace(material, chosen, threads, TRACED_S, trace)
        print_text(console, f"Written: {trace}; open it at https://ui.perfetto.dev or chrome://tracing")
        return
    with Tracker.open(  # fails early, and compiles engines before anything is measured
        backend=chosen, threads=threads, progress=lambda text: print_text(console, text)
    ) as tracker:
        name = tracker.backend
    described = machine(effort.start_ups)
    print_text(console, "Stages, one after the other ...")
    by_stage = stages.measure(material, chosen, threads, effort.frames)
    print_text(console, "From capture to socket ...")
    whole, card = end_to_end.measure(
        material, chosen, threads, unpaced_frames=2 * effort.frames, paced_s=effort.paced_s
    )
    print_text(console, "Latency by load ...")
    by_load = end_to_end.latencies(material, chosen, threads, effort.loads, effort.load_s)
    print_text(console, "Scaling ...")
    grown = scaling.measure(material, chosen, threads, effort.sizes)
    figures = {
        "machine": {**described, "gpu": card},
        "backend": name,
        "stages_ms": by_stage,
        "end_to_end": whole,
        "latency": by_load,
        "scaling": grown,
    }
    report.print_figures(console, figures)
    if json_file is not None:
        write_json(json_file, figures, private=False)
        print_text(console, f"Written: {json_file}")
    if html_file is not None:
        page = report.html(figures).encode()
        write_whole(html_file, page, private=False)
        print_text(console, f"Written: {html_file}")
