"""The command that installs an extra works for the installation at hand."""

import shlex
import subprocess
import sys
from importlib.metadata import Distribution, metadata
from pathlib import Path

import pytest

from mtclar.engine.installation import extras
from mtclar.engine.installation.extras import install_command


def test_in_a_checkout_it_names_that_folder() -> None:
    *pip, install, editable, target = shlex.split(install_command("parquet"))
    assert [install, editable] == ["install", "-e"]
    folder, _, extra = target.partition("[")
    assert extra == "parquet]"
    assert (Path(folder) / "pyproject.toml").is_file()
    assert pip in (["pip"], [sys.executable, "-m", "pip"])


def test_of_a_wheel_it_names_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = "\n".join(
        f"Requires-Dist: {text}" for text in metadata("mtclar-stream").get_all("Requires-Dist") or ()
    )
    (tmp_path / "METADATA").write_text(f"Metadata-Version: 2.4\nName: mtclar-stream\nVersion: 1\n{about}\n")
    monkeypatch.setattr(extras, "distributions", lambda **_: [Distribution.at(tmp_path)])
    *_, install, package = shlex.split(install_command("parquet"))
    assert install == "install"
    assert package.startswith("pyarrow>=")
    packages = shlex.split(install_command("train"))
    assert {"torch", "numba"} <= {word.partition(">=")[0] for word in packages}


def test_the_pip_is_that_of_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    *pip, _, _, _ = shlex.split(install_command("parquet"))
    assert subprocess.run([*pip, "--version"], capture_output=True, check=True, timeout=60).stdout
    assert pip == [sys.executable, "-m", "pip"]
