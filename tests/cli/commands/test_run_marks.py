"""Marks of a run that no websocket client sends: a key in the terminal."""

import csv
import os
from pathlib import Path

from support.terminal import on_a_terminal, shows_typed_signs


def marks_of(rows: Path) -> list[str]:
    """What stands in the column `mark`, one label after the other."""
    with rows.open(newline="") as file:
        return [mark for row in csv.DictReader(file) if row["mark"] for mark in row["mark"].split("; ")]


def test_a_key_in_the_live_view_marks_this_moment(long_clip: Path, tmp_path: Path) -> None:
    rows = tmp_path / "values.csv"
    run = ["-m", "mtclar.cli.main", "run", "--source", str(long_clip), "--support", "none", "--port", "0"]
    shown = ""
    with on_a_terminal(*run, "--freshness", "paced", "--csv", str(rows), output=None) as (process, person):

        def read_until(text: str) -> None:
            nonlocal shown
            while text not in shown:
                shown += os.read(person, 4096).decode(errors="replace")
            shown = shown[shown.index(text) :]

        read_until("dropped")  # frames are answered
        read_until("m: mark")
        for number in (1, 2):
            os.write(person, b"m")
            read_until(f"mark: mark {number}")
        while "mark 2" not in rows.read_text():  # written every second
            os.read(person, 4096)
        os.write(person, b"\x03")
        read_until("Stopped.")
        read_until("cores")
        assert process.wait(60) == 0
        assert shows_typed_signs(person)
    assert marks_of(rows) == ["mark 1", "mark 2"]
