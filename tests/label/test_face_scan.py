"""Which frames are looked at, and that an interruption changes nothing."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.label import face_scan
from mtclar.label.face_scan import BETWEEN, OK, Looked, Looker, to_look_at
from mtclar.label.journal import Journal
from mtclar.label.recording import open_recording

from .conftest import KnownClip

KEY = "c" * 64


@given(
    st.lists(st.floats(0.005, 0.3), min_size=1, max_size=200),
    st.floats(1, 60),
    st.data(),
)
def test_as_many_frames_as_asked_for_evenly(steps: list[float], rate_hz: float, data: st.DataObject) -> None:
    times_s = np.cumsum(steps) - steps[0]
    always = data.draw(st.lists(st.integers(0, len(steps) - 1), max_size=3))
    wanted = to_look_at(times_s, rate_hz, np.array(always, np.int64))
    assert wanted[0]
    assert wanted[-1]
    assert wanted[always].all()
    looks = np.flatnonzero(wanted)
    longest = np.diff(times_s).max(initial=0.0)
    assert (np.diff(times_s[looks]) <= 1 / rate_hz + longest + 1e-6).all()
    chosen = len(looks) - len(set(always)) - 2
    assert chosen <= times_s[-1] * rate_hz * 2 + 1


def test_a_steady_rate_is_met_exactly() -> None:
    nothing = np.zeros(0, np.int64)
    wanted = np.flatnonzero(to_look_at(np.arange(101) / 25, 5, nothing))
    assert wanted.tolist() == list(range(0, 101, 5))
    assert to_look_at(np.arange(100) / 25, 0, nothing).all()
    assert to_look_at(np.arange(100) / 3, 5, nothing).all()  # slower than the rate: every frame


class InterruptedError_(Exception):
    """Stands for a kill."""


def test_an_interrupted_look_goes_on_and_comes_out_the_same(
    clips: list[KnownClip], looker: Looker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_scan, "STRETCH", 60)
    recording = open_recording(clips[0].video)
    wanted = to_look_at(recording.times_s, 5, np.array([33]))
    told: list[int] = []
    with Journal(tmp_path / "whole", KEY) as journal:
        whole = looker.look(recording, wanted, journal, told.append)
        assert sum(told) == len(wanted)
        pieces = len(journal.pieces)
    assert pieces == 0

    seen = 0

    def killed(count: int) -> None:
        nonlocal seen
        seen += count
        if seen > 150:
            raise InterruptedError_

    path = tmp_path / "work"
    with Journal(path, KEY) as journal, pytest.raises(InterruptedError_):
        looker.look(recording, wanted, journal, killed)
    with Journal(path, KEY) as journal:
        assert len(journal.pieces) == 2
        again: list[int] = []
        resumed = looker.look(recording, wanted, journal, again.append)
        assert again[0] == 120
        assert sum(again) == len(wanted)
    assert_same(whole, resumed)
    assert (whole.state[wanted] == OK).all()
    assert (whole.state[~wanted] == BETWEEN).all()
    assert whole.rows.tolist() == np.flatnonzero(wanted).tolist()


def assert_same(one: Looked, other: Looked) -> None:
    assert np.array_equal(one.state, other.state)
    assert np.array_equal(one.rows, other.rows)
    assert np.array_equal(one.encoded.embedding, other.encoded.embedding)
    assert np.array_equal(one.encoded.absolute, other.encoded.absolute)
