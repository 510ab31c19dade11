"""Selection of scanned frames, and resuming an interrupted scan."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.media.known_clips import KnownClip

from mtclar.label.scan import face_scan
from mtclar.label.scan.face_scan import BETWEEN, OTHER_FACE, FaceScanner, ScannedFrames, frames_to_scan
from mtclar.label.scan.recording import open_recording
from mtclar.label.scan.scan_journal import ScanJournal

KEY = "c" * 64


@given(
    st.lists(st.floats(0.005, 0.3), min_size=1, max_size=200),
    st.floats(1, 60),
    st.data(),
)
def test_scanned_frames_match_the_rate_and_are_even(
    steps: list[float], rate_hz: float, data: st.DataObject
) -> None:
    times_s = np.cumsum(steps) - steps[0]
    always = data.draw(st.lists(st.integers(0, len(steps) - 1), max_size=3))
    selected = frames_to_scan(times_s, rate_hz, np.array(always, np.int64))
    assert selected[0]
    assert selected[-1]
    assert selected[always].all()
    looks = np.flatnonzero(selected)
    longest = np.diff(times_s).max(initial=0.0)
    assert (np.diff(times_s[looks]) <= 1 / rate_hz + longest + 1e-6).all()
    chosen = len(looks) - len(set(always)) - 2
    assert chosen <= times_s[-1] * rate_hz * 2 + 1


def test_a_constant_rate_is_met_exactly() -> None:
    nothing = np.zeros(0, np.int64)
    selected = np.flatnonzero(frames_to_scan(np.arange(101) / 25, 5, nothing))
    assert selected.tolist() == list(range(0, 101, 5))
    assert frames_to_scan(np.arange(100) / 25, 0, nothing).all()
    assert frames_to_scan(np.arange(100) / 3, 5, nothing).all()  # slower than the rate: every frame


class InterruptedError_(Exception):
    """Stands for a kill."""


def test_an_interrupted_scan_resumes_with_the_same_result(
    clips: list[KnownClip], scanner: FaceScanner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_scan, "CHUNK_FRAMES", 60)
    recording = open_recording(clips[0].video)
    selected = frames_to_scan(recording.times_s, 5, np.array([33]))
    reported: list[int] = []
    with ScanJournal(tmp_path / "whole", KEY) as journal:
        whole = scanner.scan(recording, selected, journal, reported.append)
        assert sum(reported) == len(selected)
        records = len(journal.records)
    assert records == 0

    seen = 0

    def killed(count: int) -> None:
        nonlocal seen
        seen += count
        if seen > 150:
            raise InterruptedError_

    path = tmp_path / "work"
    with ScanJournal(path, KEY) as journal, pytest.raises(InterruptedError_):
        scanner.scan(recording, selected, journal, killed)
    with ScanJournal(path, KEY) as journal:
        assert len(journal.records) == 2
        again: list[int] = []
        resumed = scanner.scan(recording, selected, journal, again.append)
        assert again[0] == 120
        assert sum(again) == len(selected)
    assert_same(whole, resumed)
    assert (whole.state[selected] == OTHER_FACE).all()
    assert (whole.state[~selected] == BETWEEN).all()
    assert whole.faces.rows.tolist() == np.flatnonzero(selected).tolist()


def assert_same(one: ScannedFrames, other: ScannedFrames) -> None:
    assert np.array_equal(one.state, other.state)
    for name in ("rows", "runs", "boxes", "thumbnails", "usable"):
        assert np.array_equal(getattr(one.faces, name), getattr(other.faces, name))
    assert np.array_equal(one.faces.encoded.embedding, other.faces.encoded.embedding)
    assert np.array_equal(one.faces.encoded.absolute, other.faces.encoded.absolute)
