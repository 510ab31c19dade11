"""Labelling a recording frame by frame: which frames are shown, and in which order."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.calibration.page import Page

from mtclar.calibrate.web.feeds.recording_scan import (
    Still,
    also_at,
    begin_with,
    every_nth,
    in_order,
    pick_most_useful,
    scan_recording,
    spaced,
)
from mtclar.calibrate.web.feeds.still_feed import StillFeed
from mtclar.calibrate.web.session import CalibrationSession, CalibrationStream
from mtclar.calibrate.web.surroundings import Surroundings
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import CalibrationError, UsageError
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.label_formats.label import Label
from mtclar.stream.server.uploads import read_header
from mtclar.stream.sources import open_source


def frames(count: int = 100) -> Iterator[Frame]:
    for frame, _ in zip(open_source("demo").frames(), range(count), strict=False):
        yield frame


@pytest.fixture(scope="module")
def tracker() -> Iterator[Tracker]:
    with Tracker.open() as running:
        yield running


@pytest.fixture(scope="module")
def stills(tracker: Tracker) -> tuple[Still, ...]:
    return scan_recording(frames(), tracker, every_nth(20)).stills


def test_every_nth_frame_is_offered(stills: tuple[Still, ...]) -> None:
    assert [still.seq for still in stills] == [10, 30, 50, 70, 90]
    assert [still.time_s for still in stills] == pytest.approx([0.4, 1.2, 2.0, 2.8, 3.6])
    assert all(still.jpeg.startswith(b"\xff\xd8") for still in stills)
    assert all(len(still.outline) == 4 for still in stills)


def test_frames_apart_are_so_far_apart() -> None:
    wanted = spaced(0.2)
    times = [frame.pts_s for frame in frames(40) if wanted(frame)]
    assert times[0] == 0.0
    assert np.diff(times).min() >= 0.2


def test_a_rating_begins_with_the_labels_of_a_file_on_frames_of_their_own(
    tracker: Tracker, tmp_path: Path
) -> None:
    labels = [Label(0.44, 0.5, 0.25, note="looks up"), Label(1.2, -0.5, 0.0), Label(60.0, 0.1, 0.1)]
    scanned = scan_recording(frames(), tracker, also_at([one.time_s for one in labels], every_nth(20))).stills
    assert [still.seq for still in scanned] == [10, 11, 30, 50, 70, 90]
    begun = begin_with(labels, scanned)
    assert [(still.seq, label.valence) for still, label in begun.fitting] == [(11, 0.5), (30, -0.5)]
    assert [still.seq for still in in_order(scanned[-1:], begun)] == [11, 30, 90]
    page = Page()
    with CalibrationSession(
        Tracker.open,
        lambda _: tmp_path,
        target=tmp_path / "anna.mtclar",
        subject="anna",
        streams=[CalibrationStream("clip", "clip.mp4")],
        feed=partial(StillFeed, stills=scanned, begun=begun),
    ) as session:
        session.on_message(page, {"type": "calibrate.join"})
        state = page.next("calibrate.state", 0)
    assert [(one["time"], one["valence"], one["note"]) for one in state["samples"]] == [
        (0.44, 0.5, "looks up"),
        (1.2, -0.5, ""),
    ]
    assert state["still"] == {"time": 0.4, "number": None, "labelled": 2, "of": 6}
    assert (state["notice"], state["notice_key"]) == ("Begins with 2 of 3 labels of the file", "begun")


def test_the_picked_ones_are_among_the_stills_and_differ(stills: tuple[Still, ...]) -> None:
    picked = pick_most_useful(stills, 3)
    assert len({still.seq for still in picked}) == 3
    assert set(picked) <= set(stills)
    assert len(pick_most_useful(stills, 99)) == len(stills)


def test_a_recording_without_a_face_is_refused_with_the_reason(tracker: Tracker) -> None:
    nobody = [Frame(np.full((240, 320, 3), 90, np.uint8), n, n / 25, "file", n / 25, "x") for n in range(30)]
    with pytest.raises(CalibrationError, match="no face"):
        scan_recording(nobody, tracker, every_nth(5))
    with pytest.raises(UsageError, match="ends before the first frame"):
        scan_recording(nobody, tracker, every_nth(1000))


def test_each_label_is_for_the_picture_that_is_shown(stills: tuple[Still, ...], tmp_path: Path) -> None:
    target, page, saved = tmp_path / "anna.mtclar", Page(), []

    def save(support: SupportSet) -> Path:
        support.save(target)
        return target

    def session() -> CalibrationSession:
        return CalibrationSession(
            Tracker.open,
            save,
            target=target,
            subject="anna",
            streams=[CalibrationStream("clip", "clip.mp4")],
            surroundings=Surroundings(on_saved=saved.append),
            feed=partial(StillFeed, stills=stills),
        )

    def do(on: CalibrationSession, kind: str, **content: Any) -> dict[str, Any]:
        at = len(page.received)
        on.on_message(page, {"type": f"calibrate.{kind}", **content})
        found: dict[str, Any] = page.wait(
            lambda: next((m for m in page.received[at:] if m["type"] in ("calibrate.state", "error")), None)
        )
        return found

    with session() as first:
        state = do(first, "join")
        assert state["still"] == {"time": 0.4, "number": None, "labelled": 0, "of": 5}
        page.wait(lambda: page.images)
        assert read_header(page.images[-1])[1] == 10
        state = do(first, "take", valence=0.5, arousal=0.25)
        assert state["still"] == {"time": 1.2, "number": None, "labelled": 1, "of": 5}
        assert do(first, "skip")["still"]["time"] == 2.0
        state = do(first, "take", valence=-0.5, arousal=0.0)
        assert state["still"] == {"time": 2.8, "number": None, "labelled": 2, "of": 5}
        assert do(first, "undo")["still"]["time"] == 2.0  # it has no label again
        assert "no new frames" in do(first, "check", number=1)["message"]
        do(first, "take", valence=-0.5, arousal=0.0)
    with session() as second:  # resumes; a skipped frame is shown again
        state = do(second, "join")
        assert state["still"] == {"time": 1.2, "number": None, "labelled": 2, "of": 5}
        for n in range(3):
            state = do(second, "take", valence=0.1 * n, arousal=0.0)
        assert state["still"] == {"time": None, "number": None, "labelled": 5, "of": 5}
        assert "save the labels" in do(second, "take", valence=0.0, arousal=0.0)["message"]
        do(second, "save")
        page.wait(lambda: saved)
    made = SupportSet.load(target)
    assert made.times_s.tolist() == pytest.approx([0.4, 2.0, 1.2, 2.8, 3.6])
    assert made.labels[0].tolist() == [0.5, 0.25]
