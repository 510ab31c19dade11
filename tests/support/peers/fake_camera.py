"""Chromium with a camera that plays a clip: getUserMedia gives an MJPEG file made from the demo clip."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, expect, sync_playwright

from support.peers import chromium

WAIT_MS = 30_000  # for anything on a page; generous, because machines that test are busy


def write_mjpeg(path: Path, images: Sequence[NDArray[np.uint8]], fps: int = 25) -> Path:
    """A file for --use-file-for-fake-video-capture, which plays it again and again."""
    with av.open(str(path), "w", format="mjpeg") as out:
        stream = out.add_stream("mjpeg", rate=fps)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuvj420p"
        stream.options = {"qmin": "3", "qmax": "3"}
        for image in images:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        out.mux(stream.encode(None))
    return path


@contextmanager
def browser_with_camera(clip: Path | None) -> Iterator[Browser]:
    """A browser whose person lets every page use the camera; without a clip there is none."""
    if shutil.which(chromium.PATH) is None:
        pytest.skip(f"{chromium.PATH} is not installed")
    flags = [*chromium.FLAGS, "--use-fake-ui-for-media-stream"]
    if clip is not None:
        flags += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={clip}"]
    with sync_playwright() as playwright:
        expect.set_options(timeout=WAIT_MS)
        running = playwright.chromium.launch(executable_path=chromium.PATH, args=flags)
        yield running
        running.close()
