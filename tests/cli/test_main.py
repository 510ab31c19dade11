"""The entry point: cost of --help, one message per error, exit codes."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from mtclar.cli.commands.machine import doctor
from mtclar.cli.main import COMMANDS, main
from mtclar.engine.backends import BACKENDS
from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.estimate import SMOOTHERS
from mtclar.stream.sources import SOURCES

Command = Callable[..., Any]

HEAVY = ("cv2", "av", "onnxruntime", "torch", "numpy", "websockets", "pydantic")


def test_help_lists_every_command_without_heavy_imports() -> None:
    code = (
        "import sys\nfrom mtclar.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit as end: assert not end.code\n"
        "print('MODULES', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    text, _, modules = done.stdout.rpartition("MODULES")
    assert all(f" {name} " in text for name in COMMANDS)
    assert not set(modules.split()) & set(HEAVY)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(name: str, command: Command) -> None:
    done = command(name, "--help")
    assert done.code == 0
    assert f"mtclar-stream {name}" in done.out


def test_the_help_of_run_names_what_can_be_chosen(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    text = command("run", "--help").out
    unnamed = {
        "file",
        "pipe",
        "srt",
        "rtsps",
        "https",
        "rtmps",
    }  # a path, -, refused; each like its plain scheme
    for name in [*SMOOTHERS, *BACKENDS, *(SOURCES.keys() - unnamed)]:
        assert re.search(rf"\b{name}\b", text), name


def test_version(command: Command) -> None:
    done = command("--version")
    assert done.code == 0
    assert done.out.startswith("mtclar-stream 0.")


def test_paragraphs_of_help_are_filled(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line breaks of a docstring do not show; those of the examples do."""
    monkeypatch.setenv("COLUMNS", "140")
    text = command("calibrate", "recording", "--help").out
    assert "An interrupted rating continues with the same command." in " ".join(text.split())
    assert text.count("  mtclar-stream calibrate recording video.mp4") == 3


def test_help_fits_80_columns_with_whole_names(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for name, option in (("run", "--max-clients-per-address"), ("calibrate", "--frames-per-prompt")):
        lines = command(name, "--help").out.splitlines()
        assert max(map(len, lines)) <= 80
        assert any(option in line for line in lines)
        assert len(lines) < 150  # panels take twice as many
        assert sum(f"  mtclar-stream {name}" in line for line in lines) >= 3


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["run", "--nonsense"], ["run", "--port", "x"], ["watch"]]
)
def test_usage_errors_end_with_2(arguments: list[str], command: Command) -> None:
    done = command(*arguments)
    assert done.code == 2
    assert "Traceback" not in done.err


@pytest.mark.parametrize(("error", "code"), [(MtclarError, 1), (UsageError, 2)])
def test_an_error_is_one_message_with_a_hint(
    error: type[MtclarError], code: int, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise error("the [camera] is on fire", "call for help")

    monkeypatch.setattr(doctor, "command", fail)
    done = command("doctor")
    assert done.code == code
    assert done.err.splitlines() == ["error: the [camera] is on fire", "  hint: call for help"]
    assert done.out == ""
    with pytest.raises(error):
        main(["doctor", "--debug"])


def test_an_unexpected_error_is_reported_as_a_bug(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr(doctor, "command", fail)
    done = command("doctor")
    assert done.code == 1
    assert done.err.splitlines()[0] == "error: ZeroDivisionError: a"
    assert "--debug" in done.err
    with pytest.raises(ZeroDivisionError):
        main(["--debug", "doctor"])


def test_an_interrupted_command_ends_with_130(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "command", interrupted)
    assert command("doctor").code == 130


def test_matrix_products_of_the_command_line_take_one_thread() -> None:
    program = (
        "import mtclar.cli.main, psutil, numpy\n"
        "numpy.ones((600, 600)) @ numpy.ones((600, 600))\n"
        "print(psutil.Process().num_threads())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "1", done.stderr
