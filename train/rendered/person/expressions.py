"""The rendered expressions: the face units of each, and its nominal valence and arousal (V/A).

The V/A are a convention, because a rendered face has no affect; they follow the mean labels of the same expressions in
AffectNet (Mollahosseini et al. 2017, arXiv:1708.03985). Unit names are ARKit's; a name without side moves both sides.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Weights = dict[str, float]
"""Face unit, or pair of units named without side -> weight; 1 is the full motion, more exaggerates it."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One prototype."""

    valence: float
    arousal: float
    weights: Weights


NEUTRAL = "neutral"
EXPRESSIONS: Mapping[str, Expression] = {
    NEUTRAL: Expression(0.0, 0.0, {"eyeWide": 0.2, "mouthPress": 0.12}),
    "happy": Expression(
        0.8,
        0.45,
        {
            "mouthSmile": 1.0,
            "cheekSquint": 0.8,
            "eyeSquint": 0.35,
            "mouthUpperUp": 0.45,
            "mouthDimple": 0.2,
            "mouthLowerDown": 0.35,
            "jawOpen": 0.10,
        },
    ),
    "surprised": Expression(
        0.2,
        0.8,
        {"browInnerUp": 1.2, "browOuterUp": 1.4, "eyeWide": 1.1, "jawOpen": 0.55, "mouthFunnel": 0.2},
    ),
    "sad": Expression(
        -0.65,
        -0.35,
        {
            "browInnerUp": 1.4,
            "mouthFrown": 1.4,
            "mouthShrugLower": 0.5,
            "eyeSquint": 0.15,
            "eyeLookDown": 0.25,
        },
    ),
    "angry": Expression(
        -0.6,
        0.7,
        {
            "browDown": 1.25,
            "noseSneer": 0.8,
            "eyeSquint": 0.5,
            "mouthPress": 0.7,
            "mouthFrown": 0.4,
            "jawForward": 0.3,
        },
    ),
    "afraid": Expression(
        -0.3,
        0.75,
        {
            "browInnerUp": 1.4,
            "browOuterUp": 0.5,
            "browDown": 0.3,
            "eyeWide": 1.2,
            "mouthStretch": 1.0,
            "mouthLowerDown": 0.5,
            "jawOpen": 0.2,
        },
    ),
    "disgusted": Expression(
        -0.7,
        0.4,
        {
            "noseSneer": 1.3,
            "mouthUpperUp": 0.9,
            "mouthFrown": 0.6,
            "browDown": 0.7,
            "eyeSquint": 0.7,
            "cheekSquint": 0.8,
            "mouthShrugLower": 0.4,
        },
    ),
    "content": Expression(
        0.5,
        -0.25,
        {"mouthSmile": 0.55, "mouthDimple": 0.3, "eyeBlink": 0.2, "cheekSquint": 0.3, "mouthPress": 0.1},
    ),
    "tired": Expression(
        -0.15,
        -0.6,
        {"eyeBlink": 0.34, "mouthFrown": 0.35, "browOuterUp": 0.2, "eyeLookDown": 0.2, "jawOpen": 0.05},
    ),
}
MAIN = (NEUTRAL, "happy", "surprised", "sad", "angry")
"""The five expressions that everyone can show and that calibration uses."""


Mixture = Mapping[str, float]
"""Name of an expression -> how much of it is shown: 0 not at all, 1 fully, a little more exaggerates."""


def mixed(mixture: Mixture) -> tuple[Weights, tuple[float, float]]:
    """Unit weights of several expressions shown at once, and their V/A: both are sums of differences from neutral."""
    neutral = EXPRESSIONS[NEUTRAL]
    weights = dict(neutral.weights)
    valence, arousal = neutral.valence, neutral.arousal
    for name, amount in mixture.items():
        expression = EXPRESSIONS[name]
        for unit in {**neutral.weights, **expression.weights}:
            departure = expression.weights.get(unit, 0.0) - neutral.weights.get(unit, 0.0)
            weights[unit] = weights.get(unit, 0.0) + amount * departure
        valence += amount * (expression.valence - neutral.valence)
        arousal += amount * (expression.arousal - neutral.arousal)
    return weights, (min(1.0, max(-1.0, valence)), min(1.0, max(-1.0, arousal)))


def between(first: Mixture, second: Mixture, share: float) -> dict[str, float]:
    """`first` and `second` blended linearly; `share` is the second one's."""
    names = {**first, **second}
    return {name: (1 - share) * first.get(name, 0.0) + share * second.get(name, 0.0) for name in names}
