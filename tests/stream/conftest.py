"""What the stream tests share: clips made on the spot, a small tracker, a running server, real RTSP."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from support.faults.rtsp import RtspServer, is_installed, write_face_pictures

from mtclar.engine.data_types import Affect, Estimate, Faces, Frame
from mtclar.stream.protocol.messages import AffectMessage, Hello, LatencyMs, StatusMessage, StreamInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server
from mtclar.stream.sinks.base import Sink

WAIT_S = 20.0  # bounds every wait; nothing should come near it

Eventually = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def eventually() -> Eventually:
    """Waits until a condition holds and returns what it gave; fails after WAIT_S."""

    def wait(condition: Callable[[], Any]) -> Any:
        until_s = time.monotonic() + WAIT_S
        while not (result := condition()):
            assert time.monotonic() < until_s, f"waited {WAIT_S:g} s in vain"
            time.sleep(0.01)
        return result

    return wait


def affect(track_id: int = 0, valence: float | None = 0.25) -> Affect:
    raw = Estimate(0.3, -0.2, 0.05, 0.06, np.array([0.2, 0.9], np.float32), 1, True, (0.2, -0.1))
    return Affect(
        track_id,
        "anna",
        "ok",
        (10.0, 20.0, 110.0, 140.0),
        (1.0, 2.0, 3.0),
        valence,
        -0.5,
        0.05,
        0.06,
        raw,
        (),
    )


@dataclass
class SmallTracker:
    """One face in every frame, where the middle of the picture is; as fast or slow as asked."""

    pause_s: float = 0.0
    fails_at: int | None = None
    backend: str = "small"
    seen: list[Frame] = field(default_factory=list)

    def find(self, frame: Frame) -> Faces:
        if self.pause_s:
            time.sleep(self.pause_s)
        if self.fails_at == len(self.seen):
            raise RuntimeError("the tracker broke")
        self.seen.append(frame)
        return Faces(())

    def estimate(self, frame: Frame, faces: Faces) -> tuple[Affect, ...]:
        assert faces.crops == ()
        assert frame is self.seen[-1]
        return (affect(),)


@pytest.fixture
def tracker() -> SmallTracker:
    return SmallTracker()


@pytest.fixture
def make_tracker() -> type[SmallTracker]:
    return SmallTracker


@pytest.fixture
def make_message() -> Callable[..., AffectMessage]:
    def make(seq: int = 0, *, stream: str = "cam", faces: int = 1, t_s: float | None = None) -> AffectMessage:
        return AffectMessage(
            stream=stream,
            seq=seq,
            frame=seq,
            t_capture_s=time.monotonic() if t_s is None else t_s,
            clock="arrival",
            pts_s=seq / 25,
            size=(640, 480),
            latency_ms=LatencyMs(0.12345, 3.2, 4.1),
            dropped=0,
            faces=tuple(affect(n) for n in range(faces)),
        )

    return make


@dataclass
class Collector(Sink):
    """A sink that keeps everything."""

    own_thread = False

    messages: list[AffectMessage] = field(default_factory=list)
    statuses: list[StatusMessage] = field(default_factory=list)

    def affect(self, message: AffectMessage) -> None:
        self.messages.append(message)

    def status(self, message: StatusMessage) -> None:
        self.statuses.append(message)

    def states(self) -> list[str]:
        return [status.state for status in self.statuses]


@pytest.fixture
def collector() -> Collector:
    return Collector()


def picture(width: int, height: int, n: int) -> np.ndarray:
    """A bright bar that moves one step a picture; its height says which half is up."""
    image = np.full((height, width, 3), 40, np.uint8)
    image[: height // 2, :, 2] = 200  # the upper half is red
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
            stream.codec_context.time_base = stream.time_base = av.time_base and _thousandth()
            if codec == "libx264":
                stream.options = {"preset": "ultrafast", "g": "12", "bf": "0"}
            for n in range(frames):
                frame = av.VideoFrame.from_ndarray(picture(*size, n), format="bgr24").reformat(format=pix_fmt)
                frame.time_base = _thousandth()
                frame.pts = n * 40 if times is None else times[n]
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        return path

    return make


def _thousandth() -> Any:
    from fractions import Fraction

    return Fraction(1, 1000)


def _add_tone(out: Any) -> None:
    stream = out.add_stream("aac", rate=44100, layout="mono")
    tone = np.sin(np.linspace(0, 400, 4410, dtype=np.float32))[None, :] * 0.1
    for n in range(5):
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, n * 4410
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


@pytest.fixture
def server() -> Iterator[Server]:
    info = StreamInfo("cam", "webcam:0", True, (640, 480), 30.0, "latest")
    with Server(ServerConfig(port=0), hello=lambda: Hello((info,))) as running:
        yield running


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody has signed, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command")
    folder = tmp_path_factory.mktemp("certificate")
    chain, key = folder / "chain.pem", folder / "key.pem"
    subprocess.run(
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost "
        f"-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout {key} -out {chain}".split(),
        check=True,
        capture_output=True,
        timeout=WAIT_S,
    )
    return chain, key


@pytest.fixture(scope="session")
def face_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("face")
    write_face_pictures(folder)
    return folder


@pytest.fixture
def rtsp_server(face_pictures: Path) -> Iterator[RtspServer]:
    if not is_installed():
        pytest.skip("GStreamer's RTSP server is not installed")
    server = RtspServer(face_pictures)
    server.start()
    yield server
    server.kill()
