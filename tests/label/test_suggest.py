"""Suggested frames: frames with a face, none twice, none already labelled, better than the first frames."""

from pathlib import Path

import cv2
import numpy as np
from support.media.known_clips import KnownClip

from mtclar.label.labelling import Settings, label_recording
from mtclar.label.scan.face_scan import FaceScanner
from mtclar.label.scan.recording import open_recording
from mtclar.label.scan.scan_journal import ScanJournal
from mtclar.label.suggest import COLUMNS, TILE_WIDTH, Suggestion, contact_sheet, suggest, template
from mtclar.stream.label_formats.label_file import Label


def suggested(
    clip: KnownClip, scanner: FaceScanner, folder: Path, count: int, labels: tuple[Label, ...] = ()
) -> list[Suggestion]:
    with ScanJournal(folder / "looked", "1" * 64) as journal:
        found, _ = suggest(
            open_recording(clip.video), labels, scanner, count, 5, None, journal, lambda _: None
        )
    journal.remove()
    return found


def test_suggestions_take_existing_labels_into_account(
    clips: list[KnownClip], scanner: FaceScanner, tmp_path: Path
) -> None:
    clip = clips[0]
    first = suggested(clip, scanner, tmp_path, 5)
    rows = [one.row for one in first]
    assert len(set(rows)) == 5
    gains = [one.gain for one in first]
    assert all(0 < gain < 1 for gain in gains)
    labels = tuple(sorted((clip.truth[row] for row in rows[:2]), key=lambda label: label.time_s))
    more = suggested(clip, scanner, tmp_path, 3, labels)
    assert not {one.row for one in more} & set(rows[:2])


def test_suggested_labels_reduce_the_error_more_than_the_first_frames(
    clips: list[KnownClip], scanner: FaceScanner, tmp_path: Path
) -> None:
    error: dict[str, list[np.ndarray]] = {"suggested": [], "first": []}
    for clip in clips:
        rows = sorted(one.row for one in suggested(clip, scanner, tmp_path, 5))
        for name, chosen in (("suggested", rows), ("first", list(range(5)))):
            with ScanJournal(tmp_path / f"{clip.video.name}-{name}", "2" * 64) as journal:
                labels = [clip.truth[row] for row in chosen]
                outcome = label_recording(
                    open_recording(clip.video), labels, scanner, Settings(), journal, lambda _: None
                )
            error[name].append((outcome.table.values - clip.va) ** 2)
    rmse = {name: np.sqrt(np.concatenate(of).mean(0)) for name, of in error.items()}
    assert (rmse["suggested"] < rmse["first"]).all()


def test_the_contact_sheet_shows_those_frames(clips: list[KnownClip]) -> None:
    recording = open_recording(clips[0].video)
    five = [Suggestion(row, row / 25, 0.1) for row in (200, 3, 50, 120, 90)]
    sheet = cv2.imdecode(np.frombuffer(contact_sheet(recording, five), np.uint8), cv2.IMREAD_COLOR)
    assert sheet is not None
    assert sheet.shape[1] > COLUMNS * TILE_WIDTH
    images = dict(recording.images(np.ones(250, bool)))
    height = round(TILE_WIDTH * 240 / 320)
    shown = cv2.resize(images[200], (TILE_WIDTH, height), interpolation=cv2.INTER_AREA)  # type: ignore[arg-type]
    assert np.array_equal(sheet[:height, :TILE_WIDTH], shown)
    assert template(five).decode().splitlines()[:2] == ["time,valence,arousal", "0.1200,,"]
