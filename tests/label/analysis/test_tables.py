"""Tables of this program, of other programs and of raters become series."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pandas", reason="pandas is missing: pip install 'mtclar-stream[analysis]'")

from mtclar.engine.errors import UsageError
from mtclar.label.analysis.series import Key
from mtclar.label.analysis.tables import Reading, parse_columns, read_series, table_files
from mtclar.stream.label_formats.label import Scale

LABELLED = """frame,time,valence,arousal,valence_sd,arousal_sd,state,valence_label,arousal_label
0,0.0000,0.5000,0.1000,0.1,0.1,labelled,0.5,0.1
1,0.0400,,,,,no_face,,
2,0.0800,0.3000,-0.2000,0.1,0.2,between,,
"""
LIVE = """t_unix,time,frame,participant,session,stream,track,subject,state,faults,drift,valence,arousal,width,mark
100.00,0.00,0,01,a,cam,1,anna,ok,,,0.1,0.2,50,film start
100.00,0.00,0,01,a,cam,2,,ok,,,-0.1,-0.2,20,
100.04,0.04,1,01,a,cam,,,,,,,,,
100.08,0.08,2,01,a,cam,3,anna,low_quality,dark,,0.1,0.2,50,
100.12,0.12,3,01,a,cam,2,,ok,,turned,-0.1,-0.2,20,
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_output_of_label(tmp_path: Path) -> None:
    (series,) = read_series([write(tmp_path, "anna.csv", LABELLED)])
    assert series.key == Key("anna")
    assert series.times_s.tolist() == [0, 0.04, 0.08]
    np.testing.assert_array_equal(series.values, [(0.5, 0.1), (np.nan, np.nan), (0.3, -0.2)])
    assert series.valid.tolist() == [True, False, True]
    assert series.sds[2].tolist() == [0.1, 0.2]


def test_faces_of_a_live_recording_have_every_frame(tmp_path: Path) -> None:
    anna, second = read_series([write(tmp_path, "live.csv", LIVE)])
    assert anna.key == Key("live", "01", "a", "cam", "anna")
    assert second.key.face == "2"
    assert anna.state.tolist() == ["ok", "no_face", "low_quality", "no_face"]
    assert anna.valid.tolist() == [True, False, False, False]  # a gated value repeats an older one
    assert second.valid.tolist() == [True, False, False, True]
    assert second.drift.tolist() == ["", "", "", "turned"]
    assert anna.marks.tolist() == second.marks.tolist() == ["film start", "", "", ""]
    assert anna.unix_s.tolist() == pytest.approx([100, 100.04, 100.08, 100.12])


def test_one_person_is_the_largest_face_of_each_frame(tmp_path: Path) -> None:
    (series,) = read_series([write(tmp_path, "live.csv", LIVE)], Reading(one_person=True))
    assert series.key.face == ""
    assert series.values[:, 0].tolist() == pytest.approx([0.1, np.nan, np.nan, -0.1], nan_ok=True)


def test_only_faces_with_a_support_set(tmp_path: Path) -> None:
    (anna,) = read_series([write(tmp_path, "live.csv", LIVE)], Reading(calibrated=True))
    assert anna.key.face == "anna"
    assert len(anna) == 4
    with pytest.raises(UsageError, match="no face with a support set"):
        read_series([write(tmp_path, "labelled.csv", LABELLED)], Reading(calibrated=True))


def test_spreadsheets_with_decimal_commas(tmp_path: Path) -> None:
    (series,) = read_series([write(tmp_path, "rater.csv", "Zeit;Valenz;Erregung\n0;0,5;-0,25\n1,5;NA;\n")])
    assert series.times_s.tolist() == [0, 1.5]
    assert series.values[0].tolist() == [0.5, -0.25]


def test_openface_by_a_chosen_column(tmp_path: Path) -> None:
    text = "frame, face_id, timestamp, confidence, success, AU12_r\n1, 0, 0.000, 0.98, 1, 2.5\n2, 0, 0.033, 0.2, 0, 0\n"
    path = write(tmp_path, "open.csv", text)
    with pytest.raises(UsageError, match="OpenFace, which has no valence") as error:
        read_series([path])
    assert "--column valence=AU12_r" in error.value.hint
    (series,) = read_series([path], Reading(parse_columns(["valence=AU12_r"])))
    assert series.values[0, 0] == 2.5
    assert series.valid.tolist() == [True, False]


