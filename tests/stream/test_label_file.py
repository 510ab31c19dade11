"""labels.csv: written labels are read back, and every error names its line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.errors import UsageError
from mtclar.stream.label_file import Label, parse_labels, read_labels, write_labels

SCORE = st.floats(-1, 1)
LABELS = st.lists(
    st.builds(Label, st.floats(0, 1e6), SCORE, SCORE, st.none() | st.integers(0, 99)),
    min_size=1,
    max_size=20,
    unique_by=lambda label: (label.time_s, label.track),
)


def fields(label: Label) -> tuple[float, float, float, int | None]:
    return label.time_s, label.valence, label.arousal, label.track


@given(LABELS)
def test_written_labels_are_read_back_unchanged(labels: list[Label]) -> None:
    again = parse_labels(write_labels(labels))
    assert sorted(map(repr, map(fields, again))) == sorted(map(repr, map(fields, labels)))
    assert [label.time_s for label in again] == sorted(label.time_s for label in labels)


@given(st.text(max_size=200))
def test_any_text_is_labels_or_a_usage_error(text: str) -> None:
    try:
        labels = parse_labels(text)
    except UsageError:
        return
    assert all(abs(label.valence) <= 1 and label.time_s >= 0 for label in labels)


def test_what_spreadsheets_do_to_a_csv_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes("\ufeffTime, Valence ,AROUSAL\r\n 2.0 , -.5,1\r\n\r\n,,\r\n1,0,0\r\n".encode())
    assert [fields(label) for label in read_labels(path)] == [(1.0, 0.0, 0.0, None), (2.0, -0.5, 1.0, None)]


def test_columns_may_stand_in_any_order_and_track_may_be_empty() -> None:
    labels = parse_labels("track,arousal,valence,time\n1,0.1,0.2,3\n,0.3,0.4,5\n")
    assert [fields(label) for label in labels] == [(3.0, 0.2, 0.1, 1), (5.0, 0.4, 0.3, None)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("time,valence,arousal\n", "no label"),
        ("1,0.5,0.5\n", "line 1: the header"),
        ("time;valence;arousal\n1;0;0\n", "line 1: the header"),
        ("time,valence,arousal,mood\n", "line 1: the header"),
        ("time,time,valence,arousal\n", "line 1: the header"),
        ("time,valence,arousal\n1,0,0\n2,0\n", "line 3: 2 values"),
        ("time,valence,arousal\n1,0,0\n\n2,0,0,0\n", "line 4: 4 values"),
        ("time,valence,arousal\n1,0,0\n2,1.01,0\n", "line 3: valence 1.01 is outside"),
        ("time,valence,arousal\n1,0,-2\n", "line 2: arousal -2 is outside"),
        ("time,valence,arousal\n-0.1,0,0\n", "line 2: the time -0.1 is negative"),
        ("time,valence,arousal\nnan,0,0\n", "line 2: time 'nan' is not a number"),
        ("time,valence,arousal\n1,inf,0\n", "line 2: valence 'inf' is not a number"),
        ("time,valence,arousal\n1,,0\n", "line 2: valence '' is not a number"),
        (
            "time,valence,arousal\n3,0,0\n1,0,0\n3.0,1,1\n",
            "line 4: the time 3 was labelled before, in line 2",
        ),
        ("time,valence,arousal,track\n1,0,0,left\n", "line 2: track 'left'"),
        ('time,valence,arousal\n1,0,"0\n', "line 2: unexpected end"),
    ],
)
def test_an_error_names_the_line_and_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_labels(text, "me.csv")
    assert says in error.value.what
    assert "me.csv" in error.value.what
    assert error.value.exit_code == 2


def test_the_same_time_on_two_tracks_is_two_labels() -> None:
    assert len(parse_labels("time,valence,arousal,track\n1,0,0,0\n1,0.5,0,1\n")) == 2


def test_files_that_are_not_there_or_not_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no label file"):
        read_labels(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="cannot read"):
        read_labels(tmp_path)
    (tmp_path / "bad.csv").write_bytes(b"time,valence,arousal\n\xff\xfe,0,0\n")
    with pytest.raises(UsageError, match="UTF-8"):
        read_labels(tmp_path / "bad.csv")
