"""`compare` on the command line."""

import csv
from pathlib import Path

import numpy as np
import pytest
from support.command_line import Run

pytest.importorskip("pandas", reason="pandas is missing: pip install 'mtclar-stream[analysis]'")

from mtclar.cli.commands.tables import compare as command_file
from mtclar.label.analysis.agreement import MAX_LAG_S


def table(path: Path, late_s: float = 0.0, scale: tuple[float, float] = (-1, 1)) -> Path:
    """Waves of twenty seconds."""
    path.parent.mkdir(exist_ok=True)
    times_s = np.arange(500) / 25
    low, high = scale
    rows = [
        f"{t:.4f},{low + (high - low) * (0.5 + 0.4 * v):.5f},{low + (high - low) * (0.5 + 0.4 * a):.5f}"
        for t, v, a in zip(times_s, np.sin(times_s - late_s), np.cos(1.3 * (times_s - late_s)), strict=True)
    ]
    path.write_text("\n".join(["time,valence,arousal", *rows]) + "\n")
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_late_rater(command: Run, tmp_path: Path) -> None:
    a, b = table(tmp_path / "a.csv"), table(tmp_path / "b.csv", late_s=0.8)
    out, plot = tmp_path / "out.csv", tmp_path / "out.svg"
    done = command("compare", a, b, "--out", out, "--plot", plot)
    assert done.code == 0, done.err
    valence, arousal = rows_of(out)
    assert (valence["axis"], arousal["axis"]) == ("valence", "arousal")
    assert float(valence["lag_s"]) == pytest.approx(0.8, abs=0.02)
    assert float(valence["ccc"]) < 0.8
    assert plot.read_bytes().startswith(b"<?xml")
    assert out.stat().st_mode & 0o777 == plot.stat().st_mode & 0o777 == 0o600
    done = command("compare", a, b, "--shift", "-0.8")
    assert done.out.count("1.000") >= 6


def test_folders_and_a_raters_scale(command: Run, tmp_path: Path) -> None:
    for name in ("r1.csv", "r2.csv"):
        table(tmp_path / "a" / name)
        table(tmp_path / "b" / name, scale=(1, 9))
    table(tmp_path / "b" / "r3.csv")
    done = command(
        "compare", tmp_path / "a", tmp_path / "b", "--scale-b", "1:9", "--out", tmp_path / "out.csv"
    )
    assert done.code == 0, done.err
    rows = rows_of(tmp_path / "out.csv")
    assert [row["pair"] for row in rows] == ["r1", "r1", "r2", "r2", "all", "all"]
    assert all(float(row["ccc"]) == pytest.approx(1, abs=1e-3) for row in rows)
    assert "Only in one of the two: r3." in done.out


def test_a_column_of_another_program(command: Run, tmp_path: Path) -> None:
    a = table(tmp_path / "a.csv")
    lines = [f"{n},{n / 25:.3f},0.95,1,{2 + 1.5 * np.sin(n / 25):.3f}" for n in range(500)]
    b = tmp_path / "openface.csv"
    b.write_text("\n".join(["frame, timestamp, confidence, success, AU12_r", *lines]) + "\n")
    done = command("compare", a, b, "--column-b", "valence=AU12_r", "--out", tmp_path / "out.csv")
    assert done.code == 0, done.err
    (row,) = rows_of(tmp_path / "out.csv")
    assert float(row["pcc"]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--shift", "500"), "no value at the same time"),
        (("--scale-a", "9:1"), "is not a range"),
        (("--column-b", "valence=joy"), "has no column 'joy'"),
        (("--plot", "figure.gif"), "unknown format of a figure"),
    ],
)
def test_bad_options_are_one_message(
    command: Run, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    a, b = table(tmp_path / "a.csv"), table(tmp_path / "b.csv")
    done = command("compare", a, b, *options)
    assert done.code == 2
    assert says in done.err


def test_folders_without_a_common_recording(command: Run, tmp_path: Path) -> None:
    for name in ("a/r1.csv", "a/r2.csv", "b/r3.csv", "b/r4.csv"):
        table(tmp_path / name)
    done = command("compare", tmp_path / "a", tmp_path / "b")
    assert done.code == 2
    assert "no recording of A belongs to one of B" in done.err


def test_the_longest_lag_is_that_of_the_library() -> None:
    assert command_file.MAX_LAG_S == MAX_LAG_S
