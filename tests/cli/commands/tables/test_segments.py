"""`segments` on the command line."""

import csv
from pathlib import Path

import pytest
from support.command_line import Run

pytest.importorskip("pandas", reason="pandas is missing: pip install 'mtclar-stream[analysis]'")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Four seconds of values, 25 frames a second."""
    rows = [f"{n / 25:.4f},{0.1 if n < 50 else 0.6},0.2" for n in range(100)]
    path = tmp_path / "anna.csv"
    path.write_text("\n".join(["time,valence,arousal", *rows]) + "\n")
    return path


@pytest.fixture
def segments(tmp_path: Path) -> Path:
    path = tmp_path / "segments.csv"
    path.write_text("name,start,end\nbaseline,0,2\nfilm,2,4\nlate,90,95\n")
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_long_and_wide_tables(command: Run, table: Path, segments: Path, tmp_path: Path) -> None:
    long, wide = tmp_path / "out" / "long.csv", tmp_path / "out" / "wide.csv"
    done = command(
        "segments", table, "--segments", segments, "--baseline", "baseline", "--out", long, "--wide", wide
    )
    assert done.code == 0, done.err
    assert [row["segment"] for row in rows_of(long)] == ["recording", "baseline", "film", "late"]
    assert float(rows_of(long)[2]["valence_from_baseline"]) == pytest.approx(0.5)
    assert float(rows_of(wide)[0]["film_valence_mean"]) == pytest.approx(0.6)
    assert long.stat().st_mode & 0o777 == 0o600
    assert "anna: late (90 to 95 s) has no frame." in done.out
    assert "Written: " in done.out
    assert command("segments", table, "--out", long).code == 2  # never overwritten


def test_whole_recordings_need_no_segments(command: Run, table: Path) -> None:
    done = command("segments", table)
    assert done.code == 0, done.err
    assert "+0.35" in done.out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--baseline", "rest"), "--baseline needs --segments"),
        (("--segments", "marks"), "the tables have no marks"),
        (("--segments", "nowhere.csv"), "cannot read the segments"),
        (("--tier", "task"), "--tier and --shift need --segments"),
        (("--column", "joy=AU12"), "is not AXIS=COLUMN"),
    ],
)
def test_bad_options_are_one_message(command: Run, table: Path, options: tuple[str, ...], says: str) -> None:
    done = command("segments", table, *options)
    assert done.code == 2
    assert says in done.err


def test_a_missing_table_is_one_message(command: Run, tmp_path: Path) -> None:
    done = command("segments", tmp_path / "nowhere.csv")
    assert done.code == 2
    assert "cannot read the table" in done.err


def test_help_names_what_is_computed(command: Run) -> None:
    done = command("segments", "--help")
    assert done.code == 0
    assert "--baseline" in done.out
