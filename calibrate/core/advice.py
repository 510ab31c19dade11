"""What a person should do about a face that cannot be used, in plain words."""

from collections.abc import Iterable

from mtclar.calibrate.core.support_builder import NO_FACE, SKIPPED, TWO_FACES

ADVICE = {
    NO_FACE: "No face in the picture: sit in front of the camera",
    TWO_FACES: "Two people in the picture: only one, please",
    "too small": "Come closer",
    "turned away": "Face the camera",
    "too dark": "More light, please",
    "too bright": "Less light, please",
    "blurred": "Hold still, and wipe the lens",
    "too little contrast": "More light on your face, less behind you",
    SKIPPED[0]: "Stay with it until the pictures are taken",
}


def advise(faults: Iterable[str]) -> list[str]:
    """One sentence for each fault; a fault without one speaks for itself."""
    return [ADVICE.get(fault, fault) for fault in faults]
