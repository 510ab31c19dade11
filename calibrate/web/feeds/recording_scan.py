"""The frames of a recording that can be labelled: scanned once, before the page opens."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mtclar.calibrate.core.frame_check import AcceptedFrame, FrameCheck, Rejection, check_frame
from mtclar.calibrate.core.labelled_frames import WARM_UP_FRAMES
from mtclar.calibrate.core.raters import SAME_TIME_S
from mtclar.engine.data_types import Encoded, FaceCrop, Frame
from mtclar.engine.errors import CalibrationError, UsageError
from mtclar.engine.estimate.active_learning import propose
from mtclar.engine.tracker import Tracker
from mtclar.stream.label_formats.label_file import Label
from mtclar.stream.server.pictures import RECORDED_WIDTH, face_outline, image_message, small_jpeg

SPACING_S = 0.2  # between frames that `pick_most_useful` chooses from: closer ones are nearly the same
SAME_FRAME_S = 0.02  # half a frame at 25 a second
MAX_STILLS = 3000  # ten minutes of them; previews of a longer recording would fill the memory

FrameFilter = Callable[[Frame], bool]
"""Whether to check a frame; called once per frame, in order."""


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """A frame of a recording with a usable face."""

    seq: int
    time_s: float
    jpeg: bytes
    outline: list[list[float]]
    crop: FaceCrop
    encoded: Encoded  # [1]

    def accepted(self, valence: float, arousal: float) -> AcceptedFrame:
        """The still with a label."""
        return AcceptedFrame(self.crop, valence, arousal, self.time_s, f"{self.time_s:.2f} s")

    def image(self) -> bytes:
        """Its binary message."""
        return image_message(self.seq, self.time_s, self.jpeg)


@dataclass(frozen=True, slots=True)
class RecordingScan:
    """The usable frames of a recording, and the others with the reason."""

    stills: tuple[Still, ...]
    rejected: tuple[Rejection, ...]


def every_nth(count: int) -> FrameFilter:
    """Every `count`-th frame, starting in the middle of the first `count` frames."""
    return lambda frame: frame.seq % count == count // 2


def spaced(seconds: float = SPACING_S) -> FrameFilter:
    """Frames at least `seconds` apart."""
    last_s = -np.inf

    def wanted(frame: Frame) -> bool:
        nonlocal last_s
        if frame.pts_s - last_s < seconds:
            return False
        last_s = frame.pts_s
        return True

    return wanted


def also_at(times_s: Sequence[float], wanted: FrameFilter) -> FrameFilter:
    """The frames that another filter wants, and the first one at or after each of these times."""
    left = sorted(times_s, reverse=True)

    def also(frame: Frame) -> bool:
        chosen = wanted(frame)
        while left and frame.pts_s >= left[-1] - SAME_FRAME_S:
            left.pop()
            chosen = True
        return chosen

    return also


@dataclass(frozen=True, slots=True)
class BegunRating:
    """A rating that begins with the labels of a file: those that have a usable frame, and how many there are."""

    fitting: tuple[tuple[Still, Label], ...] = ()
    of: int = 0


FROM_NOTHING = BegunRating()


def begin_with(labels: Sequence[Label], stills: Sequence[Still]) -> BegunRating:
    """Each label on the nearest still, as far as one is within SAME_TIME_S; the first of two labels on one still."""
    fitting: dict[int, tuple[Still, Label]] = {}
    for label in labels:
        still = min(stills, key=lambda still: abs(still.time_s - label.time_s))
        if abs(still.time_s - label.time_s) <= SAME_TIME_S:
            fitting.setdefault(still.seq, (still, label))
    return BegunRating(tuple(fitting.values()), len(labels))


def in_order(stills: Sequence[Still], begun: BegunRating) -> tuple[Still, ...]:
    """The stills to rate, those of the labels that a rating begins with among them, in order of time."""
    every = {still.seq: still for still in (*stills, *(still for still, _ in begun.fitting))}
    return tuple(sorted(every.values(), key=lambda still: still.time_s))


def scan_recording(
    frames: Iterable[Frame],
    tracker: Tracker,
    wanted: FrameFilter,
    progress: Callable[[float], None] = lambda _: None,
) -> RecordingScan:
    """Checks the wanted frames of a recording, each after tracking the few before it.

    Frames of second choice are usable if there are no others. Calls `progress` with the time of each frame. Raises
    UsageError when no frame is wanted, CalibrationError when none is usable, or too many are.
    """
    stills: list[Still] = []
    second_choice: list[Still] = []
    rejected: list[Rejection] = []
    before: list[Frame] = []
    for frame in frames:
        if wanted(frame):
            tracker.reset()
            for earlier in before:
                tracker.find(earlier)
            check = check_frame(tracker, frame, alone=False)
            if check.issues:
                rejected.append(Rejection(f"{frame.pts_s:.2f} s", check.issues))
            if check.usable or (check.second_choice and not stills):
                (stills if check.usable else second_choice).append(_still(frame, check))
        before = [*before[1 - WARM_UP_FRAMES :], frame]
        progress(frame.pts_s)
        if max(len(stills), len(second_choice)) > MAX_STILLS:
            raise CalibrationError(
                f"more than {MAX_STILLS} frames to label", "choose a larger --every, or cut the recording"
            )
    if not stills and not rejected:
        raise UsageError(
            "the recording ends before the first frame to label", "choose a smaller --every, or --pick N"
        )
    if not stills and second_choice:
        shown = {f"{still.time_s:.2f} s" for still in second_choice}
        return RecordingScan(tuple(second_choice), tuple(one for one in rejected if one.name not in shown))
    if not stills:
        issues = {issue for one in rejected for issue in one.issues}
        why = f" ({', '.join(sorted(issues))})" if issues else ""
        raise CalibrationError(
            f"no frame of the recording can be labelled{why}", "check that it shows a face"
        )
    return RecordingScan(tuple(stills), tuple(rejected))


def _still(frame: Frame, check: FrameCheck) -> Still:
    assert check.crop is not None
    assert check.encoded is not None
    outline = face_outline(check.crop, (frame.image.shape[1], frame.image.shape[0]))
    jpeg = small_jpeg(frame.image, RECORDED_WIDTH)
    return Still(frame.seq, frame.pts_s, jpeg, outline, check.crop, check.encoded)


def pick_most_useful(stills: Sequence[Still], count: int) -> tuple[Still, ...]:
    """The `count` stills whose labels would help most, the most useful first."""
    return tuple(stills[proposal.index] for proposal in propose(encoded_faces(stills), None, count))


def encoded_faces(stills: Sequence[Still]) -> Encoded:
    """The faces of all stills, in order."""
    return Encoded.concatenate([still.encoded for still in stills])
