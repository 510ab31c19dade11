"""CI: `.ci/run` repeats no test whose result no extra can change; hosted machines run the fast tests and the demo."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from mtclar.cli.main import make_app
from tests.conftest import NO_EXTRAS, SLOW

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SETUP = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
UNIT = "tests/packaging/test_pyproject.py"
NOT_REPEATED = "tests/stream/server/http/test_request_filter.py"


def distribution(requirement: str) -> str:
    return re.sub("[-_.]+", "-", re.split(r"[\[<>=]", requirement)[0]).lower()


def imported(file: Path) -> set[str]:
    """The top-level packages that a module imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


def test_what_is_slow_exists() -> None:
    assert [name for name in SLOW if not (TESTS / name).exists()] == []


@pytest.mark.parametrize("name", NO_EXTRAS)
def test_no_extra_changes_the_result_of_what_is_not_repeated(name: str) -> None:
    assert (TESTS / name).exists()
    installed = {distribution(requirement) for requirement in SETUP}
    providers = packages_distributions()
    for file in (ROOT / name).rglob("*.py"):
        for package in imported(file) - {"mtclar"} - sys.stdlib_module_names:
            brought_by = {distribution(found) for found in providers.get(package, [])}
            assert brought_by & installed, f"{file.relative_to(ROOT)} imports {package}"


def test_what_passed_is_not_repeated_unless_it_is_quick(tmp_path: Path) -> None:
    passed = tmp_path / "passed"
    first = pytest_run(f"--passed-to={passed}", UNIT, NOT_REPEATED, "-n", "2")
    assert first.returncode == 0, first.stdout
    names = passed.read_text().splitlines()
    assert {name.partition("::")[0] for name in names} == {UNIT, NOT_REPEATED}
    second = pytest_run(f"--passed-in={passed}", UNIT, NOT_REPEATED, "--collect-only", "-q")
    left = {line for line in second.stdout.splitlines() if "::" in line}
    assert left >= {name for name in names if name.startswith(UNIT)}
    assert not left & {name for name in names if name.startswith(NOT_REPEATED)}


def pytest_run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTEST_ADDOPTS": ""},  # `.ci/run` gives both options to this test, too
        capture_output=True,
        text=True,
        timeout=280,
    )


def test_hosted_machines_of_every_system_run_the_fast_tests_and_the_demo() -> None:
    """Nobody has run the file; what it names exists."""
    job = yaml.safe_load((ROOT / ".github" / "workflows" / "platforms.yml").read_text())["jobs"][
        "unit-and-demo"
    ]
    systems = job["strategy"]["matrix"]["os"]
    assert {name.partition("-")[0] for name in systems} == {"ubuntu", "macos", "windows"}
    assert any(name.endswith("-arm") for name in systems)
    steps = [step["run"] for step in job["steps"] if "run" in step]
    assert "pytest -q -m unit" in (ROOT / "Makefile").read_text()
    assert any(step.startswith("python -m pytest -q -m unit") for step in steps)
    (demo,) = (step.split() for step in steps if step.startswith("mtclar-stream demo"))
    command: Any = get_command(make_app())
    options = {option for one in command.commands["demo"].params for option in one.opts + one.secondary_opts}
    assert {word for word in demo if word.startswith("--")} <= options
