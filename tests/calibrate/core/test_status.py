"""What the labels so far are worth: the rule for enough sees the sets as they were before the latest labels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mtclar.calibrate.core.coverage import REGIONS, RULE
from mtclar.calibrate.core.label_store import Collection
from mtclar.calibrate.core.status import Standing
from mtclar.engine.data_types import Encoded
from mtclar.engine.estimate.label_convergence import label_convergence
from mtclar.engine.face.crop import FRAMING
from mtclar.engine.support_set import SupportSet

Make = Callable[..., Any]


def support(collection: Collection) -> SupportSet:
    return collection.support(subject="", source="", model_name="", model_sha256="", framing=FRAMING)


@pytest.fixture
def courses(taken: Make, monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], SupportSet]]:
    """The state and the support set after each of RULE.over + 2 labels, the frames of each differing in number."""
    monkeypatch.setattr("mtclar.calibrate.core.coverage.LARGE_ERROR", 2.0)  # these faces are random
    standing, after = Standing(), []
    standing.shown.note(0.0, shown(taken))
    for number in range(RULE.over + 2):
        region = REGIONS[number % len(REGIONS)]
        frames = taken(number, 1 + number % 3)
        standing.collection.add(region.valence, region.arousal, *frames, keep_crops=False)
        made = support(standing.collection)
        standing.renew(made, added=True)
        after.append((standing.state(), made))
    return after


def shown(taken: Make) -> Encoded:
    """Three other faces."""
    encoded: Encoded = taken(99, 3)[1]
    return encoded


def test_with_few_labels_the_number_is_missing(courses: list[tuple[dict[str, Any], SupportSet]]) -> None:
    for number, (state, _) in enumerate(courses[: RULE.over - 1], 1):
        assert state["enough"] == {
            "enough": False,
            "why": f"at least {RULE.over} labels, and there are {number}",
        }


def test_the_sets_before_the_latest_labels_are_compared(
    courses: list[tuple[dict[str, Any], SupportSet]], taken: Make
) -> None:
    sets: list[SupportSet | None] = [None, *(made for _, made in courses)]
    for number in (RULE.over, RULE.over + 1, RULE.over + 2):
        change = label_convergence(
            sets[number : (number - RULE.over - 1) if number > RULE.over else None : -1], shown(taken)
        )
        verdict = courses[number - 1][0]["enough"]
        assert verdict["enough"] == (change < RULE.change)
        assert f"(by {change:.2f})" in verdict["why"]


def test_without_a_face_between_the_labels_the_labelled_ones_stand_in(
    taken: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtclar.calibrate.core.coverage.LARGE_ERROR", 2.0)  # these faces are random
    standing = Standing()
    for number in range(RULE.over):
        region = REGIONS[number]
        standing.collection.add(region.valence, region.arousal, *taken(number, 2), keep_crops=False)
    standing.renew(support(standing.collection))
    assert "the last" in standing.state()["enough"]["why"]


def test_other_regions_are_asked_for_when_one_was_passed_on() -> None:
    standing = Standing()
    asked = []
    for _ in REGIONS:
        asked.append(standing.ask().title)
        standing.pass_on(standing.ask())
    assert set(asked) == {region.title for region in REGIONS}
    assert standing.ask().title == asked[0]
    assert np.all([region["covered"] is False for region in standing.state()["regions"]])
