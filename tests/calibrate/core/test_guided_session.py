"""A guided session: which frames it takes, and which prompts it rejects and why."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.calibrate.core.frame_check import FrameCheck
from mtclar.calibrate.core.guided_session import GuidedSession, PromptProgress
from mtclar.calibrate.core.prompts import Prompt
from mtclar.engine.data_types import FaceCrop

FPS = 25.0
PROMPTS = (Prompt("neutral", "Rest.", 0.0, 0.0, frames=3), Prompt("happy", "Smile.", 0.7, 0.1, frames=2))


def good(t_s: float, score: float = 1.0) -> FrameCheck:
    crop = FaceCrop(
        np.zeros((4, 4), np.uint8), (0, 0, 4, 4), np.zeros((1, 3), np.float32), (0, 0, 0), 100, 120, 0, score
    )
    return FrameCheck(t_s, crop)


def bad(t_s: float, *issues: str) -> FrameCheck:
    return FrameCheck(t_s, None, issues or ("no face",))


def masked(t_s: float) -> FrameCheck:
    return replace(good(t_s), issues=("mouth hidden",))


def play(session: GuidedSession, checks: Sequence[FrameCheck]) -> list[PromptProgress]:
    progress = []
    for check in checks:
        if session.done:
            break
        progress.append(session.update(check))
    return progress


def seconds(start_s: float, length_s: float) -> list[float]:
    return [start_s + i / FPS for i in range(round(length_s * FPS))]


def test_each_prompt_counts_down_and_takes_frames_spread_in_time() -> None:
    session = GuidedSession(PROMPTS, countdown_s=1.0)
    progress = play(session, [good(t) for t in seconds(10.0, 60.0)])
    assert session.done
    taken = session.selection.accepted
    assert [(one.name, one.valence) for one in taken] == [("neutral", 0.0)] * 3 + [("happy", 0.7)] * 2
    times = [one.t_s for one in taken]
    assert times[0] >= 11.0
    assert min(np.diff(times)) > PROMPTS[0].slot_s / 2
    assert progress[0].phase == "countdown"
    assert progress[0].left_s == pytest.approx(1.0)
    assert {step.index for step in progress} == {0, 1}
    assert not session.selection.rejected


def test_the_best_frame_of_a_slot_is_taken() -> None:
    session = GuidedSession(PROMPTS[:1], countdown_s=0.0)
    play(session, [good(t, score=0.9 if round(t * FPS) % 7 == 3 else 0.5) for t in seconds(0.0, 10.0)])
    assert {round(one.t_s * FPS) % 7 for one in session.selection.accepted} == {3}


@given(st.lists(st.floats(0.1, 1.0), min_size=300, max_size=300))
def test_frames_of_a_prompt_are_never_close_together(scores: list[float]) -> None:
    session = GuidedSession(PROMPTS[:1], countdown_s=0.0)
    play(session, [good(i / FPS, score) for i, score in enumerate(scores)])
    assert session.done
    times = [one.t_s for one in session.selection.accepted]
    assert len(times) == 3
    assert min(np.diff(times)) >= PROMPTS[0].slot_s / 2


def test_unusable_frames_are_reported_and_waited_out() -> None:
    session = GuidedSession(PROMPTS[:1], countdown_s=0.0)
    checks = [bad(t, "turned") for t in seconds(0.0, 3.0)] + [good(t) for t in seconds(3.0, 10.0)]
    progress = play(session, checks)
    assert progress[10].issues == ("turned",)
    assert progress[10].taken == 0
    assert len(session.selection.accepted) == 3
    assert session.selection.accepted[0].t_s >= 3.0


def test_a_prompt_without_a_usable_frame_is_rejected_with_its_most_frequent_issue() -> None:
    session = GuidedSession(PROMPTS, countdown_s=0.0, patience_s=2.0)
    checks = [bad(t, "dark" if i % 5 else "no face") for i, t in enumerate(seconds(0.0, 30.0))]
    play(session, checks)
    assert session.done
    assert not session.selection.accepted
    assert [(one.name, one.issues) for one in session.selection.rejected] == [
        ("neutral", ("dark",)),
        ("happy", ("dark",)),
    ]


def test_a_prompt_out_of_patience_keeps_its_frames() -> None:
    session = GuidedSession(PROMPTS[:1], countdown_s=0.0, patience_s=2.0)
    play(session, [good(t) for t in seconds(0.0, 1.0)] + [bad(t) for t in seconds(1.0, 30.0)])
    assert session.done
    assert len(session.selection.accepted) == 2
    assert not session.selection.rejected


def test_skip_keeps_frames_and_repeat_drops_them() -> None:
    session = GuidedSession(PROMPTS, countdown_s=0.0)
    play(session, [good(t) for t in seconds(0.0, 1.0)])
    session.repeat()
    play(session, [good(t) for t in seconds(1.0, 1.0)])
    assert [one.t_s >= 1.0 for one in session.selection.accepted] == [True]
    session.skip()
    assert len(session.selection.accepted) == 1
    session.skip()
    assert session.done
    assert [one.name for one in session.selection.rejected] == ["happy"]
    session.skip()  # past the end: nothing happens
    assert session.done


def test_repeat_during_a_countdown_goes_one_prompt_back() -> None:
    session = GuidedSession(PROMPTS, countdown_s=1.0)
    checks = [good(t) for t in seconds(0.0, 60.0)]
    while session.update(checks.pop(0)).index == 0:
        pass
    session.repeat()
    assert session.update(checks.pop(0)).index == 0
    assert not session.selection.accepted


def test_an_interrupted_session_has_the_frames_so_far() -> None:
    session = GuidedSession(PROMPTS, countdown_s=0.0)
    play(session, [good(t) for t in seconds(0.0, 1.5)])
    assert not session.done
    assert len(session.selection.accepted) == 2
    assert not session.selection.rejected


def test_a_hidden_mouth_is_taken_only_when_patience_ends_without_a_better_frame() -> None:
    session = GuidedSession(PROMPTS[:1], countdown_s=0.0, patience_s=3.0)
    play(session, [masked(t) for t in seconds(0.0, 2.0)])
    assert session.selection.accepted == ()
    play(session, [masked(t) for t in seconds(2.0, 30.0)])
    assert session.done
    assert len(session.selection.accepted) == 1
    assert session.selection.rejected == ()


def test_one_frame_with_the_mouth_in_view_is_better() -> None:
    session = GuidedSession(PROMPTS[:1], countdown_s=0.0, patience_s=3.0)
    play(session, [good(t) if 1.0 <= t < 1.5 else masked(t) for t in seconds(0.0, 30.0)])
    assert session.done
    assert all(1.0 <= one.t_s < 1.5 for one in session.selection.accepted)


def test_a_frame_with_a_further_issue_is_never_taken() -> None:
    session = GuidedSession(PROMPTS[:1], countdown_s=0.0, patience_s=3.0)
    play(session, [replace(masked(t), issues=("too dark", "mouth hidden")) for t in seconds(0.0, 30.0)])
    assert session.selection.accepted == ()
    assert session.selection.rejected[0].issues == ("too dark", "mouth hidden")