def test_pyfeat_emotions_and_frame_numbers(tmp_path: Path) -> None:
    text = (
        "FaceScore,anger,disgust,fear,happiness,sadness,surprise,neutral,input,frame,approx_time\n"
        "0.99,0.1,0.0,0.0,0.8,0.05,0.0,0.05,a.mp4,0,00:00\n0.99,0.1,0.0,0.0,0.0,0.6,0.0,0.3,a.mp4,30,00:01\n"
    )
    path = write(tmp_path, "feat.csv", text)
    with pytest.raises(UsageError, match="frame numbers"):
        read_series([path])
    (series,) = read_series([path], Reading(fps=30))
    assert series.times_s.tolist() == [0, 1]
    assert series.values[:, 0].tolist() == pytest.approx([0.7, -0.6])
    assert np.isnan(series.values[:, 1]).all()


def test_facereader_below_its_preamble(tmp_path: Path) -> None:
    text = (
        "Video analysis detailed log\nFace Model:\tGeneral\n\nFilename:\tC:\\a.mp4\nFrame rate:\t25\n\n"
        "Video Time\tNeutral\tHappy\tSad\tAngry\tValence\tArousal\n"
        "00:00:00.000\t0.9\t0.1\t0.0\t0.0\t0.1\t0.25\n00:00:00.040\tFIND_FAILED\tFIND_FAILED\tFIND_FAILED\t"
        "FIND_FAILED\tFIND_FAILED\tFIND_FAILED\n00:01:00.080\t0.5\t0.4\t0.2\t0.0\t0.2\tFIT_FAILED\n"
    )
    (series,) = read_series([write(tmp_path, "Participant 1.txt", text)])
    assert series.times_s.tolist() == pytest.approx([0, 0.04, 60.08])
    np.testing.assert_array_equal(series.values, [(0.1, 0.25), (np.nan, np.nan), (0.2, np.nan)])


def test_a_raters_scale(tmp_path: Path) -> None:
    path = write(tmp_path, "rater.csv", "time,valence,arousal\n0,1,9\n1,5,5\n")
    (series,) = read_series([path], Reading(scale=Scale(1, 9)))
    assert series.values.tolist() == [[-1, 1], [0, 0]]


def test_a_folder_stands_for_its_tables_of_values(tmp_path: Path) -> None:
    path = write(tmp_path, "anna.csv", LABELLED)
    write(tmp_path, "participants.tsv", "participant_id\tage\nsub-01\t30\n")
    write(tmp_path, "report.csv", "video,error\na.mp4,\n")
    assert table_files([tmp_path]) == [path]
    with pytest.raises(UsageError, match="no table of values"):
        table_files([tmp_path / "empty"] if (tmp_path / "empty").mkdir() is None else [])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time,valence,arousal\n0,high,0\n", "line 2, column valence: 'high' is not a number"),
        ("time,valence,arousal\n,0.5,0\n", "line 2, column time: the time is missing"),
        ("time,valence\n0,0.5\n", "has no column `arousal`"),
        ("time,valence,arousal\n0,,\n", "has no value of valence or arousal"),
        ("time,valence,arousal\n", "has a header, but no row"),
        ("a,b\n1,2\n", "has no header with a column `time`"),
        ("", "has no header"),
    ],
)
def test_an_error_names_the_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        read_series([write(tmp_path, "odd.csv", text)])
    assert says in error.value.what


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is missing: `make setup`")
    import pandas

    path = write(tmp_path, "anna.csv", LABELLED)
    pandas.read_csv(path).to_parquet(tmp_path / "anna.parquet")
    pandas.DataFrame({"kind": ["frame"]}).to_parquet(tmp_path / "part-0.parquet")
    assert table_files([tmp_path]) == [path]
    one, other = read_series([path, tmp_path / "anna.parquet"])
    np.testing.assert_array_equal(one.values, other.values)
    assert one.state.tolist() == other.state.tolist()
    path.unlink()
    assert table_files([tmp_path]) == [tmp_path / "anna.parquet"]
