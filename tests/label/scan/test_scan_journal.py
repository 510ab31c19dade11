"""Scan journal: complete records survive, truncated ones are dropped, another key clears the file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.errors import UsageError, WriteError
from mtclar.label.scan.scan_journal import ScanJournal

KEY, OTHER = "a" * 64, "b" * 64


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5), st.data())
def test_a_truncated_file_keeps_the_records_before_the_cut(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "work"
    ends = []
    with ScanJournal(path, KEY) as journal:
        for record in records:
            journal.append(record)
            ends.append(path.stat().st_size)
    size = path.stat().st_size
    kept = data.draw(st.integers(0, size))
    path.write_bytes(path.read_bytes()[:kept])
    with ScanJournal(path, KEY) as journal:
        assert journal.records == records[: sum(end <= kept for end in ends)]
        journal.append(b"next")
    with ScanJournal(path, KEY) as journal:
        assert journal.records[-1] == b"next"


def test_a_damaged_record_ends_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "work"
    with ScanJournal(path, KEY) as journal:
        journal.append(b"first")
        journal.append(b"second")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with ScanJournal(path, KEY) as journal:
        assert journal.records == [b"first"]


def test_another_key_clears_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "work"
    with ScanJournal(path, KEY) as journal:
        journal.append(b"of the first")
    with ScanJournal(path, OTHER) as journal:
        assert journal.records == []
    with ScanJournal(path, KEY) as journal:
        assert journal.records == []
        journal.remove()
    assert not path.exists()


def test_an_empty_journal_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "work"
    with ScanJournal(path, KEY):
        assert path.exists()
    assert not path.exists()
    with ScanJournal(path, KEY) as journal:
        journal.append(b"piece")
    with ScanJournal(path, KEY):
        pass
    assert path.exists(), "records of an earlier run are kept"


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    with ScanJournal(tmp_path / "work", KEY):
        assert (tmp_path / "work").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_is_a_write_error(full_disk: Path) -> None:
    with ScanJournal(full_disk / "work", KEY) as journal, pytest.raises(WriteError, match="cannot write"):
        journal.append(bytes(2**20))


@pytest.mark.parametrize("content", [b"mine", b"", None])
def test_a_file_that_is_not_a_journal_is_left_alone(tmp_path: Path, content: bytes | None) -> None:
    foreign, path = tmp_path / "foreign", tmp_path / ".out.csv.unfinished"
    foreign.write_bytes(content or b"")
    if content == b"mine":
        path.write_bytes(content)
    else:
        path.symlink_to(foreign if content is not None else tmp_path / "nothing")
    with pytest.raises(UsageError, match="not a journal"):
        ScanJournal(path, KEY)
    assert foreign.read_bytes() == (content or b"")
    assert not (tmp_path / "nothing").exists()
    assert path.is_symlink() or path.read_bytes() == content
