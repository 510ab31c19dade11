"""Exports read back by other programs' readers: pyarrow, pympi (ELAN), and NOVA's documented layout."""

import xml.etree.ElementTree as ET
from pathlib import Path

import av
import numpy as np
import pytest

from mtclar.engine.errors import UsageError
from mtclar.label.output.exports import exporter, output_files, write
from mtclar.label.output.render import CHART_HEIGHT, render
from mtclar.label.output.table import COLUMNS, Table
from mtclar.label.recording import open_recording

CLIP = Path(__file__).parents[1] / "clips" / "1002.mp4"


@pytest.fixture
def table() -> Table:
    """250 frames at 25 a second; a second without a face from 4.0 s on; frame 0 labelled."""
    times_s = np.arange(250) / 25
    values = np.stack([np.sin(times_s), 0.5 * np.cos(times_s)], 1)
    sds = np.full((250, 2), 0.1)
    state = np.full(250, "ok", "<U16")
    values[100:125], sds[100:125], state[100:125] = np.nan, np.nan, "no_face"
    sds[0], state[0] = np.nan, "labelled"
    return Table(times_s, values, sds, state)


def test_pyarrow_reads_parquet(table: Table, tmp_path: Path) -> None:
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="pyarrow is not installed; `make setup` brings it"
    )
    (out,) = write(table, [tmp_path / "out.parquet"], CLIP)
    read = parquet.read_table(out)
    assert tuple(read.column_names) == COLUMNS
    assert read.num_rows == 250
    assert read["valence"].null_count == 25
    assert read["valence_sd"].null_count == 26
    assert np.array(read["valence"].drop_null()) == pytest.approx(
        np.delete(table.values[:, 0], range(100, 125))
    )
    assert read["state"][110].as_py() == "no_face"


def test_pympi_reads_elan(table: Table, tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling is not installed; `make setup` brings it")
    (out,) = write(table, [tmp_path / "sub" / "out.eaf"], tmp_path / "clip.mp4")
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
    files = write(table, [out], CLIP)
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
    assert samples[0, 1] == 1.0  # a given label
    assert samples[50, 1] == pytest.approx(0.8)
    assert samples[110, 1] == 0.0


def test_all_or_nothing(table: Table, full_disk: Path) -> None:
    with pytest.raises(Exception, match="cannot write"):
        write(table, [full_disk / "a.annotation", full_disk / "a.eaf", full_disk / "a.csv"], CLIP)
    assert list(full_disk.iterdir()) == []


def test_an_unknown_format() -> None:
    with pytest.raises(UsageError, match="unknown output format"):
        exporter(Path("out.xlsx"))


def test_the_video_with_the_chart(table: Table, tmp_path: Path) -> None:
    recording = open_recording(CLIP)
    out = tmp_path / "annotated.mp4"
    reported: list[int] = []
    render(recording, table, out, reported.append)
    assert sum(reported) == 250
    assert [path.name for path in tmp_path.iterdir()] == ["annotated.mp4"]
    assert out.stat().st_mode & 0o777 == 0o600
    with av.open(str(out)) as container:
        frames = list(container.decode(video=0))
        times_s = [float(frame.time) for frame in frames]
        images = {i: frames[i].to_ndarray(format="bgr24").astype(int) for i in (50, 110)}
    assert times_s == pytest.approx(table.times_s.tolist(), abs=1e-3)
    height, width = images[50].shape[:2]
    assert (height - CHART_HEIGHT) / width == pytest.approx(240 / 320, abs=0.01)
    chart = images[50][-CHART_HEIGHT + 24 :]
    blue, red = (chart[..., 0] - chart[..., 2] > 80), (chart[..., 2] - chart[..., 0] > 80)
    assert blue[:, width // 4 : width // 2].any(0).mean() > 0.7
    assert red[:, width // 4 : width // 2].any(0).mean() > 0.7
    gap = images[110][-CHART_HEIGHT + 24 :, width // 2 - 8 : width // 2 + 8]
    assert not (np.abs(gap[..., 0] - gap[..., 2]) > 80).any()  # nothing is drawn where there is no value
