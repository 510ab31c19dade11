"""From frames to a support set: by labels of a recording, or by prompts that a person follows in front of a camera.

Nothing here opens a camera, draws or reads a clock: frames come in, and they carry their own time.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtclar.calibrate.core.prompts import Prompt
from mtclar.engine.data_types import FaceCrop, Frame
from mtclar.engine.errors import CalibrationError, UsageError
from mtclar.engine.face.quality import CALIBRATION_LIMITS, QualityLimits, quality_issues
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.label_file import Label

NO_FACE = "no face"
SKIPPED = ("skipped",)
TWO_FACES = "two faces"
WARM_UP_FRAMES = (
    2  # before a labelled frame: the landmarks then come from a followed face, as they do at run time
)
COUNTDOWN_S = 3.0
PATIENCE_S = 10.0  # how much longer than planned a prompt waits for usable frames


@dataclass(frozen=True, slots=True)
class Look:
    """What one frame shows: a crop to take, or why there is none."""

    t_s: float  # source time
    crop: FaceCrop | None
    faults: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        return self.crop is not None and not self.faults


@dataclass(frozen=True, slots=True)
class Taken:
    """A frame that goes into the support set."""

    crop: FaceCrop
    valence: float
    arousal: float
    t_s: float
    where: str  # how messages call it: the prompt's title, or the line of the label


@dataclass(frozen=True, slots=True)
class Refused:
    """A labelled frame, or a whole prompt, that gave nothing, and why."""

    where: str
    faults: tuple[str, ...]
    wrong_number: bool = False  # the label's `track` is none of the faces of its frame


@dataclass(frozen=True, slots=True)
class Recording:
    """What a session brought."""

    taken: tuple[Taken, ...]
    refused: tuple[Refused, ...]


def look(
    tracker: Tracker, frame: Frame, gates: QualityLimits = CALIBRATION_LIMITS, *, alone: bool = True
) -> Look:
    """Judges one frame. `alone`: a second face is a fault; otherwise the largest face is taken."""
    crops = tracker.find(frame).crops
    if not crops:
        return Look(frame.pts_s, None, (NO_FACE,))
    crop = max(crops, key=_area)
    if alone and len(crops) > 1:
        return Look(frame.pts_s, crop, (TWO_FACES,))
    return Look(frame.pts_s, crop, quality_issues(crop, gates))


# --- by labels ----------------------------------------------------------------------------------------------------


def by_labels(
    frames: Iterable[Frame],
    labels: Sequence[Label],
    tracker: Tracker,
    gates: QualityLimits = CALIBRATION_LIMITS,
) -> Recording:
    """Takes the frame nearest to each label; unusable ones are refused with the reason.

    Reads no further than the last label. Raises UsageError when a label lies past the end, or two mean the same frame.
    """
    taken: list[Taken] = []
    refused: list[Refused] = []
    by_track = any(label.track is not None for label in labels)
    for frame, before, here in nearest_frames(frames, labels):
        if by_track:  # the numbers of faces mean something only when every frame was followed
            found = {crop.track_id: crop for crop in tracker.find(frame).crops}
        elif not here:
            continue
        else:
            tracker.reset()
            for earlier in before:
                tracker.find(earlier)
            found = {}
        for label in here:
            if label.track is not None:
                crop = found.get(label.track)
                wrong = _no_such_face(label.track, found) if crop is None else quality_issues(crop, gates)
            elif by_track:
                crop = max(found.values(), key=_area, default=None)
                wrong = (NO_FACE,) if crop is None else quality_issues(crop, gates)
            else:
                judged = look(tracker, frame, gates, alone=False)
                crop, wrong = judged.crop, judged.faults
            if crop is None or wrong:
                refused.append(
                    Refused(label.where, wrong, wrong_number=crop is None and label.track is not None)
                )
            else:
                taken.append(Taken(crop, label.valence, label.arousal, frame.pts_s, label.where))
    return Recording(tuple(taken), tuple(refused))


def _no_such_face(number: int, numbers: Iterable[int]) -> tuple[str]:
    """The fault of a label whose track is none of the faces of its frame."""
    seen = ", ".join(map(str, numbers))
    return (
        f"no face has the number {number} ({f'numbers here: {seen}' if seen else 'there is none at all'})",
    )


def nearest_frames(
    frames: Iterable[Frame], labels: Sequence[Label], warm_up: int = WARM_UP_FRAMES
) -> Iterator[tuple[Frame, tuple[Frame, ...], tuple[Label, ...]]]:
    """Each frame, the few before it, and the labels that mean it (none for most). Labels are in order of time.

    A label may lie half a frame past the last frame; further out raises UsageError, as do two labels of one face on
    one frame.
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
        raise UsageError("the source has no picture", "is it a video file?")
    here = _due(waiting, previous.pts_s + max(period_s / 2, 0.02))
    if waiting:
        raise UsageError(
            f"the label in {waiting[0].where} lies past the end of the source, whose last frame is at "
            f"{previous.pts_s:.2f} s",
            "times are in seconds from the first frame",
        )
    yield previous, tuple(before), here


