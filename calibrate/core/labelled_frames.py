"""The frames of a recording that its label file names."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.calibrate.core.frame_check import (
    MOUTH_HIDDEN,
    NO_FACE,
    AcceptedFrame,
    FrameSelection,
    Rejection,
    hides_mouth,
    largest,
)
from mtclar.engine.data_types import FaceCrop, Frame
from mtclar.engine.errors import UsageError
from mtclar.engine.face.quality import CALIBRATION_LIMITS, QualityLimits, quality_issues
from mtclar.engine.face.thumbnail import thumbnail, thumbnail_distance
from mtclar.engine.tracker import Tracker
from mtclar.stream.label_formats.label_file import PAST_END, Label, average

log = logging.getLogger(__name__)

WARM_UP_FRAMES = 2
"""Frames tracked before a labelled one: its landmarks then come from a tracked face, as they do at run time."""


def select_labelled(
    frames: Iterable[Frame],
    labels: Sequence[Label],
    tracker: Tracker,
    limits: QualityLimits = CALIBRATION_LIMITS,
) -> FrameSelection:
    """Takes the frame nearest to each label, and rejects unusable ones with the reason.

    Reads no further than the last label. Where a labelled frame shows several faces and no track is named, the one that
    looks like the face of the other labelled frames is taken. Frames with a hidden mouth are taken if all have one.
    Raises UsageError when a label lies past the end.
    """
    seen: list[_SeenFrame] = []
    rejected: list[Rejection] = []
    by_track = any(label.track is not None for label in labels)
    for frame, before, matching in match_labels(frames, labels):
        if not by_track and not matching:
            continue
        if not by_track:  # track numbers are right only when every frame was tracked
            tracker.reset()
            for earlier in before:
                tracker.find(earlier)
        crops = tracker.find(frame).crops
        for label in matching:
            named = [crop for crop in crops if label.track in (None, crop.track_id)]
            if label.track is not None and not named:
                issue = _unknown_track(label.track, [crop.track_id for crop in crops])
                rejected.append(Rejection(label.where, (issue,), unknown_track=True))
                continue
            thumbnails = [thumbnail(frame.image, crop, tracker.identity.framing) for crop in named]
            seen.append(_SeenFrame(label, frame.pts_s, named, np.array(thumbnails)))
    accepted: list[AcceptedFrame] = []
    hidden: list[AcceptedFrame] = []
    for found, crop in zip(seen, _labelled_faces(seen), strict=True):
        label = found.label
        if crop is None or (issues := quality_issues(crop, limits)):
            rejected.append(Rejection(label.where, (NO_FACE,) if crop is None else issues))
        else:
            one = AcceptedFrame(crop, label.valence, label.arousal, found.t_s, label.where)
            (hidden if hides_mouth(tracker, tracker.encode([crop])) else accepted).append(one)
    if not accepted:
        return FrameSelection(tuple(hidden), tuple(rejected))
    rejected += [Rejection(one.name, (MOUTH_HIDDEN,)) for one in hidden]
    return FrameSelection(tuple(accepted), tuple(rejected))


@dataclass(frozen=True, slots=True, eq=False)
class _SeenFrame:
    """A label, and the n faces that it may mean."""

    label: Label
    t_s: float
    crops: Sequence[FaceCrop]  # [n]
    thumbnails: NDArray[np.uint8]  # [n, ...]


def _labelled_faces(seen: Sequence[_SeenFrame]) -> Iterator[FaceCrop | None]:
    """The labelled face of each frame: of several, the one most like those that are alone; without any, the largest."""
    alone = [found.thumbnails for found in seen if len(found.crops) == 1]
    several = [found.label.where for found in seen if len(found.crops) > 1]
    if several:
        how = "the one like the face of the other labelled frames" if alone else "the largest"
        text = "%d labelled frames show more than one face (first: %s); %s is taken. The column track names another"
        log.warning(text, len(several), several[0], how)
    for found in seen:
        if len(found.crops) < 2 or not alone:
            yield largest(found.crops)
        else:
            apart = thumbnail_distance(found.thumbnails, np.concatenate(alone)).min(axis=1)
            yield found.crops[int(apart.argmin())]


def _unknown_track(number: int | None, tracks: Iterable[int]) -> str:
    numbers = ", ".join(map(str, tracks))
    return f"no face has the number {number} ({f'numbers here: {numbers}' if numbers else 'there is none at all'})"


def match_labels(
    frames: Iterable[Frame], labels: Sequence[Label], warm_up: int = WARM_UP_FRAMES
) -> Iterator[tuple[Frame, tuple[Frame, ...], tuple[Label, ...]]]:
    """Yields each frame, the `warm_up` frames before it, and its labels (none for most); labels are in order of time.

    A label may lie one frame past the last frame; labels of one face of one frame are averaged. Raises UsageError
    when one lies further out.
    """
    waiting = deque(labels)
    before: deque[Frame] = deque(maxlen=warm_up)
    previous: Frame | None = None
    period_s = 0.0
    for frame in frames:
        if previous is not None:
            period_s = frame.pts_s - previous.pts_s
            middle_s = (previous.pts_s + frame.pts_s) / 2
            yield previous, tuple(before), _due(waiting, middle_s)
            if not waiting:
                return
            before.append(previous)
        previous = frame
    if previous is None:
        raise UsageError("the source has no frames", "is it a video file?")
    last = _due(waiting, previous.pts_s + max(period_s, 0.02))
    if waiting:
        raise UsageError(
            f"the label in {waiting[0].where} lies past the end of the source, whose last frame is at "
            f"{previous.pts_s:.2f} s",
            PAST_END,
        )
    yield previous, tuple(before), last


def _due(waiting: deque[Label], until_s: float) -> tuple[Label, ...]:
    """Removes the labels up to that time from `waiting`; the mean of those of one face."""
    due: dict[int | None, list[Label]] = {}
    while waiting and waiting[0].time_s <= until_s:
        label = waiting.popleft()
        due.setdefault(label.track, []).append(label)
    return tuple(average(labels) for labels in due.values())
