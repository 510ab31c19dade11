"""The calibration page behind `run` and `calibrate --ui`: its session, where it saves, and its routes."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from mtclar.calibrate.web import messages
from mtclar.calibrate.web.live_feed import LiveFeed
from mtclar.calibrate.web.registry import CalibrationRegistry
from mtclar.calibrate.web.session import CalibrationSession, CalibrationStream
from mtclar.cli.options import DEFAULT_SUBJECT, default_support_path
from mtclar.cli.outputs import Output, always, keep_previous, never, require_safe
from mtclar.cli.service.service import Service
from mtclar.cli.service.signals import stop_on_signals
from mtclar.cli.service.streams import Stream, supports_of
from mtclar.cli.terminal import Terminal, counted, print_text
from mtclar.engine.errors import CalibrationError
from mtclar.engine.support_set import SupportSet, is_encrypted
from mtclar.engine.tracker import Tracker
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.pages import CONTENT_TYPES, PROTOCOL_PATH, Page, web_folder
from mtclar.stream.sources import Source, open_source
from mtclar.stream.sources.browser import BrowserSource

CALIBRATE_PAGE = "calibrate"


@dataclass(slots=True, eq=False)
class CalibrationSubject:
    """A person whom `run` can calibrate."""

    subject: str
    target: Path  # their support set
    passphrase: str | None  # that it is encrypted with
    streams: list[Stream]  # that use it


def subjects_of(
    streams: Sequence[Stream],
    supports: Sequence[SupportSet],
    paths: Sequence[Path],
    secrets: Sequence[str | None],
    ask: Callable[[], str] | None = None,
) -> list[CalibrationSubject]:
    """Whom the streams follow: a person for each file, whose secret is the one at its place, or one who is new.

    Without support sets it is whose the default one is, although it is not used: it would be replaced. `ask` gives its
    passphrase. Raises MtclarError when it cannot be opened.
    """
    if not supports:
        target = default_support_path()
        if not target.exists():
            return [CalibrationSubject(DEFAULT_SUBJECT, target, None, list(streams))]
        there = SupportSet.load(target, ask)
        secret = ask() if ask is not None and is_encrypted(target) else None
        return [CalibrationSubject(there.subject, target, secret, list(streams))]
    people: dict[Path, CalibrationSubject] = {}
    for support, path, secret in zip(supports, paths, secrets, strict=True):
        person = people.setdefault(path.resolve(), CalibrationSubject(support.subject, path, secret, []))
        person.streams += [
            stream
            for i, stream in enumerate(streams)
            if any(support is used for used in supports_of(i, len(streams), supports))
        ]
    return list(people.values())


def make_registry(
    subjects: Sequence[CalibrationSubject], offered: Sequence[Source], backend: str, threads: int
) -> CalibrationRegistry | None:
    """The calibration page of those people on the offered sources; None where there is nothing to offer.

    What is saved is taken over by every stream that uses it.
    """
    sessions = []
    for person in subjects:
        sources = [stream.source for stream in person.streams if stream.source in offered]
        if sources:
            sessions.append(
                make_session(
                    sources,
                    person.target,
                    subject=person.subject,
                    backend=backend,
                    threads=threads,
                    on_saved=adopting([stream.tracker for stream in person.streams]),
                    passphrase=person.passphrase,
                )
            )
    return CalibrationRegistry(sessions) if sessions else None


def adopting(trackers: Sequence[Tracker]) -> Callable[[SupportSet], None]:
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
    """The function that saves a session: at `target`, keeping a copy of what is there, encrypted as well.

    Without a passphrase it does not save in the place of an encrypted calibration.
    """

    def save(support: SupportSet) -> Path:
        if passphrase is None and is_encrypted(target):
            raise CalibrationError(
                f"{target} is encrypted, and this page was started without a passphrase",
                "what was labelled is kept: start it anew: it asks for the passphrase, and goes on with it",
            )
        keep_previous(target, passphrase)
        support.save(target, passphrase)
        return target

    return save


def calibrate_on_page(
    console: Terminal,
    spec: str,
    target: Path,
    *,
    may_replace: bool,
    subject: str,
    keep_crops: bool,
    backend: str,
    threads: int,
    config: ServerConfig,
    passphrase: str | None = None,
) -> None:
    """Serves the page until the support set is saved. A file is played as if live, again and again.

    Raises CalibrationError when it was stopped before that; what was labelled is kept and found again.
    """
    with stop_on_signals() as stopped, ExitStack() as stack:
        source = stack.enter_context(closing(open_source(spec, loop=True)))
        hint = "choose another name, or --force to overwrite it"
        require_safe(
            [Output("--out", target, always if may_replace else never, hint)], {"--source": source.files}
        )
        tracker = stack.enter_context(
            Tracker.open(backend=backend, threads=threads, progress=lambda text: print_text(console, text))
        )
        saved: list[SupportSet] = []

        def on_saved(support: SupportSet) -> None:
            saved.append(support)
            stopped.set()

        session = make_session(
            [source],
            target,
            subject=subject,
            backend=backend,
            threads=threads,
            keep_crops=keep_crops,
            on_saved=on_saved,
            passphrase=passphrase,
        )
        service = Service(tracker, console, config, values=False)
        service.prepare(source, "latest" if source.live else "paced")
        service.plug(stack.enter_context(session), calibration_pages(), CALIBRATE_PAGE, session.offer)
        stack.enter_context(service)
        service.announce()
        print_text(
            console,
            f"Open {service.server.url}{CALIBRATE_PAGE} in a browser; Ctrl-C stops, and keeps what was labelled.",
        )
        service.answer(stopped)
        if not saved:
            raise CalibrationError(
                "stopped before the support set was saved",
                "what was labelled is kept: the same command goes on with it",
            )
        support = saved[-1]
        print_text(console, f"Written: {target} ({counted(len(support), 'frame')} of '{support.subject}')")


def calibration_pages() -> dict[str, Page]:
    """The calibration page's files, and the schema of its messages."""
    return {
        **web_folder("mtclar.calibrate.web.page", CALIBRATE_PAGE),
        f"{PROTOCOL_PATH}/{messages.SCHEMA_FILE}": Page(messages.schema(), CONTENT_TYPES[".json"]),
        f"{PROTOCOL_PATH}/{messages.ASYNCAPI_FILE}": Page(messages.asyncapi(), CONTENT_TYPES[".yaml"]),
    }
