"""Prompts for a person who calibrates: the expression to make, its label, and how long to hold it.

The labels of expressions are the class centres of AffectNet's validation set (Mollahosseini et al. 2017,
arXiv:1708.03985), on which the encoder's absolute output was trained; neutral is (0, 0) by definition.
"""

from collections.abc import Sequence
from dataclasses import dataclass

FRAMES_PER_PROMPT = 3
SLOT_S = 0.6  # one frame per slot of this length: frames closer together are nearly the same
NEUTRAL_S = 10.0


@dataclass(frozen=True, slots=True)
class Prompt:
    """One expression to make."""

    title: str  # two or three words
    instruction: str  # one sentence
    valence: float
    arousal: float
    frames: int = FRAMES_PER_PROMPT  # to take
    slot_s: float = SLOT_S  # one frame per slot of this length

    @property
    def hold_s(self) -> float:
        """How long the person holds the expression when every slot has a usable frame."""
        return self.frames * self.slot_s


def expressions(frames: int = FRAMES_PER_PROMPT) -> tuple[Prompt, ...]:
    """Neutral comes first and last: it is the reference, and a face drifts over a session."""
    prompts = (
        ("neutral", "Look at the camera with your face at rest.", 0.0, 0.0),
        ("happy", "Smile as you do when a friend comes in.", 0.67, 0.08),
        ("surprised", "Be surprised: brows up, mouth open.", 0.18, 0.70),
        ("sad", "Think of something sad, and let it show.", -0.63, -0.27),
        ("angry", "Frown as if somebody took your seat.", -0.43, 0.55),
        ("disgusted", "Wrinkle your nose at a bad smell.", -0.68, 0.45),
        ("afraid", "Show fear: eyes wide, mouth drawn back.", -0.12, 0.76),
        ("neutral again", "Let your face come to rest once more.", 0.0, 0.0),
    )
    return tuple(
        Prompt(title, instruction, valence, arousal, frames)
        for title, instruction, valence, arousal in prompts
    )


def affect_grid(frames: int = FRAMES_PER_PROMPT) -> tuple[Prompt, ...]:
    """Nine points of the affect grid (Russell, Weiss & Mendelsohn 1989)."""
    prompts = (
        ("neutral", "A face at rest: neither pleasant nor unpleasant.", 0.0, 0.0),
        ("pleasant", "Content: a pleasant, quiet moment.", 0.6, 0.0),
        ("pleasant, activated", "Delighted: something wonderful happens.", 0.6, 0.6),
        ("activated", "Wide awake: full attention, neither good nor bad.", 0.0, 0.7),
        ("unpleasant, activated", "Stressed or annoyed: it is too much.", -0.6, 0.6),
        ("unpleasant", "Displeased: you do not like what you see.", -0.6, 0.0),
        ("unpleasant, deactivated", "Gloomy: a long, bad day is over.", -0.5, -0.5),
        ("deactivated", "Drowsy: hardly awake.", 0.0, -0.6),
        ("pleasant, deactivated", "At ease: relaxed, eyes almost closing.", 0.5, -0.5),
    )
    return tuple(
        Prompt(title, instruction, valence, arousal, frames)
        for title, instruction, valence, arousal in prompts
    )


def neutral_only(seconds: float = NEUTRAL_S, slot_s: float = 1.0) -> tuple[Prompt, ...]:
    """One prompt: a face at rest, one frame per slot."""
    instruction = "Look at the camera with your face at rest, until the bar is full."
    return (Prompt("neutral", instruction, 0.0, 0.0, max(round(seconds / slot_s), 1), slot_s),)


def total_s(prompts: Sequence[Prompt], countdown_s: float) -> float:
    """How long a session lasts when every frame is usable."""
    return sum(prompt.hold_s + countdown_s for prompt in prompts)
