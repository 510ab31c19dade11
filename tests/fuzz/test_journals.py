"""What an interrupted run left, and what others put in its place: resumed, or refused in words."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from mtclar.calibrate.core.continuous_rating import Ratings
from mtclar.calibrate.core.journal import CalibrationJournal, UnfinishedCalibration, subject_of
from mtclar.calibrate.core.label_store import LabelStore
from mtclar.engine.errors import CalibrationError, MtclarError
from mtclar.engine.files.secret_files import first_line
from mtclar.label.corpus.ledger import Ledger
from mtclar.label.corpus.manifest import read_manifest
from mtclar.label.scan.scan_journal import ScanJournal

from .conftest import JSON, Fuzz, damaged, is_readable

MODEL, KEY = "0" * 64, "a" * 64


def written(folder: Path, taken: Any) -> bytes:
    store = LabelStore()
    store.add(0.5, -0.5, *taken(0, 2), keep_crops=True)
    journal = CalibrationJournal(folder / "good.mtclar", "anna")
    ratings = Ratings(2.0, 1.0, np.full((3, 4), 0.5))
    journal.write(UnfinishedCalibration(store.snapshot, ratings), MODEL)
    return journal.path.read_bytes()


def resume(folder: Path, data: bytes) -> None:
    journal = CalibrationJournal(folder / "fuzz.mtclar", "anna")
    journal.path.write_bytes(data)
    subject_of(journal.path)
    try:
        journal.read(MODEL)
    except CalibrationError as error:  # it was set aside
        is_readable(error)
        assert not journal.path.exists()
    for aside in folder.glob("*.set-aside*"):
        aside.unlink()


def test_damaged_calibrations(fuzz: Fuzz, taken: Any, tmp_path: Path) -> None:
    assert fuzz(damaged([written(tmp_path, taken)]), lambda data: resume(tmp_path, data))


def test_calibrations_of_a_liar(fuzz: Fuzz, taken: Any, tmp_path: Path) -> None:
    """Any value in any place, with the right checksum."""
    head, body, _ = written(tmp_path, taken).split(b"\n")
    good, described = json.loads(body), json.loads(head)
    places = [(key,) for key in good] + [("samples", 0, key) for key in good["samples"][0]]
    places += [("ratings", key) for key in good["ratings"]]

    def lie(place_and_value: tuple[tuple[Any, ...], Any]) -> None:
        place, value = place_and_value
        changed = json.loads(body)
        inner = changed
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = value
        text = json.dumps(changed)
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        resume(tmp_path, f"{json.dumps({**described, 'sha256': sha256})}\n{text}\n".encode())

    assert fuzz(st.tuples(st.sampled_from(places), JSON), lie)


def test_damaged_scans(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / ".out.csv.unfinished"
    with ScanJournal(path, KEY) as journal:
        for record in (b"one", b"two", bytes(100)):
            journal.append(record)
    good = path.read_bytes()

    def open_it(data: bytes) -> None:
        path.write_bytes(data)
        try:
            with ScanJournal(path, KEY) as journal:
                assert journal.records == [b"one", b"two", bytes(100)][: len(journal.records)]
        except MtclarError as error:
            is_readable(error)
            assert path.read_bytes() == data  # what is not ours is left alone

    assert fuzz(damaged([good]) | st.binary(), open_it)


def test_damaged_reports(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    good = (
        b'{"video": "a.mp4", "out": "a.csv", "status": "done", "key": "0", "frames": 2, "reason": ""}\n' * 2
    )

    def read(data: bytes) -> None:
        path.write_bytes(data)
        try:
            Ledger(path).close()
        except MtclarError as error:
            is_readable(error)
        else:
            assert not path.read_bytes() or path.read_bytes().endswith(b"\n")

    assert fuzz(damaged([good]) | JSON.map(lambda value: json.dumps(value).encode() + b"\n"), read)


def test_damaged_manifests(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / "corpus.csv"
    good = b"video,support,out,fps\na.mp4,a.csv,b.csv,\nfolder,b.csv,c.eaf,25\n"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        try:
            read_manifest(path)
        except MtclarError as error:
            is_readable(error)

    assert fuzz(damaged([good]) | st.binary(), read)


def test_any_secret_file(fuzz: Fuzz, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "token"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        try:
            assert "\n" not in first_line(path, "token", "one line")
        except MtclarError as error:
            is_readable(error)

    assert fuzz(damaged([b"open sesame\r\nmore\n"]) | st.binary(), read)
    assert not caplog.records
