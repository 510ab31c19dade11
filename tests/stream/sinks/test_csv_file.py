"""--csv: one row per face per frame, empty cells where no value is honest, nothing overwritten."""

import csv
import resource
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.data_types import BLENDSHAPES, Affect
from mtclar.engine.errors import UsageError, WriteError
from mtclar.engine.text import cell
from mtclar.stream.protocol.messages import AffectMessage, LatencyMs, MarkMessage, StreamInfo
from mtclar.stream.sinks.csv_file import MARKS_KEPT, CsvSink
from mtclar.stream.table.columns import NAMES

Make = Callable[..., AffectMessage]


def stream(name: str) -> StreamInfo:
    return StreamInfo(name, name, False, None, None, "all")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_header_is_there_from_the_start_and_rows_follow(tmp_path: Path, make_message: Make) -> None:
    path = tmp_path / "out.csv"
    sink = CsvSink(path)
    assert path.read_text().strip() == ",".join(NAMES)
    assert path.stat().st_mode & 0o777 == 0o600
    sink.affect(make_message(0, faces=2))
    sink.affect(make_message(1, faces=0))
    sink.close()
    sink.close()
    written = rows(path)
    assert [row["frame"] for row in written] == ["0", "0", "1"]
    assert [row["track"] for row in written] == ["0", "1", ""]
    assert (
        written[0] | {"valence": "0.2500", "raw_valence": "0.3000", "calibrated": "1", "width": "100.0"}
        == written[0]
    )
    assert written[2]["valence"] == ""


def test_a_mark_stands_at_the_first_frame_taken_after_it(tmp_path: Path, make_message: Make) -> None:
    path = tmp_path / "out.csv"
    sink = CsvSink(path)
    sink.open([stream("cam"), stream("another")])
    frames = [make_message(seq, faces=2, t_s=100.0 + seq / 25) for seq in range(4)]
    times_s = [frame.t_capture_s for frame in frames]
    sink.mark(MarkMessage("before all of it", times_s[0] - 1.0))
    sink.affect(frames[0])
    sink.mark(MarkMessage("at two", times_s[2], "cam"))
    sink.mark(MarkMessage("after two", times_s[2] + 0.001, "cam"))
    sink.mark(MarkMessage("and again", times_s[2] + 0.002, "cam"))
    for frame in frames[1:]:  # the first of them was taken before the marks, and answered after them
        sink.affect(frame)
    sink.mark(MarkMessage("after all of it", times_s[3] + 1.0, "cam"))
    sink.close()
    marks = [(row["frame"], row["mark"]) for row in rows(path)]
    assert marks == [
        *(("0", "before all of it"), ("0", "")),
        *(("1", ""), ("1", "")),
        *(("2", "at two"), ("2", "")),
        *(("3", "after two; and again"), ("3", "")),
    ]


