"""Whether a frame can become a support frame, and what the person should change when it cannot."""

from collections.abc import Iterable
from dataclasses import dataclass

from mtclar.engine.data_types import FaceCrop, Frame
from mtclar.engine.face.boxes import area
from mtclar.engine.face.quality import CALIBRATION_LIMITS, QualityLimits, quality_issues
from mtclar.engine.tracker import Tracker

NO_FACE = "no face"
TWO_FACES = "two faces"
SKIPPED = ("skipped",)

ADVICE = {
    NO_FACE: "No face in view: sit in front of the camera",
    TWO_FACES: "Two people in view: only one, please",
    "too small": "Come closer",
    "cut off": "Move into the picture: mouth and eyes must be in view",
    "turned away": "Face the camera",
    "eyes closed": "Keep your eyes open",
    "too dark": "More light, please",
    "too bright": "Less light, please",
    "blurred": "Hold still, and wipe the lens",
    "too little contrast": "More light on your face, less behind you",
    SKIPPED[0]: "Hold the expression until the frames are taken",
}


@dataclass(frozen=True, slots=True)
class FrameCheck:
    """The face crop of one frame, and the issues that rule it out."""

    t_s: float  # source time
    crop: FaceCrop | None
    issues: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        return self.crop is not None and not self.issues


@dataclass(frozen=True, slots=True)
class AcceptedFrame:
    """A labelled frame for the support set."""

    crop: FaceCrop
    valence: float
    arousal: float
    t_s: float
    name: str  # for messages: the prompt's title, or the line of the label


@dataclass(frozen=True, slots=True)
class Rejection:
    """A labelled frame, or a whole prompt, that gave no support frame, and why."""

    name: str
    issues: tuple[str, ...]
    unknown_track: bool = False  # the frame has no face with the label's track number


@dataclass(frozen=True, slots=True)
class FrameSelection:
    """The accepted and rejected frames of one calibration."""

    accepted: tuple[AcceptedFrame, ...]
    rejected: tuple[Rejection, ...]


def check_frame(
    tracker: Tracker, frame: Frame, limits: QualityLimits = CALIBRATION_LIMITS, *, alone: bool = True
) -> FrameCheck:
    """Checks the largest face of one frame; with `alone` a second face is an issue."""
    crops = tracker.find(frame).crops
    crop = largest(crops)
    if crop is None:
        return FrameCheck(frame.pts_s, None, (NO_FACE,))
    if alone and len(crops) > 1:
        return FrameCheck(frame.pts_s, crop, (TWO_FACES,))
    return FrameCheck(frame.pts_s, crop, quality_issues(crop, limits))


def largest(crops: Iterable[FaceCrop]) -> FaceCrop | None:
    """The crop with the largest face box; None without crops."""
    return max(crops, key=lambda crop: area(crop.box), default=None)


def advise(issues: Iterable[str]) -> list[str]:
    """One sentence of advice per issue; an issue without advice is returned as it is."""
    return [ADVICE.get(issue, issue) for issue in issues]
