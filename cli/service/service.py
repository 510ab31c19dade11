"""A Runner under a terminal and a service manager: announcements, live view, watchdog, the summary in words."""

import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from mtclar.cli.display.logs import event, logs_json
from mtclar.cli.display.terminal import Terminal, counted, on_keys, print_text, reads_keys
from mtclar.cli.files.outputs import OVERWRITE, Output, always, never
from mtclar.cli.main import version
from mtclar.cli.service.systemd import Supervisor
from mtclar.engine.backends.session import NO_DRIVER
from mtclar.engine.errors import UsageError
from mtclar.stream.pipeline.mailbox import Freshness
from mtclar.stream.pipeline.runner import Runner
from mtclar.stream.pipeline.summary import Summary, is_summary
from mtclar.stream.sinks import Sink
from mtclar.stream.sinks.live_view import LiveView
from mtclar.stream.sources.base import length_of
from mtclar.stream.table.provenance import is_sidecar, sidecar_path

FILE_DROPS_WARNING = (
    "--freshness latest drops most frames of a file, because reading is faster than answering: use `all` to answer "
    "every frame, or `paced` to play the file as if it were live"
)
MARK_KEY = "m"
NOTICE = "Tell everyone in view that they are being analysed. Pictures stay on this machine; only numbers leave it."
NOTICE_WITH_PICTURES = (
    "Tell everyone in view that they are being analysed. The calibration page, and the dashboard with --preview, show "
    "pictures to operators; otherwise only numbers leave this machine."
)


def freshness_named(name: str, choices: Sequence[Freshness]) -> Freshness:
    """The freshness policy of that name; UsageError that lists the choices."""
    for policy in choices:
        if policy == name:
            return policy
    raise UsageError(f"there is no freshness '{name}' here", f"one of: {', '.join(choices)}")


def outputs_of_a_run(csv: Path | None, summary: Path | None, force: bool = False) -> list[Output]:
    """The files that `run` and `demo` write: rows replace one only with `force`, others an older one of their kind."""
    outputs = []
    if csv is not None:
        outputs = [
            Output("--csv", csv, always if force else never, OVERWRITE),
            Output("--csv", sidecar_path(csv), is_sidecar),
        ]
    if summary is not None:
        hint = "name another file: only the summary of an earlier run is overwritten"
        outputs.append(Output("--summary-json", summary, is_summary, hint))
    return outputs


def latency_words(latency_ms: Mapping[str, float | None], freshness: Freshness) -> str:
    """`7.7 / 9.6 / 10.3 ms`, with a remark where latencies include a queue."""
    words = " / ".join(
        "-" if ms is None else f"{ms:.1f}" for ms in map(latency_ms.get, ("p50", "p95", "p99"))
    )
    return f"{words} ms" + (", waiting in the queue included" if freshness == "all" else "")


class Service:
    """Shows a Runner in the terminal and reports it to the service manager; a context manager that enters the Runner.

    `values`: with live values in the terminal; without, only changes of a source's state are printed.
    """

    def __init__(self, runner: Runner, console: Terminal, *, values: bool = True) -> None:
        self.runner = runner
        self._console = console
        self._values = values
        self._supervisor = Supervisor()
        self._marks = 0  # by key

    def __enter__(self) -> Self:
        self.runner.__enter__()
        self._supervisor.ready(f"serving {self.runner.server.ws_url}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._supervisor.stopping()
        self.runner.__exit__(kind, error, trace)

    def announce(self, pictures: bool = False) -> None:
        """Prints and logs the sources, the backend and the addresses; `pictures`: a page shows those of the source."""
        server, pipelines, trackers = self.runner.server, self.runner.pipelines, self.runner.trackers
        labels = [pipeline.source.label for pipeline in pipelines]
        for pipeline, label in zip(pipelines, labels, strict=True):
            stream = "" if labels.count(label) == 1 else f" ({pipeline.source.stream_id})"
            print_text(self._console, f"Source     {label}{stream}")
        backend, why = trackers[0].backend, trackers[0].why
        reason = f" ({why})" if why not in ("", NO_DRIVER) else ""
        print_text(self._console, f"Backend    {backend}{reason}")
        print_text(self._console, f"Dashboard  {server.url}")
        print_text(self._console, f"Websocket  {server.ws_url}")
        for page in self.runner.pages:
            print_text(self._console, f"{page.capitalize():<10} {server.url}{page}")
        for warning in server.warnings:
            print_text(self._console, f"warning: {warning}", "yellow")
        if any(pipeline.freshness == "latest" and not pipeline.source.live for pipeline in pipelines):
            print_text(self._console, f"warning: {FILE_DROPS_WARNING}", "yellow")
        print_text(self._console, NOTICE_WITH_PICTURES if pictures else NOTICE)
        event(
            "serving",
            f"serving {server.ws_url}",
            version=version(),
            dashboard=server.url,
            backend=backend,
            sources=labels,
            subjects=[[support.subject for support in tracker.supports] for tracker in trackers],
        )
        for warning in server.warnings if logs_json() else ():
            event("warning", warning, logging.WARNING)

    def run(self, stopped: threading.Event, sinks: Sequence[Sink] = ()) -> Summary:
        """Answers frames until every source has ended or `stopped` is set; raises what Runner.run raises."""
        runner = self.runner
        keys = {MARK_KEY: self._mark} if self._values and self._console.is_terminal and reads_keys() else {}
        sources = [pipeline.source for pipeline in runner.pipelines]
        view = LiveView(
            console=self._console,
            clients=lambda: runner.server.clients,
            values=self._values,
            hint=f"{MARK_KEY}: mark" if keys else "",
            lengths_s={source.stream_id: length_s for source in sources if (length_s := length_of(source))},
        )
        live = all(pipeline.source.live for pipeline in runner.pipelines)

        def on_tick() -> None:
            if runner.failure() is None:
                states = ", ".join(f"{stream} {state}" for stream, state in tuple(runner.states.items()))
                trouble = f"; {runner.trouble}" if runner.trouble else ""
                self._supervisor.alive(f"{states}; {counted(runner.server.clients, 'client')}{trouble}")
            # Nobody reads the output of a live source any more; a file is played to its end for its other outputs.
            if live and self._console.pipe_closed:
                stopped.set()

        with on_keys(keys) if keys else nullcontext():
            return runner.run(stopped, [*sinks, view], on_tick)

    def _mark(self) -> None:
        self._marks += 1
        self.runner.mark(f"mark {self._marks}")

    def print_summary(self, summary: Summary) -> None:
        """Prints and logs the counts, latencies and resources of a run."""
        memory = "" if summary.peak_rss_mb is None else f", {summary.peak_rss_mb:.0f} MB"
        skipped = f", {summary.skipped:,} with kept values" if summary.skipped else ""
        reconnects = f", {counted(summary.reconnects, 'reconnect')}" if summary.reconnects else ""
        print_text(
            self._console,
            f"{counted(summary.frames, 'frame')} answered in {summary.wall_s:.1f} s ({summary.fps:.1f} a second), "
            f"{summary.dropped:,} dropped{skipped}{reconnects}",
        )
        print_text(
            self._console,
            f"Capture to socket p50 / p95 / p99: {latency_words(summary.latency_ms, summary.freshness)}; "
            f"{summary.cpu_cores:.2f} cores{memory}; {summary.backend}",
        )
        event("summary", f"{counted(summary.frames, 'frame')} answered", **asdict(summary))
        if summary.frames and not summary.frames_with_face:
            print_text(self._console, "No frame showed a face.", "yellow")
