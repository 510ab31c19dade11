"""Unfinished calibrations: continued by the next session, or put aside."""

from pathlib import Path

import numpy as np
from support.calibration.session import Running

from mtclar.calibrate.core.continuous_rating import Ratings
from mtclar.calibrate.core.journal import CalibrationJournal, UnfinishedCalibration
from mtclar.calibrate.core.label_store import Snapshot
from mtclar.engine.tracker import Tracker


def test_clear_takes_the_ratings_of_a_recording_with_it_and_undo_brings_them_back(
    tmp_path: Path, face: list[np.ndarray]
) -> None:
    with Tracker.open() as tracker:
        model = tracker.model.sha256
    journal = CalibrationJournal(tmp_path / "me.mtclar", "me")
    rated = Ratings(9.0, 2.5, np.array([(1.0, 0.5, -0.5, 1.0)]))
    journal.write(UnfinishedCalibration(Snapshot(), rated), model)
    with Running(tmp_path, face) as session:
        assert "resumed" in session.do("join")["notice"]
        session.take(0.0, 0.0, 1)
        session.do("clear", lambda s: not s["samples"])
        assert not journal.path.exists()  # nothing to go on with
        session.do("undo", lambda s: s["samples"])
        unfinished = journal.read(model)
        assert unfinished is not None
        assert unfinished.ratings is not None
        np.testing.assert_array_equal(unfinished.ratings.trace, rated.trace)


def test_what_was_left_unfinished_is_known_before_the_first_change(
    tmp_path: Path, face: list[np.ndarray]
) -> None:
    with Running(tmp_path, face) as first:
        first.do("join")
        first.take(0.5, 0.5, 1)
    with Running(tmp_path, face) as second:
        second.ask("join")
        assert second.do("clear", lambda state: not state["samples"])["samples"] == []
        assert len(second.do("undo")["samples"]) == 1


def test_an_unfinished_calibration_is_continued(tmp_path: Path, face: list[np.ndarray]) -> None:
    with Running(tmp_path, face) as first:
        first.do("join")
        first.take(0.5, 0.5, 1)
        before = first.take(-0.5, 0.5, 2)
    with Running(tmp_path, face) as second:
        state = second.do("join")
        assert state["samples"] == before["samples"]
        assert state["errors"] == before["errors"]
        assert "resumed" in state["notice"]
        assert second.take(0.0, 0.0, 3)["notice"] == ""


def test_another_persons_unfinished_calibration_is_put_aside_and_said(
    tmp_path: Path, face: list[np.ndarray]
) -> None:
    with Running(tmp_path, face, subject="anna") as first:
        first.do("join")
        first.take(0.5, 0.5, 1)
    with Running(tmp_path, face, subject="ben") as second:
        state = second.do("join")
        assert state["samples"] == []
        assert "is of 'anna', not of 'ben'" in state["notice"]
