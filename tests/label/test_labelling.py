"""From labels to a table: interpolation, missing values, accuracy on four unseen people."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.media.known_clips import EVERY, KnownClip

from mtclar.engine.data_types import EXPRESSIONS, Encoded
from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.estimate.metrics import ccc, rmse
from mtclar.label.labelling import (
    Outcome,
    Settings,
    fill_unscanned,
    input_digest,
    label_recording,
    labels_by_frame,
    smooth_zero_phase,
)
from mtclar.label.output.table import RecordingTable
from mtclar.label.scan.face_scan import BETWEEN, NO_FACE, OK, UNREADABLE, FaceScan, FaceScanner
from mtclar.label.scan.recording import VideoRecording, open_recording
from mtclar.label.scan.scan_journal import ScanJournal
from mtclar.stream.label_formats.label_file import Label
from mtclar.stream.table.columns import NAMES

Z_90 = 1.6449
USUAL = Settings()


def run(
    clip: KnownClip, scanner: FaceScanner, folder: Path, settings: Settings = USUAL, every: int = EVERY
) -> Outcome:
    recording = open_recording(clip.video)
    with ScanJournal(folder / f"{clip.video.name}.work", "d" * 64) as journal:
        return label_recording(recording, clip.labels(every), scanner, settings, journal, lambda _: None)


def test_lower_error_than_hold_interpolation_and_encoder_on_four_people(
    clips: list[KnownClip], scanner: FaceScanner, tmp_path: Path
) -> None:
    truth, ours, sds, held, between = [], [], [], [], []
    for clip in clips:
        table = run(clip, scanner, tmp_path).table
        scored = table.state != "labelled"
        assert (~scored).sum() == len(clip.truth) // EVERY + 1
        rows, at = np.arange(len(clip.truth)), np.flatnonzero(~scored)
        truth.append(clip.va[scored])
        ours.append(table.values[scored])
        sds.append(table.sds[scored])
        held.append(clip.va[rows // EVERY * EVERY][scored])
        between.append(np.stack([np.interp(rows, at, clip.va[at, i]) for i in range(2)], 1)[scored])
    labels, values = np.concatenate(truth), np.concatenate(ours)
    for i in range(2):
        error = rmse(values[:, i], labels[:, i])
        assert ccc(values[:, i], labels[:, i]) > 0.95
        assert error < 0.6 * rmse(np.concatenate(held)[:, i], labels[:, i])
        assert error < rmse(np.concatenate(between)[:, i], labels[:, i])
    inside = np.abs(values - labels) <= Z_90 * np.concatenate(sds)
    assert (inside.mean(0) > 0.8).all()


def test_estimates_have_no_spikes_at_labels_and_labels_have_columns_of_their_own(
    clips: list[KnownClip], scanner: FaceScanner, tmp_path: Path
) -> None:
    clip = clips[0]
    wrong = KnownClip(clip.video, tuple(replace(label, valence=-0.9) for label in clip.truth))
    table = run(wrong, scanner, tmp_path, every=60).table
    rows = np.flatnonzero(table.state == "labelled")
    assert rows.tolist() == [0, 60, 120, 180, 240]
    assert (table.labels[rows, 0] == -0.9).all()
    assert np.isnan(np.delete(table.labels, rows, axis=0)).all()
    steps = np.abs(np.diff(table.values[:, 0]))
    assert steps[[60, 120, 180]].max() <= 1.5 * steps.max(
        where=~np.isin(np.arange(249), [60, 120, 180]), initial=0
    )
    assert not np.isnan(table.sds[rows]).any()


def test_labels_of_every_frame_take_no_longer_than_five_a_second(
    clips: list[KnownClip], scanner: FaceScanner, tmp_path: Path
) -> None:
    outcome = run(clips[0], scanner, tmp_path, every=1)
    assert (outcome.given, outcome.used) == (250, 50)
    assert set(outcome.table.state) == {"labelled"}
    assert np.sqrt(((outcome.table.values - clips[0].va) ** 2).mean()) < 0.1


@pytest.mark.parametrize("mode", ["causal", "nearest", "similarity", "best"])
def test_every_mode_fills_a_clip(
    clips: list[KnownClip], scanner: FaceScanner, tmp_path: Path, mode: str
) -> None:
    outcome = run(clips[0], scanner, tmp_path, Settings(mode))
    assert not np.isnan(outcome.table.values).any()
    assert outcome.mode in outcome.rmse
    measured = outcome.table.state != "labelled"
    assert np.abs(outcome.table.values - clips[0].va)[measured].mean() < 0.2
    assert not np.isnan(outcome.table.sds[measured]).any()


def test_scanning_few_frames_is_nearly_as_accurate_as_all(
    clips: list[KnownClip], scanner: FaceScanner, tmp_path: Path
) -> None:
    few = run(clips[0], scanner, tmp_path).table
    (tmp_path / "all").mkdir()
    every = run(clips[0], scanner, tmp_path / "all", Settings(rate_hz=0)).table
    assert set(few.state) == {"ok", "between", "labelled"}
    assert set(every.state) == {"ok", "labelled"}
    error = [np.sqrt(((table.values - clips[0].va) ** 2).mean()) for table in (few, every)]
    assert error[0] < 1.3 * error[1]


def test_frames_without_a_face_get_no_value(
    clips: list[KnownClip], scanner: FaceScanner, tmp_path: Path
) -> None:
    class Covered(VideoRecording):
        """The clip with the camera covered from frame 100 to 149."""

        def images(self, selected, first=0):  # type: ignore[no-untyped-def]
            for row, image in super().images(selected, first):
                dark = 100 <= row < 150 and image is not None
                yield row, np.zeros_like(image) if dark else image

    recording = Covered(clips[0].video)
    with ScanJournal(tmp_path / "work", "e" * 64) as journal:
        outcome = label_recording(recording, clips[0].labels(), scanner, Settings(), journal, lambda _: None)
    table = outcome.table
    given_there = [row for row in range(100, 150) if row % EVERY == 0]
    assert not np.isnan(table.labels[given_there]).any()
    empty = np.isnan(table.values).any(axis=1)
    assert np.flatnonzero(empty).min() >= 96  # between the last look before it and the first in it
    assert np.flatnonzero(empty).max() <= 154
    assert empty[100:150].all()
    assert set(table.state[100:150]) == {"no_face", "between"}
    assert len(outcome.unused) == len(given_there)
    assert all("no face" in text for text in outcome.unused)
    assert outcome.used == len(clips[0].labels()) - len(given_there)
    text = list(csv.reader(io.StringIO(RecordingTable((table,)).as_csv().decode())))
    assert tuple(text[0]) == NAMES
    row = next(cells for cells in text if cells[NAMES.index("state")] == "no_face")
    assert {
        row[NAMES.index(name)] for name in ("track", "valence", "arousal", "valence_sd", "raw_valence")
    } == {""}


def test_labels_on_frames_without_a_face(
    clips: list[KnownClip], scanner: FaceScanner, tmp_path: Path
) -> None:
    class Dark(VideoRecording):
        def images(self, selected, first=0):  # type: ignore[no-untyped-def]
            for row, image in super().images(selected, first):
                yield row, None if image is None else np.zeros_like(image)

    recording, labels = Dark(clips[0].video), clips[0].labels()
    with (
        ScanJournal(tmp_path / "work", "f" * 64) as journal,
        pytest.raises(MtclarError, match="none of its 13"),
    ):
        label_recording(recording, labels, scanner, Settings(), journal, lambda _: None)


def test_a_label_applies_to_the_nearest_frame() -> None:
    times_s = np.array([0.0, 0.04, 0.08, 0.12])
    labels = [Label(0.0, 0, 0), Label(0.055, 0, 0), Label(0.13, 0, 0)]
    rows, one_each = labels_by_frame(times_s, labels)
    assert rows.tolist() == [0, 1, 3]
    assert one_each == labels


def test_labels_denser_than_frames_are_averaged() -> None:
    labels = [Label(0.03, 0.5, 0.0), Label(0.04, -0.1, 0.2), Label(0.05, 0.2, -0.8), Label(0.12, 1, 1)]
    rows, one_each = labels_by_frame(np.array([0.0, 0.04, 0.08, 0.12]), labels)
    assert rows.tolist() == [1, 3]
    assert (one_each[0].valence, one_each[0].arousal) == pytest.approx((0.2, -0.2))
    assert one_each[1] == labels[3]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([Label(0.2, 0, 0)], "past the end"),
        ([Label(0.04, 0, 0, track=1)], "has a track"),
    ],
)
def test_labels_that_match_no_frame(labels: list[Label], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        labels_by_frame(np.array([0.0, 0.04, 0.08, 0.12]), labels)


def scan(state: list[int]) -> FaceScan:
    rows = np.flatnonzero(np.array(state) == OK)
    nothing = np.zeros((len(rows), 1), np.float32)
    encoded = Encoded(nothing, nothing, np.zeros((len(rows), len(EXPRESSIONS)), np.float32))
    boxes = np.full((len(state), 4), np.nan, np.float32)
    boxes[rows] = np.stack([10.0 * rows, 10.0 * rows, 10.0 * rows + 50, 10.0 * rows + 50], 1)
    return FaceScan(np.array(state, np.uint8), rows, encoded, boxes, rows)


def test_only_gaps_between_two_scanned_faces_are_interpolated() -> None:
    state = [OK, BETWEEN, OK, BETWEEN, NO_FACE, BETWEEN, OK, UNREADABLE, BETWEEN, OK, BETWEEN]
    times_s = np.arange(11) * 0.1
    values = np.array([[0.0, 0.0], [0.2, -0.2], [0.3, 0.3], [0.6, 0.0]])
    full, _ = fill_unscanned(times_s, scan(state), values, np.abs(values))
    assert full[1] == pytest.approx([0.1, -0.1])
    assert full[8] == pytest.approx(
        [0.5, 0.1]
    )  # a frame that cannot be read says nothing about its neighbours
    assert np.isnan(full[[3, 4, 5, 7, 10]]).all()
    held, _ = fill_unscanned(times_s, scan(state), values, np.abs(values), hold=True)
    assert held[1] == pytest.approx([0.0, 0.0])
    far, _ = fill_unscanned(times_s * 10, scan(state), values, np.abs(values))
    assert np.isnan(far[1]).all()


@given(
    arrays(np.float64, (30, 2), elements=st.floats(-1, 1)),
    st.floats(0.1, 20),
    st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_smoothing_keeps_range_and_gaps_without_lag(
    values: np.ndarray, cutoff_hz: float, gaps: list[bool]
) -> None:
    values[gaps] = np.nan
    times_s = np.arange(30) / 5
    result = smooth_zero_phase(times_s, values, cutoff_hz)
    assert np.array_equal(np.isnan(result), np.isnan(values))
    there = ~np.isnan(values)
    if there.any():
        assert result[there].min() >= values[there].min() - 1e-12
        assert result[there].max() <= values[there].max() + 1e-12
    peak = np.zeros((31, 2))
    peak[15] = 1
    both = smooth_zero_phase(np.arange(31) / 5, peak, cutoff_hz)
    assert both.argmax(0).tolist() == [15, 15]


def test_the_digest_changes_with_every_input(clips: list[KnownClip]) -> None:
    one, other = (open_recording(clip.video) for clip in clips[:2])
    labels = clips[0].labels()
    keys = {
        input_digest(one, labels, Settings(), "x"),
        input_digest(other, labels, Settings(), "x"),
        input_digest(one, labels[1:], Settings(), "x"),
        input_digest(one, labels, Settings("causal"), "x"),
        input_digest(one, labels, Settings(rate_hz=0), "x"),
        input_digest(one, labels, Settings(smooth=False), "x"),
        input_digest(one, labels, Settings(), "y"),
    }
    assert len(keys) == 7
    assert input_digest(open_recording(clips[0].video), labels, Settings(), "x") in keys


def test_the_box_moves_between_scanned_frames() -> None:
    times_s = np.arange(8) * 0.2
    boxes = scan([OK, BETWEEN, OK, NO_FACE, BETWEEN, BETWEEN, BETWEEN, OK]).boxes_between(times_s, 0.6)
    assert boxes[:, 0].tolist()[:3] == pytest.approx([0.0, 10.0, 20.0])
    assert np.isnan(boxes[3:7]).all()  # nobody is seen, then two scanned frames lie too far apart
    assert boxes[7].tolist() == [70.0, 70.0, 120.0, 120.0]
