"""What `calibrate recording` writes and serves beside the page: label files, the sound, the raters' agreement."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from mtclar.calibrate.core.raters import AxisAgreement, CommonRatings, common_ratings
from mtclar.calibrate.web.feeds.playback_feed import PlaybackFeed
from mtclar.calibrate.web.opening import saving_to
from mtclar.calibrate.web.session import CalibrationSession
from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.files.writing import write_together, write_whole
from mtclar.engine.support_set import SupportSet
from mtclar.stream.label_formats.label_file import ELAN, Label, label_files, read_labels, write_labels
from mtclar.stream.label_formats.nova import SUFFIX as NOVA
from mtclar.stream.server.http.pages import CONTENT_TYPES, Page, problem
from mtclar.stream.sources import Source
from mtclar.stream.sources.decoding.media_file import MediaFile
from mtclar.stream.sources.decoding.sound_track import sound_track

RATER = re.compile(r"[\w-]+( [\w-]+)*")
MAX_NAME = 40
LABELS = ".labels.csv"


def labels_path(target: Path) -> Path:
    """The label file beside a support set, for `label` and `calibrate --labels`."""
    return target.with_suffix(LABELS)


def exports_of(target: Path) -> list[Path]:
    """Names for the labels as ELAN and NOVA files beside a support set, as `saving_labels_too` takes them."""
    return [target.with_suffix(suffix) for suffix in (ELAN, NOVA)]


def path_of_rater(target: Path, rater: str) -> Path:
    """The support set of a rater: anna.mtclar -> anna.ben.mtclar. Raises UsageError for a name that is no file name."""
    if len(rater) > MAX_NAME or not RATER.fullmatch(rater):
        raise UsageError(
            f"--rater {rater[:MAX_NAME]!r} cannot be part of a file name", "use letters, digits, - and _"
        )
    return target.with_name(f"{target.stem}.{rater}{target.suffix}")


def saving_labels_too(
    target: Path,
    passphrase: str | None,
    read: Callable[[], Sequence[Label]],
    exports: Sequence[Path] = (),
    media: MediaFile | None = None,
) -> Callable[[SupportSet], Path]:
    """Saves the labels that `read` returns beside `target` and at `exports`, then the set.

    A failure leaves the set as it was.
    """
    save = saving_to(target, passphrase)

    def save_all(support: SupportSet) -> Path:
        labels = read()
        video, first_frame_s = (None, 0.0) if media is None else (media.path, media.first_frame_s)
        contents = {labels_path(target): write_labels(labels).encode()}
        for out in exports:
            contents |= label_files(labels, out, video, first_frame_s)
        write_together(contents)
        return save(support)

    return save_all


def labels_of(session: CalibrationSession) -> Sequence[Label]:
    """The labels of a session that rates a recording, with the rater's categories and notes."""
    rated = session.feed.labels if isinstance(session.feed, PlaybackFeed) else ()
    return rated or [  # also for frames that were labelled one by one before
        Label(float(t_s), one.valence, one.arousal, category=one.category, note=one.note)
        for one in session.status.labels.samples
        for t_s in one.times_s
    ]


def media_file_of(source: Source) -> MediaFile | None:
    """The file of a recording; None for an image folder, and where it cannot be opened again."""
    if len(source.files) != 1 or not source.files[0].is_file():
        return None
    try:
        return MediaFile(source.files[0], source.label, lambda _: None)
    except MtclarError:
        return None


def sound_page(media: MediaFile) -> Callable[[], Page] | None:
    """Makes the page with the sound, on the first request; None for a recording without sound."""
    with media.open() as (container, _):
        if not container.streams.audio:
            return None

    @cache
    def track() -> Page:
        sound = sound_track(media)
        if sound is None:
            return problem(HTTPStatus.NOT_FOUND, "the sound of this recording cannot be read")
        return Page(sound, CONTENT_TYPES[".webm"])

    return track


def ratings_beside(target: Path, rater: str | None) -> CommonRatings | None:
    """The ratings of this rater and of those whose labels are beside `target`.

    None without a rater, without others, and if they have no moment in common.
    """
    if rater is None:
        return None
    stem = _stem(target, rater)
    found = []
    for path in sorted(target.parent.glob(f"*{LABELS}")):
        name = path.name.removesuffix(LABELS).removeprefix(f"{stem}.")
        if path.name == f"{stem}.{name}{LABELS}" and RATER.fullmatch(name):
            try:
                found.append((name, read_labels(path)))
            except MtclarError:
                continue  # of somebody who has rated nothing, or no label file
    try:
        return common_ratings(found)
    except UsageError:
        return None


def agreement_with_others(target: Path, rater: str | None) -> Mapping[str, Any] | None:
    """The field `agreement` of `calibrate.state`, as far as `ratings_beside` finds any."""
    common = ratings_beside(target, rater)
    if common is None:
        return None
    valence, arousal = common.agreement
    return {
        "raters": list(common.raters),
        "moments": len(common.times_s),
        "valence": _figures(valence),
        "arousal": _figures(arousal),
    }


def write_mean(target: Path, rater: str | None) -> None:
    """Writes the mean of the raters as labels, once there are two: video.ben.mtclar -> video.mean.csv."""
    common = ratings_beside(target, rater)
    if common is not None and rater is not None:
        mean = target.with_name(f"{_stem(target, rater)}.mean.csv")
        write_whole(mean, write_labels(common.mean).encode())


def _stem(target: Path, rater: str) -> str:
    """The name of the recording in that of a rater's support set."""
    return target.name.removesuffix(f".{rater}{target.suffix}")


def _figures(agreement: AxisAgreement) -> dict[str, float | None]:
    figures = {"ccc": agreement.ccc, "icc": agreement.icc, "icc_mean": agreement.icc_mean}
    return {name: None if math.isnan(value) else round(value, 4) for name, value in figures.items()}
