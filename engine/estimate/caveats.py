"""What a face does beside its expression, and what that does to its estimate: blinks, talks, a hidden mouth.

Closed eyes read as low arousal and a talking mouth as surprise, so neither may move arousal that way. Valence, and
arousal the other way, stay: docs/explanation/faces.md has the cost of holding them. A hidden mouth leaves the value as
it is and makes it less certain.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from mtclar.engine.data_types import Caveat
from mtclar.engine.estimate.smoothing import DRIFT_PER_SQRT_S
from mtclar.engine.face.features.eyes import BLINK_OPENING

Pair = tuple[float, float]

# Chosen on rendered people 950 to 955 who talk and on the demo clip, whose mild talk must not lose.
SYLLABLE_S = 0.25  # in so long a time the mouth is closed once, or nearly
OPENED = 0.05  # eye distances by which it is wider open than then: less does not raise arousal
HIDDEN_FOLLOW_S = 0.3  # how fast the odds of a hidden mouth are followed: a single frame is no object
MOST_ODDS = 4.0  # so that one certain frame does not decide for seconds
HIDDEN_SD: Pair = (0.36, 0.17)  # of V/A, beside that of the estimate: the error that objects added on photos
RESTART_AFTER_S = 1.0


class FaceParts(Protocol):
    """What a caveat depends on; FaceCrop has it."""

    @property
    def eye_opening(self) -> float: ...

    @property
    def mouth_opening(self) -> float: ...

    @property
    def talking(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Qualified:
    """An estimate with its caveats."""

    caveats: tuple[Caveat, ...]
    value: Pair  # V/A
    sd: Pair


class Caveats:
    """The caveats of one face and its estimate in spite of them; called with every measured frame in order of time."""

    def __init__(self) -> None:
        self._t_s = 0.0
        self._open_arousal: float | None = None  # estimate of the last frame with open eyes
        self._open_s = 0.0  # source time of that frame
        # Source time, opening of the mouth and arousal of each frame of the last SYLLABLE_S.
        self._latest: deque[tuple[float, float, float]] = deque()
        self._hidden: float | None = None  # log odds of a hidden mouth, followed

    def __call__(self, t_s: float, face: FaceParts, value: Pair, sd: Pair, hidden: float | None) -> Qualified:
        """At source time `t_s`. `hidden`: log odds of a hidden mouth in this frame; None: unknown."""
        step_s, self._t_s = t_s - self._t_s, t_s
        blinking, mouth_hidden = face.eye_opening < BLINK_OPENING, self._is_hidden(step_s, hidden)
        talking = face.talking and not mouth_hidden  # the landmarks of a hidden mouth are guessed
        valence, arousal = value
        if blinking and self._open_arousal is not None:
            # Not below the arousal of the open eyes before it; the sd grows until they open.
            arousal = max(arousal, self._open_arousal)
            held_s = max(t_s - self._open_s, 0.0)
            sd = sd[0], math.hypot(sd[1], DRIFT_PER_SQRT_S * math.sqrt(held_s))
        else:
            self._open_arousal, self._open_s = arousal, t_s
        self._latest.append((t_s, face.mouth_opening, arousal))
        while not 0 <= t_s - self._latest[0][0] <= SYLLABLE_S:
            self._latest.popleft()
        if talking:
            # An opened mouth does not raise it above that of the mouth before; the sd grows by what that takes off.
            _, closed_opening, closed_arousal = min(self._latest, key=lambda one: one[1])
            if face.mouth_opening - closed_opening >= OPENED and closed_arousal < arousal:
                sd = sd[0], math.hypot(sd[1], arousal - closed_arousal)
                arousal = closed_arousal
        if mouth_hidden:
            sd = math.hypot(sd[0], HIDDEN_SD[0]), math.hypot(sd[1], HIDDEN_SD[1])
        present: dict[Caveat, bool] = {"blink": blinking, "talking": talking, "mouth hidden": mouth_hidden}
        names = tuple(name for name, holds in present.items() if holds)
        return Qualified(names, (valence, arousal), sd)

    def _is_hidden(self, step_s: float, hidden: float | None) -> bool:
        if hidden is None:
            return False
        odds = min(max(hidden, -MOST_ODDS), MOST_ODDS)
        if self._hidden is None or not 0 <= step_s <= RESTART_AFTER_S:
            self._hidden = odds
        else:
            self._hidden += (1 - math.exp(-step_s / HIDDEN_FOLLOW_S)) * (odds - self._hidden)
        return self._hidden > 0
