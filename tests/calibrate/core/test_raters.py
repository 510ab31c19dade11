"""Several raters: their common moments, their agreement and their mean."""

import math

import pytest

from mtclar.calibrate.core.raters import common_ratings
from mtclar.engine.errors import UsageError
from mtclar.stream.label_formats.label_file import Label

BEN = [Label(0.0, 0.1, 0.2), Label(1.0, 0.5, -0.2), Label(2.0, -0.4, 0.6), Label(3.0, 0.9, 0.9)]
CLEO = [
    Label(2.04, -0.2, 0.4),
    Label(0.0, 0.3, 0.2),
    Label(1.0, 0.7, -0.4),
]  # one is missing, one a little late


def test_the_moments_that_all_rated_are_compared() -> None:
    common = common_ratings([("ben", BEN), ("cleo", CLEO)])
    assert common.raters == ("ben", "cleo")
    assert common.times_s.tolist() == [0.0, 1.0, 2.04]
    assert [(one.valence, one.arousal) for one in common.mean] == [(0.2, 0.2), (0.6, -0.3), (-0.3, 0.5)]
    valence, arousal = common.agreement
    assert 0.5 < valence.icc < valence.icc_mean < 1
    assert 0.5 < arousal.ccc < 1


def test_equal_raters_agree_wholly() -> None:
    valence, arousal = common_ratings([("a", BEN), ("b", BEN), ("c", BEN)]).agreement
    for axis in (valence, arousal):
        assert (axis.ccc, axis.icc, axis.icc_mean) == pytest.approx((1, 1, 1))


def test_where_nothing_varies_there_is_no_figure() -> None:
    flat = [Label(float(t_s), 0.5, 0.1 * t_s) for t_s in range(4)]
    valence, arousal = common_ratings([("a", flat), ("b", flat)]).agreement
    assert math.isnan(valence.icc)
    assert arousal.icc == pytest.approx(1)


@pytest.mark.parametrize(
    ("raters", "words"),
    [
        ([("ben", BEN)], "at least two"),
        ([("ben", BEN), ("cleo", [Label(0.5, 0, 0)])], "no moment in common"),
        ([("ben", BEN), ("cleo", [])], "no moment in common"),
    ],
)
def test_what_cannot_be_compared_is_said(raters: list[tuple[str, list[Label]]], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        common_ratings(raters)
