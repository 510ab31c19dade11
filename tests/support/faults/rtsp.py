"""The real RTSP server of rtsp_server.py as an object, and pictures of a real face for it to serve."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

WAIT_S = 60.0
SYSTEM_PYTHON = Path("/usr/bin/python3")  # Debian's GStreamer bindings are its modules


def is_installed() -> bool:
    """Whether this machine has GStreamer's RTSP server (.ci/system installs it)."""
    probe = "import gi; gi.require_version('GstRtspServer', '1.0')"
    command = [str(SYSTEM_PYTHON), "-c", probe]
    return SYSTEM_PYTHON.exists() and not subprocess.run(command, capture_output=True).returncode


def write_face_pictures(folder: Path) -> None:
    """A second of a real face (astronaut of scikit-image, public domain), drifting."""
    from skimage import data

    photo = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    for n in range(25):
        shift = np.array([[1, 0, 60 + 12 * np.sin(n / 25 * 2 * np.pi)], [0, 1, 0]], np.float32)
        image = cv2.warpAffine(photo, shift, (640, 480), borderMode=cv2.BORDER_REPLICATE)
        cv2.imwrite(str(folder / f"frame{n:05d}.jpg"), image)


class RtspServer:
    """The real server of rtsp_server.py in a process of its own, to be killed, frozen and started again."""

    def __init__(self, pictures: Path, only_udp: bool = False) -> None:
        self.pictures = pictures
        self.only_udp = only_udp
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/clip"

    def start(self) -> None:
        script = Path(__file__).with_name("rtsp_server.py")
        self.process = subprocess.Popen(
            [str(SYSTEM_PYTHON), str(script), str(self.port), str(self.pictures), *["udp"] * self.only_udp],
            stdout=subprocess.PIPE,
            text=True,
            # Its own process group: when the shell that started the tests ends, the kernel wakes (SIGCONT) every
            # stopped process of the group it leaves behind, and a server frozen by a test would thaw.
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(WAIT_S)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def freeze(self) -> None:
        """It still accepts connections and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="session")
def rtsp_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("face")
    write_face_pictures(folder)
    return folder


@pytest.fixture
def rtsp_server(rtsp_pictures: Path) -> Iterator[RtspServer]:
    if not is_installed():
        pytest.skip("GStreamer's RTSP server is not installed")
    server = RtspServer(rtsp_pictures)
    server.start()
    yield server
    server.kill()
