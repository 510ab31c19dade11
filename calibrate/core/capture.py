"""Frames being taken for one label: a second to look up from the grid, then the best picture of each of three slots."""

from dataclasses import dataclass, field
from typing import Any, Literal

from mtclar.calibrate.core.prompts import Prompt
from mtclar.calibrate.core.support_builder import Guide, Look, Progress

FRAMES = 3  # of a label
SLOT_S = 0.3  # one from each slot of this length
COUNTDOWN_S = 1.0  # from saying where one is to the first frame
PATIENCE_S = 6.0

Kind = Literal["take", "redo", "check"]


@dataclass(slots=True, eq=False)
class Capture:
    """A label, new (`number` is None) or one that is there, and what was taken for it so far."""

    kind: Kind
    number: int | None
    valence: float
    arousal: float
    guide: Guide = field(init=False)
    _progress: Progress | None = None

    def __post_init__(self) -> None:
        prompt = Prompt("label", "", self.valence, self.arousal, FRAMES, SLOT_S)
        self.guide = Guide([prompt], COUNTDOWN_S, PATIENCE_S)

    def step(self, seen: Look) -> None:
        """Takes note of one frame; frames come in order of time."""
        self._progress = self.guide.step(seen)

    def state(self) -> dict[str, Any] | None:
        """As `calibrate.look` says it; None before the first frame."""
        progress = self._progress
        if progress is None:
            return None
        return {
            "kind": self.kind,
            "number": self.number,
            "valence": self.valence,
            "arousal": self.arousal,
            "phase": progress.phase,
            "left_s": round(progress.left_s, 2),
            "taken": progress.taken,
            "of": FRAMES,
        }
