"""An unfinished calibration: the same when it is read again, private, and a damaged one is put aside, not lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtclar.calibrate import journal
from mtclar.calibrate.collection import Check, Collection, Step
from mtclar.engine.errors import CalibrationError, WriteError

Make = Callable[..., Any]
OF: dict[str, str] = {"subject": "anna", "model_sha256": "ab" * 32}


def filled(taken: Make) -> Collection:
    collection = Collection()
    for seed in range(3):
        collection.add(0.1 * seed, -0.2 * seed, *taken(seed, 2), keep_crops=seed == 0)
        collection.note_error(0.5 - 0.1 * seed)
    collection.checked(2, Check(0.25, -0.125, 0.0625))
    return collection


def same(one: Step, other: Step) -> bool:
    if one.errors != other.errors or len(one.samples) != len(other.samples):
        return False
    for a, b in zip(one.samples, other.samples, strict=True):
        if (a.number, a.valence, a.arousal, a.check) != (b.number, b.valence, b.arousal, b.check):
            return False
        for name in ("embeddings", "absolute", "quality", "times_s", "crops"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    return True


def test_what_was_written_is_read_again(taken: Make, tmp_path: Path) -> None:
    path = journal.journal_path(tmp_path / "new" / "me.mtclar")
    assert journal.read(path, **OF) is None
    collection = filled(taken)
    journal.write(path, collection.now, **OF)
    assert path.stat().st_mode & 0o777 == 0o600
    read = journal.read(path, **OF)
    assert read is not None
    assert same(read, collection.now)
    assert Collection(read).add(0.0, 0.0, *taken(9), keep_crops=False) == 4
    assert [entry.name for entry in path.parent.iterdir()] == ["me.unfinished.json"]


def test_an_encrypted_one_says_nothing_without_its_passphrase(taken: Make, tmp_path: Path) -> None:
    path = tmp_path / "me.unfinished.json"
    collection = filled(taken)
    for passphrase, why in ((None, "there is no passphrase"), ("another one", "another passphrase")):
        journal.write(path, collection.now, passphrase="four words or so", **OF)
        assert path.stat().st_mode & 0o777 == 0o600
        assert b"anna" not in path.read_bytes()
        with pytest.raises(CalibrationError, match=why):
            journal.read(path, passphrase=passphrase, **OF)
        assert not path.exists()  # put aside, not lost
    journal.write(path, collection.now, passphrase="four words or so", **OF)
    read = journal.read(path, passphrase="four words or so", **OF)
    assert read is not None
    assert same(read, collection.now)


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
    path = tmp_path / "me.unfinished.json"
    journal.write(path, filled(taken).now, **OF)
    before = path.read_bytes()
    with pytest.raises(CalibrationError, match=why) as error:
        journal.read(path, **asked)
    kept = tmp_path / "me.unfinished.set-aside.json"
    assert str(kept) in error.value.hint
    assert kept.read_bytes() == before
    assert journal.read(path, **OF) is None


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_is_seen_and_nothing_is_lost(taken: Make, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "me.unfinished.json"
    journal.write(path, filled(taken).now, **OF)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 2)) :]
    else:
        at = data.draw(st.integers(0, len(content) - 2))
        content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    refusal = ""
    try:
        read = journal.read(path, **OF)
    except CalibrationError as error:
        refusal = error.what
    if refusal:
        assert "is damaged" in refusal
        assert path.with_suffix(".set-aside.json").read_bytes() == bytes(content)
    else:  # a blank in the head, say
        assert read is not None
        assert same(read, filled(taken).now)


def test_a_full_disk_is_said(taken: Make, full_disk: Path) -> None:
    collection = filled(taken)
    for seed in range(60):
        collection.add(0.0, 0.0, *taken(seed, 3), keep_crops=True)
    with pytest.raises(WriteError):
        journal.write(full_disk / "me.unfinished.json", collection.now, **OF)
    assert list(full_disk.iterdir()) == []
