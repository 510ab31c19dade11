"""Caveats of `label` and `analyse`: those of `run`, and blinks that the eyes before and after them bridge."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from support.media.clip_beginning import beginning
from support.media.covered_faces import covered_demo, mask
from support.media.video_clips import encode

from mtclar.engine.data_types import Affect, Encoded
from mtclar.engine.estimate.caveats import HIDDEN_SD
from mtclar.engine.estimate.hidden_mouth import HiddenMouth
from mtclar.engine.tracker import Tracker
from mtclar.label.labelling import Settings, label_recording
from mtclar.label.output.table import RecordingTable, Table
from mtclar.label.scan.face_scan import FaceScanner
from mtclar.label.scan.people import FaceDetails
from mtclar.label.scan.recording import open_recording
from mtclar.label.scan.scan_journal import ScanJournal
from mtclar.label.values.person_values import PersonValues, QualifiedValues, with_caveats
from mtclar.stream import demo_clip
from mtclar.stream.sources import open_source

SECONDS = 16.0
PROBE = HiddenMouth("0" * 64, np.array([1.0]), 0.0)


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo clip up to the end of its first talks."""
    path = tmp_path_factory.mktemp("caveats") / "talk.mp4"
    beginning(demo_clip.clip_path(), path, SECONDS)
    return path


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(
        tmp_path_factory.mktemp("caveats") / "mask.mp4", [frame.image for frame in covered_demo(50, mask)]
    )


def scanned(clip: Path, scanner: FaceScanner, folder: Path, rate_hz: float = 0.0) -> Table:
    with ScanJournal(folder / f"work-{rate_hz}", "d" * 64) as journal:
        settings = Settings(rate_hz=rate_hz)
        return label_recording(open_recording(clip), (), scanner, settings, journal, lambda _: None).table


def live(clip: Path) -> list[Affect]:
    with Tracker.open(max_faces=1) as tracker:
        return [tracker(frame)[0] for frame in open_source(str(clip)).frames()]


def caveats_of(table: Table) -> list[tuple[str, ...]]:
    return [tuple(row["caveats"] or ()) for row in RecordingTable((table,)).rows()]


def test_a_table_has_the_caveats_of_run(talk: Path, scanner: FaceScanner, tmp_path: Path) -> None:
    said = caveats_of(scanned(talk, scanner, tmp_path))
    assert said == [face.caveats for face in live(talk)]
    assert {("blink",), ("talking",), ()} <= set(said)


def test_a_hidden_mouth_is_a_caveat_and_widens_the_sd(
    masked: Path, scanner: FaceScanner, tmp_path: Path
) -> None:
    table, faces = scanned(masked, scanner, tmp_path), live(masked)
    said = caveats_of(table)
    assert said == [face.caveats for face in faces]
    assert all("mouth hidden" in names for names in said)
    raw = [(face.raw.valence_sd, face.raw.arousal_sd) for face in faces if face.raw is not None]
    assert table.sds[:, 0] == pytest.approx(np.hypot(np.array(raw)[:, 0], HIDDEN_SD[0]), abs=1e-5)


def test_frames_between_scanned_ones_say_nothing(masked: Path, scanner: FaceScanner, tmp_path: Path) -> None:
    table = scanned(masked, scanner, tmp_path, rate_hz=5.0)
    said = [row.get("caveats") for row in RecordingTable((table,)).rows()]
    between = table.state == "between"
    assert between.any()
    for names, unscanned in zip(said, between, strict=True):
        assert names is None if unscanned else "mouth hidden" in names
    assert (table.sds > HIDDEN_SD).all()


def qualified(
    arousal: list[float],
    parts: list[tuple[float, float, bool]],
    odds: float = -3.0,
    *,
    labelled: Sequence[int] = (),
    causal: bool = False,
    step_s: float = 0.1,
) -> QualifiedValues:
    """Faces with this arousal, opening of eyes and mouth, and talk; valence is .5 and both sd .1."""
    count = len(arousal)
    details = FaceDetails(
        np.zeros((count, 3), np.float32),
        np.zeros((count, 2), np.float32),
        np.array(parts, np.float32),
        np.full(count, ""),
        np.zeros((count, 0), np.float32),
    )
    found = PersonValues(np.column_stack([np.full(count, 0.5), arousal]), np.full((count, 2), 0.1))
    encoded = Encoded(np.full((count, 1), odds, np.float32), np.zeros((count, 2), np.float32))
    rated = np.isin(np.arange(count), labelled)
    return with_caveats(found, encoded, details, step_s * np.arange(count), PROBE, rated, causal=causal)


OPEN, SHUT = (1.0, 0.0, False), (0.5, 0.0, False)


def test_a_blink_is_bridged_by_the_open_eyes_on_both_sides() -> None:
    made = qualified([0.4, -0.3, -0.3, 0.1], [OPEN, SHUT, SHUT, OPEN])
    assert made.values[:, 1] == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert made.values[:, 0] == pytest.approx([0.5] * 4)
    assert made.caveats.tolist() == ["", "blink", "blink", ""]
    assert (made.sds[1:3, 1] > 0.1).all()
    assert made.sds[[0, 3]].tolist() == [[0.1, 0.1]] * 2


def test_arousal_that_rises_in_a_blink_stays() -> None:
    assert qualified([0.0, 0.6, 0.0], [OPEN, SHUT, OPEN]).values[1, 1] == 0.6


def test_a_labelled_frame_keeps_its_value_and_bridges_others() -> None:
    made = qualified([0.4, -0.3, -0.3, 0.1], [OPEN, SHUT, SHUT, OPEN], labelled=[1])
    assert made.values[:, 1] == pytest.approx([0.4, -0.3, -0.1, 0.1])
    assert made.caveats.tolist() == ["", "blink", "blink", ""]
    assert qualified([0.1, 0.6], [(1.0, 0.0, True), (1.0, 0.3, True)], labelled=[1]).values[1, 1] == 0.6


def test_a_causal_mode_knows_only_the_eyes_before() -> None:
    made = qualified([0.4, -0.3, -0.3, 0.1], [OPEN, SHUT, SHUT, OPEN], causal=True)
    assert made.values[:, 1] == pytest.approx([0.4, 0.4, 0.4, 0.1])
    assert made.caveats.tolist() == ["", "blink", "blink", ""]


@pytest.mark.parametrize("parts", [[SHUT, SHUT], [SHUT, OPEN]])
def test_a_blink_far_from_open_eyes_stays_as_measured(parts: list[tuple[float, float, bool]]) -> None:
    made = qualified([-0.3, 0.2], parts, step_s=5.0)
    assert made.values[0].tolist() == [0.5, -0.3]
    assert made.caveats[0] == "blink"


def test_frames_without_a_value_get_none() -> None:
    """`causal` has none before the first label."""
    made = qualified([np.nan, np.nan, 0.2], [OPEN, SHUT, OPEN], causal=True)
    assert np.isnan(made.values[:2, 1]).all()
    assert made.values[2, 1] == 0.2


def test_talking_and_a_hidden_mouth_count_as_in_run() -> None:
    talks = [(1.0, 0.0, True), (1.0, 0.3, True)]
    assert qualified([0.1, 0.6], talks).values[1, 1] == pytest.approx(0.1)
    hidden = qualified([0.1, 0.6], talks, odds=3.0)
    assert hidden.values[1, 1] == 0.6
    assert hidden.caveats.tolist() == ["mouth hidden"] * 2
    assert hidden.sds[0] == pytest.approx(np.hypot(0.1, HIDDEN_SD))
