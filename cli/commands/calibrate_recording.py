"""`calibrate --every N`, `--pick N`, `--continuous`: a recording is labelled afterwards, on the calibration page."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from mtclar.calibrate.core.continuous_rating import ReactionLag
from mtclar.calibrate.web.playback_feed import PlaybackFeed
from mtclar.calibrate.web.recording_scan import (
    RecordingScan,
    every_nth,
    pick_most_useful,
    scan_recording,
    spaced,
)
from mtclar.calibrate.web.session import CalibrationSession, CalibrationStream
from mtclar.calibrate.web.still_feed import StillFeed
from mtclar.cli.commands.calibrate_page import CALIBRATE_PAGE, calibration_pages, saving_to
from mtclar.cli.main import PROGRAM, version
from mtclar.cli.outputs import Output, always, never, require_safe
from mtclar.cli.service.service import ANALYSED_SHOWN, TICK_S
from mtclar.cli.service.signals import stop_on_signals
from mtclar.cli.terminal import Terminal, counted, print_text
from mtclar.engine.errors import CalibrationError, UsageError
from mtclar.engine.files import write_whole
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.label_file import Label, write_labels
from mtclar.stream.protocol.messages import ByeMessage, Hello, ModelInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server
from mtclar.stream.sources import Source


def labels_path(target: Path) -> Path:
    """Where the labels themselves are written, beside the support set: `label` and `--labels` read them."""
    return target.with_suffix(".labels.csv")


def saving_labels_too(
    target: Path, passphrase: str | None, labels_of: Callable[[SupportSet], Sequence[Label]]
) -> Callable[[SupportSet], Path]:
    """Saves the labels beside `target`, then the set: a failure leaves the set as it was."""
    save = saving_to(target, passphrase)

    def save_both(support: SupportSet) -> Path:
        text = write_labels(labels_of(support)).encode()
        write_whole(labels_path(target), lambda file: file.write(text), private=True)
        return save(support)

    return save_both


def rate_on_page(
    console: Terminal,
    source: Source,
    target: Path,
    *,
    each: int | None,
    best: int | None,
    continuous: bool,
    lag_s: float | None,
    may_replace: bool,
    subject: str,
    keep_crops: bool,
    backend: str,
    threads: int,
    config: ServerConfig,
    passphrase: str | None,
) -> None:
    """Offers every `each`-th frame, the `best` most helpful ones, or plays it all, until the support set is saved.

    Raises UsageError for what is no recording, CalibrationError when nothing can be offered or it was stopped before
    the support set was saved; what was labelled is kept and found again.
    """
    if source.live:
        raise UsageError(
            f"--every, --pick and --continuous need a recording, and {source.label} is live",
            "name a video file with --source",
        )
    hint = "choose another name, or --force to overwrite it"
    beside = labels_path(target)
    outputs = [Output("--out", path, always if may_replace else never, hint) for path in (target, beside)]
    require_safe(outputs, {"--source": source.files})
    with stop_on_signals() as stopped, ExitStack() as stack:
        with Tracker.open(
            backend=backend, threads=threads, progress=lambda text: print_text(console, text)
        ) as tracker:
            scan, length_s = _scan(console, source, tracker, each, stopped)
            model = ModelInfo(tracker.model.name, tracker.model.sha256, tracker.backend)
        stills = scan.stills if best is None else pick_most_useful(scan.stills, best)
        saved: list[SupportSet] = []

        def labels_of(support: SupportSet) -> Sequence[Label]:
            labels: Sequence[Label] = session.feed.labels if isinstance(session.feed, PlaybackFeed) else ()
            return labels or [  # also when it goes on with frames that were rated before
                Label(float(t_s), float(v), float(a))
                for t_s, (v, a) in zip(support.times_s, support.labels.round(2).tolist(), strict=True)
            ]

        def on_saved(support: SupportSet) -> None:
            saved.append(support)
            stopped.set()

        session = CalibrationSession(
            lambda: Tracker.open(backend=backend, threads=threads),
            saving_labels_too(target, passphrase, labels_of),
            target=target,
            subject=subject,
            streams=[CalibrationStream(source.stream_id, source.label)],
            feed=partial(PlaybackFeed, frames=source.frames, stills=stills, length_s=length_s, lag_s=lag_s)
            if continuous
            else partial(StillFeed, stills=stills),
            keep_crops=keep_crops,
            on_saved=on_saved,
            passphrase=passphrase,
        )
        server = Server(
            config,
            hello=lambda: Hello((), model, f"{PROGRAM} {version()}", (CALIBRATE_PAGE,)),
        )
        server.add_extension(stack.enter_context(session), calibration_pages())
        server.start()
        stack.callback(lambda: server.close(ByeMessage("ended", "the labels are saved") if saved else None))
        for warning in server.warnings:
            print_text(console, f"warning: {warning}", "yellow")
        print_text(console, ANALYSED_SHOWN)
        what = f"{length_s:.0f} s to rate" if continuous else f"{counted(len(stills), 'picture')} to label"
        print_text(
            console,
            f"Open {server.url}{CALIBRATE_PAGE} in a browser: {what}; Ctrl-C stops, and keeps what was labelled.",
        )
        while not stopped.wait(TICK_S) and not console.pipe_closed:
            pass
        if not saved:
            raise CalibrationError(
                "stopped before the support set was saved",
                "what was labelled is kept: the same command goes on with it",
            )
        print_text(
            console, f"Written: {target} ({counted(len(saved[-1]), 'frame')} of '{saved[-1].subject}')"
        )
        print_text(console, f"Written: {beside}")
        if isinstance(session.feed, PlaybackFeed) and (lag := session.feed.lag) is not None:
            print_text(
                console, f"The ratings were {lag.seconds:.1f} s behind ({_origin(lag)}); that is taken out."
            )


def _origin(lag: ReactionLag) -> str:
    """Where a lag is known from."""
    if lag.origin == "measured":
        return f"measured, correlation {lag.correlation:.2f}"
    return "--lag" if lag.origin == "given" else "not clear, so the usual one"


def _scan(
    console: Terminal, source: Source, tracker: Tracker, each: int | None, stopped: threading.Event
) -> tuple[RecordingScan, float]:
    """Looks at the frames to offer, and how many seconds there are; Ctrl-C ends it."""
    print_text(console, f"Looking through {source.label} ...")
    last_s = 0.0

    def advance(time_s: float) -> None:
        nonlocal last_s
        last_s = time_s
        if stopped.is_set():
            raise KeyboardInterrupt

    with closing(source.frames()) as frames:  # type: ignore[type-var]  # an Iterator that is a generator
        scan = scan_recording(frames, tracker, spaced() if each is None else every_nth(each), advance)
    if scan.rejected:
        print_text(
            console,
            f"{counted(len(scan.rejected), 'frame')} cannot be used: {scan.rejected[0].issues[0]}, ...",
            "yellow",
        )
    return scan, last_s
