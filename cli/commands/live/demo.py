"""`mtclar-stream demo`: calibrates and tracks the bundled clip of a rendered face, and compares with its script."""

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.cli.options import HOST, PORT, BackendOption, NoLiveOption, SummaryOption, ThreadsOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from mtclar.cli.reports.demo_recorder import LatencyClient
    from mtclar.cli.reports.demo_scores import Row, Scores
    from mtclar.stream.pipeline.summary import Summary

MIN_SCORED = 50  # frames; fewer give no accuracy


def command(
    once: Annotated[
        bool, typer.Option("--once", help="End with the clip, as without a terminal and in CI.")
    ] = False,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            help="Repeat the clip until Ctrl-C also without a terminal; in a terminal it does so anyway.",
        ),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help=f"Port of the dashboard, by default {PORT}; 0 takes a free one."),
    ] = None,
    open_page: Annotated[
        bool | None,
        typer.Option(
            "--open/--no-open",
            help="Open the dashboard in the browser; by default where there is a terminal and a display.",
        ),
    ] = None,
    freshness: Annotated[
        str, typer.Option(metavar="paced|all", help="Play in real time, or as fast as possible.")
    ] = "paced",
    summary_json: SummaryOption = None,
    no_live: NoLiveOption = False,
    backend: BackendOption = "auto",
    threads: ThreadsOption = 1,
) -> None:
    """Calibrate on the first seconds of a rendered face, track the rest, and compare with its script.

    In a terminal it opens the dashboard and repeats the clip until Ctrl-C; elsewhere it ends with the clip.
    """
    import webbrowser

    from mtclar.calibrate.core.demo_clip import SUPPORT_MARGIN_S, SkippedStart, demo_support, script
    from mtclar.cli.display.browser import is_watched, open_browser
    from mtclar.cli.display.terminal import Terminal, counted, print_text
    from mtclar.cli.files.outputs import require_safe
    from mtclar.cli.main import version
    from mtclar.cli.reports.demo_recorder import LatencyClient, Recorder
    from mtclar.cli.service.service import Service, freshness_named, outputs_of_a_run
    from mtclar.cli.service.signals import stop_on_signals
    from mtclar.engine.errors import ServeError, UsageError
    from mtclar.engine.tracker import Tracker
    from mtclar.stream.pipeline.pipeline import PipelineOptions
    from mtclar.stream.pipeline.preview import Preview
    from mtclar.stream.pipeline.runner import Runner
    from mtclar.stream.pipeline.streams import Stream
    from mtclar.stream.server.config import ServerConfig
    from mtclar.stream.server.http.listener import require_free
    from mtclar.stream.sources import open_source

    if once and keep:
        raise UsageError("--once and --keep exclude each other", "choose one")
    keep = keep or (is_watched() and not once)
    console = Terminal()
    policy = freshness_named(freshness, ("paced", "all"))
    require_safe(outputs_of_a_run(None, summary_json), {})
    if port is not None:
        require_free(HOST, port)
    print_text(
        console,
        "A rendered face, not a person: its valence and arousal follow a script, with which the estimate is compared.",
    )
    with stop_on_signals() as stopped, ExitStack() as stack:
        support = demo_support(backend, threads)
        last_s = float(support.times_s.max())
        print_text(
            console, f"Calibrated on {counted(len(support), 'labelled frame')} of its first {last_s:.1f} s."
        )
        tracker = stack.enter_context(
            Tracker.open(
                [support], backend=backend, threads=threads, progress=lambda text: print_text(console, text)
            )
        )
        recorder, truth = Recorder(tracker), script()

        def play() -> SkippedStart:
            return SkippedStart(open_source("demo"), last_s + SUPPORT_MARGIN_S)

        def service_at(chosen: int) -> Service:
            stream = Stream(stack.enter_context(closing(play())), tracker)
            options = PipelineOptions(policy, truth=truth)
            preview = stack.enter_context(Preview())  # of a rendered face
            runner = Runner([stream], ServerConfig(port=chosen), options, version=version(), preview=preview)
            return stack.enter_context(Service(runner, console, values=not no_live))

        try:
            service = service_at(PORT if port is None else port)
        except ServeError:
            if port is not None:
                raise
            service = service_at(0)
            print_text(console, f"Port {PORT} is in use: the dashboard uses another one.", "yellow")
        service.announce()
        if open_page:
            webbrowser.open(service.runner.server.url)
        elif open_page is None:
            open_browser(service.runner.server.url)
        with LatencyClient(service.runner.server.ws_url) as client:
            summary = service.run(stopped, [recorder])
        service.print_summary(summary)
        _report(console, summary, len(support), client, recorder.rows, summary_json)
        if keep and not summary.stopped:
            print_text(console, "Repeating the clip until Ctrl-C.")
        while keep and not (stopped.is_set() or console.pipe_closed):
            tracker.reset()
            service.runner.set_streams([Stream(play(), tracker)])
            service.run(stopped)  # which closes the source


def _report(
    console: "Console",
    summary: "Summary",
    support_frames: int,
    client: "LatencyClient",
    rows: "Sequence[Row]",
    path: Path | None,
) -> None:
    """Prints the accuracy, and writes the summary with the figures of the demo's own client."""
    from dataclasses import asdict

    from mtclar.cli.display.terminal import counted, print_text
    from mtclar.cli.reports.demo_scores import score
    from mtclar.cli.service.service import latency_words
    from mtclar.engine.files.writing import write_json

    written = asdict(summary)
    written["support_frames"] = support_frames
    written["messages_per_s"] = client.messages_per_s
    written["latency_ms"] = client.latency_ms  # measured at the far end of a socket
    print_text(
        console,
        f"A websocket client on this machine received {client.messages_per_s:.1f} messages a second; capture to "
        f"received p50 / p95 / p99: {latency_words(client.latency_ms, summary.freshness)}.",
    )
    if summary.stopped:
        print_text(
            console, "Stopped before the end of the clip: the figures are those of its beginning.", "yellow"
        )
    if len(rows) >= MIN_SCORED:
        scores = score(rows)
        print_scores(console, scores)
        written |= {"scored_frames": scores.frames, "ccc": scores.ccc, "rmse": scores.rmse}
    else:
        print_text(console, f"Only {counted(len(rows), 'frame')} scored: too few for an accuracy.", "yellow")
    if path is not None:
        write_json(path, written, private=False)
        print_text(console, f"Written: {path}")


def print_scores(console: "Console", scores: "Scores") -> None:
    """Prints the agreement with the script, of the estimate and of two baselines."""
    from rich.table import Table

    from mtclar.cli.display.terminal import print_text
    from mtclar.cli.reports.demo_scores import ABSOLUTE, MTCLAR, NEAREST

    print_text(
        console, f"Against the script, over {scores.frames} frames, none of them used for calibration:"
    )
    table = Table()
    table.add_column("")
    for column in ("CCC V", "CCC A", "RMSE V", "RMSE A"):
        table.add_column(column, justify="right")
    names = {MTCLAR: "mtclar, calibrated", ABSOLUTE: "absolute only", NEAREST: "nearest label"}
    for method, name in names.items():
        figures = [
            by_dimension[method] for values in (scores.ccc, scores.rmse) for by_dimension in values.values()
        ]
        table.add_row(
            name, *(f"{figure:.3f}" for figure in figures), style="bold" if method == MTCLAR else None
        )
    console.print(table)
    console.print(
        "All three are smoothed in the same way. A rendered face says little about real faces.",
        highlight=False,
    )