def _due(waiting: deque[Label], until_s: float) -> tuple[Label, ...]:
    """Takes from `waiting` the labels up to that time; UsageError when two are of the same face."""
    here: list[Label] = []
    while waiting and waiting[0].time_s <= until_s:
        label = waiting.popleft()
        for other in here:
            if other.track == label.track:
                raise UsageError(
                    f"the labels in {other.where} and {label.where} mean the same frame",
                    "one label for each frame (and track)",
                )
        here.append(label)
    return tuple(here)


# --- by prompts ---------------------------------------------------------------------------------------------------

Phase = Literal["countdown", "hold", "done"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a guided session stands after a frame: what a screen needs to show."""

    prompt: Prompt | None  # None when done
    index: int
    of: int
    phase: Phase
    left_s: float  # of the countdown
    taken: int  # frames of this prompt so far
    faults: tuple[str, ...]  # of the frame just seen


class Guide:
    """A guided session as a state machine: `step` with each frame's look until `done`.

    Each prompt counts down, then takes the best usable frame of every slot; a slot without one goes on until there is
    one. A prompt whose patience runs out ends with what it has, or is refused with what was wrong most often.
    """

    def __init__(
        self, prompts: Sequence[Prompt], countdown_s: float = COUNTDOWN_S, patience_s: float = PATIENCE_S
    ) -> None:
        self._prompts = tuple(prompts)
        self._countdown_s = countdown_s
        self._patience_s = patience_s
        self._index = 0
        self._taken: list[list[Taken]] = [[] for _ in prompts]
        self._seen_faults: list[dict[tuple[str, ...], int]] = [{} for _ in prompts]
        self._started_s: float | None = None
        self._slot_s = 0.0  # when the current slot began
        self._best: Look | None = None

    @property
    def done(self) -> bool:
        return self._index >= len(self._prompts)

    @property
    def recording(self) -> Recording:
        """What there is so far; prompts that were not reached are neither taken nor refused."""
        refused = [
            Refused(prompt.title, max(seen, key=lambda faults: seen[faults], default=SKIPPED))
            for prompt, taken, seen in zip(
                self._prompts[: self._index], self._taken, self._seen_faults, strict=False
            )
            if not taken
        ]
        return Recording(tuple(taken for of_prompt in self._taken for taken in of_prompt), tuple(refused))

    def skip(self) -> None:
        """Goes on to the next prompt and keeps what this one has."""
        if not self.done:
            self._go_to(self._index + 1)

    def again(self) -> None:
        """Starts this prompt anew; during its countdown the one before it."""
        counting = not self.done and not self._taken[self._index] and self._best is None
        index = max(self._index - 1, 0) if counting or self.done else self._index
        self._taken[index] = []
        self._seen_faults[index] = {}
        self._go_to(index)

    def step(self, seen: Look) -> Progress:
        """Takes note of one frame; frames come in order of time."""
        if self.done:
            return self._progress("done", 0.0, seen)
        if self._started_s is None:
            self._started_s = seen.t_s
            self._slot_s = seen.t_s + self._countdown_s
        hold_from_s = self._started_s + self._countdown_s
        if seen.t_s < hold_from_s:
            return self._progress("countdown", hold_from_s - seen.t_s, seen)

        prompt, taken = self._prompts[self._index], self._taken[self._index]
        if not seen.usable:
            counts = self._seen_faults[self._index]
            counts[seen.faults] = counts.get(seen.faults, 0) + 1
        elif taken and seen.t_s - taken[-1].t_s < prompt.slot_s / 2:
            pass  # nearly the same picture as the last one taken
        elif self._best is None or _quality(seen) > _quality(self._best):
            self._best = seen
        best = self._best
        if best is not None and best.crop is not None and seen.t_s - self._slot_s >= prompt.slot_s:
            taken.append(Taken(best.crop, prompt.valence, prompt.arousal, best.t_s, prompt.title))
            self._slot_s = seen.t_s
            self._best = None
        if len(taken) >= prompt.frames or seen.t_s - hold_from_s > prompt.hold_s + self._patience_s:
            progress = self._progress("hold", 0.0, seen)
            self._go_to(self._index + 1)
            return progress
        return self._progress("hold", 0.0, seen)

    def _go_to(self, index: int) -> None:
        self._index = index
        self._started_s = None
        self._best = None

    def _progress(self, phase: Phase, left_s: float, seen: Look) -> Progress:
        prompt = None if self.done else self._prompts[self._index]
        taken = 0 if self.done else len(self._taken[self._index])
        return Progress(prompt, self._index, len(self._prompts), phase, left_s, taken, seen.faults)


# --- the support set ----------------------------------------------------------------------------------------------


def make_support(
    taken: Sequence[Taken], tracker: Tracker, *, subject: str, source: str, keep_crops: bool = False
) -> SupportSet:
    """The support set of the frames taken; CalibrationError when there is none."""
    if not taken:
        raise CalibrationError("not one usable frame: there is nothing to calibrate on")
    crops = [one.crop for one in taken]
    return SupportSet.from_encoded(
        tracker.encode(crops),
        np.array([(one.valence, one.arousal) for one in taken], np.float32),
        subject=subject,
        model_name=tracker.model.name,
        model_sha256=tracker.model.sha256,
        framing=tracker.framing,
        quality=qualities(crops),
        times_s=np.array([one.t_s for one in taken]),
        source=source,
        conditions=np.array([conditions(crop) for crop in crops], np.float32),
        crops=np.stack([crop.image for crop in crops]) if keep_crops else None,
    )


def conditions(crop: FaceCrop) -> tuple[float, float, float, float]:
    """Light and pose of a crop, in the order of mtclar.engine.support_set.CONDITIONS."""
    return crop.brightness, crop.sharpness, crop.pose_deg[0], crop.pose_deg[1]


def qualities(crops: Sequence[FaceCrop]) -> NDArray[np.float32]:
    """[N] 0..1: the landmark network's score, less for a turned head."""
    return np.array([_crop_quality(crop) for crop in crops], np.float32)


def _crop_quality(crop: FaceCrop) -> float:
    yaw, pitch, _ = crop.pose_deg
    frontal = float(np.cos(np.radians(min(np.hypot(yaw, pitch), 90.0))))
    return float(np.clip(crop.score * frontal, 0.0, 1.0))


def _quality(seen: Look) -> float:
    return 0.0 if seen.crop is None else _crop_quality(seen.crop)


def _area(crop: FaceCrop) -> float:
    x0, y0, x1, y1 = crop.box
    return (x1 - x0) * (y1 - y0)
