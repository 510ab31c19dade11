"""The check of a frame that may become a support frame, on the demo clip: a mask, a headband, a blink, a talk."""

from collections.abc import Iterator

import pytest
from support.media.covered_faces import Cover, covered_demo, headband, mask

from mtclar.calibrate.core.frame_check import FrameCheck, advise, check_frame
from mtclar.calibrate.core.labelled_frames import select_labelled
from mtclar.calibrate.web.feeds.recording_scan import every_nth, scan_recording
from mtclar.engine.tracker import Tracker
from mtclar.stream.label_formats.label import Label

TALK = range(13 * 25, 15 * 25)  # frames of the clip
MASKED = range(20, 60)
LABELS = [Label(t_s, 0.1, 0.2, line=i + 2) for i, t_s in enumerate((0.4, 1.2, 2.0, 2.8))]


@pytest.fixture(scope="module")
def tracker() -> Iterator[Tracker]:
    with Tracker.open() as running:
        yield running


def checks(tracker: Tracker, count: int, cover: Cover | None) -> list[FrameCheck]:
    tracker.reset()
    return [check_frame(tracker, frame) for frame in covered_demo(count, cover)]


def test_a_hidden_mouth_is_an_issue_with_advice(tracker: Tracker) -> None:
    found = checks(tracker, 25, mask)
    assert {one.issues for one in found} == {("mouth hidden",)}
    assert not any(one.usable for one in found)
    assert all(one.second_choice for one in found)
    assert advise(found[0].issues) == ["The mouth is hidden in this picture: take away what is before it"]


@pytest.mark.parametrize("cover", [headband, None])
def test_a_mouth_in_view_is_none(tracker: Tracker, cover: Cover | None) -> None:
    assert all(one.usable for one in checks(tracker, 25, cover))


def test_a_blink_and_a_talk_are_issues(tracker: Tracker) -> None:
    found = [one.issues for one in checks(tracker, TALK.stop, None)]
    assert ("eyes closed",) in found[:60]
    assert ("talking",) not in found[: TALK.start]
    assert found[TALK.start :].count(("talking",)) > 20
    assert advise(("talking",)) == ["Do not talk while the frames are taken"]


def test_labels_of_hidden_mouths_are_named_and_left_out(tracker: Tracker) -> None:
    selection = select_labelled(covered_demo(80, mask, MASKED), LABELS, tracker)
    assert [one.t_s for one in selection.accepted] == pytest.approx([0.4, 2.8])
    assert [one.issues for one in selection.rejected] == [("mouth hidden",)] * 2
    assert "line 3" in selection.rejected[0].name


def test_who_always_wears_a_mask_can_be_calibrated(tracker: Tracker) -> None:
    selection = select_labelled(covered_demo(80, mask), LABELS, tracker)
    assert len(selection.accepted) == len(LABELS)
    assert selection.rejected == ()


def test_frames_to_label_show_the_mouth_where_any_does(tracker: Tracker) -> None:
    some = scan_recording(covered_demo(80, mask, MASKED), tracker, every_nth(20))
    assert [still.seq for still in some.stills] == [10, 70]
    assert [one.issues for one in some.rejected] == [("mouth hidden",)] * 2
    every = scan_recording(covered_demo(80, mask), tracker, every_nth(20))
    assert [still.seq for still in every.stills] == [10, 30, 50, 70]
    assert every.rejected == ()
