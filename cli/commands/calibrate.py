"""`mtclar-stream calibrate`: a short guided recording, or a labelled video, becomes a support set with a report."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.cli.options import (
    DEFAULT_SUBJECT,
    HOST,
    PORT,
    WEBCAM,
    BackendOption,
    OutOption,
    SourceOption,
    ThreadsOption,
    TlsCertOption,
    TlsKeyOption,
    TokenFileOption,
    default_support_path,
    read_token,
)
from mtclar.cli.passphrase import PassphraseFileOption

if TYPE_CHECKING:
    from rich.console import Console

    from mtclar.calibrate.core.frame_check import FrameSelection
    from mtclar.calibrate.core.prompts import Prompt
    from mtclar.calibrate.core.report import LeaveOneOutReport
    from mtclar.cli.calibration_screen import Keys, Screen
    from mtclar.engine.data_types import Frame
    from mtclar.engine.support_set import SupportSet
    from mtclar.engine.tracker import Tracker
    from mtclar.stream.sources import Source


def command(
    source: SourceOption = WEBCAM,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Labels time,valence,arousal of a recording, instead of prompts."),
    ] = None,
    out: OutOption = None,
    neutral: Annotated[bool, typer.Option("--neutral", help="Only ten seconds of a neutral face.")] = False,
    grid: Annotated[
        bool, typer.Option("--grid", help="Prompt for points of the affect grid, not for expressions.")
    ] = False,
    subject: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who it is; by default the name of --out, or 'me'.")
    ] = None,
    frames_per_prompt: Annotated[
        int, typer.Option(min=1, max=50, help="How many frames each prompt takes.")
    ] = 3,
    fps: Annotated[
        float | None,
        typer.Option(min=0.01, help="Pictures per second, when --source is a folder of pictures."),
    ] = None,
    keep_crops: Annotated[
        bool,
        typer.Option("--keep-crops", help="Keep the face pictures in the file, not only their embeddings."),
    ] = False,
    encrypt: Annotated[
        bool,
        typer.Option(
            "--encrypt", help="Encrypt the file with a passphrase; so it is when the one before was."
        ),
    ] = False,
    passphrase_file: PassphraseFileOption = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file named with --out.")] = False,
    ui: Annotated[
        bool, typer.Option("--ui", help="Calibrate on a page in the browser; --source browser needs it.")
    ] = False,
    every: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Label every N-th frame of a recording afterwards, on a page in the browser.",
        ),
    ] = None,
    pick: Annotated[
        int | None,
        typer.Option(
            min=1, max=500, metavar="N", help="The same for the N frames whose labels would help most."
        ),
    ] = None,
    continuous: Annotated[
        bool,
        typer.Option(
            "--continuous", help="The same while the recording plays, by mouse, finger or joystick."
        ),
    ] = False,
    lag: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=10,
            metavar="SECONDS",
            help="With --continuous: how far you are behind the video; by default it is measured.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="With --ui: address to listen on; beyond this machine it needs a token.")
    ] = HOST,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="With --ui: port to listen on; 0 takes a free one.")
    ] = PORT,
    token_file: TokenFileOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    backend: BackendOption = "auto",
    threads: ThreadsOption = 1,
) -> None:
    """Record a few labelled seconds of a face into a support set, with a report on how good it is."""
    from mtclar.cli.logs import set_up_logs
    from mtclar.cli.outputs import keep_previous
    from mtclar.cli.reports.calibration import print_rejected, print_report
    from mtclar.cli.terminal import Terminal, counted, print_text
    from mtclar.engine.tracker import Tracker
    from mtclar.stream.server.config import ServerConfig

    token = read_token(None, token_file)
    set_up_logs("plain", [source], token)
    console = Terminal()
    _refuse_nonsense(
        source, labels, neutral, grid, subject, ui, rating=(every, pick, continuous), lag=lag, fps=fps
    )
    target = default_support_path() if out is None else out
    chosen_subject = (subject or "").strip() or (DEFAULT_SUBJECT if out is None else out.stem)
    next_words = "Next: mtclar-stream run" if out is None else f"Next: mtclar-stream run --support {target}"
    if every is not None or pick is not None or continuous:
        from mtclar.cli.commands.calibrate_recording import rate_on_page

        with _opened(source, fps) as recording_to_rate:
            rate_on_page(
                console,
                recording_to_rate,
                target,
                each=every,
                best=pick,
                continuous=continuous,
                lag_s=lag,
                may_replace=out is None or force,
                subject=chosen_subject,
                keep_crops=keep_crops,
                backend=backend,
                threads=threads,
                config=ServerConfig(host, port, token, tls_cert, tls_key),
                passphrase=_secret(target, encrypt, passphrase_file),
            )
        print_text(console, next_words)
        return
    if ui:
        from mtclar.cli.commands.calibrate_page import calibrate_on_page

        calibrate_on_page(
            console,
            source,
            target,
            may_replace=out is None or force,
            subject=chosen_subject,
            keep_crops=keep_crops,
            backend=backend,
            threads=threads,
            config=ServerConfig(host, port, token, tls_cert, tls_key),
            passphrase=_secret(target, encrypt, passphrase_file),
        )
        print_text(console, next_words)
        return
    try:
        with ExitStack() as stack:
            opened = stack.enter_context(_opened(source, fps))
            _refuse_target(target, out is None or force, opened, labels)
            secret = _secret(target, encrypt, passphrase_file)
            tracker = stack.enter_context(
                Tracker.open(
                    backend=backend, threads=threads, progress=lambda text: print_text(console, text)
                )
            )
            if labels is not None:
                selection = _by_labels(opened, labels, tracker)
            else:
                selection = _guided(opened, _prompts(neutral, grid, frames_per_prompt), tracker, console)
            support, report = _evaluated(selection, tracker, chosen_subject, opened.label, keep_crops)
    except KeyboardInterrupt:
        print_text(console, "Stopped; nothing was written.")
        raise
    print_rejected(console, selection)
    print_report(console, report)
    previous = None if out is not None else keep_previous(target, secret)
    support.save(target, secret)
    print_text(console, f"Written: {target} ({counted(len(support), 'frame')} of '{support.subject}')")
    if previous is not None:
        print_text(console, f"The calibration before it is kept: {previous}")
    print_text(
        console, "Next: mtclar-stream run" if out is None else f"Next: mtclar-stream run --support {target}"
    )


def _refuse_nonsense(
    source: str,
    labels: Path | None,
    neutral: bool,
    grid: bool,
    subject: str | None,
    ui: bool,
    rating: tuple[int | None, int | None, bool],
    lag: float | None,
    fps: float | None,
) -> None:
    import math

    from mtclar.engine.errors import UsageError

    if subject is not None and not subject.isprintable():
        raise UsageError(
            "--subject holds a character that cannot be printed", "letters, digits and blanks do"
        )
    *each_or_pick, continuous = rating
    if lag is not None and not continuous:
        raise UsageError("--lag is how far you are behind a recording that plays", "add --continuous")
    if fps is not None and not math.isfinite(fps):
        raise UsageError(f"--fps {fps} is not a number of pictures", "write it like 25")
    chosen = [way for way in each_or_pick if way is not None] + [True] * continuous
    if chosen:
        if len(chosen) > 1:
            raise UsageError("--every, --pick and --continuous exclude each other", "choose one")
        if ui or labels is not None or neutral or grid:
            raise UsageError(
                "--every, --pick and --continuous show a recording: --ui, --labels, --neutral and --grid mean nothing "
                "beside them",
                "drop it",
            )
        if source.startswith((WEBCAM, "/dev/video", "rtsp://", "rtsps://", "browser")):
            raise UsageError(
                f"--every, --pick and --continuous need a recording, and {source.split(':')[0]} is live",
                "name the video file with --source",
            )
    if source == "browser" and not ui:
        raise UsageError("a browser's camera is calibrated on a page, not in the terminal", "add --ui")
    if ui and (labels is not None or neutral or grid):
        raise UsageError(
            "--ui has prompts of its own, so --labels, --neutral and --grid mean nothing beside it", "drop it"
        )
    if neutral and grid:
        raise UsageError("--neutral and --grid exclude each other", "choose one")
    if labels is None:
        return
    if neutral or grid:
        raise UsageError(
            "--labels takes no prompts, so --neutral and --grid mean nothing beside it", "drop one"
        )
    if source.startswith((WEBCAM, "/dev/video", "rtsp://", "rtsps://")):
        raise UsageError(
            f"--labels needs a recording, and {source.split(':')[0]} is live",
            "name the video file with --source",
        )


def _refuse_target(target: Path, may_replace: bool, source: "Source", labels: Path | None) -> None:
    """Tried out before a person spends a minute in front of the camera."""
    from mtclar.cli.outputs import Output, always, never, require_safe

    hint = "choose another name, or --force to overwrite it"
    inputs = {"--source": source.files, "--labels": () if labels is None else (labels,)}
    require_safe([Output("--out", target, always if may_replace else never, hint)], inputs)


def _secret(target: Path, encrypt: bool, passphrase_file: Path | None) -> str | None:
    """The passphrase to encrypt with, asked for before a person spends a minute in front of the camera."""
    from mtclar.cli.passphrase import new_passphrase
    from mtclar.engine.encryption import seal
    from mtclar.engine.support_set import is_encrypted

    if not (encrypt or is_encrypted(target)):
        return None
    secret = new_passphrase(target, passphrase_file)
    seal(b"", secret)  # an empty passphrase or a missing package is said now
    return secret


@contextmanager
def _opened(spec: str, fps: float | None) -> "Iterator[Source]":
    """The source, or a folder of pictures."""
    from mtclar.engine.errors import UsageError
    from mtclar.stream.sources import open_source

    source: Source
    if Path(spec).expanduser().is_dir():
        from mtclar.stream.sources.folder import FolderSource

        if fps is None:
            raise UsageError(f"{spec} is a folder: how many pictures are a second?", "say it with --fps")
        source = FolderSource(Path(spec).expanduser(), fps)
    else:
        if fps is not None:
            raise UsageError(
                "--fps is only for a folder of pictures", "a video knows its own times: leave it out"
            )
        source = open_source(spec)
    with closing(source):
        yield source


def _prompts(neutral: bool, grid: bool, frames: int) -> "Sequence[Prompt]":
    from mtclar.calibrate.core import prompts

    if neutral:
        return prompts.neutral_only()
    return prompts.affect_grid(frames) if grid else prompts.expressions(frames)


def _by_labels(source: "Source", path: Path, tracker: "Tracker") -> "FrameSelection":
    from mtclar.calibrate.core.labelled_frames import select_labelled
    from mtclar.stream.label_file import read_labels

    with closing(source.frames()) as frames:  # type: ignore[type-var]  # an Iterator that is a generator
        return select_labelled(frames, read_labels(path), tracker)


def _guided(
    source: "Source", prompts: "Sequence[Prompt]", tracker: "Tracker", console: "Console"
) -> "FrameSelection":
    """Prompts in the terminal; a file is played as if it were live."""
    from mtclar.calibrate.core.guided_session import COUNTDOWN_S
    from mtclar.calibrate.core.prompts import total_s
    from mtclar.cli.calibration_screen import LineScreen, PanelScreen, TerminalKeys
    from mtclar.cli.terminal import counted, print_text
    from mtclar.stream.sources.pace import PacedSource

    print_text(
        console,
        f"Calibrating from {source.label}: {counted(len(prompts), 'prompt')}, about "
        f"{total_s(prompts, COUNTDOWN_S):.0f} s. The face is analysed on this machine; pictures are not kept "
        "unless you said --keep-crops.",
    )
    keys = TerminalKeys()
    screen = PanelScreen(console, keys.available) if console.is_terminal else LineScreen(console)
    played = source if source.live else PacedSource(source)
    selection, complete = guided(played.frames(), prompts, tracker, screen, keys)
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
    """Leads through the prompts; the frames, and False when the frames ended before the prompts did."""
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
                screen.show(session.update(check_frame(tracker, frame)))
            if session.done:
                return session.selection, True
    return session.selection, False


def _evaluated(
    selection: "FrameSelection", tracker: "Tracker", subject: str, source: str, keep_crops: bool
) -> "tuple[SupportSet, LeaveOneOutReport]":
    """The support set and its report; the reasons come with the error when there is not one usable frame."""
    from mtclar.calibrate.core.report import make_report
    from mtclar.calibrate.core.support_builder import make_support
    from mtclar.cli.reports.calibration import advice, reasons
    from mtclar.engine.errors import CalibrationError

    try:
        support = make_support(
            selection.accepted, tracker, subject=subject, source=source, keep_crops=keep_crops
        )
    except CalibrationError as error:
        raise CalibrationError("; ".join([error.what, *reasons(selection)]), advice(selection)) from error
    return support, make_report(support)
