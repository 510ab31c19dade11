"""Label files as people have them: one meaning in every format and spelling, and errors that name the place."""

import itertools
import logging
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.errors import UsageError
from mtclar.stream.label_formats.label_file import (
    Label,
    Scale,
    label_files,
    of_video,
    parse_labels,
    read_labels,
    thinned,
    write_labels,
)

SCORE = st.floats(-1, 1)
LABELS = st.lists(
    st.builds(Label, st.floats(0, 1e6), SCORE, SCORE, st.none() | st.integers(0, 99)),
    min_size=1,
    max_size=20,
    unique_by=lambda label: (label.time_s, label.track),
)
HUNDREDTHS = st.integers(-100, 100).map(lambda n: n / 100)
PLAIN = st.lists(
    st.builds(Label, st.integers(0, 10**7).map(lambda ms: ms / 1000), HUNDREDTHS, HUNDREDTHS),
    min_size=1,
    max_size=8,
    unique_by=lambda label: label.time_s,
)


def fields(label: Label) -> tuple[float, float, float, int | None]:
    return label.time_s, label.valence, label.arousal, label.track


def in_order(labels: Sequence[Label]) -> np.ndarray:
    return np.array([fields(label)[:3] for label in sorted(labels, key=lambda label: label.time_s)])


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


