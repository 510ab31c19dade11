"""Old command lines become the current ones, with a notice; all others stay as they are."""

from collections.abc import Callable
from typing import Any

import pytest

from mtclar.cli.old_spellings import current_spelling


@pytest.mark.parametrize(
    ("old", "current"),
    [
        ("calibrate --ui", "calibrate page"),
        ("calibrate --source browser --ui --port 0", "calibrate page --source browser --port 0"),
        ("calibrate --source v.mp4 --every 5 --out a", "calibrate recording v.mp4 --every 5 --out a"),
        ("calibrate --pick=5 --source=v.mp4", "calibrate recording v.mp4 --pick=5"),
        ("calibrate -s v.mp4 --continuous", "calibrate recording v.mp4 --continuous"),
        ("calibrate --every 5", "calibrate recording webcam --every 5"),
    ],
)
def test_an_old_command_line_becomes_the_current_one(old: str, current: str) -> None:
    arguments, notice = current_spelling(old.split())
    assert arguments == current.split()
    assert notice is not None
    assert " ".join(current.split()[:2]) in notice


@pytest.mark.parametrize(
    "line",
    [
        "calibrate",
        "calibrate page --port 0",
        "calibrate recording v.mp4 --every 5",
        "soak --every 5",
        "run --ui",
        "",
    ],
)
def test_a_current_command_line_stays(line: str) -> None:
    assert current_spelling(line.split()) == (line.split(), None)


def test_the_notice_is_one_line_on_stderr(command: Callable[..., Any]) -> None:
    done = command("calibrate", "--source", "webcam", "--pick", "5")
    assert done.code == 2
    assert done.err.splitlines()[0].startswith("note: this is `mtclar-stream calibrate recording FILE` now")
    assert "is live" in done.err
    assert done.out == ""
