"""`export RECORDING`: the table of `run --csv`, Parquet, ELAN and NOVA, as their readers see them."""

import csv
import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed; `make setup` brings it")

from support.recordings import FRAMES, START_S

from mtclar.engine.data_types import Frame
from mtclar.stream.recordings.video import StreamVideo

Command = Callable[..., Any]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_is_that_of_run(command: Command, face_clip: Path, tmp_path: Path) -> None:
    live = tmp_path / "live.csv"
    source = ("--source", face_clip, "--support", "none", "--port", "0", "--no-live")
    assert command("run", *source, "--csv", live, "--record", tmp_path / "recordings").code == 0
    done = command("export", tmp_path / "recordings", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    exported = rows(tmp_path / "out" / "values.csv")
    assert len(exported) == 50
    for row, expected in zip(exported, rows(live), strict=True):
        for cells in (row, expected):
            cells.pop("t_unix", None)  # the two sinks read their clocks at different moments
        assert row == expected


def test_marks_and_states_are_a_table_of_their_own(command: Command, recording: Path) -> None:
    done = command("export", recording, "--to", "csv")
    assert done.code == 0, done.err
    assert done.out.split() == [
        str(recording / name) for name in ("values.csv", "values.csv.json", "events.csv")
    ]
    values = rows(recording / "values.csv")
    assert len(values) == FRAMES + FRAMES // 2 + FRAMES
    assert [row["mark"] for row in values if row["mark"] and row["stream"] == "cam"] == ["trial 1", "'=2"]
    events = rows(recording / "events.csv")
    assert [(row["type"], row["stream"], row["text"], row["reason"]) for row in events] == [
        ("status", "cam", "live", ""),
        ("status", "door/2", "live", ""),
        ("mark", "", "trial 1", ""),
        ("mark", "cam", "'=2", ""),
        ("status", "cam", "reconnecting", "no picture"),
    ]
    assert [float(row["t_unix"]) for row in events][2] == 1_800_000_000.5
    assert (recording / "values.csv").stat().st_mode & 0o777 == 0o600
    assert command("export", recording).code == 2  # nothing is overwritten


def test_a_file_name_is_no_output_folder(command: Command, recording: Path, tmp_path: Path) -> None:
    done = command("export", recording, "--out", tmp_path / "out.csv")
    assert done.code == 2
    assert "out.csv is the name of a file, and --to csv writes several" in done.err
    assert not (tmp_path / "out.csv").exists()


def test_parquet_has_the_same_columns(command: Command, recording: Path, tmp_path: Path) -> None:
    from pyarrow import parquet

    assert command("export", recording).code == 0
    assert command("export", recording, "--to", "parquet", "--out", tmp_path / "out").code == 0
    table = parquet.read_table(tmp_path / "out" / "values.parquet")
    written = rows(recording / "values.csv")
    assert table.column_names == list(written[0])
    assert len(table) == len(written)
    assert [str(table.schema.field(name).type) for name in ("frame", "valence", "subject", "mark")] == [
        *("int64", "double", "string", "string")
    ]
    assert table["subject"].to_pylist().count("anna") == FRAMES
    assert len(parquet.read_table(tmp_path / "out" / "events.parquet")) == 5
    origin = json.loads((tmp_path / "out" / "values.parquet.json").read_text())
    digest = hashlib.sha256((tmp_path / "out" / "values.parquet").read_bytes()).hexdigest()
    assert (origin["session"], origin["table"]["rows"], origin["table"]["sha256"]) == (
        "P07",
        len(table),
        digest,
    )


def test_elan_reads_a_file_a_person_with_the_marks(command: Command, recording: Path, tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling is not installed; `make setup` brings it")
    assert command("export", recording, "--to", "elan", "--out", tmp_path / "out").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["cam_anna.eaf", "cam_face-1.eaf"]
    anna = elan.Eaf(str(tmp_path / "out" / "cam_anna.eaf"))
    assert sorted(anna.get_annotation_data_for_tier("mark")) == [(500, 600, "trial 1"), (600, 1100, "=2")]
    valence = sorted(anna.get_annotation_data_for_tier("valence"))
    assert (valence[0], valence[-1][1]) == ((0, 200, "0.250"), 2000)
    other = sorted(elan.Eaf(str(tmp_path / "out" / "cam_face-1.eaf")).get_annotation_data_for_tier("valence"))
    assert (other[0], len(other)) == ((40, 80, "0.250"), FRAMES // 2)  # no value where the face is absent


def test_nova_has_a_pair_of_files_for_each_dimension(
    command: Command, recording: Path, tmp_path: Path
) -> None:
    assert command("export", recording, "--to", "nova", "--out", tmp_path / "out").code == 0
    samples = (tmp_path / "out" / "cam_face-1.valence.annotation~").read_text().splitlines()
    assert samples[:3] == ["nan;0.0", "0.2500;0.900", "nan;0.0"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--to", "csv"], "there is no recording nowhere"),
        (["--to", "elan"], "needs a recording"),
        ([".", "--to", "csv"], "is no recording"),
        ([".", "--to", "csv", "--force"], "are for networks"),
    ],
)
def test_what_cannot_be_exported_is_said(
    command: Command, arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("export", *arguments)
    assert done.code == 2
    assert message in done.err


def test_several_recordings_are_listed(command: Command, recording: Path) -> None:
    (recording.parent / "second").mkdir()
    (recording.parent / "second" / "manifest.json").write_bytes((recording / "manifest.json").read_bytes())
    done = command("export", recording.parent, "--to", "csv")
    assert done.code == 2
    assert "2 recordings" in done.err
    assert recording.name in done.err


def test_elan_refers_to_the_video_and_counts_from_its_beginning(command: Command, recording: Path) -> None:
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling is not installed; `make setup` brings it")
    with closing(StreamVideo(recording, "cam")) as video:  # it began with the sixth frame
        video.enqueue(Frame(np.zeros((64, 64, 3), np.uint8), 5, START_S + 5 / 25, "arrival", 5 / 25, "cam"))
    assert command("export", recording, "--to", "elan").code == 0
    anna = elan.Eaf(str(recording / "cam_anna.eaf"))
    assert anna.get_linked_files()[0]["RELATIVE_MEDIA_URL"] == "./video-cam-1.mkv"
    assert sorted(anna.get_annotation_data_for_tier("mark"))[0] == (300, 400, "trial 1")
    valence = sorted(anna.get_annotation_data_for_tier("valence"))
    assert (valence[0][0], valence[-1][1]) == (0, 1800)