@given(PLAIN, st.data())
def test_every_spelling_of_a_table_means_the_same(labels: list[Label], data: st.DataObject) -> None:
    draw = data.draw
    separator = draw(st.sampled_from("\t;,|"))
    comma = separator != "," and draw(st.booleans())
    in_ms = draw(st.booleans())
    names = {
        "time": draw(
            st.sampled_from(["time_ms", "Time [ms]", "MSEC"] if in_ms else ["time", "Time (s)", "ZEIT", "t"])
        ),
        "valence": draw(st.sampled_from(["valence", " Valence", "VAL", "v", "Valenz"])),
        "arousal": draw(st.sampled_from(["arousal", "Arousal ", "aro", "A", "activation"])),
        "extra": draw(st.sampled_from(["rater", "state", "note", "frame"])),
    }
    order = draw(st.permutations(sorted(names)))
    newline = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    quote = draw(st.booleans())

    def row(cells: dict[str, str]) -> str:
        return separator.join(f'"{cells[name]}"' if quote else cells[name] for name in order)

    def number(value: float) -> str:
        return f"{value:.4f}".replace(".", "," if comma else ".")

    lines = ["sep=" + separator] if draw(st.booleans()) else []
    lines.append(row(names))
    for label in labels:
        time = number(label.time_s * 1000 if in_ms else label.time_s)
        lines.append(
            row(
                {
                    "time": time,
                    "valence": number(label.valence),
                    "arousal": number(label.arousal),
                    "extra": "Müller",
                }
            )
        )
        if draw(st.booleans()):
            lines.append(
                draw(st.sampled_from(["", separator * 3, row({**dict.fromkeys(names, ""), "time": time})]))
            )
    read = parse_labels(newline.join(lines))
    assert np.array([fields(label)[:3] for label in read]) == pytest.approx(in_order(labels), abs=1e-9)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_encoding_of_a_spreadsheet(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes("Zeit;Valenz;Erregung;Größe\r\n1,5;0,25;-1;ü\r\n".encode(encoding))
    assert [fields(label) for label in read_labels(path)] == [(1.5, 0.25, -1.0, None)]


def test_times_of_a_clock_are_seconds() -> None:
    labels = parse_labels("time,valence,arousal\n00:01:02.5,0,0\n1:05,0,0\n1:00:00,0,0\n")
    assert [label.time_s for label in labels] == [62.5, 65.0, 3600.0]


@given(PLAIN, st.sampled_from(["1:9", "-100:100", "0:1", "1:7", "-3,5:3,5"]))
def test_values_of_another_scale_become_minus_one_to_one(labels: list[Label], text: str) -> None:
    scale = Scale.parse(text)
    assert Scale.parse(str(scale)) == scale

    def given(value: float) -> float:
        return min(max(scale.low + (value + 1) / 2 * (scale.high - scale.low), scale.low), scale.high)

    table = write_labels(
        [Label(label.time_s, given(label.valence), given(label.arousal)) for label in labels]
    )
    read = np.array([fields(label)[:3] for label in parse_labels(table, scale=scale)])
    assert read == pytest.approx(in_order(labels), abs=1e-9)


@pytest.mark.parametrize("text", ["", "9", "9:1", "1:1", "1-9", "a:b", "1:inf", "1:9:2"])
def test_other_scales_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--scale"):
        Scale.parse(text)


def test_columns_may_stand_in_any_order_and_track_may_be_empty() -> None:
    labels = parse_labels("track,arousal,valence,time\n1,0.1,0.2,3\n,0.3,0.4,5\n")
    assert [fields(label) for label in labels] == [(3.0, 0.2, 0.1, 1), (5.0, 0.4, 0.3, None)]


@pytest.mark.parametrize("given", ["label_valence,label_arousal", "valence_label,arousal_label"])
def test_the_output_of_label_gives_the_labels_and_elsewhere_the_estimates(given: str) -> None:
    text = (
        f"frame,time,valence,arousal,valence_sd,arousal_sd,state,{given}\n"
        "0,0.0000,0.1,0.2,0.1,0.1,labelled,0.5,-0.5\n1,0.0400,0.1,0.2,0.1,0.1,between,,\n2,0.0800,,,,,no_face,,\n"
    )
    assert [fields(label) for label in parse_labels(text)] == [(0.0, 0.5, -0.5, None), (0.04, 0.1, 0.2, None)]


def test_a_row_with_half_a_label_is_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        labels = parse_labels("time,valence,arousal\n1,0,0\n2,,0.1\n3,NaN,1\n4,,\n", "me.csv")
    assert len(labels) == 1
    assert caplog.messages == [
        "me.csv, line 3 and 1 more: left out, since a label needs both valence and arousal"
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("time,valence,arousal\n", "no label"),
        ("1,0.5,0.5\n", "line 1: the header"),
        ("time,valence,mood\n", "line 1: the header is `time,valence,mood`, without arousal"),
        ("time,time,valence,arousal\n", "line 1: 2 columns are time"),
        ("t,zeit,valence,arousal\n", "line 1: 2 columns are time: 't', 'zeit'"),
        ("time,valence,arousal\n1,0,0\n\n2,0,0,0\n", "line 4: 4 values"),
        ("time,valence,arousal\n0,40,0,5,0,1\n", "line 2: 6 values"),
        ("time,valence,arousal\n1,0,0\n2,1.01,0\n", "line 3, column valence: 1.01 is outside"),
        ("time,valence,arousal\n1,0,-2\n", "line 2, column arousal: -2 is outside"),
        ("time,valence,arousal\n-0.1,0,0\n", "line 2, column time: the time -0.1 is negative"),
        ("time,valence,arousal\nnan,0,0\n", "line 2, column time: 'nan' is not a number"),
        ("time;Val;arousal\n1;inf;0\n", "line 2, column Val: 'inf' is not a number"),
        ("time;valence;arousal\n1;1.000,5;0\n", "line 2, column valence: '1.000,5' is not a number"),
        (
            "time,valence,arousal\n3,0,0\n1,0,0\n3.0,1,1\n",
            "line 4: the time 3 was labelled before, in line 2",
        ),
        ("time,valence,arousal,track\n1,0,0,left\n", "line 2, column track: 'left'"),
        ('time,valence,arousal\n1,0,"0\n', "line 2: unexpected end"),
    ],
)
def test_an_error_names_the_line_the_column_and_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_labels(text, "me.csv")
    assert says in error.value.what
    assert "me.csv" in error.value.what
    assert error.value.hint
    assert error.value.exit_code == 2


def test_the_same_time_on_two_tracks_is_two_labels() -> None:
    assert len(parse_labels("time,valence,arousal,track\n1,0,0,0\n1,0.5,0,1\n")) == 2


def test_files_that_are_not_there_or_not_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no label file"):
        read_labels(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="cannot read"):
        read_labels(tmp_path)
    (tmp_path / "film.csv").write_bytes(b"\0\0\0\x20ftypisom")
    with pytest.raises(UsageError, match="not a text file"):
        read_labels(tmp_path / "film.csv")


# --- ELAN ---------------------------------------------------------------------------------------------------------


def eaf(path: Path, tiers: dict[str, list[tuple[int, int, str]]]) -> Path:
    """Written by pympi, a library for ELAN files."""
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling is not installed; `make setup` brings it")
    document = elan.Eaf()
    for name, annotations in tiers.items():
        document.add_tier(name)
        for start_ms, end_ms, text in annotations:
            document.add_annotation(name, start_ms, end_ms, text)
    document.to_file(str(path))
    return path


