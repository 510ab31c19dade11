"""`mtclar.stream`: its public names are there, and none is imported before it is used."""

import subprocess
import sys

import pytest

from mtclar import stream


@pytest.mark.parametrize("name", stream.__all__)
def test_each_public_name_is_there(name: str) -> None:
    assert getattr(stream, name).__name__ == name


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="'Broadcast'"):
        _ = stream.Broadcast
    with pytest.raises(ImportError):
        from mtclar.stream import Broadcast  # noqa: F401


def test_importing_the_package_imports_no_heavy_module() -> None:
    code = "import sys, mtclar.stream; print(sorted({'cv2', 'numpy', 'websockets', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
