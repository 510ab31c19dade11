"""`calibrate --every N` and `--pick N`: frames of a recording are labelled afterwards, on the calibration page."""

import threading
from contextlib import ExitStack, closing
from pathlib import Path

from mtclar.calibrate.rating import Candidates, RatingDesk, apart, every, look_through, pick
from mtclar.cli.calibrating import CALIBRATE_PAGE, Listening, calibration_routes, writing_to
from mtclar.cli.main import PROGRAM, version
from mtclar.cli.outputs import Output, always, never, require_safe
from mtclar.cli.serving import ANALYSED_SHOWN, TICK_S
from mtclar.cli.signals import stop_on_signals
from mtclar.cli.terminal import Terminal, counted, say
from mtclar.engine.errors import CalibrationError, UsageError
from mtclar.engine.files import write_whole
from mtclar.engine.support import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.broadcast import Broadcaster
from mtclar.stream.labels import Label, write_labels
from mtclar.stream.messages import ByeMessage, Hello, ModelInfo
from mtclar.stream.sources import Source


def labels_path(target: Path) -> Path:
    """Where the labels themselves are written, beside the support set: `label` and `--labels` read them."""
    return target.with_suffix(".labels.csv")


def rate_on_page(
    console: Terminal,
    source: Source,
    target: Path,
    *,
    each: int | None,
    best: int | None,
    may_replace: bool,
    subject: str,
    keep_crops: bool,
    backend: str,
    threads: int,
    listening: Listening,
    passphrase: str | None,
) -> None:
    """Offers every `each`-th frame, or the `best` most helpful ones, until the support set is saved.

    Raises UsageError for what is no recording, CalibrationError when nothing can be offered or it was stopped before
    the support set was saved; what was labelled is kept and found again.
    """
    if source.live:
        raise UsageError(
            f"--every and --pick need a recording, and {source.label} is live",
            "name a video file with --source",
        )
    hint = "choose another name, or --force to overwrite it"
    beside = labels_path(target)
    outputs = [Output("--out", path, always if may_replace else never, hint) for path in (target, beside)]
    require_safe(outputs, {"--source": source.files})
    with stop_on_signals() as stopped, ExitStack() as stack:
        with Tracker.open(
            backend=backend, threads=threads, progress=lambda text: say(console, text)
        ) as tracker:
            found = _look_through(console, source, tracker, each, stopped)
            model = ModelInfo(tracker.model.name, tracker.model.sha256, tracker.backend)
        stills = found.stills if best is None else pick(found.stills, best)
        saved: list[SupportSet] = []

        def on_saved(support: SupportSet) -> None:
            labels = [
                Label(float(t_s), float(v), float(a))
                for t_s, (v, a) in zip(support.times_s, support.labels.round(2).tolist(), strict=True)
            ]
            write_whole(beside, lambda file: file.write(write_labels(labels).encode()))
            saved.append(support)
            stopped.set()

        desk = RatingDesk(
            lambda: Tracker.open(backend=backend, threads=threads),
            writing_to(target, passphrase),
            target=target,
            subject=subject,
            source=source.label,
            keep_crops=keep_crops,
            on_saved=on_saved,
            passphrase=passphrase,
            stills=stills,
        )
        server = Broadcaster(
            listening.host,
            listening.port,
            hello=lambda: Hello((), model, f"{PROGRAM} {version()}", (CALIBRATE_PAGE,)),
            token=listening.token,
            tls_cert=listening.tls_cert,
            tls_key=listening.tls_key,
        )
        server.plug(stack.enter_context(desk), calibration_routes())
        server.start()
        stack.callback(lambda: server.close(ByeMessage("ended", "the labels are saved") if saved else None))
        for warning in server.warnings:
            say(console, f"warning: {warning}", "yellow")
        say(console, ANALYSED_SHOWN)
        say(
            console,
            f"Open {server.url}{CALIBRATE_PAGE} in a browser: {counted(len(stills), 'picture')} to label; Ctrl-C "
            "stops, and keeps what was labelled.",
        )
        while not stopped.wait(TICK_S) and not console.unread:
            pass
        if not saved:
            raise CalibrationError(
                "stopped before the support set was saved",
                "what was labelled is kept: the same command goes on with it",
            )
        say(console, f"Written: {target} ({counted(len(saved[-1]), 'frame')} of '{saved[-1].subject}')")
        say(console, f"Written: {beside}")


def _look_through(
    console: Terminal, source: Source, tracker: Tracker, each: int | None, stopped: threading.Event
) -> Candidates:
    """Looks at the frames to offer; Ctrl-C ends it."""
    say(console, f"Looking through {source.label} ...")

    def advance(_: float) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt

    with closing(source.frames()) as frames:  # type: ignore[type-var]  # an Iterator that is a generator
        found = look_through(frames, tracker, apart() if each is None else every(each), advance)
    if found.refused:
        say(
            console,
            f"{counted(len(found.refused), 'frame')} cannot be used: {found.refused[0].faults[0]}, ...",
            "yellow",
        )
    return found
