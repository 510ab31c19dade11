"""Chromium with a camera that plays a clip: getUserMedia gives an MJPEG file made from the demo clip."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser

from mtclar.stream.sources import open_source
from support.browser.chromium import launched


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


def write_demo_face(folder: Path) -> Path:
    """Eight seconds of the demo's face, every second picture."""
    images = [frame.image for frame in open_source("demo").frames() if frame.seq % 2 == 0][:100]
    return write_mjpeg(folder / "face.mjpeg", images, fps=15)


@contextmanager
def browser_with_camera(clip: Path | None) -> Iterator[Browser]:
    """A browser whose person lets every page use the camera; without a clip there is none."""
    flags = ["--use-fake-ui-for-media-stream"]
    if clip is not None:
        flags += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={clip}"]
    with launched(*flags) as browser:
        yield browser
