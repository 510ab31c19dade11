"""The calibration page of `run` and `calibrate page`: its sessions, how they save, and its files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtclar.calibrate.web import messages
from mtclar.calibrate.web.live_feed import LiveFeed
from mtclar.calibrate.web.registry import CalibrationRegistry
from mtclar.calibrate.web.session import CalibrationSession, CalibrationStream
from mtclar.cli.options import DEFAULT_SUBJECT, default_support_path
from mtclar.cli.predecessors import keep_predecessor
from mtclar.engine.errors import CalibrationError
from mtclar.engine.support_set import SupportSet, is_encrypted
from mtclar.engine.tracker import Tracker
from mtclar.stream.server.pages import CONTENT_TYPES, PROTOCOL_PATH, Page, web_folder
from mtclar.stream.sources import Source
from mtclar.stream.sources.browser import BrowserSource
from mtclar.stream.streams import Stream, supports_of

CALIBRATE_PAGE = "calibrate"


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


def replacing_support(trackers: Sequence[Tracker]) -> Callable[[SupportSet], None]:
    """Has all of them take over a support set."""

    def replace_support(support: SupportSet) -> None:
        for tracker in trackers:
            tracker.replace_support(support)

    return replace_support


def make_session(
    sources: Sequence[Source],
    target: Path,
    *,
    subject: str,
    backend: str,
    threads: int,
    keep_crops: bool = False,
    on_saved: Callable[[SupportSet], None] | None = None,
    passphrase: str | None = None,
) -> CalibrationSession:
    """A session that calibrates on one of `sources` and saves with `saving_to`."""
    return CalibrationSession(
        lambda: Tracker.open(backend=backend, threads=threads),
        saving_to(target, passphrase),
        target=target,
        subject=subject,
        streams=[
            CalibrationStream(
                source.stream_id, source.label, "browser" if isinstance(source, BrowserSource) else "server"
            )
            for source in sources
        ],
        feed=LiveFeed,
        keep_crops=keep_crops,
        on_saved=on_saved,
        passphrase=passphrase,
    )


def saving_to(target: Path, passphrase: str | None) -> Callable[[SupportSet], Path]:
    """A function that saves at `target`, and keeps the previous files, encrypted if the new one is.

    Without a passphrase it refuses to replace an encrypted support set.
    """

    def save(support: SupportSet) -> Path:
        if passphrase is None and is_encrypted(target):
            raise CalibrationError(
                f"{target} is encrypted, and this page was started without a passphrase",
                "the labels are kept: start the command again, which asks for the passphrase and continues",
            )
        keep_predecessor(target, passphrase)
        support.save(target, passphrase)
        return target

    return save


def calibration_pages() -> dict[str, Page]:
    """The calibration page's files, and the schema of its messages."""
    return {
        **web_folder("mtclar.calibrate.web.page", CALIBRATE_PAGE),
        f"{PROTOCOL_PATH}/{messages.SCHEMA_FILE}": Page(messages.schema(), CONTENT_TYPES[".json"]),
        f"{PROTOCOL_PATH}/{messages.ASYNCAPI_FILE}": Page(messages.asyncapi(), CONTENT_TYPES[".yaml"]),
    }
