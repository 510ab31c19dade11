"""Shared by the commands of `calibrate`: the support set that they write, and the frames that they read."""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from mtclar.cli.display.terminal import counted, print_text
from mtclar.cli.files.outputs import OVERWRITE, Output, always, never, require_safe
from mtclar.cli.files.passphrase import PassphraseFileOption
from mtclar.cli.options import (
    DEFAULT_SUBJECT,
    WEBCAM,
    BackendOption,
    OutOption,
    ThreadsOption,
    default_support_path,
)
from mtclar.engine.errors import CalibrationError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from mtclar.engine.support_set import SupportSet
    from mtclar.stream.sources import Source

SubjectOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The person's name; by default the file name of --out, or 'me'."),
]
KeepCropsOption = Annotated[
    bool,
    typer.Option("--keep-crops", help="Keep the face crops in the file, not only their embeddings."),
]
EncryptOption = Annotated[
    bool,
    typer.Option("--encrypt", help="Encrypt the file with a passphrase; a file that is encrypted stays so."),
]
AcceptPoorOption = Annotated[
    bool,
    typer.Option(
        "--accept-poor",
        help="Write it also if its leave-one-out error is no better than the uncalibrated error, or if labels "
        "contradict each other.",
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite the file named with --out.")]
FpsOption = Annotated[
    float | None, typer.Option(min=0.01, help="Frame rate of an image folder, in frames per second.")
]


@dataclass(frozen=True, slots=True)
class CalibrationTarget:
    """The support set that a calibration writes."""

    path: Path
    subject: str
    named: bool  # with --out
    may_replace: bool

    @classmethod
    def from_options(cls, out: Path | None, subject: str | None, force: bool) -> Self:
        """Raises UsageError for an unprintable name."""

        if subject is not None and not subject.isprintable():
            raise UsageError("--subject has an unprintable character", "use letters, digits and spaces")
        name = (subject or "").strip() or (DEFAULT_SUBJECT if out is None else out.stem)
        return cls(
            default_support_path() if out is None else out, name, out is not None, out is None or force
        )

    def require_writable(self, inputs: Mapping[str, Iterable[Path]], *more_outputs: Path) -> None:
        """Checks the files to write, before the person spends a minute in front of the camera; raises UsageError."""

        may_replace = always if self.may_replace else never
        require_safe(
            [Output("--out", path, may_replace, OVERWRITE) for path in (self.path, *more_outputs)], inputs
        )

    def passphrase(self, encrypt: bool, passphrase_file: Path | None) -> str | None:
        """The passphrase to encrypt with; None for a file that stays in clear. Raises UsageError."""
        from mtclar.cli.files.passphrase import new_passphrase
        from mtclar.engine.files.encryption import seal
        from mtclar.engine.support_set import is_encrypted

        if not (encrypt or is_encrypted(self.path)):
            return None
        secret = new_passphrase(self.path, passphrase_file)
        seal(b"", secret)  # reports an empty passphrase or a missing package now
        return secret

    def print_written(self, console: "Console", support: "SupportSet", *notes: str) -> None:
        """Prints what was written, and what to do next."""

        written = f"Written: {self.path} ({counted(len(support), 'frame')} of '{support.subject}')"
        next_step = "Next: mtclar-stream run" + (f" --support {self.path}" if self.named else "")
        for line in (written, *notes, next_step):
            print_text(console, line)


@dataclass(frozen=True, slots=True)
class PageOptions:
    """The options of a calibration on a page: what it writes, and what computes."""

    out: OutOption = None
    subject: SubjectOption = None
    keep_crops: KeepCropsOption = False
    encrypt: EncryptOption = False
    passphrase_file: PassphraseFileOption = None
    force: ForceOption = False
    backend: BackendOption = "auto"
    threads: ThreadsOption = 1

    def target(self) -> CalibrationTarget:
        """The support set to write. Raises UsageError."""
        return CalibrationTarget.from_options(self.out, self.subject, self.force)


def require_accepted(console: "Console", warning: str, accept_poor: bool) -> None:
    """Asks whether to write a support set with this warning; CalibrationError for no, and where nobody can be asked."""
    if not warning:
        return
    if accept_poor:
        print_text(console, f"Warning: {warning}.", "yellow")
        return
    hint = "check the labels, or add --accept-poor to write the support set all the same"
    if sys.stdin.isatty() and sys.stdout.isatty():
        print_text(console, f"Values may be no better than without a calibration: {warning}.", "yellow")
        if typer.confirm("Write the support set all the same?"):
            return
        raise CalibrationError("nothing was written", hint)
    raise CalibrationError(f"nothing was written: {warning}", hint)


@contextmanager
def open_frames(spec: str, fps: float | None, recorded_for: str | None = None) -> "Iterator[Source]":
    """A source, or a folder of images with their frame rate; raises UsageError, also for a live source if what
    `recorded_for` names needs a recording."""
    from mtclar.stream.sources import name_of, open_source
    from mtclar.stream.sources.folder import FolderSource
    from mtclar.stream.sources.options import changed, file_of, split_file, stream_number, take_options

    if fps is not None and not math.isfinite(fps):
        raise UsageError(f"--fps {fps} is not a frame rate", "write it like 25")
    folder = file_of(spec)
    source: Source
    if folder.is_dir():
        if fps is None:
            raise UsageError(f"{spec} is an image folder", "image folders need a frame rate: add --fps")
        bare, change = take_options(spec, "file")
        stream_number(split_file(bare)[1], "an image folder")  # raises for an unknown option
        source = changed(FolderSource(folder, fps), change)
    elif fps is not None:
        raise UsageError("--fps is only for image folders", "a video has its own times: leave --fps out")
    else:
        if recorded_for is not None and name_of(spec) == WEBCAM:  # opening it starts the camera
            raise _is_live(spec, recorded_for)
        source = open_source(spec)
    with closing(source):
        if recorded_for is not None and source.live:
            raise _is_live(source.label, recorded_for)
        yield source


def require_person(source: "Source") -> None:
    """Raises UsageError for a recording: nobody in it follows prompts."""
    if not source.live:
        raise UsageError(
            "a recording needs --labels, --every, --pick or --continuous",
            "`mtclar-stream calibrate recording FILE --every 20` shows its frames on a page, to be labelled",
        )


def _is_live(source: str, purpose: str) -> UsageError:
    return UsageError(f"{purpose} needs a recording, and {source} is live", "name a video file")
