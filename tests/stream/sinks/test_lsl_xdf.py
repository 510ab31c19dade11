"""A lab's session in one XDF file: values, our marks and the markers of another program, against our own CSV file."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.faults.tracker_process import Running

pytest.importorskip("pylsl", reason="pylsl is not installed; `make setup-all` brings it")
pyxdf = pytest.importorskip("pyxdf", reason="pyxdf is not installed; `make setup-all` brings it")

PEERS = Path(__file__).parents[2] / "support" / "peers"
WAIT_S = 60.0
CLOCK_ERROR_S = 0.05  # on a busy machine; frames are 0.1 s apart, the other clock is 5,000 s ahead
ANOTHER_CLOCK = ["unshare", "--time", "--monotonic", "5000"]


def started(*command: str | Path) -> "subprocess.Popen[str]":
    program = [sys.executable, *map(str, command)]
    return subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def load(path: Path) -> dict[str, dict[str, Any]]:
    """The streams by name, on one clock."""
    streams, header = pyxdf.load_xdf(path)
    assert header["info"]["version"] == ["1.0"]
    return {stream["info"]["name"][0]: stream for stream in streams}


def test_an_xdf_file_holds_what_the_csv_file_holds_at_the_same_times(
    tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    rows, xdf, lab = tmp_path / "values.csv", tmp_path / "session.xdf", f"PsychoPy {os.getpid()}"
    source = "synthetic:160x120@10?faces=1"
    with Running(
        *("--source", source, "--support", "none", "--no-live", "--csv", rows),
        *("--sink", "lsl", "--markers", f"lsl://{lab}"),
    ) as running:
        clock = (
            ANOTHER_CLOCK
            if subprocess.run([*ANOTHER_CLOCK, "true"], capture_output=True).returncode == 0
            else []
        )
        command = [
            *clock,
            sys.executable,
            str(PEERS / "lsl_outlet.py"),
            lab,
            "Markers",
            "lab",
            "string",
            "lsl",
        ]
        with (
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as experiment,
            started(
                PEERS / "lsl_recorder.py", xdf, "Affect synthetic face-1", "Marks synthetic", lab
            ) as recorder,
        ):
            try:
                assert recorder.stdout is not None
                assert recorder.stdout.readline() == "recording\n"
                eventually(lambda: "connected" in running.output)
                for trial in range(1, 4):
                    assert experiment.stdin is not None
                    experiment.stdin.write(f"trial {trial}\n")
                    experiment.stdin.flush()
                    eventually(lambda: f"mark: trial {trial}" in running.output)  # noqa: B023
                eventually(lambda: rows.read_text().count("\n") > 30)
                recorder.communicate(timeout=WAIT_S)
            finally:
                recorder.kill()
                experiment.kill()
        assert running.end() == 0, running.output
    streams = load(xdf)
    affect, marks, markers = streams["Affect synthetic face-1"], streams["Marks synthetic"], streams[lab]

    with rows.open(newline="") as file:
        written = [row for row in csv.DictReader(file) if row["valence"]]
    pair = json.loads(rows.with_name("values.csv.json").read_text())["clock"]["start"]
    times_s = np.array([float(row["t_unix"]) for row in written]) - pair["unix"] + pair["monotonic"]
    present = affect["time_series"][:, 4] > 0
    assert present.sum() >= 5
    for time_s, values in zip(affect["time_stamps"][present], affect["time_series"][present], strict=True):
        nearest = int(np.argmin(np.abs(times_s - time_s)))
        assert abs(times_s[nearest] - time_s) < CLOCK_ERROR_S
        expected = [float(written[nearest][name]) for name in ("valence", "arousal")]
        assert values[:2] == pytest.approx(expected, abs=1e-4)

    for stream in (marks, markers):
        assert [label for (label,) in stream["time_series"]] == ["trial 1", "trial 2", "trial 3"]
    assert marks["time_stamps"] == pytest.approx(markers["time_stamps"], abs=CLOCK_ERROR_S)
