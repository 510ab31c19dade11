"""Exports read back by other programs' readers: pyarrow, pympi (ELAN), and NOVA's documented layout."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mtclar.engine.errors import UsageError
from mtclar.label.output.exports import exporter, output_files, write
from mtclar.label.output.table import RecordingTable, Table
from mtclar.stream.label_formats.label_file import read_labels
from mtclar.stream.table.columns import NAMES
from mtclar.stream.table.provenance import TableOrigin, sidecar_path

CLIP = Path(__file__).parents[1] / "clips" / "1002.mp4"


@pytest.fixture
def table() -> Table:
    """250 frames at 25 a second; a second without a face from 4.0 s on; frame 0 labelled."""
    times_s = np.arange(250) / 25
    values = np.stack([np.sin(times_s), 0.5 * np.cos(times_s)], 1)
    sds = np.full((250, 2), 0.1)
    state = np.full(250, "ok", "<U16")
    values[100:125], sds[100:125], state[100:125] = np.nan, np.nan, "no_face"
    state[0], given = "labelled", np.full((250, 2), np.nan)
    given[0] = 0.25, -0.5
    return Table(times_s, values, sds, state, given)


def written(table: Table, outs: list[Path], video: Path) -> list[Path]:
    return write(RecordingTable((table,)), outs, video, TableOrigin("label"))


def test_pyarrow_reads_parquet(table: Table, tmp_path: Path) -> None:
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="pyarrow is not installed; `make setup` brings it"
    )
    out, origin = written(table, [tmp_path / "out.parquet"], CLIP)
    assert origin == sidecar_path(out)
    read = parquet.read_table(out)
    assert tuple(read.column_names) == NAMES
    assert read.num_rows == 250
    assert read["valence"].null_count == 25
    assert read["valence_sd"].null_count == 25
    assert read["label_arousal"].null_count == 249
    assert read["label_arousal"][0].as_py() == -0.5
    assert np.array(read["valence"].drop_null()) == pytest.approx(
        np.delete(table.values[:, 0], range(100, 125))
    )
    assert read["state"][110].as_py() == "no_face"


def test_pympi_reads_elan(table: Table, tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling is not installed; `make setup` brings it")
    (out,) = written(table, [tmp_path / "sub" / "out.eaf"], tmp_path / "clip.mp4")
    read = elan.Eaf(str(out))
    assert set(read.get_tier_names()) == {"valence", "arousal"}
    records = sorted(read.get_annotation_data_for_tier("valence"))
    assert (records[0][0], records[-1][1]) == (0, 10_000)
    assert all(start < end for start, end, *_ in records)
    assert not [record for record in records if record[0] < 5000 and record[1] > 4000]
    start, end, text = next(record[:3] for record in records if record[0] == 1000)
    inside = (table.times_s >= start / 1000 - 1e-9) & (table.times_s < end / 1000 - 1e-9)
    assert float(text) == pytest.approx(table.values[inside, 0].mean(), abs=6e-4)
    assert read.get_linked_files()[0]["RELATIVE_MEDIA_URL"] == "./../clip.mp4"


def test_nova_follows_the_documented_layout(table: Table, tmp_path: Path) -> None:
    out = tmp_path / "face.annotation"
    files = written(table, [out], CLIP)
    assert files == output_files(out)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "face.arousal.annotation",
        "face.arousal.annotation~",
        "face.valence.annotation",
        "face.valence.annotation~",
    ]
    header = ET.parse(tmp_path / "face.arousal.annotation").getroot()
    scheme, info = header.find("scheme"), header.find("info")
    assert scheme is not None
    assert info is not None
    assert scheme.attrib == {"name": "arousal", "type": "CONTINUOUS", "sr": "25", "min": "-1", "max": "1"}
    lines = (tmp_path / "face.arousal.annotation~").read_text().splitlines()
    assert info.attrib == {"ftype": "ASCII", "size": str(len(lines))}
    samples = np.array([[float(cell) for cell in line.split(";")] for line in lines])
    assert samples.shape == (250, 2)
    assert np.array_equal(np.isnan(samples[:, 0]), np.isnan(table.values[:, 1]))
    assert samples[50, 1] == pytest.approx(0.8)
    assert samples[110, 1] == 0.0


def test_times_for_players_count_from_the_beginning_of_the_media_file(table: Table, tmp_path: Path) -> None:
    later = replace(table, first_frame_s=1.0)
    for name, of in (("a", table), ("b", later)):
        written(
            of, [tmp_path / f"{name}.csv", tmp_path / f"{name}.eaf", tmp_path / f"{name}.annotation"], CLIP
        )
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    slots = [
        [int(slot.attrib["TIME_VALUE"]) for slot in ET.parse(tmp_path / f"{name}.eaf").iter("TIME_SLOT")]
        for name in "ab"
    ]
    assert slots[1] == [ms + 1000 for ms in slots[0]]
    samples = [(tmp_path / f"{name}.valence.annotation~").read_text().splitlines() for name in "ab"]
    assert samples[1] == ["nan;0.0"] * 25 + samples[0]
    # Read as labels, both mean the same frames.
    for suffix in (".eaf", ".annotation"):
        read = [
            read_labels(tmp_path / f"{name}{suffix}", first_frame_s=first_s)
            for name, first_s in (("a", 0.0), ("b", 1.0))
        ]
        assert [label.time_s for label in read[0]] == pytest.approx([label.time_s for label in read[1]])


def test_elan_tags_end_as_strict_readers_expect(table: Table, tmp_path: Path) -> None:
    (out,) = written(table, [tmp_path / "out.eaf"], tmp_path / "a >/> b.mp4")
    text = out.read_text()
    assert '" />' not in text
    assert text.count('"/>') > 40
    assert (
        ET.fromstring(text)
        .find("HEADER/MEDIA_DESCRIPTOR")
        .attrib["RELATIVE_MEDIA_URL"]
        .endswith("a >/> b.mp4")
    )  # type: ignore[union-attr]


def test_all_or_nothing(table: Table, full_disk: Path) -> None:
    with pytest.raises(Exception, match="cannot write"):
        written(table, [full_disk / "a.annotation", full_disk / "a.eaf", full_disk / "a.csv"], CLIP)
    assert list(full_disk.iterdir()) == []


def test_an_unknown_format() -> None:
    with pytest.raises(UsageError, match="unknown output format"):
        exporter(Path("out.xlsx"))
