"""CCC, PCC, RMSE and SAGR: values by hand, and properties of every series."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from mtclar.engine.estimate.metrics import ccc, pcc, rmse, sagr

series = arrays(np.float64, st.integers(2, 30), elements=st.floats(-1, 1, width=32))


def test_by_hand() -> None:
    predicted, truth = [0.0, 0.5, 1.0], [0.0, 0.0, 1.0]
    # means 1/2 and 1/3; population variances 1/6 and 2/9; covariance 1/6
    assert ccc(predicted, truth) == pytest.approx((2 / 6) / (1 / 6 + 2 / 9 + 1 / 36))
    assert pcc(predicted, truth) == pytest.approx((1 / 6) / math.sqrt(1 / 6 * 2 / 9))
    assert rmse(predicted, truth) == pytest.approx(math.sqrt(0.25 / 3))
    assert sagr(predicted, truth) == pytest.approx(2 / 3)


def test_offset_lowers_ccc_and_not_pcc() -> None:
    truth = np.linspace(-1, 1, 9)
    assert pcc(truth + 0.3, truth) == pytest.approx(1)
    assert ccc(truth + 0.3, truth) < 0.95


def test_constant_prediction_has_no_concordance() -> None:
    assert ccc([0.2] * 3, [0.1, 0.2, 0.6]) == 0
    assert math.isnan(pcc([0.2] * 3, [0.1, 0.2, 0.6]))
    assert math.isnan(ccc([0.25] * 3, [0.25] * 3))


def test_zero_agrees_only_with_zero() -> None:
    assert sagr([0.0, 0.1, -0.1], [0.0, 0.0, 0.0]) == pytest.approx(1 / 3)


@pytest.mark.parametrize("metric", [ccc, pcc, rmse, sagr])
def test_shapes_must_agree(metric: object) -> None:
    for predicted, truth in (([1.0, 2.0], [1.0]), ([], [])):
        with pytest.raises(ValueError, match="series"):
            metric(predicted, truth)  # type: ignore[operator]


@given(series, st.floats(-0.5, 0.5), st.floats(0.2, 3))
def test_properties(truth: NDArray[np.float64], offset: float, scale: float) -> None:
    predicted = truth * scale + offset
    if truth.std() < 1e-6:
        return
    agreement = ccc(predicted, truth)
    assert -1 - 1e-9 <= agreement <= 1 + 1e-9
    assert (
        abs(agreement) <= abs(pcc(predicted, truth)) + 1e-9
    )  # Lin 1989: CCC = PCC x accuracy, accuracy <= 1
    assert agreement == pytest.approx(ccc(truth, predicted), abs=1e-9)
    assert ccc(truth, truth) == pytest.approx(1)
    assert rmse(predicted, truth) >= abs(predicted.mean() - truth.mean()) - 1e-9
