"""A project for Node: scripts beside the packages that npm installed for them."""

import shutil
import subprocess
from pathlib import Path

import pytest


def npm(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["npm", *arguments], cwd=cwd, capture_output=True, text=True, timeout=500)


def install(sources: Path, folder: Path) -> Path:
    """Copies the scripts and installs their packages; skips the test where that cannot be done."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}: `.ci/system` installs it")
    folder.mkdir(parents=True, exist_ok=True)
    for file in sources.iterdir():
        shutil.copyfile(file, folder / file.name)
    done = npm("install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", cwd=folder)
    if done.returncode:
        pytest.skip(f"npm cannot install the packages of {sources.name}: {done.stderr.strip()[-300:]}")
    return folder
