"""Opens the calibration session of a camera, says how it saves, and lists the files of its page."""

from collections.abc import Callable, Sequence
from pathlib import Path

from mtclar.calibrate.core.predecessors import keep_predecessor
from mtclar.calibrate.web import messages
from mtclar.calibrate.web.live_feed import LiveFeed
from mtclar.calibrate.web.session import CalibrationSession, CalibrationStream
from mtclar.engine.errors import CalibrationError
from mtclar.engine.files.writing import write_whole
from mtclar.engine.support_set import SupportSet, is_encrypted
from mtclar.engine.tracker import Tracker
from mtclar.stream.label_formats.label_file import Label, write_labels
from mtclar.stream.server.pages import CONTENT_TYPES, PROTOCOL_PATH, Page, web_folder
from mtclar.stream.sources import Source
from mtclar.stream.sources.browser import BrowserSource

CALIBRATE_PAGE = "calibrate"


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


def labels_path(target: Path) -> Path:
    """The label file beside a support set, for `label` and `calibrate --labels`."""
    return target.with_suffix(".labels.csv")


def saving_labels_too(
    target: Path, passphrase: str | None, labels_of: Callable[[SupportSet], Sequence[Label]]
) -> Callable[[SupportSet], Path]:
    """Saves the labels of a recording beside `target`, then the set: a failure leaves the set as it was."""
    save = saving_to(target, passphrase)

    def save_both(support: SupportSet) -> Path:
        text = write_labels(labels_of(support)).encode()
        write_whole(labels_path(target), lambda file: file.write(text))
        return save(support)

    return save_both


def calibration_pages() -> dict[str, Page]:
    """The calibration page's files, and the schema of its messages."""
    return {
        **web_folder("mtclar.calibrate.web.page", CALIBRATE_PAGE),
        f"{PROTOCOL_PATH}/{messages.SCHEMA_FILE}": Page(messages.schema(), CONTENT_TYPES[".json"]),
        f"{PROTOCOL_PATH}/{messages.ASYNCAPI_FILE}": Page(messages.asyncapi(), CONTENT_TYPES[".yaml"]),
    }
