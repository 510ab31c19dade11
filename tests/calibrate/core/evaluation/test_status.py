"""The stopping rule compares the support sets before and after the latest labels."""

from collections.abc import Callable
from typing import Any

import pytest

from mtclar.calibrate.core.evaluation.coverage import (
    MIN_FACES,
    REGIONS,
    STOPPING_RULE,
    StoppingVerdict,
)
from mtclar.calibrate.core.evaluation.status import CalibrationStatus
from mtclar.calibrate.core.label_store import LabelStore
from mtclar.engine.data_types import Encoded
from mtclar.engine.estimate.label_convergence import label_convergence
from mtclar.engine.support_set import SupportSet

Make = Callable[..., Any]


def support(store: LabelStore) -> SupportSet:
    return store.support()


@pytest.fixture(autouse=True)
def random_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their labels contradict one another, which is not looked at here."""
    monkeypatch.setattr("mtclar.calibrate.core.evaluation.coverage.LARGE_ERROR", 2.0)


@pytest.fixture
def courses(taken: Make) -> list[tuple[StoppingVerdict, SupportSet]]:
    """The verdict and the support set after each of STOPPING_RULE.window + 2 labels of one to three frames."""
    status, after = CalibrationStatus(), []
    status.unlabelled.add(0.0, shown(taken))
    for number in range(STOPPING_RULE.window + 2):
        region = REGIONS[number % len(REGIONS)]
        frames = taken(number, 1 + number % 3)
        status.labels.add(region.valence, region.arousal, *frames, keep_crops=False)
        made = support(status.labels)
        status.update(made, added=True)
        after.append((status.stopping(), made))
    return after


def shown(taken: Make) -> Encoded:
    """Other faces, no more of them than a verdict needs."""
    encoded: Encoded = taken(99, MIN_FACES)[1]
    return encoded


def test_with_few_labels_the_number_is_missing(courses: list[tuple[StoppingVerdict, SupportSet]]) -> None:
    for number, (verdict, _) in enumerate(courses[: STOPPING_RULE.window - 1], 1):
        assert not verdict.stop
        assert verdict.why.text == f"{number} of at least {STOPPING_RULE.window} labels"


def test_the_sets_before_the_latest_labels_are_compared(
    courses: list[tuple[StoppingVerdict, SupportSet]], taken: Make
) -> None:
    sets: list[SupportSet | None] = [None, *(made for _, made in courses)]
    for number in (STOPPING_RULE.window, STOPPING_RULE.window + 1, STOPPING_RULE.window + 2):
        change = label_convergence(
            sets[
                number : (number - STOPPING_RULE.window - 1) if number > STOPPING_RULE.window else None : -1
            ],
            shown(taken),
        )
        verdict = courses[number - 1][0]
        assert verdict.stop == (change < STOPPING_RULE.max_change)
        assert f"(by {change:.2f})" in verdict.why.text


@pytest.mark.parametrize("seconds", [0, 1, 60])
def test_a_held_face_between_the_labels_is_one_however_long_it_is_seen(taken: Make, seconds: int) -> None:
    status = CalibrationStatus()
    for number, region in enumerate(REGIONS):
        status.labels.add(region.valence, region.arousal, *taken(number, 2), keep_crops=False)
        for half in range(2 * seconds):
            status.unlabelled.add(number * seconds + half / 2, taken(99, 1)[1])
    status.update(support(status.labels))
    seen = min(seconds, 1)
    assert (
        status.stopping().why.text
        == f"{seen} of at least {MIN_FACES} different expressions seen between the labels"
    )
    assert not status.stopping().stop


def test_a_skipped_region_is_prompted_again_after_the_others() -> None:
    status = CalibrationStatus()
    prompted = []
    for _ in REGIONS:
        prompted.append(status.next_prompt().title)
        status.skip()
    assert set(prompted) == {region.title for region in REGIONS}
    assert status.next_prompt().title == prompted[0]
