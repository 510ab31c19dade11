"""`mtclar.label.analyse`: the values of the command as data frames, statistics and figures."""

from pathlib import Path

import numpy as np
import pytest
from support.media.known_clips import CLIPS, EVERY, known_clips

from mtclar.engine.errors import UsageError
from mtclar.engine.support_set import SupportSet
from mtclar.label import AnalysedRecording, analyse
from mtclar.label.labelling import Settings, label_recording
from mtclar.label.scan.recording import open_recording
from mtclar.label.scan.scan_journal import ScanJournal
from mtclar.stream.table.columns import NAMES
from mtclar.stream.table.provenance import is_sidecar

for module in ("pandas", "matplotlib"):
    pytest.importorskip(module, reason=f"{module} is not installed; `make setup-all` brings it")

CLIP = CLIPS / "1002.mp4"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> AnalysedRecording:
    """A clip, analysed with a support set of its own person."""
    from mtclar.label.scan.face_scan import FaceScanner

    clip = next(clip for clip in known_clips() if clip.video == CLIP)
    journal = tmp_path_factory.mktemp("scan") / "journal"
    with FaceScanner.open() as scanner, ScanJournal(journal, "a" * 64) as unfinished:
        outcome = label_recording(
            open_recording(CLIP), (), scanner, Settings(rate_hz=0), unfinished, lambda _: None
        )
        encoded = outcome.followed.scan.encoded[slice(None, None, EVERY)]
        support = SupportSet.from_encoded(encoded, clip.va[::EVERY], subject="anna", encoder=scanner.identity)
    return analyse(CLIP, support, participant="01", start="2026-03-01T10:00:00Z", rate_hz=5)


def test_the_data_frame_has_the_columns_of_every_table(recording: AnalysedRecording) -> None:
    frame = recording.to_pandas()
    assert tuple(frame.columns) == NAMES
    assert len(frame) == 250
    assert set(frame.participant) == {"01"}
    assert frame.t_unix.iloc[25] == pytest.approx(1772359201.0)
    assert set(frame.subject.dropna()) == {"anna"}
    truth = next(clip for clip in known_clips() if clip.video == CLIP).va
    assert np.sqrt(np.nanmean((frame[["valence", "arousal"]].to_numpy() - truth) ** 2)) < 0.15
    between = frame[frame.state == "between"]
    assert between.valence.notna().all()
    assert between.raw_valence.isna().all()


def test_arrow_and_files_say_the_same(recording: AnalysedRecording, tmp_path: Path) -> None:
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="pyarrow is not installed; `make setup` brings it"
    )
    files = recording.save(tmp_path / "out.csv", tmp_path / "out.parquet")
    assert [path.name for path in files] == ["out.csv", "out.csv.json", "out.parquet", "out.parquet.json"]
    assert is_sidecar(files[1])
    assert parquet.read_table(files[2]).equals(recording.to_arrow())
    with pytest.raises(UsageError, match="unknown output format"):
        recording.save(tmp_path / "out.xlsx")


def test_segments_and_a_figure(recording: AnalysedRecording, tmp_path: Path) -> None:
    trials = tmp_path / "trials.csv"
    trials.write_text("name,start,end\ncalm,0,4\nstress,5,9\n")
    statistics = recording.segments(trials, baseline="calm")
    assert statistics.segment.tolist() == ["recording", "calm", "stress"]
    assert statistics.frames.tolist() == [250, 100, 100]
    assert recording.plot(trials).axes


def test_progress_names_the_recording_and_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    analyse(CLIP, rate_hz=2, progress=True)
    assert "1002.mp4: 100 %, 0 s left" in capsys.readouterr().err


def test_wrong_input_is_an_error_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        analyse(tmp_path / "gone.mp4")
    with pytest.raises(UsageError, match="has no time zone"):
        analyse(CLIP, start="2026-03-01T10:00:00")
    with pytest.raises(UsageError, match="there is no support set"):
        analyse(CLIP, tmp_path / "gone.mtclar")
