"""The demo's account: perfect estimates score 1, baselines are smoothed like the estimate, order does not matter."""

import math

import numpy as np
import pytest

from mtclar.cli.reports.demo_scores import ABSOLUTE, MTCLAR, NEAREST, Row, score
from mtclar.engine.estimate.smoothing import make_smoother


def rows(count: int = 200, offset: float = 0.3) -> list[Row]:
    """A script of slow waves: `mtclar` follows it exactly, `absolute` is off by `offset`, `nearest` stands still."""
    made = []
    for i in range(count):
        t_s = i / 25
        script = (0.6 * math.sin(t_s), 0.5 * math.cos(0.7 * t_s))
        shifted = (script[0] + offset, script[1] + offset)
        made.append(Row(t_s, script, script, shifted, (0.1, 0.1), (0.1, 0.1)))
    return made


def test_the_estimate_is_scored_as_it_was_sent() -> None:
    scores = score(rows())
    assert scores.frames == 200
    for dimension in ("valence", "arousal"):
        assert scores.ccc[dimension][MTCLAR] == 1.0
        assert scores.rmse[dimension][MTCLAR] == 0.0
        assert scores.rmse[dimension][ABSOLUTE] == pytest.approx(0.3, abs=0.05)
        assert scores.ccc[dimension][NEAREST] == pytest.approx(0.0, abs=0.01)
    assert scores.best


def test_baselines_are_smoothed_like_the_estimate() -> None:
    """A baseline that says what the estimate says before smoothing ends up with its very score."""
    rng = np.random.default_rng(0)
    smooth, made = make_smoother("one-euro"), []
    for row in rows():
        noisy = (row.script[0] + float(rng.normal(0, 0.1)), row.script[1] + float(rng.normal(0, 0.1)))
        value = smooth(row.t_s, noisy, row.sd)[0]
        made.append(Row(row.t_s, row.script, (float(value[0]), float(value[1])), noisy, noisy, row.sd))
    scores = score(made, "one-euro")
    for by_method in (*scores.ccc.values(), *scores.rmse.values()):
        assert by_method[MTCLAR] == by_method[ABSOLUTE] == by_method[NEAREST]
    assert not scores.best


def test_without_smoothing_values_stay_as_they_are() -> None:
    assert score(rows(offset=0.25), "none").rmse["valence"][ABSOLUTE] == 0.25
