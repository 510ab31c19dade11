"""An unfinished calibration: the same when it is read again, private, and a damaged one is put aside, not lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mtclar.calibrate.core.continuous_rating import Ratings, ReactionLag
from mtclar.calibrate.core.journal import CalibrationJournal, UnfinishedCalibration
from mtclar.calibrate.core.label_store import LabelCheck, LabelStore, Snapshot
from mtclar.engine.errors import CalibrationError, WriteError

Make = Callable[..., Any]
MODEL = "ab" * 32


def kept_in(folder: Path, subject: str = "anna", passphrase: str | None = None) -> CalibrationJournal:
    return CalibrationJournal(folder / "me.mtclar", subject, passphrase)


def filled(taken: Make) -> LabelStore:
    store = LabelStore()
    for seed in range(3):
        store.add(0.1 * seed, -0.2 * seed, *taken(seed, 2), keep_crops=seed == 0)
        store.append_error(0.5 - 0.1 * seed)
    store.set_check(2, LabelCheck(0.25, -0.125, 0.0625))
    return store


def same(one: Snapshot, other: Snapshot) -> bool:
    if one.errors != other.errors or len(one.samples) != len(other.samples):
        return False
    for a, b in zip(one.samples, other.samples, strict=True):
        if (a.number, a.valence, a.arousal, a.check) != (b.number, b.valence, b.arousal, b.check):
            return False
        for name in ("embeddings", "absolute", "quality", "times_s", "crops"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    return True


def test_what_was_written_is_read_again(taken: Make, tmp_path: Path) -> None:
    journal = kept_in(tmp_path / "new")
    assert journal.read(MODEL) is None
    store = filled(taken)
    journal.write(UnfinishedCalibration(store.snapshot), MODEL)
    assert journal.path.stat().st_mode & 0o777 == 0o600
    read = journal.read(MODEL)
    assert read is not None
    assert read.ratings is None
    assert same(read.snapshot, store.snapshot)
    assert LabelStore(read.snapshot).add(0.0, 0.0, *taken(9), keep_crops=False) == 4
    assert [entry.name for entry in journal.path.parent.iterdir()] == ["me.unfinished.json"]
    journal.write(UnfinishedCalibration(Snapshot()), MODEL)  # everything was deleted: nothing is unfinished
    assert list(journal.path.parent.iterdir()) == []
    journal.write(UnfinishedCalibration(Snapshot(), Ratings(1.0, 0.0, np.zeros((0, 4)))), MODEL)
    assert journal.read(MODEL) is None


@given(
    arrays(np.float64, st.tuples(st.integers(1, 20), st.just(4)), elements=st.floats(-1, 1)),
    st.none() | st.builds(ReactionLag, st.floats(0, 5), st.none() | st.floats(-1, 1), st.just("measured")),
    st.lists(st.tuples(*[st.floats(-1, 1)] * 3), max_size=4),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ratings_of_a_recording_are_kept_to_the_last_bit(
    tmp_path: Path, trace: Any, lag: ReactionLag | None, labels: list[tuple[float, float, float]]
) -> None:
    rows = np.array(labels).reshape(-1, 3)
    journal = kept_in(tmp_path)
    journal.write(
        UnfinishedCalibration(Snapshot(), Ratings(40.0, 12.5, trace, lag, labels=rows, kept=rows[:1])), MODEL
    )
    read = journal.read(MODEL)
    assert read is not None
    assert read.ratings is not None
    assert (read.ratings.length_s, read.ratings.position_s, read.ratings.lag) == (40.0, 12.5, lag)
    np.testing.assert_array_equal(read.ratings.trace, trace)
    np.testing.assert_array_equal(read.ratings.labels, rows)
    np.testing.assert_array_equal(read.ratings.kept, rows[:1])


def test_an_encrypted_one_says_nothing_without_its_passphrase(taken: Make, tmp_path: Path) -> None:
    store = filled(taken)
    journal = kept_in(tmp_path, passphrase="four words or so")
    for passphrase, why in ((None, "there is no passphrase"), ("another one", "another passphrase")):
        journal.write(UnfinishedCalibration(store.snapshot), MODEL)
        assert journal.path.stat().st_mode & 0o777 == 0o600
        assert b"anna" not in journal.path.read_bytes()
        with pytest.raises(CalibrationError, match=why):
            kept_in(tmp_path, passphrase=passphrase).read(MODEL)
        assert not journal.path.exists()  # put aside, not lost
    journal.write(UnfinishedCalibration(store.snapshot), MODEL)
    read = kept_in(tmp_path, passphrase="four words or so").read(MODEL)
    assert read is not None
    assert same(read.snapshot, store.snapshot)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"subject": "ben", "model_sha256": "ab" * 32}, "is of 'anna'"),
        ({"subject": "anna", "model_sha256": "cd" * 32}, "another encoder"),
    ],
)
def test_what_is_of_no_use_here_is_put_aside_in_words(
    taken: Make, tmp_path: Path, asked: dict[str, str], why: str
) -> None:
    journal = kept_in(tmp_path)
    journal.write(UnfinishedCalibration(filled(taken).snapshot), MODEL)
    before = journal.path.read_bytes()
    with pytest.raises(CalibrationError, match=why) as error:
        kept_in(tmp_path, asked["subject"]).read(asked["model_sha256"])
    kept = tmp_path / "me.unfinished.set-aside.json"
    assert str(kept) in error.value.hint
    assert kept.read_bytes() == before
    assert journal.read(MODEL) is None
    journal.write(UnfinishedCalibration(filled(taken).snapshot), MODEL)
    with pytest.raises(CalibrationError, match=why) as error:
        kept_in(tmp_path, asked["subject"]).read(asked["model_sha256"])
    assert str(kept.with_name("me.unfinished.set-aside-2.json")) in error.value.hint
    assert f"rename it to {journal.path.name}" in error.value.hint
    assert kept.read_bytes() == before  # the first one is still there
    kept.rename(journal.path)
    assert journal.read(MODEL) is not None


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_is_seen_and_nothing_is_lost(taken: Make, tmp_path: Path, data: st.DataObject) -> None:
    journal = kept_in(tmp_path)
    path = journal.path
    ratings = Ratings(9.0, 2.5, np.array([(1.0, 0.5, -0.5, 1.0)]), ReactionLag(1.5, 0.75, "measured"))
    journal.write(UnfinishedCalibration(filled(taken).snapshot, ratings), MODEL)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 2)) :]
    else:
        at = data.draw(st.integers(0, len(content) - 2))
        content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    refusal = ""
    try:
        read = journal.read(MODEL)
    except CalibrationError as error:
        refusal = error.what
    if refusal:
        assert "is damaged" in refusal
        aside = path.with_suffix(".set-aside.json")
        assert aside.read_bytes() == bytes(content)
        aside.unlink()
    else:  # a blank in the head, say
        assert read is not None
        assert same(read.snapshot, filled(taken).snapshot)


def test_a_full_disk_is_said(taken: Make, full_disk: Path) -> None:
    store = filled(taken)
    for seed in range(60):
        store.add(0.0, 0.0, *taken(seed, 3), keep_crops=True)
    with pytest.raises(WriteError):
        kept_in(full_disk).write(UnfinishedCalibration(store.snapshot), MODEL)
    assert list(full_disk.iterdir()) == []
