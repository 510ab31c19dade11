"""Long and wide tables of segments."""

from pathlib import Path

import numpy as np
import pytest

pandas = pytest.importorskip("pandas", reason="pandas is missing: pip install 'mtclar-stream[analysis]'")

from mtclar.engine.errors import UsageError
from mtclar.label.analysis.segment_table import as_csv, long_table, wide_table
from mtclar.label.analysis.segments import WHOLE, Segment
from mtclar.label.analysis.series import Key, Series, series_of
from mtclar.label.analysis.tables import read_series

SEGMENTS = [Segment("baseline", 0, 2), Segment("film", 2, 4), Segment("film", 5, 6)]


def steps(key: Key, *levels: float) -> Series:
    """A second of 10 frames at each level of valence; arousal is half of it."""
    valence = np.repeat(np.array(levels), 10)
    return series_of(key, np.arange(len(valence)) / 10, np.column_stack([valence, valence / 2]))


ANNA = steps(Key("anna_1", "anna"), 0.1, 0.1, 0.5, 0.5, np.nan, -0.3)


def test_one_row_for_each_segment() -> None:
    long = long_table([ANNA], SEGMENTS)
    assert long.segment.tolist() == [WHOLE, "baseline", "film", "film"]
    assert long.occurrence.tolist() == [1, 1, 1, 2]
    assert long.frames.tolist() == [60, 20, 20, 10]
    assert long.valid_share.tolist() == pytest.approx([50 / 60, 1, 1, 1])
    assert long.valid_s.tolist() == pytest.approx([5, 2, 2, 1])
    assert long.valence_mean.tolist() == pytest.approx([0.18, 0.1, 0.5, -0.3])
    assert long.arousal_mean.tolist() == pytest.approx([0.09, 0.05, 0.25, -0.15])
    assert long.unpleasant_deactivated_s.tolist() == pytest.approx([1, 0, 0, 1])
    assert (long.participant == "anna").all()


def test_the_share_of_frames_with_a_caveat_leaves_out_interpolated_ones(tmp_path: Path) -> None:
    rows = [
        ("ok", "talking"),
        ("between", ""),
        ("ok", ""),
        ("between", ""),
        ("ok", "blink; talking"),
        ("no_face", ""),
    ]
    lines = [
        f"{i / 10},{state},{caveats},{'' if state == 'no_face' else 0.1},{'' if state == 'no_face' else 0.2}"
        for i, (state, caveats) in enumerate(rows)
    ]
    path = tmp_path / "film.csv"
    path.write_text("\n".join(["time,state,caveats,valence,arousal", *lines]) + "\n")
    long = long_table(read_series([path]), [Segment("end", 0.2, 0.6)])
    assert long.caveat_share.tolist() == pytest.approx([2 / 3, 1 / 2])
    assert long_table([ANNA]).caveat_share.isna().all()  # the table does not say


def test_the_baseline_is_subtracted() -> None:
    long = long_table([ANNA], SEGMENTS, "baseline")
    assert long.valence_from_baseline.tolist() == pytest.approx([0.08, 0, 0.4, -0.4])
    assert long.valence_from_baseline_se.isna().tolist() == [True, True, False, False]


def test_a_baseline_in_another_recording_of_the_participant() -> None:
    other = steps(Key("anna_2", "anna"), 0.0, 0.7)
    stranger = steps(Key("ben_1", "ben"), 0.2, 0.2)
    segments = [Segment("rest", 0, 2, recording="anna_1"), Segment("film", 1, 2)]
    long = long_table([ANNA, other, stranger], segments, "rest").set_index(["recording", "segment"])
    assert long.valence_from_baseline["anna_2", "film"] == pytest.approx(0.6)
    assert np.isnan(long.valence_from_baseline["ben_1", "film"])
    with pytest.raises(UsageError, match="no recording has a segment 'calm'") as error:
        long_table([ANNA], SEGMENTS, "calm")
    assert "baseline, film" in error.value.hint


def test_segments_of_one_participant_are_for_that_one() -> None:
    ben = steps(Key("ben_1", "ben"), 0.2, 0.2)
    long = long_table([ANNA, ben], [Segment("film", 0, 1, participant="ben")])
    assert long[["recording", "segment"]].values.tolist() == [
        ["anna_1", WHOLE], ["ben_1", WHOLE], ["ben_1", "film"],
    ]  # fmt: skip


def test_a_segment_without_frames_has_empty_cells() -> None:
    long = long_table([ANNA], [Segment("late", 90, 95)])
    row = long.iloc[1]
    assert row.frames == 0
    assert np.isnan(row.valence_mean)
    assert as_csv(long).decode().splitlines()[2].startswith("anna_1,anna,,,,late,1,90.0,95.0,0,0,,0.0,,,,")


def test_wide_has_a_row_for_each_recording() -> None:
    ben = steps(Key("ben_1", "ben"), 0.2, 0.2, 0.4, 0.4)
    wide = wide_table(long_table([ANNA, ben], SEGMENTS), ["valence_mean"])
    assert wide.recording.tolist() == ["anna_1", "ben_1"]
    assert list(wide.columns[5:]) == [
        "recording_valence_mean", "baseline_valence_mean", "film_1_valence_mean", "film_2_valence_mean",
    ]  # fmt: skip
    assert wide.film_1_valence_mean.tolist() == pytest.approx([0.5, 0.4])
    assert np.isnan(wide.film_2_valence_mean[1])


def test_a_name_is_no_formula() -> None:
    long = long_table([steps(Key("=1+1"), 0.5)], [Segment("@cmd", 0, 1)])
    text = as_csv(wide_table(long)).decode()
    assert "\n'=1+1," in text
    assert ",'@cmd_valence_mean," in text


def test_no_segment_is_called_like_the_recording() -> None:
    with pytest.raises(UsageError, match="whole recording"):
        long_table([ANNA], [Segment(WHOLE, 0, 1)])
