"""Labels of a recording: which frame each one names, and which are refused."""

import logging
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.media.two_people import scene

from mtclar.calibrate.core.labelled_frames import match_labels, select_labelled
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import UsageError
from mtclar.engine.face.quality import RUN_LIMITS
from mtclar.engine.tracker import Tracker
from mtclar.stream.label_formats.label_file import Label

FPS = 25.0


def frames(count: int, fps: float = FPS) -> Iterator[Frame]:
    image = np.zeros((2, 2, 3), np.uint8)
    for seq in range(count):
        yield Frame(image, seq, seq / fps, "file", seq / fps, "test")


@given(st.lists(st.integers(0, 499), min_size=1, max_size=10, unique=True), st.floats(-0.49, 0.49))
def test_a_label_means_the_frame_nearest_to_its_time(wanted: list[int], off: float) -> None:
    wanted = sorted(wanted)
    labels = [Label(max((seq + off) / FPS, 0.0), 0.1, 0.2) for seq in wanted]
    found = [(frame.seq, here) for frame, _, here in match_labels(frames(500), labels) if here]
    assert [seq for seq, _ in found] == wanted
    assert [label for _, here in found for label in here] == labels


def test_reading_stops_after_the_last_label() -> None:
    source = frames(1000)
    list(match_labels(source, [Label(1.0, 0, 0)]))
    assert next(source).seq == 27  # one frame beyond the label's was needed to know that it is the nearest


def test_the_frames_before_a_labelled_one_come_with_it() -> None:
    ((frame, before, _),) = [x for x in match_labels(frames(50), [Label(1.0, 0, 0)]) if x[2]]
    assert frame.seq == 25
    assert [earlier.seq for earlier in before] == [23, 24]


def test_the_last_frame_can_be_labelled_and_no_later_one() -> None:
    assert [f.seq for f, _, here in match_labels(frames(10), [Label(9.4 / FPS, 0, 0)]) if here] == [9]
    with pytest.raises(UsageError, match=r"line 7 \(at 0.44 s\) lies past the end.*last frame is at 0.36 s"):
        list(match_labels(frames(10), [Label(0.1, 0, 0), Label(0.44, 0, 0, line=7)]))


def test_a_single_picture_can_be_labelled() -> None:
    assert [here for _, _, here in match_labels(frames(1), [Label(0.0, 0, 0)])] == [(Label(0.0, 0, 0),)]


def test_labels_of_one_frame_are_averaged_for_each_face() -> None:
    labels = [Label(1.0, 0, 0.4, line=2), Label(1.01, 0.5, 0, line=3)]
    (of_frame,) = [here for _, _, here in match_labels(frames(50), labels) if here]
    assert of_frame == (Label(1.0, 0.25, 0.2, line=2),)
    two_faces = [Label(1.0, 0, 0, track=0), Label(1.0, 0.5, 0, track=1)]
    assert [here for _, _, here in match_labels(frames(50), two_faces) if here] == [tuple(two_faces)]


def test_a_source_without_frames_is_refused() -> None:
    with pytest.raises(UsageError, match="no frames"):
        list(match_labels(frames(0), [Label(0, 0, 0)]))


def test_a_larger_second_face_takes_no_label(caplog: pytest.LogCaptureFixture) -> None:
    """Anna alone, then Ben, who is larger: every label is about Anna."""
    people = {"anna": lambda _: 160.0, "ben": lambda t_s: 470.0 if t_s >= 1.0 else None}
    labels = [Label(t_s, 0.1, 0.2) for t_s in (0.2, 0.6, 1.4, 1.8)]
    with Tracker.open() as tracker, caplog.at_level(logging.WARNING):
        selection = select_labelled(scene(people, 2, scales={"ben": 1.0}), labels, tracker, RUN_LIMITS)
    middles = [(found.crop.box[0] + found.crop.box[2]) / 2 for found in selection.accepted]
    assert len(middles) == 4
    assert all(abs(x - 160) < 60 for x in middles)
    assert "2 labelled frames show more than one face" in caplog.text
