"""Runs the blocks of a page: to their end, or until the page ends, as a user who has activated the environment."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools.docs.snippets import Snippet

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 200
READY = re.compile(r"https?://\S+:\d+|^Recording |^[\w-]+(, [\w-]+)+$")
"""What a command prints when others may go on: an address, or a worker's streams. Of a program, its first line."""


def environment() -> dict[str, str]:
    """With the environment's commands; `python -m tools...` and `experiments...` are those of the checkout."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def run(block: Snippet, folder: Path) -> None:
    """Runs a block to its end, which must be a good one."""
    command = [sys.executable, "-c", block.text]
    if block.language == "sh":
        command = ["bash", "-euo", "pipefail", "-c", "\n".join(block.as_run)]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"


def run_command(line: str, folder: Path) -> None:
    """Runs a command line that no page has."""
    run(Snippet("sh", line, "", ""), folder)


@contextmanager
def serving(block: Snippet, folder: Path) -> Iterator[None]:
    """A program of the block, or each of its commands, until the page ends; it must say something and end in order."""
    if block.language == "python":
        with _running([sys.executable, "-c", block.text], folder, re.compile(""), (0, -signal.SIGINT)):
            yield
        return
    first, *others = block.as_run
    with _running(shlex.split(first), folder, READY, (0,)):
        if others:
            with serving(Snippet(block.language, "\n".join(others), "", ""), folder):
                yield
        else:
            yield


@contextmanager
def _running(
    command: list[str], folder: Path, ready: re.Pattern[str], good_ends: tuple[int, ...]
) -> Iterator[None]:
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said: list[str] = []
        try:
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line)
                if ready.search(line):
                    break
            else:
                pytest.fail(f"{command}\n{''.join(said)}")
            yield
        finally:
            process.send_signal(signal.SIGINT)
            said.append(process.communicate(timeout=TIMEOUT_S)[0])
    assert process.returncode in good_ends, f"{command} -> {process.returncode}\n{''.join(said)}"


def replaced(block: Snippet, names: Mapping[str, str]) -> Snippet:
    """The block with other addresses and files in place of those that a page has for the reader."""
    text = block.text
    for name, other in names.items():
        text = text.replace(name, other)
    return Snippet(block.language, text, block.mark, block.note)
