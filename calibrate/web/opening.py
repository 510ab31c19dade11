"""Opens the calibration session of a camera, says how it saves, and lists the files of the pages."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from mtclar.calibrate.core.sets.predecessors import keep_predecessor, predecessors
from mtclar.calibrate.web.feeds.live_feed import LiveFeed
from mtclar.calibrate.web.session import CalibrationSession, CalibrationStream
from mtclar.calibrate.web.surroundings import StoredSet, Surroundings
from mtclar.engine.errors import CalibrationError
from mtclar.engine.support_set import SupportSet, is_encrypted
from mtclar.engine.tracker import Tracker
from mtclar.stream.server.http.pages import PROTOCOL_FOLDER, Page, web_folder
from mtclar.stream.sources import Source
from mtclar.stream.sources.browser import BrowserSource

CALIBRATE_PAGE = "calibrate"
RATE_PAGE = "rate"
SOUND_PATH = f"/{RATE_PAGE}/sound.webm"


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
    on_saved: Callable[[SupportSet], None] = lambda _: None,
    on_done: Callable[[], None] | None = None,
    passphrase: str | None = None,
) -> CalibrationSession:
    """A session that calibrates on one of `sources` and saves with `saving_to`.

    `on_saved` has the streams use a saved set; `on_done` ends a command that serves nothing else.
    """
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
        surroundings=Surroundings(
            stored=partial(stored_sets, target, passphrase), on_saved=on_saved, on_done=on_done, tracks=True
        ),
        passphrase=passphrase,
    )


def stored_sets(target: Path, passphrase: str | None) -> list[StoredSet]:
    """The support set at `target` and its predecessors."""
    ask = None if passphrase is None else lambda: passphrase
    paths = [*([target] if target.exists() else []), *predecessors(target)]
    return [StoredSet(path.name, partial(SupportSet.load, path, ask), path == target) for path in paths]


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
    """The files of the calibration page and of the rating page, and the contract of their messages."""
    return {
        **web_folder("mtclar.calibrate.web.page", CALIBRATE_PAGE),
        **web_folder("mtclar.calibrate.web.rate", RATE_PAGE),
        **web_folder("mtclar.calibrate.web.protocol", PROTOCOL_FOLDER),
    }
