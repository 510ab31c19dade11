"""Runs the command line for tests: in this process or in one of its own, with an empty home folder."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mtclar.cli.main import main

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, empty; commands in other processes see it too."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    monkeypatch.setenv("COLUMNS", "200")
    return folder


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process."""

    def run(*arguments: str | Path) -> Done:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        code = end.value.code
        return Done(code if isinstance(code, int) else 0 if code is None else 1, captured.out, captured.err)

    return run


class Process:
    """The command line in a process of its own, its output read line by line."""

    def __init__(self, *arguments: str | Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mtclar.cli.main", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []

    def read_until(self, text: str) -> str:
        """The first line that contains `text`."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"ended without '{text}':\n{''.join(self.lines)}")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> Done:
        """Waits for the end."""
        out, _ = self._process.communicate(timeout=PATIENCE_S)
        return Done(self._process.returncode, "".join(self.lines) + out, "")

    def kill(self) -> None:
        """Nothing when it has ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate(timeout=PATIENCE_S)
        elif self._process.stdout is not None:
            self._process.stdout.close()


@pytest.fixture
def process() -> Iterator[Callable[..., Process]]:
    """Starts the command line in a process of its own."""
    started: list[Process] = []

    def start(*arguments: str | Path) -> Process:
        started.append(Process(*arguments))
        return started[-1]

    yield start
    for one in started:
        one.kill()
