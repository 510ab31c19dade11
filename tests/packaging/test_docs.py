"""The documentation keeps its promises: links lead somewhere, and the commands of the README exist with their flags."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SHELL_BLOCKS = re.findall(r"```(?:sh|bash|console)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.strip().removeprefix("$ ").partition("#")[0].strip()
    for block in SHELL_BLOCKS
    for line in block.splitlines()
    if line.strip().removeprefix("$ ").startswith("mtclar-stream ")
]


def test_every_link_leads_somewhere() -> None:
    checker = [sys.executable, str(ROOT / "tools" / "make_docs.py"), "--links"]
    done = subprocess.run(checker, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_readme_names_commands() -> None:
    assert len({command.split()[1] for command in COMMANDS}) >= 5


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_exists_with_its_flags(command: str) -> None:
    _, name, *rest = command.split()
    called = [sys.executable, "-m", "mtclar.cli.main", name, "--help"]
    done = subprocess.run(
        called, capture_output=True, text=True, timeout=60, env={"COLUMNS": "200", "PATH": ""}
    )
    assert done.returncode == 0, done.stderr
    for flag in (word.partition("=")[0] for word in rest if word.startswith("--")):
        assert flag in done.stdout, f"{name} has no {flag}"
