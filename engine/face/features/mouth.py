"""How far the mouth of a tracked face is open, and whether the person talks, from the landmarks of its inner lips."""

import math
from collections import deque

from mtclar.engine.face.crop import LEFT_EYE, RIGHT_EYE, Points

UPPER_LIP, LOWER_LIP = (82, 13, 312), (87, 14, 317)  # inner edges
READ = [*UPPER_LIP, RIGHT_EYE[0], *LOWER_LIP, LEFT_EYE[1]]  # with the outer corner of each eye

# Chosen on rendered people who talk and on moved photos of people who do not (docs/explanation/faces.md).
SWING = 0.02  # of the eye distance: a smaller movement of the lips is noise of the landmarks ...
SWING_SHARE = 0.25  # ... which grows with the opening
SWINGS = 3  # opening, closing, opening: an expression that comes, or comes and goes, makes two at most
WITHIN_S = 1.5  # in which so many follow one another
PAUSE_S = 1.0  # after the last of them a person still talks
RESTART_AFTER_S = 0.25  # after a longer gap the movement is unknown


def mouth_opening(points: Points) -> float:
    """Mean distance of the inner lips over that of the outer eye corners, from landmarks [468, 3].

    0 for closed lips, .3 to .5 for a wide open mouth. Depth counts, so that a turned or lowered head changes it little.
    """
    at = points[READ].tolist()
    *lips, eyes = map(math.dist, at[:4], at[4:])
    return float(sum(lips) / len(lips) / max(eyes, 1e-6))


class Talking:
    """Whether one face talks, on source time: its mouth opens and closes again and again."""

    _least: float  # openings since the last swing
    _most: float
    _direction: int  # of the last swing: 1 opened, -1 closed, 0 none yet
    _until_s: float  # source time until which the person talks

    def __init__(self) -> None:
        self._t_s = -math.inf
        self._swings: deque[float] = deque(maxlen=SWINGS)  # source times
        self._restart(0.0)

    def __call__(self, t_s: float, points: Points) -> bool:
        """With the landmarks [468, 3] at source time `t_s`; False for a first picture or after a gap."""
        opening = mouth_opening(points)
        step_s, self._t_s = t_s - self._t_s, t_s
        if not 0 <= step_s <= RESTART_AFTER_S:
            self._restart(opening)
        if -math.inf < self._until_s < t_s:  # an expression that follows is no part of that talk
            self._swings.clear()
            self._until_s = -math.inf
        self._least, self._most = min(self._least, opening), max(self._most, opening)
        swing = SWING + SWING_SHARE * self._most
        opened = self._direction <= 0 and opening - self._least >= swing
        closed = self._direction >= 0 and self._most - opening >= swing
        if opened or closed:
            self._direction = 1 if opened else -1
            self._least = self._most = opening
            self._swings.append(t_s)
            if len(self._swings) == SWINGS and t_s - self._swings[0] <= WITHIN_S:
                self._until_s = t_s + PAUSE_S
        return t_s <= self._until_s

    def _restart(self, opening: float) -> None:
        self._least = self._most = opening
        self._direction = 0
        self._swings.clear()
        self._until_s = -math.inf
