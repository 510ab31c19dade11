"""Video files for tests: a real face in motion, two faces, no face, or bars of any size and codec."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

FPS = 25
THOUSANDTH = Fraction(1, 1000)


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
    """A second without a face."""
    ramp = np.broadcast_to(np.linspace(0, 255, 320, dtype=np.uint8)[None, :, None], (240, 320, 3))
    return encode(clips / "empty.mp4", [np.ascontiguousarray(ramp)] * 25)


@pytest.fixture(scope="session")
def labels(clips: Path) -> Path:
    """Labels of the face clip."""
    path = clips / "labels.csv"
    path.write_text("time,valence,arousal\n0.2,0.7,0.1\n0.8,0.6,0.2\n1.5,0.8,0.0\n")
    return path


def picture(width: int, height: int, n: int) -> np.ndarray:
    """A bright bar that moves one step a picture; the upper half is red."""
    image = np.full((height, width, 3), 40, np.uint8)
    image[: height // 2, :, 2] = 200
    x = (n * 4) % max(1, width - 8)
    image[:, x : x + 8] = 230
    return image


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """Makes a video file with PyAV; `times` are the pictures' own times in units of 1/1000 s."""

    def make(
        name: str = "clip.mp4",
        *,
        size: tuple[int, int] = (320, 240),
        frames: int = 25,
        codec: str = "libx264",
        pix_fmt: str = "yuv420p",
        times: list[int] | None = None,
        rate: int = 25,
        audio: bool = False,
        options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", options=options or {}) as out:
            if audio:
                _add_tone(out)
                return path
            stream = out.add_stream(codec, rate=rate)
            stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
            stream.codec_context.time_base = stream.time_base = THOUSANDTH
            if codec == "libx264":
                stream.options = {"preset": "ultrafast", "g": "12", "bf": "0"}
            for n in range(frames):
                frame = av.VideoFrame.from_ndarray(picture(*size, n), format="bgr24").reformat(format=pix_fmt)
                frame.time_base = THOUSANDTH
                frame.pts = n * 40 if times is None else times[n]
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        return path

    return make


def _add_tone(out: Any) -> None:
    stream = out.add_stream("aac", rate=44100, layout="mono")
    tone = np.sin(np.linspace(0, 400, 4410, dtype=np.float32))[None, :] * 0.1
    for n in range(5):
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, n * 4410
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))
