"""pyproject.toml and constraints.txt fit the sources: every package is listed, every requirement has a version."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = ("engine", "stream", "calibrate", "label", "studio", "train", "cli")
NOT_SHIPPED = {"mtclar.train.checkpoints"}  # for `export`, from a checkout
IN_CI = (
    "test",
    "lint",
    "train",
    "studio",
    "analysis",
    "reference",
    "tensorrt-rtx",
    "ray",
    "lsl",
    "osc",
    "mqtt",
    "nats",
    "docs",
    "release",
)


def test_every_folder_of_a_package_is_listed() -> None:
    files = (path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file())
    shipped = {path.parent for path in files if path.parent.name != "__pycache__"}
    names = {".".join(["mtclar", *path.relative_to(ROOT).parts]) for path in shipped}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == names - NOT_SHIPPED


@pytest.mark.parametrize("extra", [None, *IN_CI])
def test_every_requirement_of_ci_has_a_version(extra: str | None) -> None:
    project = PROJECT["project"]
    wanted = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    fixed = {normal(line.partition("==")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert {normal(re.split(r"[\[<>=~!; ]", line)[0]) for line in wanted} <= fixed


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
