"""The JSON beside a table, as `run --csv` writes it: what made the values, when, and what is missing."""

import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from support.pipeline_parts import CAM

from mtclar.engine.data_types import Encoded
from mtclar.engine.installation.build_info import commit
from mtclar.engine.support_set import SupportSet
from mtclar.stream.protocol.messages import AffectMessage, ModelInfo, StatusMessage
from mtclar.stream.sinks.csv_file import CsvSink
from mtclar.stream.table.columns import NAMES
from mtclar.stream.table.provenance import SetIdentity, TableOrigin, is_sidecar, sidecar_path

Make = Callable[..., AffectMessage]


def read(table: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sidecar_path(table).read_text())
    return found


def some_set(valence: float) -> SupportSet:
    encoded = Encoded(np.ones((2, 4), np.float32), np.zeros((2, 2), np.float32))
    return SupportSet.from_encoded(encoded, np.full((2, 2), valence), subject="anna", created="2026-01-01")


def test_it_is_there_from_the_start_and_complete_at_the_end(tmp_path: Path, make_message: Make) -> None:
    table = tmp_path / "out.csv"
    origin = TableOrigin(
        "run", "sub-01", "ses-02", supports=(SetIdentity.of(some_set(0.5), Path("a.mtclar")),)
    )
    with closing(CsvSink(table, origin=origin)) as sink:
        sink.model = ModelInfo("encoder", "ab" * 32, "cpu")
        sink.open([CAM])
        assert read(table)["table"] == {"file": "out.csv", "complete": False, "rows": None, "sha256": None}
        for number in range(3):
            sink.affect(make_message(number, faces=2))
    found = read(table)
    digest = hashlib.sha256(table.read_bytes()).hexdigest()
    assert found["table"] == {"file": "out.csv", "complete": True, "rows": 6, "sha256": digest}
    assert (found["participant"], found["session"]) == ("sub-01", "ses-02")
    assert found["model"]["sha256"] == "ab" * 32
    assert [(one["subject"], one["frames"], one["file"]) for one in found["support_sets"]] == [
        ("anna", 2, "a.mtclar")
    ]
    assert tuple(found["columns"]) == NAMES
    assert found["sources"][0]["frames"] == 3
    assert found["made_by"]["versions"]["numpy"] == np.__version__
    assert found["made_by"]["versions"]["commit"] == commit()
    assert sidecar_path(table).stat().st_mode & 0o777 == 0o600
    assert is_sidecar(sidecar_path(table))
    assert not is_sidecar(table)


def test_a_set_is_known_by_its_content() -> None:
    one, same, other = (SetIdentity.of(some_set(valence)).sha256 for valence in (0.5, 0.5, 0.25))
    assert one == same != other


def test_a_set_is_the_same_whenever_its_file_was_written(tmp_path: Path) -> None:
    support = some_set(0.5)
    support.save(tmp_path / "one.mtclar")
    loaded = SupportSet.load(tmp_path / "one.mtclar")
    assert SetIdentity.of(loaded).sha256 == SetIdentity.of(support).sha256


def test_a_time_without_frames_is_listed_with_its_reason(tmp_path: Path, make_message: Make) -> None:
    table = tmp_path / "out.csv"
    with closing(CsvSink(table)) as sink:
        sink.open([CAM])
        sink.affect(replace(make_message(0), stream="cam", pts_s=1.0))
        sink.affect(replace(make_message(1), stream="cam", pts_s=1.04))
        sink.status(StatusMessage("cam", "reconnecting", reason="unplugged"))
        sink.affect(replace(make_message(2), stream="cam", pts_s=9.5))
    assert read(table)["gaps"] == [{"stream": "cam", "from_s": 1.04, "to_s": 9.5, "reason": "unplugged"}]


def test_rows_have_the_wall_clock_that_the_json_names(tmp_path: Path, make_message: Make) -> None:
    table = tmp_path / "out.csv"
    with closing(CsvSink(table, origin=TableOrigin("run", "01"))) as sink:
        sink.open([CAM])
        message = make_message(0, t_s=100.0)
        sink.affect(message)
    start = read(table)["clock"]["start"]
    header, row = (line.split(",") for line in table.read_text().splitlines()[:2])
    cells = dict(zip(header, row, strict=False))
    assert abs(float(cells["t_unix"]) - (message.t_capture_s - start["monotonic"] + start["unix"])) < 1e-3
    assert cells["participant"] == "01"
