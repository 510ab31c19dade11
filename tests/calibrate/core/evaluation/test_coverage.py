"""Regions of the grid, the next prompt, and the stopping rule."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.calibrate.core.evaluation.coverage import (
    LARGE_ERROR,
    MIN_FACES,
    MOST_LABELS,
    ORDER,
    REGIONS,
    StoppingRule,
    check_stopping,
    covered_regions,
    nearest_region,
    next_region,
)

unit = st.floats(-1, 1)
STOPPING_RULE = StoppingRule(min_regions=4, window=5, max_change=0.06)


def test_following_what_is_asked_for_covers_every_region_once_and_then_once_more() -> None:
    labels: list[tuple[float, float]] = []
    asked = []
    for _ in range(2 * len(REGIONS)):
        region = next_region(labels)
        asked.append(region.title)
        labels.append((region.valence, region.arousal))
        assert covered_regions(labels) == set(asked)
    assert asked[0] == "neutral"
    assert len(set(asked)) == len(REGIONS) == len(ORDER)
    assert asked[len(REGIONS) :] == asked[: len(REGIONS)]


def test_what_was_not_met_is_asked_for_again_after_the_others() -> None:
    first = next_region([])
    second = next_region([], [first.title])
    assert second is not first
    others = [(region.valence, region.arousal) for region in REGIONS if region is not first]
    assert next_region(others[:-1], [first.title]) is not first
    assert next_region(others, [first.title]) is first
    assert next_region(others, [first.title] * 2) is not first


@given(st.lists(st.tuples(unit, unit), max_size=30), st.integers(0, 30))
def test_passing_goes_through_every_region(labels: list[tuple[float, float]], more: int) -> None:
    passed: list[str] = []
    for _ in range(len(labels) * len(REGIONS) + len(REGIONS) + more):
        passed.append(next_region(labels, passed).title)
    assert set(passed) == {region.title for region in REGIONS}


@given(unit, unit)
def test_a_region_is_that_of_its_nearest_point(valence: float, arousal: float) -> None:
    region = nearest_region(valence, arousal)
    assert next_region([(valence, arousal)]) is not region
    assert nearest_region(region.valence, region.arousal) is region
    assert nearest_region(valence * 0.01, arousal * 0.01).title == "neutral"


@pytest.mark.parametrize(
    ("regions", "labels", "error", "change", "enough", "why"),
    [
        (2, 4, 0.1, None, False, "4 of at least 5 labels"),
        (3, 9, 0.1, 0.01, False, "3 of at least 4 regions"),
        (4, 6, LARGE_ERROR + 0.01, 0.01, False, "contradict one another"),
        (4, 6, 0.1, 0.12, False, r"last 5 labels still changed the estimates \(by 0.12"),
        (4, 6, 0.1, 0.01, True, r"hardly changed the estimates \(by 0.01"),
        (4, 6, None, 0.01, True, "hardly changed"),
        (4, MOST_LABELS, 0.1, 0.12, True, f"{MOST_LABELS} labels"),
        (3, MOST_LABELS, 0.1, 0.01, True, f"{MOST_LABELS} labels"),
        (3, MOST_LABELS, LARGE_ERROR + 0.01, 0.01, False, "contradict one another"),
    ],
)
def test_enough(
    regions: int, labels: int, error: float | None, change: float | None, enough: bool, why: str
) -> None:
    at = [(REGIONS[i % regions].valence, REGIONS[i % regions].arousal) for i in range(labels)]
    verdict = check_stopping(at, error, change, MIN_FACES, STOPPING_RULE)
    assert verdict.stop is enough
    assert re.search(why, verdict.why.text)


@given(
    st.lists(st.tuples(unit, unit), max_size=MOST_LABELS - 1),
    st.none() | st.floats(0, 1),
    st.none() | st.floats(0, 1),
    st.integers(0, MIN_FACES - 1),
)
def test_it_is_never_enough_by_the_estimates_of_too_few_faces(
    labels: list[tuple[float, float]], error: float | None, change: float | None, faces: int
) -> None:
    assert not check_stopping(labels, error, change, faces).stop


def test_what_is_missing_is_faces_once_there_are_labels_enough() -> None:
    grid = [(region.valence, region.arousal) for region in REGIONS]
    why = check_stopping(grid, 0.1, 0.01, MIN_FACES - 1).why.text
    assert why == f"{MIN_FACES - 1} of at least {MIN_FACES} different expressions seen between the labels"
    assert check_stopping(grid, 0.1, 0.01, MIN_FACES).stop


@given(st.integers(0, 9), st.floats(0, 1))
def test_more_regions_and_a_smaller_change_never_make_it_less(regions: int, change: float) -> None:
    if STOPPING_RULE.met(regions, change):
        assert STOPPING_RULE.met(regions + 1, change)
        assert STOPPING_RULE.met(regions, change / 2)
