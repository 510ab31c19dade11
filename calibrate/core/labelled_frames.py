"""The frames of a recording that its label file names."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from mtclar.calibrate.core.frame_check import (
    NO_FACE,
    AcceptedFrame,
    FrameSelection,
    Rejection,
    check_frame,
    largest,
)
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import UsageError
from mtclar.engine.face.quality import CALIBRATION_LIMITS, QualityLimits, quality_issues
from mtclar.engine.tracker import Tracker
from mtclar.stream.label_file import PAST_END, Label, average

WARM_UP_FRAMES = 2
"""Frames tracked before a labelled one: its landmarks then come from a tracked face, as they do at run time."""


def select_labelled(
    frames: Iterable[Frame],
    labels: Sequence[Label],
    tracker: Tracker,
    limits: QualityLimits = CALIBRATION_LIMITS,
) -> FrameSelection:
    """Takes the frame nearest to each label, and rejects unusable ones with the reason.

    Reads no further than the last label. Raises UsageError when a label lies past the end.
    """
    accepted: list[AcceptedFrame] = []
    rejected: list[Rejection] = []
    by_track = any(label.track is not None for label in labels)
    for frame, before, matching in match_labels(frames, labels):
        if by_track:  # track numbers are right only when every frame was tracked
            tracks = {crop.track_id: crop for crop in tracker.find(frame).crops}
        elif not matching:
            continue
        else:
            tracker.reset()
            for earlier in before:
                tracker.find(earlier)
            tracks = {}
        for label in matching:
            unknown_track = label.track is not None and label.track not in tracks
            issues: tuple[str, ...]
            if unknown_track:
                crop, issues = None, (_unknown_track(label.track, tracks),)
            elif by_track:
                crop = tracks[label.track] if label.track is not None else largest(tracks.values())
                issues = (NO_FACE,) if crop is None else quality_issues(crop, limits)
            else:
                check = check_frame(tracker, frame, limits, alone=False)
                crop, issues = check.crop, check.issues
            if crop is None or issues:
                rejected.append(Rejection(label.where, issues, unknown_track))
            else:
                accepted.append(AcceptedFrame(crop, label.valence, label.arousal, frame.pts_s, label.where))
    return FrameSelection(tuple(accepted), tuple(rejected))


def _unknown_track(number: int | None, tracks: Iterable[int]) -> str:
    numbers = ", ".join(map(str, tracks))
    return f"no face has the number {number} ({f'numbers here: {numbers}' if numbers else 'there is none at all'})"


def match_labels(
    frames: Iterable[Frame], labels: Sequence[Label], warm_up: int = WARM_UP_FRAMES
) -> Iterator[tuple[Frame, tuple[Frame, ...], tuple[Label, ...]]]:
    """Yields each frame, the `warm_up` frames before it, and its labels (none for most); labels are in order of time.

    A label may lie half a frame past the last frame; labels of one face of one frame are averaged. Raises UsageError
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
    last = _due(waiting, previous.pts_s + max(period_s / 2, 0.02))
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
