"""Segments from tables, ELAN and marks."""

from pathlib import Path

import numpy as np
import pytest

from mtclar.engine.errors import UsageError
from mtclar.label.analysis.segments import Segment, parse_segments, read_segments, segments_of_marks, whole
from mtclar.label.analysis.series import Key, Series, names_of, series_of


def marked(marks: dict[float, str], seconds: float = 10.0) -> Series:
    """A series of 10 frames a second with marks at some times."""
    times_s = np.arange(round(seconds * 10)) / 10
    series = series_of(Key("r1"), times_s, np.zeros((len(times_s), 2)))
    texts = np.array([marks.get(round(float(at), 1), "") for at in times_s])
    return Series(
        series.key, times_s, series.values, series.sds, series.state, series.drift, series.faults, texts
    )


def named(series: Series) -> list[tuple[str, float, float]]:
    return [
        (one.name, pytest.approx(one.start_s), pytest.approx(one.end_s))
        for one in segments_of_marks([series])
    ]


def test_a_table_with_times_of_every_spelling() -> None:
    text = "name;start;end;participant\nbaseline;0;60;\nstress;1:00;0:02:30.5;p1\n"
    assert parse_segments(text) == [
        Segment("baseline", 0.0, 60.0),
        Segment("stress", 60.0, 150.5, participant="p1"),
    ]


def test_the_events_of_bids_are_segments() -> None:
    text = "onset\tduration\ttrial_type\n1.5\t2\thappy\n"
    assert parse_segments(text) == [Segment("happy", 1.5, 3.5)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name,start\na,1\n", "line 1: the header is `name,start`"),
        ("name,start,end\na,3,2\n", "line 2: the segment ends at 2 s and begins at 3 s"),
        ("name,start,end\na,x,2\n", "line 2, column start: 'x' is not a number"),
        ("name,start,end\n,1,2\n", "line 2: the segment has no name"),
        ("name,start,end\na,1,\n", "line 2: the segment has no end"),
        ("name,start,end\n", "has no segment"),
        ("", "has no segment"),
    ],
)
def test_an_error_in_a_table_names_the_line(text: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_segments(text)
    assert says in error.value.what


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the segments .*nowhere\.csv"):
        read_segments(tmp_path / "nowhere.csv")


def test_elan_tiers(tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling is not installed; `make setup` brings it")
    document = elan.Eaf()
    for tier, annotations in {
        "task": [(0, 60_000, "baseline"), (60_000, 120_000, "stress")],
        "words": [(1000, 2000, "hello")],
        "valence": [(0, 1000, "0.5")],
    }.items():
        document.add_tier(tier)
        for annotation in annotations:
            document.add_annotation(tier, *annotation)
    path = tmp_path / "session.eaf"
    document.to_file(str(path))
    assert [one.name for one in read_segments(path)] == ["baseline", "hello", "stress"]
    assert read_segments(path, ["task"], shift_s=-0.5) == [
        Segment("baseline", -0.5, 59.5),
        Segment("stress", 59.5, 119.5),
    ]
    with pytest.raises(UsageError, match="has no tier 'tsak'") as error:
        read_segments(path, ["tsak"])
    assert "task, words" in error.value.hint


def test_a_mark_lasts_until_the_next_one() -> None:
    assert named(marked({1.0: "calm", 4.0: "film", 7.0: "end"})) == [("calm", 1, 4), ("film", 4, 7)]
    assert named(marked({1.0: "calm"})) == [("calm", 1, 10)]


def test_marks_with_start_and_end_may_overlap() -> None:
    marks = {1.0: "task start; trial begin", 2.0: "note", 3.0: "trial end", 5.0: "task_stop"}
    assert named(marked(marks)) == [("trial", 1, 3), ("task", 1, 5), ("note", 2, 10)]


def test_marks_of_a_recording_are_its_own_and_counted_once() -> None:
    one = marked({1.0: "calm"})
    other_face = Series(
        Key("r1", face="2"), one.times_s, one.values, one.sds, one.state, one.drift, one.faults, one.marks
    )
    (segment,) = segments_of_marks([one, other_face])
    assert segment.recording == "r1"
    with pytest.raises(UsageError, match="no marks"):
        segments_of_marks([marked({})])


def test_unix_times_need_a_table_that_has_them() -> None:
    (segment,) = parse_segments("name,start_unix,end_unix\nfilm,1700000001,1700000002\n")
    series = marked({})
    with pytest.raises(UsageError, match="no column t_unix"):
        segment.rows(series)
    timed = Series(
        series.key, series.times_s, series.values, series.sds, series.state, series.drift, series.faults, series.marks,
        1.7e9 + series.times_s,
    )  # fmt: skip
    assert timed.times_s[segment.rows(timed)].tolist() == pytest.approx(np.arange(10, 20) / 10)


def test_the_whole_recording_has_every_frame() -> None:
    series = marked({})
    assert whole(series).rows(series).all()


def test_short_names_have_what_tells_recordings_apart() -> None:
    keys = [
        Key("r1", "01", "a", "cam", "anna"),
        Key("r1", "01", "a", "cam", "2"),
        Key("r2", "01", "a", "cam", "1"),
    ]
    assert list(names_of(keys).values()) == ["r1, face anna", "r1, face 2", "r2"]
    assert str(keys[0]) == "r1, participant 01, session a, stream cam, face anna"