def test_elan_annotations_are_labels_where_both_tiers_have_one(tmp_path: Path) -> None:
    tiers = {
        "Valence": [(0, 1000, "0.5"), (1000, 3000, "-0,25"), (4000, 5000, "")],
        "arousal@anna": [(0, 2000, "0.1"), (2500, 5000, "1")],
        "words": [(0, 5000, "hello")],
    }
    path = eaf(tmp_path / "me.eaf", tiers)
    found = [fields(label) for label in read_labels(path)]
    assert found == [(0.5, 0.5, 0.1, None), (1.5, -0.25, 0.1, None), (2.75, -0.25, 1.0, None)]


def test_elan_times_count_from_the_beginning_of_the_media_file(tmp_path: Path) -> None:
    path = eaf(tmp_path / "me.eaf", {"valence": [(1000, 1400, "9")], "arousal": [(1000, 1400, "5")]})
    (label,) = read_labels(path, Scale(1, 9), first_frame_s=1.0)
    assert fields(label) == pytest.approx((0.2, 1.0, 0.0, None))
    with pytest.raises(UsageError, match=r"at 1\.20 s lies before the first frame, which is at 2\.00 s"):
        read_labels(path, Scale(1, 9), first_frame_s=2.0)
    text = path.read_text()
    assert "<TIME_ORDER" in text
    path.write_text(text.replace("<TIME_ORDER", '<MEDIA_DESCRIPTOR TIME_ORIGIN="300" /><TIME_ORDER'))
    assert read_labels(path, Scale(1, 9))[0].time_s == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("tiers", "says"),
    [
        ({"valence": [(0, 1000, "0.5")]}, "no tier arousal"),
        (
            {"valence": [(0, 1000, "happy")], "arousal": [(0, 1000, "1")]},
            "column valence: 'happy' is not a number",
        ),
        ({"valence": [(0, 1000, "0")], "arousal": [(0, 1000, "5")]}, "column arousal: 5 is outside"),
        (
            {"valence": [(0, 1000, "0")], "arousal": [(2000, 3000, "0")]},
            "no annotation of `valence` overlaps",
        ),
        ({"valence": [(0, 900, "0"), (500, 1500, "0")], "arousal": [(0, 1, "0")]}, "overlaps the one before"),
    ],
)
def test_an_error_in_elan_names_the_line(tmp_path: Path, tiers: dict, says: str) -> None:
    with pytest.raises(UsageError) as error:
        read_labels(eaf(tmp_path / "me.eaf", tiers))
    assert says in error.value.what
    assert "me.eaf, line " in error.value.what


def test_an_elan_file_with_entities_or_damage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "me.eaf"
    path.write_text('<!DOCTYPE a [<!ENTITY b "cc">]><ANNOTATION_DOCUMENT>&b;</ANNOTATION_DOCUMENT>')
    with pytest.raises(UsageError, match="line 1: a DOCTYPE"):
        read_labels(path)
    path.write_text("<ANNOTATION_DOCUMENT>\n<TIER")
    with pytest.raises(UsageError, match="line 2: not an XML file"):
        read_labels(path)


# --- NOVA ---------------------------------------------------------------------------------------------------------


def nova(
    path: Path,
    samples: Sequence[tuple[float, float]],
    *,
    low: float = -1,
    high: float = 1,
    binary: bool = False,
) -> None:
    path.write_text(
        f'<annotation ssi-v="3"><info ftype="{"BINARY" if binary else "ASCII"}" size="{len(samples)}"/>'
        f'<scheme name="x" type="CONTINUOUS" sr="4" min="{low}" max="{high}"/></annotation>'
    )
    text = "".join(f"{value};{sure}\n" for value, sure in samples).encode()
    packed = b"".join(struct.pack("<ff", *sample) for sample in samples)
    path.with_name(f"{path.name}~").write_bytes(packed if binary else text)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("name", ["face.valence.annotation", "face.arousal.annotation", "face.annotation"])
