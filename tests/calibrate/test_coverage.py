"""Regions of the grid, what is asked for next, and when there are labels enough."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.calibrate.coverage import (
    LARGE_ERROR,
    MIN_REGIONS,
    ORDER,
    REGIONS,
    covered,
    judge,
    next_region,
    region_of,
)
from mtclar.engine.enough import Enough

unit = st.floats(-1, 1)
ENOUGH = Enough(9, 0, 0.01, True)


def test_following_what_is_asked_for_covers_every_region_once() -> None:
    labels: list[tuple[float, float]] = []
    asked = []
    while (region := next_region(labels)) is not None:
        asked.append(region.title)
        labels.append((region.valence, region.arousal))
    assert len(asked) == len(set(asked)) == len(REGIONS) == len(ORDER)
    assert asked[0] == "neither, nor"
    assert covered(labels) == set(asked)


def test_what_was_not_met_is_asked_for_again_after_the_others() -> None:
    first = next_region([])
    assert first is not None
    second = next_region([], {first.title})
    assert second not in (None, first)
    others = [(region.valence, region.arousal) for region in REGIONS if region is not first]
    assert next_region(others, {first.title}) is first


@given(unit, unit)
def test_a_region_is_that_of_its_nearest_point(valence: float, arousal: float) -> None:
    region = region_of(valence, arousal)
    assert next_region([(valence, arousal)]) is not region
    assert region_of(region.valence, region.arousal) is region
    assert region_of(valence * 0.01, arousal * 0.01).title == "neither, nor"


@pytest.mark.parametrize(
    ("regions", "errors", "expected", "enough", "why"),
    [
        (MIN_REGIONS - 1, (0.1,) * 4, ENOUGH, False, "4 of 5 regions"),
        (MIN_REGIONS, (0.1,) * 5, Enough(3, 2, None, False), False, "at least 5 labels, and there are 3"),
        (MIN_REGIONS, (0.1, LARGE_ERROR + 0.01), ENOUGH, False, "do not fit together"),
        (MIN_REGIONS, (0.9, 0.1), Enough(9, 0, 0.12, False), False, r"expected to help \(12 %"),
        (MIN_REGIONS, (0.9, 0.1), ENOUGH, True, r"would change little \(1 %"),
        (MIN_REGIONS, (0.5, 0.4, 0.11, 0.3, 0.2, 0.1), Enough(9, 0, 0.12, False), True, "last 3 labels"),
        (MIN_REGIONS, (0.5, 0.4, 0.13, 0.3, 0.2, 0.1), Enough(9, 0, 0.12, False), False, "expected to help"),
        (MIN_REGIONS, (), Enough(9, 0, None, True), True, "would change little"),
    ],
)
def test_enough(regions: int, errors: tuple[float, ...], expected: Enough, enough: bool, why: str) -> None:
    labels = [(region.valence, region.arousal) for region in REGIONS[:regions]]
    verdict = judge(labels, errors, expected)
    assert verdict.enough is enough
    assert re.search(why, verdict.why)
