"""What the tests of the calibration page share: a camera that plays a face, and the command that serves the page."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser
from support.browser.fake_camera import browser_with_camera, write_demo_face
from support.browser.watched_page import OpenPage, watching
from support.peers.mjpeg_server import MjpegServer


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser_with_camera(write_demo_face(tmp_path_factory.mktemp("camera"))) as running:
        yield running


@pytest.fixture
def server(process: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Starts `calibrate page` and returns the process and the page's address."""

    def start(*arguments: str | Path, source: str | Path = "browser", port: int = 0) -> tuple[Any, str]:
        out = () if "--out" in arguments else ("--out", tmp_path / "anna.mtclar")
        running = process("calibrate", "page", "--source", source, "--port", port, *out, *arguments)
        line = running.read_until("Open http")
        found = re.search(r"http://\S+/calibrate", line)
        assert found is not None
        return running, found[0]

    return start


@pytest.fixture
def camera_of() -> Iterator[Callable[[NDArray[np.uint8]], str]]:
    """Serves one picture as an HTTP camera does, and returns its address."""
    with ExitStack() as stack:

        def serve(picture: NDArray[np.uint8]) -> str:
            encoded = bytes(cv2.imencode(".jpg", picture)[1])
            camera = MjpegServer(picture=lambda _: encoded)
            camera.start()
            stack.callback(camera.stop)
            return camera.url

        yield serve