def test_nova_samples_are_labels_on_the_schemes_scale(tmp_path: Path, name: str, binary: bool) -> None:
    valence = [(0.5, 1.0), (float("nan"), 0.0), (0.0, 0.0), (1.0, 0.5)]
    nova(tmp_path / "face.valence.annotation", valence, low=0, high=1, binary=binary)
    nova(tmp_path / "face.arousal.annotation", [(0.25, 1.0)] * 4, binary=binary)
    found = [fields(label) for label in read_labels(tmp_path / name)]
    assert found == [(0.0, 0.0, 0.25, None), (0.75, 1.0, 0.25, None)]
    shifted = read_labels(tmp_path / name, first_frame_s=0.25)
    assert [label.time_s for label in shifted] == [0.0, 0.5]


def test_an_error_in_nova_names_the_file(tmp_path: Path) -> None:
    nova(tmp_path / "a.valence.annotation", [(0.5, 1.0)])
    with pytest.raises(UsageError, match=r"no label file .*a\.arousal\.annotation"):
        read_labels(tmp_path / "a.annotation")
    nova(tmp_path / "a.arousal.annotation", [(0.5, 1.0), (7.0, 1.0)])
    with pytest.raises(UsageError, match=r"a\.arousal\.annotation~, line 2, column value: 7 is outside"):
        read_labels(tmp_path / "a.annotation")
    (tmp_path / "a.arousal.annotation").write_text(
        '<annotation><info/><scheme type="DISCRETE"/></annotation>'
    )
    with pytest.raises(UsageError, match="the scheme is DISCRETE, not CONTINUOUS"):
        read_labels(tmp_path / "a.annotation")


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=120, unique=True).map(sorted))
def test_many_labels_are_thinned_to_five_a_second(hundredths: list[int]) -> None:
    labels = [Label(n / 100, 0, 0) for n in hundredths]
    kept = thinned(labels)
    times_s = [label.time_s for label in kept]
    if len(labels) <= 50:
        assert kept == labels
    else:
        assert all(after - before > 0.189 for before, after in itertools.pairwise(times_s))
        assert all(any(abs(label.time_s - t_s) < 0.2 for t_s in times_s) for label in labels)


def test_labels_of_several_videos_in_one_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "merged.csv"
    file.write_text("video,time,valence,arousal\na.mp4,1,0.1,0\nold/B.mp4,1,0.2,0\n,2,0.3,0\n")
    labels = read_labels(file)
    assert [label.valence for label in of_video(labels, "a.mp4", file)] == [0.1, 0.3]
    assert [label.valence for label in of_video(labels, "b.mp4", file)] == [0.2, 0.3]
    assert "1 of 3 labels are of other videos (old/B.mp4)" in caplog.text
    (tmp_path / "again.csv").write_text(write_labels(labels))
    again = read_labels(tmp_path / "again.csv")
    assert {replace(label, line=None) for label in again} == {replace(label, line=None) for label in labels}
    with pytest.raises(UsageError, match=r"labels of a.mp4, old/B.mp4, and none of c.mp4"):
        of_video(labels[:2], "c.mp4", file)


@pytest.mark.parametrize("suffix", [".csv", ".eaf", ".annotation"])
@pytest.mark.parametrize("times_s", [(0.0, 0.5, 1.0), (0.0, 0.04, 4.36), (2.5,)])
def test_labels_come_back_from_every_format(tmp_path: Path, suffix: str, times_s: tuple[float, ...]) -> None:
    """On the time line of the media file, whose first frame is a quarter of a second in."""
    labels = [Label(t_s, 0.25, -0.125 * i, category="happy", note="=1+1") for i, t_s in enumerate(times_s)]
    first_s = 0.0 if suffix == ".csv" else 0.25
    for path, content in label_files(labels, tmp_path / f"anna{suffix}", None, first_s).items():
        path.write_bytes(content)
    found = read_labels(tmp_path / f"anna{suffix}", None, first_s)
    assert [one.time_s for one in found] == pytest.approx(list(times_s), abs=0.011)
    assert [(one.valence, one.arousal) for one in found] == [(one.valence, one.arousal) for one in labels]
    texts = [path.read_text() for path in tmp_path.iterdir()]
    if suffix != ".annotation":  # NOVA has no place for them
        assert "happy" in texts[0]
    if suffix == ".csv":
        assert "'=1+1" in texts[0]  # no formula for a spreadsheet


def test_an_unknown_format_of_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown format of labels: .*labels\.txt"):
        label_files([], tmp_path / "labels.txt")
