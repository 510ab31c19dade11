"""`mtclar-stream calibrate recording FILE`: a recording is labelled frame by frame, or rated while it plays."""

import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.cli.display.terminal import Terminal, counted, print_text
from mtclar.cli.files.calibration_target import FpsOption, PageOptions, open_frames
from mtclar.cli.options import with_options
from mtclar.cli.options_of_servers import ServerOptions
from mtclar.engine.errors import CalibrationError, UsageError

if TYPE_CHECKING:
    from mtclar.calibrate.core.continuous_rating import ReactionLag
    from mtclar.calibrate.web.feeds.recording_scan import RecordingScan
    from mtclar.engine.tracker import Tracker
    from mtclar.stream.label_formats.label_file import Label
    from mtclar.stream.sources import Source


@with_options
def command(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A video file, an image folder, or demo.")],
    every: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Label every N-th frame, one after the other.")
    ] = None,
    pick: Annotated[
        int | None,
        typer.Option(
            min=1, max=500, metavar="N", help="Label the N most useful frames, one after the other."
        ),
    ] = None,
    continuous: Annotated[
        bool,
        typer.Option("--continuous", help="Rate the recording while it plays: mouse, finger or joystick."),
    ] = False,
    lag: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=10,
            metavar="SECONDS",
            help="With --continuous: your reaction time; by default it is measured.",
        ),
    ] = None,
    rater: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Who rates, if several people do: the files are called NAME.RATER then, and the page shows their "
            "agreement once two have saved.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --every or --pick: begin with the labels of this file (table, ELAN or NOVA), which are frames "
            "to rate as well.",
        ),
    ] = None,
    labels_out: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Also write the labels there: .csv, ELAN (.eaf) or NOVA (.annotation); repeatable.",
        ),
    ] = None,
    fps: FpsOption = None,
    *,
    options: PageOptions,
    serving: ServerOptions,
) -> None:
    """Rate a recording on a page in the browser: with --every, --pick or --continuous.

    Writes the labels as NAME.labels.csv beside the support set. An interrupted rating continues with the same
    command.

    \b
    Examples:
      mtclar-stream calibrate recording video.mp4 --every 20 --out anna.mtclar
      mtclar-stream calibrate recording video.mp4 --pick 12 --out anna.mtclar
      mtclar-stream calibrate recording video.mp4 --continuous --out anna.mtclar --rater ben
    """
    from mtclar.calibrate.web.feeds.playback_feed import PlaybackFeed
    from mtclar.calibrate.web.feeds.recording_scan import begin_with, in_order, pick_most_useful
    from mtclar.calibrate.web.feeds.still_feed import StillFeed
    from mtclar.calibrate.web.opening import RATE_PAGE, SOUND_PATH, calibration_pages
    from mtclar.calibrate.web.rating_files import (
        agreement_with_others,
        labels_of,
        labels_path,
        media_file_of,
        path_of_rater,
        saving_labels_too,
        sound_page,
    )
    from mtclar.calibrate.web.session import CalibrationSession, CalibrationStream
    from mtclar.calibrate.web.surroundings import Surroundings
    from mtclar.cli.main import PROGRAM, version
    from mtclar.cli.service.service import NOTICE_WITH_PICTURES
    from mtclar.cli.service.signals import stop_on_signals
    from mtclar.engine.files.reading import expand_home
    from mtclar.engine.support_set import SupportSet
    from mtclar.engine.tracker import Tracker
    from mtclar.stream.label_formats.label_file import label_files, read_labels
    from mtclar.stream.pipeline.runner import TICK_S
    from mtclar.stream.protocol.messages import ByeMessage, Hello, ModelInfo
    from mtclar.stream.server.server import Server

    config = serving.config(sources=[file])
    console = Terminal()
    if [every is not None, pick is not None, continuous].count(True) != 1:
        raise UsageError("--every N, --pick N and --continuous exclude each other", "choose one of the three")
    if lag is not None and not continuous:
        raise UsageError("--lag is your reaction time while the recording plays", "add --continuous")
    if labels is not None and continuous:
        raise UsageError("--labels begins a rating frame by frame", "use --every or --pick")
    target = options.target()
    if rater is not None:
        target = replace(target, path=path_of_rater(target.path, rater), named=True)
    outs = [expand_home(path) for path in labels_out or ()]
    labels_file = labels_path(target.path)
    with stop_on_signals() as stopped, ExitStack() as stack:
        source = stack.enter_context(open_frames(file, fps, recorded_for="labelling afterwards"))
        exports = [path for out in outs for path in label_files((), out)]  # raises for an unknown suffix
        target.require_writable({"FILE": source.files}, labels_file, *exports)
        secret = target.passphrase(options.encrypt, options.passphrase_file)
        media = media_file_of(source)
        first_frame_s = 0.0 if media is None else media.first_frame_s
        given = () if labels is None else read_labels(expand_home(labels), first_frame_s=first_frame_s)
        with Tracker.open(
            backend=options.backend, threads=options.threads, progress=lambda text: print_text(console, text)
        ) as tracker:
            scan, length_s = _scan(console, source, tracker, every, given, stopped)
            model = ModelInfo(tracker.model.name, tracker.model.sha256, tracker.backend)
        begun = begin_with(given, scan.stills)
        if missing := begun.of - len(begun.fitting):
            print_text(console, f"{counted(missing, 'label')} of {labels} without a usable face", "yellow")
        stills = scan.stills if pick is None else in_order(pick_most_useful(scan.stills, pick), begun)
        saved: list[SupportSet] = []

        sound = None if media is None else sound_page(media)

        session = CalibrationSession(
            lambda: Tracker.open(backend=options.backend, threads=options.threads),
            saving_labels_too(target.path, secret, lambda: labels_of(session), outs, media),
            target=target.path,
            subject=target.subject,
            streams=[CalibrationStream(source.stream_id, source.label)],
            feed=partial(PlaybackFeed, frames=source.frames, stills=stills, length_s=length_s, lag_s=lag)
            if continuous
            else partial(StillFeed, stills=stills, begun=begun),
            keep_crops=options.keep_crops,
            surroundings=Surroundings(
                on_saved=saved.append,
                on_done=stopped.set,
                rater=rater or "",
                agreement=partial(agreement_with_others, target.path, rater),
                sound="" if sound is None else SOUND_PATH,
            ),
            passphrase=secret,
        )
        server = Server(
            config,
            hello=lambda: Hello((), model, f"{PROGRAM} {version()}", (RATE_PAGE,)),
            private={} if sound is None else {SOUND_PATH: sound},
        )
        server.add_extension(stack.enter_context(session), calibration_pages())
        server.start()
        stack.callback(lambda: server.close(ByeMessage("ended", "the labels are saved") if saved else None))
        for warning in server.warnings:
            print_text(console, f"warning: {warning}", "yellow")
        print_text(console, NOTICE_WITH_PICTURES)
        what = f"{length_s:.0f} s to rate" if continuous else f"{counted(len(stills), 'picture')} to rate"
        print_text(
            console,
            f"Open {server.url}{RATE_PAGE} in a browser: {what}; Done on the page ends, Ctrl-C stops and "
            "keeps the labels.",
        )
        while not stopped.wait(TICK_S) and not console.pipe_closed:
            pass
        if not saved:
            raise CalibrationError(
                "stopped before the support set was saved",
                "the labels are kept: the same command continues with them",
            )
        lag_found = session.feed.lag if isinstance(session.feed, PlaybackFeed) else None
        target.print_written(
            console,
            saved[-1],
            *(f"Written: {path}" for path in (labels_file, *exports)),
            *(() if lag_found is None else (_lag_sentence(lag_found),)),
        )


