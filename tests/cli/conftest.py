"""Clips with a real face (and without one), an own home for the default support set, and ways to run the command."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mtclar.cli.main import main
from mtclar.engine import models

FPS = 25
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, empty; commands in other processes see it too."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    monkeypatch.setenv("COLUMNS", "200")
    return folder


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process."""

    def run(*arguments: str | Path) -> Done:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        code = end.value.code
        return Done(code if isinstance(code, int) else 0 if code is None else 1, captured.out, captured.err)

    return run


class Process:
    """The command line in a process of its own, its output read line by line."""

    def __init__(self, *arguments: str | Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mtclar.cli.main", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []

    def read_until(self, text: str) -> str:
        """The first line that contains `text`."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"ended without '{text}':\n{''.join(self.lines)}")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> Done:
        """Waits for the end."""
        out, _ = self._process.communicate(timeout=PATIENCE_S)
        return Done(self._process.returncode, "".join(self.lines) + out, "")

    def kill(self) -> None:
        """Nothing when it has ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate(timeout=PATIENCE_S)
        elif self._process.stdout is not None:
            self._process.stdout.close()


@pytest.fixture
def process() -> Iterator[Callable[..., Process]]:
    """Starts the command line in a process of its own."""
    started: list[Process] = []

    def start(*arguments: str | Path) -> Process:
        started.append(Process(*arguments))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def encode(path: Path, images: Sequence[NDArray[np.uint8]], fps: int = FPS) -> Path:
    """A video of BGR pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "18"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


def face_pictures(count: int, size: tuple[int, int] = (640, 480), faces: int = 1) -> list[NDArray[np.uint8]]:
    """The astronaut of scikit-image in front of grey, moving slowly; two of her side by side with `faces=2`."""
    from skimage import data

    astronaut = np.ascontiguousarray(data.astronaut()[0:300, 80:380, ::-1])
    width, height = size
    side = int(min(height, width / faces) * 0.9)
    small = cv2.resize(astronaut, (side, side), interpolation=cv2.INTER_AREA)
    pictures = []
    for i in range(count):
        picture = np.full((height, width, 3), 90, np.uint8)
        for face in range(faces):
            room = width // faces - side
            x = face * (width // faces) + int(room * (0.5 + 0.3 * np.sin(i / 15)))
            y = (height - side) // 2
            picture[y : y + side, x : x + side] = small
        pictures.append(picture)
    return pictures


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def face_clip(clips: Path) -> Path:
    """Two seconds of a real face."""
    return encode(clips / "face.mp4", face_pictures(50))


@pytest.fixture(scope="session")
def long_clip(clips: Path) -> Path:
    """Twenty seconds of a real face: to be stopped in the middle."""
    return encode(clips / "long.mp4", face_pictures(10) * 50)


@pytest.fixture(scope="session")
def two_faces_clip(clips: Path) -> Path:
    """A second with two faces side by side."""
    return encode(clips / "two.mp4", face_pictures(25, (960, 480), faces=2))


@pytest.fixture(scope="session")
def empty_clip(clips: Path) -> Path:
    """A second of nobody."""
    ramp = np.broadcast_to(np.linspace(0, 255, 320, dtype=np.uint8)[None, :, None], (240, 320, 3))
    return encode(clips / "empty.mp4", [np.ascontiguousarray(ramp)] * 25)


@pytest.fixture(scope="session")
def labels(clips: Path) -> Path:
    """Labels of the face clip."""
    path = clips / "labels.csv"
    path.write_text("time,valence,arousal\n0.2,0.7,0.1\n0.8,0.6,0.2\n1.5,0.8,0.0\n")
    return path


@pytest.fixture
def support(command: Run, face_clip: Path, labels: Path, tmp_path: Path) -> Path:
    """A support set of the face clip."""
    path = tmp_path / "anna.mtclar"
    assert command("calibrate", "--source", face_clip, "--labels", labels, "--out", path).code == 0
    return path


def exported(folder: Path) -> Path:
    """The bundled networks as `export` would write them into a folder."""
    folder.mkdir()
    for name in ("encoder", "pair"):
        shutil.copy(models.path(name), folder)
        shutil.copy(models.path(name).with_suffix(".json"), folder)
    return folder


def of_another_name(folder: Path) -> str:
    """The encoder in `folder` computes the same and has another sha256, which its card says."""
    graph, producer_name = folder / "encoder.onnx", b"\x12\x01x"  # protobuf: the last value of a field counts
    graph.write_bytes(graph.read_bytes() + producer_name)
    card = replace(models.card("encoder"), sha256=models.sha256(graph))
    card.write(folder / "encoder.json")
    replace(models.card("pair"), encoder_sha256=card.sha256).write(folder / "pair.json")
    return card.sha256
