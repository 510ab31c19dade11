"""The people whom `run` can calibrate, and their calibration sessions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtclar.calibrate.web.opening import make_session, replacing_support
from mtclar.calibrate.web.registry import CalibrationRegistry
from mtclar.cli.options import DEFAULT_SUBJECT, default_support_path
from mtclar.engine.support_set import SupportSet, is_encrypted
from mtclar.stream.pipeline.streams import Stream, supports_of
from mtclar.stream.sources import Source


@dataclass(slots=True, eq=False)
class CalibrationSubject:
    """A person whom `run` can calibrate."""

    subject: str
    target: Path  # of the support set
    passphrase: str | None  # of an encrypted support set
    streams: list[Stream]  # with this support set


def subjects_of(
    streams: Sequence[Stream],
    supports: Sequence[SupportSet],
    paths: Sequence[Path],
    secrets: Sequence[str | None],
    ask: Callable[[], str] | None = None,
) -> list[CalibrationSubject]:
    """A subject for each support set file, with the passphrase at its place in `secrets`; else a new subject.

    Without support sets, the subject is that of the default set, which saving would replace; `ask` returns its
    passphrase. Raises MtclarError when it cannot be read.
    """
    if not supports:
        target = default_support_path()
        if not target.exists():
            return [CalibrationSubject(DEFAULT_SUBJECT, target, None, list(streams))]
        default = SupportSet.load(target, ask)
        secret = ask() if ask is not None and is_encrypted(target) else None
        return [CalibrationSubject(default.subject, target, secret, list(streams))]
    found: dict[Path, CalibrationSubject] = {}
    for support, path, secret in zip(supports, paths, secrets, strict=True):
        subject = found.setdefault(path.resolve(), CalibrationSubject(support.subject, path, secret, []))
        subject.streams += [
            stream
            for i, stream in enumerate(streams)
            if any(support is used for used in supports_of(i, len(streams), supports))
        ]
    return list(found.values())


def make_registry(
    subjects: Sequence[CalibrationSubject], sources: Sequence[Source], backend: str, threads: int
) -> CalibrationRegistry | None:
    """The sessions of these subjects on these sources; None without any.

    A saved support set replaces the previous one in every stream that uses it.
    """
    sessions = []
    for subject in subjects:
        own_sources = [stream.source for stream in subject.streams if stream.source in sources]
        if own_sources:
            sessions.append(
                make_session(
                    own_sources,
                    subject.target,
                    subject=subject.subject,
                    backend=backend,
                    threads=threads,
                    on_saved=replacing_support([stream.tracker for stream in subject.streams]),
                    passphrase=subject.passphrase,
                )
            )
    return CalibrationRegistry(sessions) if sessions else None
