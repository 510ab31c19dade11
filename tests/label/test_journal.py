"""The journal: what is on the disk survives, what was cut short is worked out again, another key begins anew."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.errors import WriteError
from mtclar.label.journal import Journal

KEY, OTHER = "a" * 64, "b" * 64


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5), st.data())
def test_whatever_is_cut_off_the_pieces_before_it_are_whole(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "work"
    ends = []
    with Journal(path, KEY) as journal:
        for piece in pieces:
            journal.append(piece)
            ends.append(path.stat().st_size)
    size = path.stat().st_size
    kept = data.draw(st.integers(0, size))
    path.write_bytes(path.read_bytes()[:kept])
    with Journal(path, KEY) as journal:
        assert journal.pieces == pieces[: sum(end <= kept for end in ends)]
        journal.append(b"next")
    with Journal(path, KEY) as journal:
        assert journal.pieces[-1] == b"next"


def test_a_damaged_piece_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "work"
    with Journal(path, KEY) as journal:
        journal.append(b"first")
        journal.append(b"second")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with Journal(path, KEY) as journal:
        assert journal.pieces == [b"first"]


def test_another_input_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "work"
    with Journal(path, KEY) as journal:
        journal.append(b"of the first")
    with Journal(path, OTHER) as journal:
        assert journal.pieces == []
    with Journal(path, KEY) as journal:
        assert journal.pieces == []
        journal.remove()
    assert not path.exists()


def test_a_run_that_worked_nothing_out_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "work"
    with Journal(path, KEY):
        assert path.exists()
    assert not path.exists()
    with Journal(path, KEY) as journal:
        journal.append(b"piece")
    with Journal(path, KEY):
        pass
    assert path.exists(), "what an earlier run worked out stays"


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    with Journal(tmp_path / "work", KEY):
        assert (tmp_path / "work").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_is_said_in_words(full_disk: Path) -> None:
    with Journal(full_disk / "work", KEY) as journal, pytest.raises(WriteError, match="cannot write"):
        journal.append(bytes(2**20))
