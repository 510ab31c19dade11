"""Whether the latest labels have changed the estimates of other faces, on people whose residuals are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.estimate.label_convergence import estimate_faces, label_convergence, rms_distance

from .test_active_learning import faces, support_set


@given(seed=st.integers(0, 10_000), labels=st.integers(2, 10), off=st.floats(-0.4, 0.4))
def test_largest_change_counts(seed: int, labels: int, off: float) -> None:
    known, others = faces(labels, seed), faces(25, seed + 1)
    now = support_set(known, known.absolute + off)
    before = [now.only(np.arange(rows)) for rows in range(labels - 1, 0, -1)]
    changes = [
        rms_distance(estimate_faces(now, others), estimate_faces(then, others)) for then in [*before, None]
    ]
    assert label_convergence([now, *before, None], others) == pytest.approx(max(changes))
    assert label_convergence([now, before[0]], others) == pytest.approx(changes[0])
    assert label_convergence([now, now], others) == 0.0


def test_a_contradicting_label_changes_more() -> None:
    known, others = faces(1, 0), faces(25, 1)
    agrees = label_convergence([support_set(known, known.absolute), None], others)
    contradicts = label_convergence([support_set(known, known.absolute + 0.5), None], others)
    assert agrees < 0.01 < contradicts


def test_later_labels_change_less() -> None:
    known, others = faces(12, 0), faces(25, 1)
    sets = [support_set(known, known.absolute + 0.4).only(np.arange(rows)) for rows in range(12, 0, -1)]
    assert label_convergence(sets[:2], others) < 0.2 * label_convergence([sets[-1], None], others)


@given(seed=st.integers(0, 1000), by=st.floats(0, 1))
def test_the_distance_is_in_the_affect_plane(seed: int, by: float) -> None:
    values = np.random.default_rng(seed).uniform(-1, 1, (7, 2))
    assert rms_distance(values, values + np.array([0.6, 0.8]) * by) == pytest.approx(by)
