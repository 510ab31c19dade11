"""`mtclar-stream calibrate` with a camera: a person is guided by prompts and keys."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest
from rich.console import Console

from mtclar.calibrate.core.prompts import Prompt
from mtclar.cli.commands.calibration.calibrate import guided
from mtclar.cli.display.calibration_screen import LineScreen, PanelScreen, affect_plane
from mtclar.engine.tracker import Tracker
from mtclar.stream.sources import open_source


class TypedKeys:
    """Presses one key at each of the given frames."""

    def __init__(self, **at: str) -> None:
        self._at = {int(frame.removeprefix("at_")): key for frame, key in at.items()}
        self._frame = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def pressed(self) -> str | None:
        self._frame += 1
        return self._at.get(self._frame)


PROMPTS = (Prompt("neutral", "Rest.", 0.0, 0.0, 2, 0.3), Prompt("happy", "Smile.", 0.7, 0.1, 2, 0.3))


def test_a_person_is_led_through_the_prompts(long_clip: Path) -> None:
    printed = io.StringIO()
    screen = LineScreen(Console(file=printed, width=200))
    with Tracker.open() as tracker:
        selection, complete = guided(
            open_source(str(long_clip)).frames(), PROMPTS, tracker, screen, TypedKeys()
        )
    assert complete
    assert [one.name for one in selection.accepted] == ["neutral", "neutral", "happy", "happy"]
    assert "1/2 neutral, countdown: 0 of 2 frames. Rest." in printed.getvalue()
    assert "2/2 happy, hold: 2 of 2 frames" in printed.getvalue()


def test_two_faces_are_refused_and_said(two_faces_clip: Path) -> None:
    printed = io.StringIO()
    screen = PanelScreen(Console(file=printed, width=100, force_terminal=True), has_keys=True)
    with Tracker.open() as tracker:
        source = open_source(str(two_faces_clip), loop=True)
        selection, complete = guided(source.frames(), PROMPTS[:1], tracker, screen, TypedKeys())
    assert complete
    assert not selection.accepted
    assert [(one.name, one.issues) for one in selection.rejected] == [("neutral", ("two faces",))]
    assert "not usable: two faces" in printed.getvalue()
    assert "neutral" in printed.getvalue()


def test_keys_skip_and_finish(face_clip: Path) -> None:
    screen = LineScreen(Console(file=io.StringIO()))
    with Tracker.open() as tracker:

        def play(**keys: str) -> Any:
            frames = open_source(str(face_clip)).frames()
            return guided(frames, PROMPTS, tracker, screen, TypedKeys(**keys))

        selection, complete = play(at_3="s", at_6="s")
        assert complete
        assert [one.name for one in selection.rejected] == ["neutral", "happy"]
        selection, complete = play(at_5="q")
        assert complete
        assert not selection.accepted
        assert play()[1] is False  # two seconds are over before the first countdown is


@pytest.mark.skipif(sys.platform == "win32", reason="keys are read from a POSIX terminal")
def test_finishing_before_the_first_frame_is_no_matter_of_light(tmp_path: Path) -> None:
    """In a real terminal: `q` during the first countdown."""
    import pty

    program = [sys.executable, "-m", "mtclar.cli.main", "calibrate", "--source", "synthetic"]
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [*program, "--out", str(tmp_path / "a.mtclar")],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    shown = b""
    while b"in 3" not in shown:
        shown += os.read(ours, 65536)
    os.write(ours, b"q")
    assert running.stderr is not None
    with contextlib.suppress(OSError):  # Linux says EIO when the other side has closed
        while os.read(ours, 65536):
            pass
    with running.stderr as errors:
        said = errors.read()
    os.close(ours)
    assert running.wait(timeout=60) == 1
    assert "not one usable frame" in said
    assert "light" not in said
    assert list(tmp_path.iterdir()) == []


def test_the_plane_shows_where_the_target_is() -> None:
    rows = affect_plane(1.0, 1.0).plain.splitlines()
    assert rows[1].endswith("O")
    assert affect_plane(0.0, 0.0).plain.splitlines()[5].startswith("-" * 10 + "O")
    assert affect_plane(-1.0, -1.0).plain.splitlines()[9].startswith("O")


def test_ctrl_c_in_the_middle_writes_nothing(process: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "a.mtclar"
    running = process("calibrate", "--source", "synthetic", "--neutral", "--out", out)
    running.read_until("1/1 neutral, countdown")
    running.send(signal.SIGINT)
    done = running.end()
    assert done.code == 130
    assert "nothing was written" in done.out
    assert "Traceback" not in done.out
    assert list(tmp_path.iterdir()) == []
