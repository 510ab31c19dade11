"""A guided session and a labelled recording: which frames are taken, which refused and why."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.calibrate.core.prompts import Prompt
from mtclar.calibrate.core.support_builder import Guide, Look, Progress, nearest_frames
from mtclar.engine.data_types import FaceCrop, Frame
from mtclar.engine.errors import UsageError
from mtclar.stream.label_file import Label

FPS = 25.0
PROMPTS = (Prompt("neutral", "Rest.", 0.0, 0.0, frames=3), Prompt("happy", "Smile.", 0.7, 0.1, frames=2))


def frames(count: int, fps: float = FPS) -> Iterator[Frame]:
    image = np.zeros((2, 2, 3), np.uint8)
    for seq in range(count):
        yield Frame(image, seq, seq / fps, "file", seq / fps, "test")


def good(t_s: float, score: float = 1.0) -> Look:
    crop = FaceCrop(
        np.zeros((4, 4), np.uint8), (0, 0, 4, 4), np.zeros((1, 3), np.float32), (0, 0, 0), 100, 120, 0, score
    )
    return Look(t_s, crop)


def bad(t_s: float, *faults: str) -> Look:
    return Look(t_s, None, faults or ("no face",))


def play(guide: Guide, looks: Sequence[Look]) -> list[Progress]:
    progress = []
    for seen in looks:
        if guide.done:
            break
        progress.append(guide.step(seen))
    return progress


def seconds(start_s: float, length_s: float) -> list[float]:
    return [start_s + i / FPS for i in range(round(length_s * FPS))]


# --- by labels ----------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 499), min_size=1, max_size=10, unique=True), st.floats(-0.49, 0.49))
def test_a_label_means_the_frame_nearest_to_its_time(wanted: list[int], off: float) -> None:
    wanted = sorted(wanted)
    labels = [Label(max((seq + off) / FPS, 0.0), 0.1, 0.2) for seq in wanted]
    found = [(frame.seq, here) for frame, _, here in nearest_frames(frames(500), labels) if here]
    assert [seq for seq, _ in found] == wanted
    assert [label for _, here in found for label in here] == labels


def test_reading_stops_after_the_last_label() -> None:
    source = frames(1000)
    list(nearest_frames(source, [Label(1.0, 0, 0)]))
    assert next(source).seq == 27  # one frame beyond the label's was needed to know that it is the nearest


def test_the_frames_before_a_labelled_one_come_with_it() -> None:
    ((frame, before, _),) = [x for x in nearest_frames(frames(50), [Label(1.0, 0, 0)]) if x[2]]
    assert frame.seq == 25
    assert [earlier.seq for earlier in before] == [23, 24]


def test_the_last_frame_can_be_labelled_and_no_later_one() -> None:
    assert [f.seq for f, _, here in nearest_frames(frames(10), [Label(9.4 / FPS, 0, 0)]) if here] == [9]
    with pytest.raises(UsageError, match=r"line 7 \(at 0.44 s\) lies past the end.*last frame is at 0.36 s"):
        list(nearest_frames(frames(10), [Label(0.1, 0, 0), Label(0.44, 0, 0, line=7)]))


def test_a_single_picture_can_be_labelled() -> None:
    assert [here for _, _, here in nearest_frames(frames(1), [Label(0.0, 0, 0)])] == [(Label(0.0, 0, 0),)]


def test_two_labels_on_one_frame_are_refused_with_both_lines() -> None:
    labels = [Label(1.0, 0, 0, line=2), Label(1.01, 0.5, 0, line=3)]
    with pytest.raises(UsageError, match=r"line 2 .* and line 3 .* mean the same frame"):
        list(nearest_frames(frames(50), labels))
    two_faces = [Label(1.0, 0, 0, track=0), Label(1.0, 0.5, 0, track=1)]
    assert [here for _, _, here in nearest_frames(frames(50), two_faces) if here] == [tuple(two_faces)]


def test_a_source_without_a_picture_is_refused() -> None:
    with pytest.raises(UsageError, match="no picture"):
        list(nearest_frames(frames(0), [Label(0, 0, 0)]))


# --- by prompts ---------------------------------------------------------------------------------------------------


def test_each_prompt_counts_down_and_takes_frames_spread_in_time() -> None:
    guide = Guide(PROMPTS, countdown_s=1.0)
    progress = play(guide, [good(t) for t in seconds(10.0, 60.0)])
    assert guide.done
    taken = guide.recording.taken
    assert [(one.where, one.valence) for one in taken] == [("neutral", 0.0)] * 3 + [("happy", 0.7)] * 2
    times = [one.t_s for one in taken]
    assert times[0] >= 11.0
    assert min(np.diff(times)) > PROMPTS[0].slot_s / 2
    assert progress[0].phase == "countdown"
    assert progress[0].left_s == pytest.approx(1.0)
    assert {step.index for step in progress} == {0, 1}
    assert not guide.recording.refused


def test_the_best_frame_of_a_slot_is_taken() -> None:
    guide = Guide(PROMPTS[:1], countdown_s=0.0)
    play(guide, [good(t, score=0.9 if round(t * FPS) % 7 == 3 else 0.5) for t in seconds(0.0, 10.0)])
    assert {round(one.t_s * FPS) % 7 for one in guide.recording.taken} == {3}


@given(st.lists(st.floats(0.1, 1.0), min_size=300, max_size=300))
def test_frames_of_a_prompt_are_never_close_together(scores: list[float]) -> None:
    guide = Guide(PROMPTS[:1], countdown_s=0.0)
    play(guide, [good(i / FPS, score) for i, score in enumerate(scores)])
    assert guide.done
    times = [one.t_s for one in guide.recording.taken]
    assert len(times) == 3
    assert min(np.diff(times)) >= PROMPTS[0].slot_s / 2


def test_unusable_frames_are_said_and_waited_out() -> None:
    guide = Guide(PROMPTS[:1], countdown_s=0.0)
    looks = [bad(t, "turned") for t in seconds(0.0, 3.0)] + [good(t) for t in seconds(3.0, 10.0)]
    progress = play(guide, looks)
    assert progress[10].faults == ("turned",)
    assert progress[10].taken == 0
    assert len(guide.recording.taken) == 3
    assert guide.recording.taken[0].t_s >= 3.0


def test_a_prompt_without_a_usable_frame_is_refused_with_what_was_wrong_most_often() -> None:
    guide = Guide(PROMPTS, countdown_s=0.0, patience_s=2.0)
    looks = [bad(t, "dark" if i % 5 else "no face") for i, t in enumerate(seconds(0.0, 30.0))]
    play(guide, looks)
    assert guide.done
    assert not guide.recording.taken
    assert [(one.where, one.faults) for one in guide.recording.refused] == [
        ("neutral", ("dark",)),
        ("happy", ("dark",)),
    ]


def test_patience_keeps_what_a_prompt_has() -> None:
    guide = Guide(PROMPTS[:1], countdown_s=0.0, patience_s=2.0)
    play(guide, [good(t) for t in seconds(0.0, 1.0)] + [bad(t) for t in seconds(1.0, 30.0)])
    assert guide.done
    assert len(guide.recording.taken) == 2
    assert not guide.recording.refused


def test_skip_keeps_what_there_is_and_again_begins_anew() -> None:
    guide = Guide(PROMPTS, countdown_s=0.0)
    play(guide, [good(t) for t in seconds(0.0, 1.0)])
    guide.again()
    play(guide, [good(t) for t in seconds(1.0, 1.0)])
    assert [one.t_s >= 1.0 for one in guide.recording.taken] == [True]
    guide.skip()
    assert len(guide.recording.taken) == 1
    guide.skip()
    assert guide.done
    assert [one.where for one in guide.recording.refused] == ["happy"]
    guide.skip()  # past the end: nothing happens
    assert guide.done


def test_again_during_a_countdown_goes_one_prompt_back() -> None:
    guide = Guide(PROMPTS, countdown_s=1.0)
    looks = [good(t) for t in seconds(0.0, 60.0)]
    while guide.step(looks.pop(0)).index == 0:
        pass
    guide.again()
    assert guide.step(looks.pop(0)).index == 0
    assert not guide.recording.taken


def test_a_session_broken_off_has_what_was_taken() -> None:
    guide = Guide(PROMPTS, countdown_s=0.0)
    play(guide, [good(t) for t in seconds(0.0, 1.5)])
    assert not guide.done
    assert len(guide.recording.taken) == 2
    assert not guide.recording.refused
