"""The guided prompts ask for faces all over the affect plane, with labels inside it."""

import pytest

from mtclar.calibrate.core import prompts
from mtclar.calibrate.core.evaluation.report import QUADRANTS, quadrant_of


@pytest.mark.parametrize("made", [prompts.expressions(), prompts.affect_grid(), prompts.neutral_only()])
def test_labels_lie_in_the_affect_plane_and_every_prompt_asks_for_something(made) -> None:  # type: ignore[no-untyped-def]
    for prompt in made:
        assert abs(prompt.valence) <= 1
        assert abs(prompt.arousal) <= 1
        assert prompt.title
        assert prompt.instruction.endswith(".")
        assert prompt.frames >= 1


def test_the_grid_covers_every_region_that_the_report_asks_for() -> None:
    covered = {quadrant_of(prompt.valence, prompt.arousal) for prompt in prompts.affect_grid()}
    assert covered >= {quadrant for _, quadrant in QUADRANTS}


def test_neutral_only_lasts_ten_seconds() -> None:
    (prompt,) = prompts.neutral_only()
    assert (prompt.valence, prompt.arousal) == (0.0, 0.0)
    assert prompt.hold_s == pytest.approx(10.0)


def test_the_number_of_frames_is_taken_over() -> None:
    assert {prompt.frames for prompt in prompts.expressions(5)} == {5}
    assert prompts.total_s(prompts.expressions(5), 3.0) > prompts.total_s(prompts.expressions(2), 3.0)
