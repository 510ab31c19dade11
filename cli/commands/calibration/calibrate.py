"""`mtclar-stream calibrate`: a short guided recording, or a labelled video, becomes a support set with a report."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.calibrate.core.prompts import FRAMES_PER_PROMPT
from mtclar.calibrate.core.sets.predecessors import keep_predecessor
from mtclar.cli.commands.calibration import calibrate_page, calibrate_raters, calibrate_recording
from mtclar.cli.display.logs import set_up_logs
from mtclar.cli.display.terminal import Terminal, counted, print_text, progress_bars
from mtclar.cli.files.calibration_target import (
    AcceptPoorOption,
    CalibrationTarget,
    EncryptOption,
    ForceOption,
    FpsOption,
    KeepCropsOption,
    SubjectOption,
    open_frames,
    require_accepted,
    require_person,
)
from mtclar.cli.files.passphrase import PassphraseFileOption
from mtclar.cli.options import WEBCAM, BackendOption, OutOption, ScaleOption, SourceOption, ThreadsOption
from mtclar.engine.errors import CalibrationError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from mtclar.calibrate.core.evaluation.report import LeaveOneOutReport
    from mtclar.calibrate.core.frame_check import FrameSelection
    from mtclar.calibrate.core.prompts import Prompt
    from mtclar.cli.display.calibration_screen import Keys, Screen
    from mtclar.engine.data_types import Frame
    from mtclar.engine.support_set import SupportSet
    from mtclar.engine.tracker import Tracker
    from mtclar.stream.label_formats.label_file import Label
    from mtclar.stream.sources import Source


SUBCOMMANDS = {
    "page": calibrate_page.command,
    "recording": calibrate_recording.command,
    "raters": calibrate_raters.command,
}


def command(
    context: typer.Context,
    source: SourceOption = WEBCAM,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Labels of a recording, instead of prompts: a table (time,valence,arousal), ELAN (.eaf) or NOVA "
            "(.annotation).",
        ),
    ] = None,
    scale: ScaleOption = None,
    out: OutOption = None,
    neutral: Annotated[bool, typer.Option("--neutral", help="Only ten seconds of a neutral face.")] = False,
    grid: Annotated[
        bool, typer.Option("--grid", help="Prompts for points of the affect grid, not for expressions.")
    ] = False,
    subject: SubjectOption = None,
    frames_per_prompt: Annotated[
        int, typer.Option(min=1, max=50, help="Frames to take for each prompt.")
    ] = FRAMES_PER_PROMPT,
    fps: FpsOption = None,
    keep_crops: KeepCropsOption = False,
    encrypt: EncryptOption = False,
    passphrase_file: PassphraseFileOption = None,
    force: ForceOption = False,
    accept_poor: AcceptPoorOption = False,
    backend: BackendOption = "auto",
    threads: ThreadsOption = 1,
) -> None:
    """Calibrate: follow prompts in the terminal, or use the labels of a recording.

    Writes a support set for `run`, and prints a report on its quality.

    \b
    Examples:
      mtclar-stream calibrate
      mtclar-stream calibrate --grid --out anna.mtclar
      mtclar-stream calibrate --source a.mp4 --labels a.csv --out anna.mtclar
    """

    if context.invoked_subcommand is not None:
        if given := _given_options(context):
            name = context.invoked_subcommand
            raise UsageError(f"{given[0]} stands before `{name}`", f"write options after `calibrate {name}`")
        return

    from mtclar.cli.reports.calibration import print_rejected, print_report
    from mtclar.engine.tracker import Tracker

    set_up_logs("plain", [source])
    console = Terminal()
    target = CalibrationTarget.from_options(out, subject, force)
    if labels is None and source == "browser":
        raise UsageError("a browser camera is calibrated on a page", "mtclar-stream calibrate page")
    if (labels is not None) + neutral + grid > 1:
        raise UsageError("--labels, --neutral and --grid exclude each other", "choose one")
    if scale is not None and labels is None:
        raise UsageError("--scale is the range of the values in a label file", "add --labels FILE")
    try:
        with ExitStack() as stack:
            recorded_for = None if labels is None else "--labels"
            opened = stack.enter_context(open_frames(source, fps, recorded_for))
            if labels is None:
                require_person(opened)
            target.require_writable(
                {"--source": opened.files, "--labels": () if labels is None else (labels,)}
            )
            read = None if labels is None else _read_labels(console, opened, labels, scale)
            secret = target.passphrase(encrypt, passphrase_file)
            tracker = stack.enter_context(
                Tracker.open(
                    backend=backend, threads=threads, progress=lambda text: print_text(console, text)
                )
            )
            if read is not None:
                selection = _select_labelled(opened, read, tracker)
            else:
                selection = _guided(opened, _prompts(neutral, grid, frames_per_prompt), tracker, console)
            support, report = _evaluated(selection, tracker, target.subject, opened.label, keep_crops)
    except KeyboardInterrupt:
        print_text(console, "Stopped; nothing was written.")
        raise
    print_rejected(console, selection)
    print_report(console, report)
    require_accepted(console, report.warning, accept_poor)
    previous = None if target.named else keep_predecessor(target.path, secret)
    support.save(target.path, secret)
    notes = () if previous is None else (f"The previous calibration is kept: {previous}",)
    target.print_written(console, support, *notes)


def _given_options(context: typer.Context) -> list[str]:
    """The options on the command line, in their longest spelling."""
    source = context.get_parameter_source
    return [
        max(parameter.opts, key=len)
        for parameter in context.command.params
        if parameter.name and getattr(source(parameter.name), "name", "") == "COMMANDLINE"
    ]


def _prompts(neutral: bool, grid: bool, frames: int) -> "Sequence[Prompt]":
    from mtclar.calibrate.core import prompts

    if neutral:
        return prompts.neutral_only()
    return prompts.affect_grid(frames) if grid else prompts.expressions(frames)


def _read_labels(console: "Console", source: "Source", path: Path, scale: str | None) -> "Sequence[Label]":
    from mtclar.stream.label_formats.label_file import MAX_HZ, Scale, of_video, read_labels, thinned
    from mtclar.stream.sources.decoding.media_file import MediaFile
    from mtclar.stream.sources.folder import FolderSource

    first_frame_s = 0.0
    if len(source.files) == 1 and not isinstance(source, FolderSource):
        first_frame_s = MediaFile(source.files[0], source.label, lambda _: None).first_frame_s
    labels = read_labels(path, None if scale is None else Scale.parse(scale), first_frame_s)
    labels = of_video(labels, source.label, path)
    used = thinned(labels)
    if len(used) < len(labels):
        print_text(console, f"{len(used)} of {len(labels)} labels are used: {MAX_HZ:g} a second are enough.")
    return used


def _select_labelled(source: "Source", labels: "Sequence[Label]", tracker: "Tracker") -> "FrameSelection":
    from mtclar.calibrate.core.labelled_frames import select_labelled

    with closing(source.frames()) as frames, progress_bars() as bars:  # type: ignore[type-var]  # a generator
        task = bars.add_task(f"seconds of {source.label}", total=math.ceil(labels[-1].time_s))

        def told() -> "Iterator[Frame]":
            for frame in frames:
                bars.update(task, completed=int(frame.pts_s))
                yield frame

        return select_labelled(told(), labels, tracker)


def _guided(
    source: "Source", prompts: "Sequence[Prompt]", tracker: "Tracker", console: "Console"
) -> "FrameSelection":
    """Prompts in the terminal."""
    from mtclar.calibrate.core.guided_session import COUNTDOWN_S
    from mtclar.calibrate.core.prompts import total_s
    from mtclar.cli.display.calibration_screen import LineScreen, PanelScreen, TerminalKeys

    print_text(
        console,
        f"Calibrating from {source.label}: {counted(len(prompts), 'prompt')}, about "
        f"{total_s(prompts, COUNTDOWN_S):.0f} s. The face is analysed on this machine; no pictures are kept "
        "without --keep-crops.",
    )
    keys = TerminalKeys()
    screen = PanelScreen(console, keys.available) if console.is_terminal else LineScreen(console)
    selection, complete = guided(source.frames(), prompts, tracker, screen, keys)
    if not complete:
        print_text(console, f"{source.label} ended before the last prompt.", "yellow")
    return selection


def guided(
    frames: "Iterable[Frame]",
    prompts: "Sequence[Prompt]",
    tracker: "Tracker",
    screen: "Screen",
    keys: "Keys",
) -> "tuple[FrameSelection, bool]":
    """Leads through the prompts; False: the source ended before the last prompt."""
    from mtclar.calibrate.core.frame_check import check_frame
    from mtclar.calibrate.core.guided_session import GuidedSession

    session = GuidedSession(prompts)
    with keys, screen:
        for frame in frames:
            match keys.pressed():
                case "s":
                    session.skip()
                case "r":
                    session.repeat()
                case "q":
                    return session.selection, True
                case _:
                    pass
            if not session.done:
                screen.update(session.update(check_frame(tracker, frame)))
            if session.done:
                return session.selection, True
    return session.selection, False


def _evaluated(
    selection: "FrameSelection", tracker: "Tracker", subject: str, source: str, keep_crops: bool
) -> "tuple[SupportSet, LeaveOneOutReport]":
    """The support set and its report. CalibrationError with all reasons when no frame is usable."""
    from mtclar.calibrate.core.evaluation.report import make_report
    from mtclar.calibrate.core.support_builder import make_support
    from mtclar.cli.reports.calibration import advice, reasons

    try:
        support = make_support(
            selection.accepted, tracker, subject=subject, source=source, keep_crops=keep_crops
        )
    except CalibrationError as error:
        raise CalibrationError("; ".join([error.what, *reasons(selection)]), advice(selection)) from error
    report = make_report(support)
    return replace(support, warning=report.warning), report
