"""Files are whole or not there at all, whatever stops the writing; and a place that cannot be written is found out."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtclar.engine.errors import UsageError, WriteError
from mtclar.engine.files.reading import open_ordinary, read_ordinary, readable_by_others
from mtclar.engine.files.writing import (
    open_private,
    require_new,
    require_writable,
    sweep_parts,
    write_together,
    write_whole,
)

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..")
)


def put(content: bytes):
    return lambda file: file.write(content)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(NAMES, st.binary(max_size=200), st.binary(max_size=200))
def test_last_write_wins(tmp_path: Path, name: str, one: bytes, two: bytes) -> None:
    folder = tmp_path / "new" / "folder"
    write_whole(folder / name, put(one))
    write_whole(folder / name, put(two))
    assert (folder / name).read_bytes() == two
    assert list(folder.iterdir()) == [folder / name]
    (folder / name).unlink()


def test_who_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "open", put(b""), private=False)
        write_whole(tmp_path / "private", put(b""))
        open_private(tmp_path / "rows", "xb").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o640
    for name in ("private", "rows"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "file")
    write_whole(tmp_path / "link", put(b"x"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "file").read_bytes() == b"x"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError(28, "No space left on device")])
def test_an_interrupted_write_keeps_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file: IO[bytes]) -> None:
        file.write(b"half")
        raise error

    with pytest.raises((KeyboardInterrupt, ValueError, WriteError)):
        write_whole(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_together_is_atomic(full_disk: Path) -> None:
    small, large = full_disk / "card", full_disk / "graph"
    small.write_bytes(b"old")
    with pytest.raises(WriteError) as refused:
        write_together({small: put(b"new"), large: put(bytes(10**6))})
    assert f"cannot write {large}: " in refused.value.what
    assert "unchanged" in refused.value.hint
    assert small.read_bytes() == b"old"
    assert list(full_disk.iterdir()) == [small]


def test_require_writable_leaves_no_trace(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    require_writable(tmp_path / "there")
    require_writable(tmp_path / "new" / "folder" / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "is a folder"),
        ("file/below", "Not a directory"),
        ("x" * 300, "name too long"),
        ("fifo", "is not an ordinary file"),
    ],
)
def test_a_place_that_cannot_be_written_is_said(name: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageError) as refused:
        require_writable(tmp_path / name)
    assert says in refused.value.what
    assert refused.value.hint


def test_only_a_place_where_nothing_is_is_new(tmp_path: Path) -> None:
    require_new(tmp_path / "folder" / "new")
    assert not list(tmp_path.iterdir())
    (tmp_path / "old").write_text("mine")
    with pytest.raises(UsageError, match="old exists already"):
        require_new(tmp_path / "old")
    with pytest.raises(UsageError, match="is a folder"):
        require_new(tmp_path)


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    path = tmp_path / "anna.mtclar"
    code = (
        "import os, sys, time; from pathlib import Path; from mtclar.engine.files.writing import write_whole\n"
        "def fill(file): file.write(b'half'); file.flush(); print(flush=True); time.sleep(600)\n"
        "write_whole(Path(sys.argv[1]), fill)"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        (part,) = tmp_path.glob(".anna.mtclar.*.part")
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
        require_writable(path)
        assert part.exists()  # its writer lives
        writer.kill()
    foreign = [".anna.mtclar.part", ".anna.0123456789.part", ".annabel.01234567.part", "anna.01234567.part"]
    for name in foreign:
        (tmp_path / name).touch()
    (tmp_path / ".anna.previous.mtclar.01234567.part").touch()
    require_writable(path)
    assert sorted(found.name for found in tmp_path.iterdir()) == sorted(foreign)
    assert sweep_parts(tmp_path / "nowhere" / "anna.mtclar") == []


def test_only_an_ordinary_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(10))
    os.mkfifo(tmp_path / "fifo")
    assert read_ordinary(tmp_path / "file", 10) == bytes(10)
    for path, says in {
        tmp_path / "file": "larger than",
        tmp_path / "fifo": "pipe",
        Path(os.devnull): "device",
        tmp_path: "folder",
        tmp_path / "nothing": "No such file",
        Path("/proc/self/maps"): "larger than",  # its size is said to be 0
    }.items():
        with pytest.raises(OSError, match=says):
            read_ordinary(path, 9)
    with pytest.raises(OSError, match="pipe"):
        open_ordinary(tmp_path / "fifo")


def test_who_else_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.touch()
    for mode, readable in {0o600: False, 0o640: True, 0o604: True}.items():
        path.chmod(mode)
        assert readable_by_others(path) is readable
    assert not readable_by_others(tmp_path / "nothing")