def _lag_sentence(lag: "ReactionLag") -> str:
    """`Your reaction time of 0.6 s (r = .87) has been removed.`"""
    how = {"given": "--lag", "not clear": "not measurable, so the usual one"}.get(lag.origin)
    if how is None:
        how = f"r = {lag.correlation:.2f}".replace("0.", ".")
    return f"Your reaction time of {lag.seconds:.1f} s ({how}) has been removed."


def _scan(
    console: "Terminal",
    source: "Source",
    tracker: "Tracker",
    every: int | None,
    labels: "Sequence[Label]",
    stopped: threading.Event,
) -> "tuple[RecordingScan, float]":
    """The frames to label, and the length of the recording in seconds; Ctrl-C raises KeyboardInterrupt."""
    import math

    from mtclar.calibrate.web.feeds.recording_scan import also_at, every_nth, scan_recording, spaced
    from mtclar.cli.display.terminal import progress_bars
    from mtclar.stream.sources.base import length_of

    print_text(console, f"Scanning {source.label} ...")
    length_s = 0.0

    def progress(time_s: float) -> None:
        nonlocal length_s
        length_s = time_s
        bars.update(task, completed=int(time_s))
        if stopped.is_set():
            raise KeyboardInterrupt

    wanted = also_at([label.time_s for label in labels], spaced() if every is None else every_nth(every))
    whole_s = length_of(source)
    with closing(source.frames()) as frames, progress_bars() as bars:  # type: ignore[type-var]  # a generator
        task = bars.add_task(
            f"seconds of {source.label}", total=None if whole_s is None else math.ceil(whole_s)
        )
        scan = scan_recording(frames, tracker, wanted, progress)
    if scan.rejected:
        count = counted(len(scan.rejected), "frame")
        print_text(console, f"{count} cannot be used: {scan.rejected[0].issues[0]}, ...", "yellow")
    return scan, length_s
