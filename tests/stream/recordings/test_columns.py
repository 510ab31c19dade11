"""Parts of recordings with fewer columns: an older recording is read, a damaged one is refused."""

from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed; `make setup` brings it")

from pyarrow import parquet

from mtclar.engine.errors import UsageError
from mtclar.stream.recordings.reader import Recording


def without(recording: Path, column: str) -> None:
    part = recording / "faces" / "00001.parquet"
    parquet.write_table(parquet.read_table(part).drop_columns([column]), part)


def test_a_recording_of_before_there_were_caveats(recording: Path) -> None:
    frames = [message.seq for _, message in Recording(recording).frames()]
    without(recording, "caveats")
    read = [message for _, message in Recording(recording).frames()]
    assert [message.seq for message in read] == frames
    assert {face.caveats for message in read for face in message.faces} == {()}


@pytest.mark.parametrize("column", ["queue_ms", "x", "stream"])
def test_a_part_without_a_column_is_refused(recording: Path, column: str) -> None:
    without(recording, column)
    with pytest.raises(UsageError, match=f"damaged: 00001.parquet: there is no column {column}"):
        list(Recording(recording).frames())
