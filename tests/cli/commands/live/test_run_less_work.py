"""`run --skip-still` and `--economy` answer every frame, measure fewer, and count those that they skipped."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

Command = Callable[..., Any]
FRAMES = 60


@pytest.fixture
def still_clip(tmp_path: Path) -> Path:
    """A photo of a face for two seconds."""
    from skimage import data

    path = tmp_path / "still.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width = stream.height = 512
        stream.pix_fmt = "yuv420p"
        for _ in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(data.astronaut(), "rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("options", "least", "most"), [((), 0, 0), (("--skip-still",), 15, 30), (("--economy",), 36, 42)]
)
def test_skipped_frames_are_answered_and_counted(
    command: Command, still_clip: Path, tmp_path: Path, options: tuple[str, ...], least: int, most: int
) -> None:
    summary = tmp_path / "summary.json"
    done = command(
        "run",
        *("--source", still_clip, "--support", "none", "--freshness", "all", "--port", "0"),
        *("--no-live", "--summary-json", summary, *options),
    )
    assert done.code == 0, done.err
    counts = json.loads(summary.read_text())
    assert counts["frames"] == FRAMES
    assert least <= counts["skipped"] <= most
    assert ("with kept values" in done.out) == bool(options)


@pytest.mark.parametrize("option", ["--skip-still", "--economy"])
def test_with_mediapipe_they_are_refused(command: Command, tmp_path: Path, option: str) -> None:
    task = tmp_path / "face_landmarker.task"
    with zipfile.ZipFile(task, "w"):
        pass
    done = command("run", "--source", "demo", "--support", "none", "--faces", f"mediapipe:{task}", option)
    assert done.code == 2
    assert f"{option} works with the bundled face finder alone" in done.err
