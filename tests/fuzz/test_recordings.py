"""Damaged recordings: read, or refused in words; a part that a kill cut off is read to its last whole batch."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed; `make setup` brings it")


from mtclar.engine.errors import UsageError
from mtclar.stream.recordings.media_time import MediaTime
from mtclar.stream.recordings.reader import Recording

from .conftest import Fuzz, damaged, is_readable


@pytest.fixture
def read_with(recording: Path) -> Callable[[str], Callable[[bytes], None]]:
    """For a file of the recording: a function that gives it other bytes and reads all messages, by both clocks."""

    def of(name: str) -> Callable[[bytes], None]:
        def read(data: bytes) -> None:
            (recording / name).write_bytes(data)
            try:
                found = Recording(recording)
                for timeline in (found, MediaTime(found)):
                    for _, message in timeline.messages():
                        message.encode()
            except UsageError as error:
                is_readable(error)

        return read

    return of


@pytest.mark.parametrize("name", ["manifest.json", "events.jsonl", "faces/00001.parquet"])
def test_damaged_files(
    fuzz: Fuzz, recording: Path, read_with: Callable[[str], Callable[[bytes], None]], name: str
) -> None:
    assert fuzz(damaged([(recording / name).read_bytes()]), read_with(name))


def test_a_damaged_open_part(
    fuzz: Fuzz, recording: Path, read_with: Callable[[str], Callable[[bytes], None]]
) -> None:
    import pyarrow
    from pyarrow import parquet

    table = parquet.read_table(recording / "faces" / "00001.parquet").slice(0, 6)
    shutil.rmtree(recording / "faces")
    (recording / "faces").mkdir()
    with pyarrow.ipc.new_stream(recording / "faces" / "_00001.arrows", table.schema) as stream:
        stream.write_table(table, max_chunksize=3)
    manifest = json.loads((recording / "manifest.json").read_text())
    (recording / "manifest.json").write_text(json.dumps(manifest | {"parts": [], "ended": None}))
    good = (recording / "faces" / "_00001.arrows").read_bytes()
    assert fuzz(damaged([good]), read_with("faces/_00001.arrows"))
