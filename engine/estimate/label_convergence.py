"""Label convergence: how much the latest labels changed the estimates of a person's other faces.

The gain of further labels cannot be measured without them, but converged estimates can: stopping on stabilising
predictions, Bloodgood & Vijay-Shanker, CoNLL 2009 (https://aclanthology.org/W09-1107/). docs/results/calibration.md
compares it with a fixed number of labels and with the leave-one-out error.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Encoded
from mtclar.engine.estimate.comparer import CompareParams, Comparer
from mtclar.engine.support_set import SupportSet

Array = NDArray[np.float64]


def label_convergence(
    supports: Sequence[SupportSet | None], faces: Encoded, params: CompareParams | None = None
) -> float:
    """Largest change of the estimates of B faces since the earlier support sets, in V/A units.

    `supports`: the set as it is, as it was one label ago, two labels ago, ... (None: without any label). The change
    since each earlier one is a root mean square over the faces.
    """
    now, *before = (estimate_faces(support, faces, params) for support in supports)
    return max(rms_distance(now, then) for then in before)


def estimate_faces(support: SupportSet | None, faces: Encoded, params: CompareParams | None = None) -> Array:
    """V/A [B, 2] of the faces, without the pair graph."""
    estimates = Comparer(None, support, params=params)(faces)
    return np.array([(estimate.valence, estimate.arousal) for estimate in estimates]).reshape(-1, 2)


def rms_distance(one: Array, other: Array) -> float:
    """Root mean square distance in the affect plane between two estimates [B, 2] of the same faces."""
    return float(np.sqrt(((one - other) ** 2).sum(1).mean()))
