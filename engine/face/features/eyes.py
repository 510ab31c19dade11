"""How far the eyes of a tracked face are open, and whether it blinks, from the landmarks of its lids."""

import math

import numpy as np

from mtclar.engine.face.crop import Points

# Pairs of upper and lower lid, and both corners, of the right and of the left eye.
LIDS = (((159, 145), (158, 153), (160, 144)), ((386, 374), (385, 380), (387, 373)))
CORNERS = ((33, 133), (362, 263))
# Rows of the landmarks, pair after pair: corners and lids of the right eye, then of the left.
_ROWS = np.array(
    [
        point
        for corners, lids in zip(CORNERS, LIDS, strict=True)
        for pair in (corners, *lids)
        for point in pair
    ]
)
_EACH = len(_ROWS) // 2

# Chosen on rendered clips with known blinks (docs/explanation/faces.md).
BLINK_OPENING = 0.75  # share of the open eyes' ratio below which the eyes are closing or closed
LONGEST_BLINK_S = 0.4  # eyes that stay narrow for longer are not blinking: the reference follows them
OPEN_FOLLOW_S = 0.1  # how fast the reference follows eyes that open further ...
NARROW_FOLLOW_S = 1.0  # ... and eyes that narrow
RESTART_AFTER_S = 0.25  # after a longer gap the reference starts again


def eye_aspect_ratio(points: Points) -> float:
    """Mean height over width of both eyes (Soukupova and Cech 2016), from landmarks [468, 2 or 3].

    About .3 for open eyes, and .1 to .2 for closed ones, since Face Mesh does not quite close them.
    """
    at = points[_ROWS, :2].tolist()
    ratios = []
    for eye in (at[:_EACH], at[_EACH:]):
        width, *heights = (math.dist(one, other) for one, other in zip(eye[::2], eye[1::2], strict=True))
        ratios.append(sum(heights) / len(heights) / max(width, 1e-6))
    return sum(ratios) / len(ratios)


class EyeOpening:
    """Eye aspect ratio of one face over that of its open eyes, on source time; below BLINK_OPENING in a blink.

    The reference follows the face, since people and smiles differ; eyes that stay narrow become the reference.
    """

    def __init__(self) -> None:
        self._t_s = 0.0
        self._reference: float | None = None
        self._narrow_since_s: float | None = None

    def __call__(self, t_s: float, points: Points) -> float:
        """The opening at source time `t_s`, from landmarks [468, 2 or 3]; 1 for a first picture or after a gap."""
        ratio = eye_aspect_ratio(points)
        step_s, self._t_s = t_s - self._t_s, t_s
        if self._reference is None or not 0 <= step_s <= RESTART_AFTER_S:
            self._reference, self._narrow_since_s = ratio, None
            return 1.0
        opening = ratio / max(self._reference, 1e-6)
        if opening < BLINK_OPENING:
            self._narrow_since_s = t_s if self._narrow_since_s is None else self._narrow_since_s
            if t_s - self._narrow_since_s <= LONGEST_BLINK_S:
                return opening
            self._reference, self._narrow_since_s = ratio, None
            return 1.0
        self._narrow_since_s = None
        follow_s = OPEN_FOLLOW_S if opening > 1 else NARROW_FOLLOW_S
        self._reference += (1 - math.exp(-step_s / follow_s)) * (ratio - self._reference)
        return opening
