"""The studio's longer work on files: a session as a download, a video analysed, a video scanned for rating."""

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from mtclar.calibrate.web.feeds.playback_feed import PlaybackFeed
from mtclar.calibrate.web.feeds.recording_scan import (
    also_at,
    begin_with,
    in_order,
    pick_most_useful,
    scan_recording,
    spaced,
)
from mtclar.calibrate.web.feeds.still_feed import StillFeed
from mtclar.calibrate.web.rating_files import (
    agreement_with_others,
    exports_of,
    labels_of,
    media_file_of,
    saving_labels_too,
    sound_page,
)
from mtclar.calibrate.web.session import CalibrationSession, CalibrationStream
from mtclar.calibrate.web.surroundings import Surroundings
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import UsageError
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.label.corpus.recordings import VIDEOS
from mtclar.stream.label_formats.label_file import ELAN, Label, read_labels
from mtclar.stream.label_formats.nova import SUFFIX as NOVA
from mtclar.stream.server.http.pages import Page, Route
from mtclar.stream.sources import open_source
from mtclar.stream.sources.decoding.media_file import MediaFile
from mtclar.studio.calibrations import RECORDING

ZIP = "application/zip"
LABEL_FILES = (".csv", ".tsv", ".txt", ELAN, NOVA)
LONGEST_ID = 128  # of a stream
PICKED = 20  # frames of a recording that are rated one by one

Progress = Callable[[float], None]
"""Gets the finished share of a job, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the thread for longer work does now."""

    kind: str  # the message that asked for it, without its prefix
    name: str
    share: float = 0.0  # finished, 0 to 1


def export_session(folder: Path, to: str) -> Page:
    """The files of `mtclar-stream export FOLDER --to ...` in a zip archive. Raises UsageError."""
    from mtclar.label.output.recording_files import export_recording  # needs an extra

    with tempfile.TemporaryDirectory() as temporary:
        files = export_recording(folder, to, Path(temporary))
        return zipped(files)


def zipped(files: Sequence[Path]) -> Page:
    """Files of one folder as a zip archive to download."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.name)
    return Page(packed.getvalue(), ZIP)


def analyse_file(video: Path, support: Path | None, participant: str, out: Path, progress: Progress) -> None:
    """Writes the table of `mtclar-stream analyse` to `out`, with its JSON beside it. Raises MtclarError."""
    from mtclar.label.analysed import analyse
    from mtclar.label.scan.recording import Recording

    def on_start(recording: Recording) -> Callable[[int], None]:
        total, finished = len(recording.times_s), 0

        def advance(count: int) -> None:
            nonlocal finished
            finished += count
            progress(finished / max(total, 1))

        return advance

    analyse(video, support, participant=participant, progress=on_start).save(out)


@dataclass(frozen=True, slots=True)
class RatingRequest:
    """A video to rate for the support set `target`; with a rater, whose ratings are compared with those of others."""

    video: Path
    target: Path
    subject: str
    how: Literal["continuous", "pick"]
    rater: str | None = None
    sound: str = ""  # path of the page with its sound, if it has any
    labels: Path | None = None  # a label file to begin with, frame by frame


@dataclass(frozen=True, slots=True)
class OpenedRating:
    """A session, and the page with the sound of its recording."""

    session: CalibrationSession
    sound: Route | None


def open_rating(
    request: RatingRequest,
    backend: str,
    threads: int,
    progress: Progress,
    on_saved: Callable[[SupportSet], None],
) -> OpenedRating:
    """A session in which a person rates a video; reads the whole video first. Raises MtclarError."""
    video = request.video
    with closing(open_source(str(video))) as source:
        if source.live:
            raise UsageError(f"{video} is not a recording", "choose a video file")
        media, length_s, whole_s = media_file_of(source), 0.0, duration_s(video)

        def on_frame(time_s: float) -> None:
            nonlocal length_s
            length_s = time_s
            progress(min(1.0, time_s / whole_s) if whole_s else 0.0)

        labels = _labels_to_begin_with(request, media)
        with (
            Tracker.open(backend=backend, threads=threads) as tracker,
            closing(source.frames()) as read,  # type: ignore[type-var]  # an Iterator that is a generator
        ):
            wanted = also_at([one.time_s for one in labels], spaced())
            stills = scan_recording(read, tracker, wanted, on_frame).stills
        label = source.label
    sound = None if media is None else sound_page(media)
    begun = begin_with(labels, stills)
    feed: Any = partial(StillFeed, stills=in_order(pick_most_useful(stills, PICKED), begun), begun=begun)
    if request.how == "continuous":
        frames = partial(_frames, video)
        feed = partial(PlaybackFeed, frames=frames, stills=stills, length_s=length_s)
    session = CalibrationSession(
        lambda: Tracker.open(backend=backend, threads=threads),
        saving_labels_too(
            request.target,
            None,
            lambda: labels_of(session),
            [] if request.rater is None else exports_of(request.target),
            media,
        ),
        target=request.target,
        subject=request.subject,
        streams=[CalibrationStream(f"{RECORDING}{request.rater or ''}:{video.name}"[:LONGEST_ID], label)],
        feed=feed,
        surroundings=Surroundings(
            on_saved=on_saved,
            rater=request.rater or "",
            agreement=partial(agreement_with_others, request.target, request.rater),
            sound="" if sound is None else request.sound,
        ),
    )
    return OpenedRating(session, sound)


def _labels_to_begin_with(request: RatingRequest, media: MediaFile | None) -> Sequence[Label]:
    if request.labels is None:
        return ()
    return read_labels(request.labels, first_frame_s=0.0 if media is None else media.first_frame_s)


def _frames(video: Path) -> Iterator[Frame]:
    return open_source(str(video)).frames()


def duration_s(video: Path) -> float | None:
    """As the container says; None where it does not."""
    import av

    with av.open(str(video)) as container:
        return None if container.duration is None else container.duration / av.time_base


def contents(folder: Path) -> dict[str, list[str]]:
    """The visible folders, videos and label files of a folder, by name. Raises UsageError."""
    try:
        entries = sorted(folder.iterdir(), key=lambda path: path.name.lower())
    except OSError as error:
        raise UsageError(
            f"cannot read {folder}: {error.strerror or error}", "choose another folder"
        ) from error
    visible = [path for path in entries if not path.name.startswith(".")]
    return {
        "folders": [path.name for path in visible if path.is_dir()],
        "files": [path.name for path in visible if path.suffix.lower() in VIDEOS and path.is_file()],
        "labels": [path.name for path in visible if path.suffix.lower() in LABEL_FILES and path.is_file()],
    }
