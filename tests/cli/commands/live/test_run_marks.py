"""Marks of a run that no websocket client sends: a key in the terminal, LSL markers of another program."""

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.terminal import on_a_terminal, shows_typed_signs

ENDLESS = "synthetic:160x120@10?faces=0"
OUTLET = Path(__file__).parents[3] / "support" / "peers" / "lsl_outlet.py"


def marks_of(rows: Path) -> list[str]:
    """What stands in the column `mark`, one label after the other."""
    with rows.open(newline="") as file:
        return [mark for row in csv.DictReader(file) if row["mark"] for mark in row["mark"].split("; ")]


def test_a_key_in_the_live_view_marks_this_moment(tmp_path: Path) -> None:
    rows = tmp_path / "values.csv"
    run = ["-m", "mtclar.cli.main", "run", "--source", ENDLESS, "--support", "none", "--port", "0"]
    shown = ""
    with on_a_terminal(*run, "--csv", str(rows), output=None) as (process, person):

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


def test_markers_of_another_program_are_in_the_rows(
    process: Callable[..., Any], eventually: Any, tmp_path: Path
) -> None:
    pytest.importorskip("pylsl", reason="pylsl is not installed; `make setup-all` brings it")
    rows, name = tmp_path / "values.csv", f"PsychoPy {os.getpid()}"
    running = process(
        "run",
        *("--source", ENDLESS, "--support", "none", "--port", "0", "--csv", rows),
        *("--no-live", "--markers", f"lsl://{name}"),
    )
    running.read_until(f"LSL markers: streams '{name}' are awaited")
    experiment = [sys.executable, str(OUTLET), name, "Markers", "lab", "string", "lsl"]
    with subprocess.Popen(experiment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        running.read_until("connected")
        program.stdin.write(b"trial 1\n")
        program.stdin.flush()
        running.read_until("mark: trial 1")
        program.kill()
        running.read_until("waiting for it to return")
    eventually(lambda: "trial 1" in rows.read_text())
    running.send(signal.SIGTERM)
    assert running.end().code == 0
    assert marks_of(rows) == ["trial 1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--markers", "serial"), "there is no marker stream 'serial'"),
        (("--markers", "lsl://network", "--sink", "lsl"), "exclude each other"),
    ],
)
def test_markers_that_cannot_be_taken_are_refused_before_a_file_is_written(
    options: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    pytest.importorskip("pylsl", reason="pylsl is not installed; `make setup-all` brings it")
    rows = tmp_path / "values.csv"
    run = ["-m", "mtclar.cli.main", "run", "--source", ENDLESS, "--port", "0", "--csv", str(rows)]
    done = subprocess.run([sys.executable, *run, *options], capture_output=True, text=True, timeout=120)
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr
    assert not rows.exists()
