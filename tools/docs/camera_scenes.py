"""Pictures of the pages that use the browser's camera, which plays the demo clip: the camera page and the studio."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from mtclar.calibrate.core.demo_clip import demo_support
from mtclar.stream.sources import open_source
from tests.support.browser.chromium import launched
from tools.docs.rating_scenes import address_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ViewportSize

FLAGS = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
PICTURES = 100
SETTLED_MS = 4000.0  # until rate and time there and back are those of a running camera
RECORDED_MS = 5000.0
AGES_DAYS = {"P01": 0, "P02": 89}  # of the studio's participants


def shots(wide: "ViewportSize") -> dict[str, list[bytes]]:
    """Screenshots by the name of their picture in docs/images."""
    with tempfile.TemporaryDirectory() as folder:
        face = Path(folder) / "face.mjpeg"  # pictures one after the other, which Chromium repeats
        pictures = (cv2.imencode(".jpg", frame.image)[1].tobytes() for frame in open_source("demo").frames())
        face.write_bytes(b"".join(islice(pictures, PICTURES)))
        with launched(*FLAGS, f"--use-file-for-fake-video-capture={face}") as browser:
            return {"camera-wide": [_camera(browser, wide)], "studio": [_studio(browser, wide, folder)]}


@contextmanager
def _served(command: str, *arguments: str) -> Iterator[str]:
    """The address of the pages of a command."""
    program = [sys.executable, "-m", "mtclar.cli.main", command, "--port", "0", *arguments]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            yield address_of(server, "")
        finally:
            server.terminate()


def _camera(browser: "Browser", wide: "ViewportSize") -> bytes:
    with _served("run", "--source", "browser", "--no-live", "--support", "none") as url:
        page = browser.new_page(viewport=wide, device_scale_factor=1)
        page.goto(f"{url}camera")
        page.locator("#start").click()
        page.locator("#camera-state", has_text="On").wait_for()
        page.wait_for_timeout(SETTLED_MS)
        return page.screenshot()


def _studio(browser: "Browser", wide: "ViewportSize", folder: str) -> bytes:
    """The home page with two participants, a session and a running camera."""
    people = Path(folder) / "study" / "participants"
    people.mkdir(parents=True)
    support = demo_support("auto", 1)
    for name, age_days in AGES_DAYS.items():
        created = (datetime.now(UTC) - timedelta(days=age_days)).isoformat(timespec="seconds")
        replace(support, subject=name, created=created).save(people / f"{name}.mtclar")
    with _served("studio", "--no-open", "--folder", str(people.parent)) as url:
        page = browser.new_page(viewport=wide, device_scale_factor=1)
        page.goto(url)
        page.locator("#who").get_by_label("P01").check()
        page.locator("#cameras button").first.click()
        page.locator("#watch").click()
        page.locator(".face").first.wait_for()
        page.locator("#record").click()
        page.locator("#record-session").fill("first")
        page.locator("#record-session").press("Enter")
        page.wait_for_timeout(RECORDED_MS)
        page.locator("#record").click()
        page.go_back()
        page.locator("#session-list li").wait_for()
        page.wait_for_timeout(SETTLED_MS)
        return page.screenshot()
