"""The layering of the packages: engine <- stream <- calibrate, label <- studio; engine <- train; cli above all."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "engine": {"engine"},
    "stream": {"engine", "stream"},
    "calibrate": {"engine", "stream", "calibrate"},
    "label": {"engine", "stream", "label"},
    "studio": {"engine", "stream", "calibrate", "label", "studio"},
    "train": {"engine", "train"},
    "cli": {"engine", "stream", "calibrate", "label", "studio", "train", "cli"},
}
CLOCKS_THREADS_SOCKETS = {"time", "threading", "socket", "asyncio", "multiprocessing", "websockets", "av"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; imports between our packages are absolute"
            names.add(node.module or "")
            if node.module == "mtclar":
                names |= {f"mtclar.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_the_layers_below_it(package: str) -> None:
    assert modules(package), f"{package}/ has no module"
    for path in modules(package):
        ours = {name.split(".")[1] for name in imported(path) if name.startswith("mtclar.")}
        assert ours <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {ours - MAY_IMPORT[package]}"


def test_the_engine_has_no_camera_socket_thread_or_clock() -> None:
    for path in modules("engine"):
        stopwatch = {"time"} if path.name == "measured_choice.py" else set()  # it times back ends, no frames
        found = {name.split(".")[0] for name in imported(path)} & CLOCKS_THREADS_SOCKETS - stopwatch
        assert not found, f"{path.relative_to(ROOT)} imports {found}"
        assert "VideoCapture(" not in path.read_text(), f"{path.relative_to(ROOT)} opens a camera"


ALL_MODULES = [path for package in MAY_IMPORT for path in modules(package)]


@pytest.mark.parametrize("path", ALL_MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_has_a_docstring(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, "no docstring"
    assert len(docstring.splitlines()[0]) > 20