@given(
    label=st.text(min_size=1, max_size=20) | st.sampled_from(["a\nb", "=1+1", "a;=1+1", "@x", '"; ,\r', "-2"])
)
def test_a_mark_is_one_cell_of_one_line_and_no_formula(label: str, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("marks") / "out.csv"
    with closing(CsvSink(path)) as sink:
        sink.open([stream("c")])
        sink.mark(MarkMessage(label, 0.0, "c"))
        sink.affect(AffectMessage("c", 0, 0, 1.0, "file", 0.0, (16, 16), LatencyMs(0, 0, 0), 0, ()))
    assert len(path.read_text().split("\n")) == 3
    (row,) = rows(path)
    assert row["mark"] == cell(label)


def test_names_of_streams_and_subjects_are_no_formulas(tmp_path: Path) -> None:
    face = Affect(1, "=HYPERLINK(1)", "ok", (0.0, 0.0, 1.0, 1.0), *[None] * 6, ())
    message = AffectMessage("＝x", 0, 0, 0.0, "file", 0.0, (16, 16), LatencyMs(0, 0, 0), 0, (face,))
    with closing(CsvSink(tmp_path / "out.csv")) as sink:
        sink.affect(message)
    (row,) = rows(tmp_path / "out.csv")
    assert (row["stream"], row["subject"]) == ("'＝x", "'=HYPERLINK(1)")


def test_marks_of_a_stream_without_frames_do_not_pile_up(tmp_path: Path, make_message: Make) -> None:
    with closing(CsvSink(tmp_path / "out.csv")) as sink:
        sink.open([stream("cam")])
        for number in range(MARKS_KEPT + 5):
            sink.mark(MarkMessage(str(number), 0.0, "cam"))
        sink.affect(make_message(0, faces=0))
    (row,) = rows(tmp_path / "out.csv")
    assert row["mark"].split("; ") == [str(number) for number in range(5, MARKS_KEPT + 5)]


def test_no_value_is_an_empty_cell(tmp_path: Path) -> None:
    face = Affect(
        1, None, "low_quality", (0.0, 0.0, 1.0, 1.0), None, None, None, None, None, None, ("turned", "dark")
    )
    message = AffectMessage("c", 0, 0, 0.0, "file", 0.0, (16, 16), LatencyMs(0, 0, 0), 0, (face,))
    with_values = tmp_path / "out.csv"
    sink = CsvSink(with_values)
    sink.affect(message)
    sink.close()
    (row,) = rows(with_values)
    empty = (
        "subject",
        "valence",
        "arousal",
        "valence_sd",
        "raw_valence",
        "in_support",
        "nearest_similarity",
        "yaw",
    )
    assert [row[name] for name in empty] == [""] * len(empty)
    assert (row["state"], row["calibrated"], row["faults"]) == ("low_quality", "0", "turned; dark")


def test_rows_reach_the_disk_while_it_runs(tmp_path: Path, make_message: Make) -> None:
    now = [0.0]
    sink = CsvSink(tmp_path / "out.csv", clock=lambda: now[0])
    now[0] = 1.5
    sink.affect(make_message(0))
    assert len(rows(tmp_path / "out.csv")) == 1
    sink.close()


def test_an_existing_file_is_not_touched_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("precious")
    with pytest.raises(UsageError, match="exists"):
        CsvSink(path)
    assert path.read_text() == "precious"
    CsvSink(path, overwrite=True).close()
    assert rows(path) == []


def test_a_folder_that_is_missing_is_made_and_one_that_cannot_be_is_said(tmp_path: Path) -> None:
    CsvSink(tmp_path / "new" / "out.csv").close()
    assert rows(tmp_path / "new" / "out.csv") == []
    with pytest.raises(UsageError, match="cannot write"):
        CsvSink(tmp_path / "new" / "out.csv" / "out.csv")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_disk_that_is_full_from_the_start_is_refused() -> None:
    with pytest.raises(UsageError, match=r"full cannot be written: No space left"):
        CsvSink(Path("/dev/full"), overwrite=True)


@pytest.fixture
def room() -> Iterator[Callable[[int], None]]:
    """`room(n)`: from now on the system lets files grow to n bytes only."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_on_a_full_disk_the_rows_wait_for_room(
    tmp_path: Path, make_message: Make, room: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    path, now = tmp_path / "out.csv", iter(range(10_000))
    sink = CsvSink(path, clock=lambda: float(next(now)))  # every message is a second after the one before
    room(5000)
    for n in range(100):
        sink.affect(make_message(n))
    assert sink.trouble == "out.csv cannot be written: File too large"
    text = path.read_text()
    assert text.endswith("\n")
    kept = rows(path)
    assert 10 < len(kept) < 100
    assert all(None not in row.values() for row in kept)  # every row has all its cells
    room(10**6)
    sink.affect(make_message(100))
    assert sink.trouble is None
    sink.close()
    assert [int(row["frame"]) for row in rows(path)] == list(range(101))
    assert [record.getMessage() for record in caplog.records] == [
        "out.csv cannot be written: File too large; its rows wait for room",
        f"{path} is written again; rows of 0 frames are missing",
    ]


def test_rows_that_never_find_room_are_said_at_the_end(
    tmp_path: Path, make_message: Make, room: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtclar.stream.sinks.csv_file.MAX_WAITING", 5000)
    path = tmp_path / "out.csv"
    sink = CsvSink(path)
    room(5000)
    for n in range(1000):  # memory is bounded too
        sink.affect(make_message(n))
    with pytest.raises(WriteError, match=r"the last rows are missing: out\.csv cannot be written"):
        sink.close()
    sink.close()
    assert [int(row["frame"]) for row in rows(path)] == list(range(len(rows(path))))


def test_blendshapes_are_columns_of_their_own_after_the_mark(tmp_path: Path, make_message: Make) -> None:
    shapes = np.linspace(0, 1, 52).astype(np.float32)
    both, none = make_message(0, faces=2), make_message(1, faces=0)
    both = replace(both, faces=(replace(both.faces[0], blendshapes=shapes), both.faces[1]))
    with closing(CsvSink(tmp_path / "out.csv", blendshapes=True)) as sink:
        sink.affect(both)
        sink.affect(none)
    written = rows(tmp_path / "out.csv")
    assert list(written[0]) == [*NAMES, *BLENDSHAPES[1:]]
    assert [float(written[0][name]) for name in BLENDSHAPES[1:]] == pytest.approx(shapes[1:], abs=1e-4)
    assert {row[name] for row in written[1:] for name in BLENDSHAPES[1:]} == {""}
