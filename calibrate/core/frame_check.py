"""Whether a frame can become a support frame, and what the person should change when it cannot."""

from collections.abc import Iterable
from dataclasses import dataclass

from mtclar.engine.data_types import Caveat, Encoded, FaceCrop, Frame
from mtclar.engine.face.boxes import area
from mtclar.engine.face.quality import CALIBRATION_LIMITS, QualityLimits, quality_issues
from mtclar.engine.tracker import Tracker

NO_FACE = "no face"
TWO_FACES = "two faces"
MOUTH_HIDDEN: Caveat = "mouth hidden"
TALKING: Caveat = "talking"
SECOND_CHOICE = (MOUTH_HIDDEN, TALKING)
"""Issues of a frame that is taken where there is no better one: some people wear a mask, or are taken for it."""
SKIPPED = ("skipped",)

ADVICE = {
    NO_FACE: "No face in view: sit in front of the camera",
    TWO_FACES: "Two people in view: only one, please",
    "too small": "Come closer",
    "cut off": "Move into the picture: mouth and eyes must be in view",
    "turned away": "Face the camera",
    "eyes closed": "Keep your eyes open",
    MOUTH_HIDDEN: "The mouth is hidden in this picture: take away what is before it",
    TALKING: "Do not talk while the frames are taken",
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
    encoded: Encoded | None = None  # [1] unless the crop itself has issues

    @property
    def usable(self) -> bool:
        return self.crop is not None and not self.issues

    @property
    def second_choice(self) -> bool:
        """Whether it is taken where no frame is usable."""
        return self.crop is not None and bool(self.issues) and set(self.issues) <= set(SECOND_CHOICE)


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
    if issues := quality_issues(crop, limits):
        return FrameCheck(frame.pts_s, crop, issues)
    encoded = tracker.encode([crop])
    if hides_mouth(tracker, encoded):
        issues = (MOUTH_HIDDEN,)
    elif crop.talking:
        issues = (TALKING,)
    return FrameCheck(frame.pts_s, crop, issues, encoded)


def hides_mouth(tracker: Tracker, encoded: Encoded) -> bool:
    """Whether the mouth of one encoded face [1] is hidden; False if that is not known of this encoder."""
    probe = tracker.hidden_mouth
    return probe is not None and bool(probe(encoded.embedding)[0] > 0)


def largest(crops: Iterable[FaceCrop]) -> FaceCrop | None:
    """The crop with the largest face box; None without crops."""
    return max(crops, key=lambda crop: area(crop.box), default=None)


def advise(issues: Iterable[str]) -> list[str]:
    """One sentence of advice per issue; an issue without advice is returned as it is."""
    return [ADVICE.get(issue, issue) for issue in issues]
