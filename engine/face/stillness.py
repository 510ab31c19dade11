"""Whether a face looks as it did: then its landmarks, its crop and its values are kept for a few frames.

The small square that is cut out for the encoder anyway is cut again at the same place, which takes a twentieth of the
time of the networks, and compared by the means of its blocks: the noise of a sensor averages out in them, a lid or the
corner of a mouth that moves does not. The comparison is with the picture in which the face became still, not with the
one before, so that an expression that comes slowly is seen once it has changed by the same amount.
docs/results/performance.md has the error that this costs.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import FaceCrop
from mtclar.engine.face.crop import Square, sample
from mtclar.engine.face.landmarks import Mesh

BLOCK = 4  # pixels of a crop to a block's side
CHANGED = 0.7  # grey levels between two block means: the face has changed ...
CHANGED_FRAMES = 2  # ... if so many frames in a row differ; a single one may be noise, and is measured
GRAINY = 0.55  # rms of the differences of pixels in grey levels: their noise alone moves values by .005
SETTLE_S = 1.0  # a face that has not changed for so long is still: its square and its values have settled
KEEP_S = 0.24  # at most from one measurement to the next: crop and eyes start anew after a gap of .25 s
ECONOMY_LOOKS_PER_S = 10.0


@dataclass(frozen=True, slots=True)
class Looks:
    """When a face that was seen in the frame before is measured again. By default in every frame."""

    skip_still: bool = False  # not while it looks the same
    per_s: float | None = None  # at most so often; None: in every frame


EVERY_FRAME = Looks()


class Stillness:
    """One face: whether it is kept in the next frame. Times are source time."""

    def __init__(self, looks: Looks) -> None:
        self.mesh: Mesh | None = None  # as last measured
        self._looks = looks
        self._crop: FaceCrop | None = None
        self._measured_s = self._seen_s = self._since_s = 0.0
        self._differing = 0  # frames in a row
        self._still: tuple[Square, FaceCrop] | None = None  # the picture in which it became still

    def keeps(self, image: NDArray[np.uint8], t_s: float) -> bool:
        """Whether it is kept at `t_s`; `image` is [H, W, 3] BGR or [H, W] grey. Call it once for each frame."""
        step_s, self._seen_s = t_s - self._seen_s, t_s
        if self._crop is None or step_s <= 0 or t_s - self._measured_s + step_s > KEEP_S:
            may_keep = False
        else:
            may_keep = True
            if self._looks.per_s is not None and t_s - self._measured_s + step_s / 2 < 1 / self._looks.per_s:
                return True
        if not self._looks.skip_still:
            return False
        if self._still is None:
            return False
        differs = has_changed(*self._still, image)
        self._differing = self._differing + 1 if differs else 0
        if self._differing >= CHANGED_FRAMES:
            self._still, self._differing = None, 0
        return may_keep and not differs and t_s - self._since_s >= SETTLE_S

    def measured(self, t_s: float, mesh: Mesh, square: Square, crop: FaceCrop) -> FaceCrop:
        """The crop that was cut from `square`, with the time since which the face looks the same."""
        if self._still is None or not self._looks.skip_still:
            self._still, self._since_s = (square, crop), t_s
        self.mesh, self._measured_s, self._seen_s = mesh, t_s, t_s
        self._crop = replace(crop, same_since_s=self._since_s)
        return self._crop

    def kept(self) -> FaceCrop:
        """The crop as last measured."""
        assert self._crop is not None, "only a face that was measured is kept"
        return replace(self._crop, kept=True)


def has_changed(square: Square, before: FaceCrop, image: NDArray[np.uint8]) -> bool:
    """Whether a square of `image`, [H, W, 3] BGR or [H, W] grey, differs from the crop that was cut there before.

    So does a grainy one, which is not told from one that has changed.
    """
    size = len(before.image)
    difference = sample(image, square, size) - before.image.astype(np.float32)
    if np.sqrt(np.mean(difference**2)) >= GRAINY:
        return True
    blocks = max(1, size // BLOCK)
    return bool(
        np.abs(cv2.resize(difference, (blocks, blocks), interpolation=cv2.INTER_AREA)).max() >= CHANGED
    )
