"""Face motion that does not depend on affect: blinks, glances, talking, asymmetry."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mtclar.train.rendered.person.expressions import Weights
from mtclar.train.rendered.person.head import Head, sided

BLINK_S = 0.24  # lids down and up again
GLANCE_S = (0.6, 3.0)  # range of the time between two glances


def distract(expressed: Mapping[str, float], rng: np.random.Generator, head: Head) -> Weights:
    """Adds motion that does not depend on affect to face-unit weights: asymmetry, talking, blinks, gaze."""
    weights = {unit: weight * (1 + float(rng.normal(0, 0.08))) for unit, weight in expressed.items()}

    def add(name: str, weight: float) -> None:
        for unit in sided(name, head):
            weights[unit] = weights.get(unit, 0.0) + weight

    for name in (
        "mouthSmile",
        "browDown",
        "browInnerUp",
        "mouthFrown",
        "eyeSquint",
        "mouthPucker",
        "mouthDimple",
    ):
        if rng.uniform() < 0.1:
            add(name, abs(float(rng.normal(0, 0.12))))
    if rng.uniform() < 0.2:  # talks
        add("jawOpen", float(rng.uniform(0, 0.25)))
        add("mouthFunnel", float(rng.uniform(0, 0.25)))
    if rng.uniform() < 0.12:
        weights = blink(weights, float(rng.uniform(0.2, 1)))
    if rng.uniform() < 0.5:
        right, up = rng.normal(0, 0.35, 2)
        for unit, weight in gaze(float(right), float(up)).items():
            add(unit, weight)
    return weights


def blink(weights: Mapping[str, float], closed: float) -> Weights:
    """Weights by full unit name with the lids `closed` (0..1); other lid motion is reduced accordingly."""
    lids = ("eyeWide", "eyeSquint", "eyeBlink")
    blinking = {u: w * (1 - closed) if u.startswith(lids) else w for u, w in weights.items()}
    for side in ("Left", "Right"):
        blinking[f"eyeBlink{side}"] = blinking.get(f"eyeBlink{side}", 0.0) + closed
    return blinking


def gaze(right: float, up: float) -> Weights:
    """Face units of a gaze to the right of the picture and up; 1 is the full range."""
    return {
        "eyeLookOutLeft": max(0.0, right),
        "eyeLookInRight": max(0.0, right),
        "eyeLookInLeft": max(0.0, -right),
        "eyeLookOutRight": max(0.0, -right),
        "eyeLookUp": max(0.0, up),
        "eyeLookDown": max(0.0, -up),
    }


def lids_closed(blinks: Sequence[float], time_s: float) -> float:
    """How far the lids are closed at a time, 0..1."""
    return max((max(0.0, 1 - abs(time_s - down) / (BLINK_S / 2)) for down in blinks), default=0.0) ** 0.5


def glances(rng: np.random.Generator, seconds: float) -> list[tuple[float, float, float]]:
    """The times and directions (right, up) of the glances of a clip."""
    jumps, time_s = [(0.0, 0.0, 0.0)], 0.0
    while time_s < seconds:
        time_s += rng.uniform(*GLANCE_S)
        right, up = rng.normal(0, 0.12), rng.normal(0, 0.06)
        jumps.append((time_s, float(right), float(up)))
    return jumps


def talking(talks: Sequence[tuple[float, float]], time_s: float) -> Weights:
    """Face units, by full name, of a mouth that talks in the intervals `talks` (from, to; seconds)."""
    envelope = max(
        (min(1.0, 4 * (time_s - a), 4 * (b - time_s)) for a, b in talks if a <= time_s <= b), default=0.0
    )
    if envelope <= 0:
        return {}
    syllable = 0.5 - 0.5 * math.cos(2 * math.pi * 3.4 * time_s)
    stress = 0.6 + 0.4 * math.sin(2 * math.pi * 0.83 * time_s)
    rounded = max(0.0, math.sin(2 * math.pi * 1.3 * time_s))
    return {
        "jawOpen": 0.22 * envelope * syllable * stress,
        "mouthFunnel": 0.25 * envelope * rounded,
        "mouthLowerDownLeft": 0.15 * envelope * syllable,
        "mouthLowerDownRight": 0.15 * envelope * syllable,
    }
