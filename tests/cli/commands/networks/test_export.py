"""`export --to` compiled engines, as a user calls it; checkpoints are tested with `train`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtclar.engine import models

Command = Callable[..., Any]


@pytest.fixture
def _rtx() -> None:
    pytest.importorskip(
        "tensorrt_rtx", reason="TensorRT for RTX is not installed; `make setup-all` brings it"
    )


@pytest.mark.usefixtures("_rtx")
def test_engines_of_all_networks_are_written_with_their_properties(command: Command, tmp_path: Path) -> None:
    done = command("export", "--to", "tensorrt-rtx", "--compute-capability", "8.6", "--out", tmp_path)
    assert done.code == 0
    lines = [line for line in done.out.splitlines() if ".engine:" in line]
    parts = {
        "encoder": "fp16",
        "pair-once": "fp16",
        "pair-rest": "fp16",
        "face_mesh": "fp32",
        "face_detector": "fp32",
    }
    for name, precision in parts.items():
        (line,) = (
            line for line in lines if f": {name} for 8.6, {precision} as reported by the engine" in line
        )
        assert (tmp_path / line.partition(":")[0]).is_file()
    assert len(lines) == len(parts) > len(models.NAMES)
    assert "Copy them to" in done.out


@pytest.mark.usefixtures("_rtx")
@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        (["--to", "tensorrt-rtx"], "--compute-capability 8.6", 2),
        (
            ["--to", "tensorrt-rtx", "--compute-capability", "9.0"],
            "does not support compute capability 9.0",
            1,
        ),
        (["--to", "tensorrt-rtx", "--compute-capability", "ampere"], "is not a compute capability", 2),
        (["--to", "tensorrt-rtx", "--precision", "fp7"], "unknown precision 'fp7'", 2),
        (["--to", "tensorrt-rtx", "mtclar.pt"], "not a checkpoint", 2),
        (["--to", "onnx", "--compute-capability", "8.6"], "is for engines", 2),
        (["--to", "triton"], "needs --out FOLDER", 2),
        (["--to", "triton", "--out", "x", "--precision", "fp7"], "unknown precision 'fp7'", 2),
        (["--to", "triton", "--out", "x", "--compute-capability", "8.6"], "is for engines", 2),
        (["--to", "triton", "--out", "/proc/x"], "cannot write /proc/x", 2),
        (["--to", "coreml"], "one of: onnx, tensorrt", 2),
        ([], "needs a checkpoint", 2),
    ],
)
def test_invalid_options_are_rejected(command: Command, options: list[str], message: str, code: int) -> None:
    done = command("export", *options)
    assert done.code == code
    assert message in done.err
    assert "Traceback" not in done.err


@pytest.mark.usefixtures("_rtx")
def test_an_unwritable_folder_is_a_usage_error(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = command(
        "export",
        "--to",
        "tensorrt-rtx",
        "--compute-capability",
        "8.6",
        "--out",
        tmp_path / "file" / "engines",
    )
    assert done.code == 2
    assert "cannot write" in done.err


@pytest.mark.parametrize("to", ["triton", "tensorrt-rtx"])
def test_a_file_in_place_of_a_folder_is_a_usage_error(to: str, command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    done = command("export", "--to", to, "--out", tmp_path / "file")
    assert done.code == 2
    assert f"cannot write {tmp_path / 'file'}" in done.err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_triton_repository_cannot_be_int8(command: Command, tmp_path: Path) -> None:
    done = command("export", "--to", "triton", "--precision", "int8", "--out", tmp_path / "repository")
    assert done.code == 2
    assert "one of: fp32, fp16" in done.err
    assert not (tmp_path / "repository").exists()


@pytest.mark.usefixtures("_rtx")
def test_an_int8_encoder_is_compiled_and_reported(command: Command, tmp_path: Path) -> None:
    done = command(
        "export",
        "--to",
        "tensorrt-rtx",
        "--compute-capability",
        "8.6",
        "--precision",
        "int8",
        "--out",
        tmp_path,
    )
    assert done.code == 0, done.err
    lines = {
        line.split(": ")[1].split(" for ")[0]: line for line in done.out.splitlines() if ".engine" in line
    }
    assert "int8 as reported by the engine" in lines["encoder"]
    assert "fp16 as reported by the engine" in lines["pair-rest"]
    assert "fp32 as reported by the engine" in lines["face_mesh"]


def test_a_triton_repository_is_written(command: Command, tmp_path: Path) -> None:
    done = command("export", "--to", "triton", "--out", tmp_path / "repository")
    assert done.code == 0
    written = [Path(line) for line in done.out.splitlines()]
    assert {path.name for path in written} == {"config.pbtxt", "model.onnx"}
    assert all(path.stat().st_size > 0 for path in written)
