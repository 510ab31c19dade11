"""The picture of the camera page (`run --source browser`): a browser whose camera plays the demo clip."""

import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from mtclar.stream.sources import open_source
from tests.support.browser.chromium import launched
from tools.docs.rating_scenes import address_of

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize

FLAGS = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
PICTURES = 100
SETTLED_MS = 4000.0  # until rate and time there and back are those of a running camera


def shots(wide: "ViewportSize") -> dict[str, list[bytes]]:
    """Screenshots by the name of their picture in docs/images."""
    command = [
        sys.executable,
        "-m",
        "mtclar.cli.main",
        "run",
        "--source",
        "browser",
        "--port",
        "0",
        "--no-live",
    ]
    with tempfile.TemporaryDirectory() as folder:
        face = Path(folder) / "face.mjpeg"  # pictures one after the other, which Chromium repeats
        pictures = (cv2.imencode(".jpg", frame.image)[1].tobytes() for frame in open_source("demo").frames())
        face.write_bytes(b"".join(islice(pictures, PICTURES)))
        with (
            subprocess.Popen(
                [*command, "--support", "none"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            ) as server,
            launched(*FLAGS, f"--use-file-for-fake-video-capture={face}") as browser,
        ):
            try:
                page = browser.new_page(viewport=wide, device_scale_factor=1)
                page.goto(f"{address_of(server, '')}camera")
                page.locator("#start").click()
                page.locator("#camera-state", has_text="On").wait_for()
                page.wait_for_timeout(SETTLED_MS)
                return {"camera-wide": [page.screenshot()]}
            finally:
                server.terminate()
