"""The input of `bench`: pictures of a clip with a support set of the same face; and a description of this machine."""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtclar.calibrate.core.demo_clip import demo_support
from mtclar.engine import models
from mtclar.engine.backends.session import open_session
from mtclar.engine.data_types import Frame
from mtclar.engine.face.crop import cut
from mtclar.engine.face.detector import Detector
from mtclar.engine.face.landmarks import FaceMesh, roi_of_detection, roi_of_points
from mtclar.engine.installation.machine import instruction_sets, processor_name, usable_cores
from mtclar.engine.support_set import SupportSet
from mtclar.stream import demo_clip
from mtclar.stream.sources import Source, open_source

FPS = 30.0  # the rate of paced runs, for every clip
START_UP = {
    "bare_interpreter_ms": (sys.executable, "-c", "pass"),
    "help_ms": (sys.executable, "-m", "mtclar.cli.main", "--help"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """A clip and the support set that belongs to its face (the bundled one), or none."""

    clip: str  # as --source names it
    support: SupportSet | None

    @classmethod
    def prepare(cls, clip: str | None, support: Path | None) -> "Material":
        """The bundled clip with a support set of its first seconds, unless a clip and a support set are named."""
        if clip is None and support is None:
            return cls(str(demo_clip.clip_path()), demo_support("onnxruntime", 1))
        return cls(clip or str(demo_clip.clip_path()), None if support is None else SupportSet.load(support))

    def frames(self, count: int) -> list[Frame]:
        """The clip's first `count` pictures, repeated where it is shorter; kept in memory."""
        with closing(open_source(self.clip, loop=True)) as source:
            return list(islice(retimed(source.frames(), FPS), count))


def demo_crops(every: int) -> np.ndarray:
    """Crops [n, S, S] of the face in the bundled clip, of one picture in `every`, as the encoder gets them."""
    framing = models.card("encoder").identity.framing
    crops = []
    with (
        closing(open_source("demo")) as source,
        open_session(models.path("face_detector"), "onnxruntime") as detector,
        open_session(models.path("face_mesh"), "onnxruntime") as landmarks,
    ):
        detect, find = Detector(detector), FaceMesh(landmarks)
        roi = None
        for i, frame in enumerate(source.frames()):
            if roi is None:
                roi = roi_of_detection(detect(frame.image)[0])
            mesh = find(frame.image, roi)
            roi = roi_of_points(mesh.points)
            if i % every == 0:
                crops.append(cut(frame.image, mesh.points, framing))
    return np.stack(crops)


class RetimedSource:
    """A clip at another rate, for `count` pictures; a shorter clip is repeated."""

    live = False

    def __init__(self, clip: str, fps: float, count: int, stream_id: str = "bench", faces: int = 1) -> None:
        self._source = open_source(clip, stream_id=stream_id, loop=True)
        self._count = count
        self._faces = faces
        self.fps: float | None = fps
        self.stream_id = stream_id
        self.label = self._source.label

    @property
    def files(self) -> tuple[Path, ...]:
        return self._source.files

    @property
    def size(self) -> tuple[int, int] | None:
        return self._source.size

    def frames(self) -> Iterator[Frame]:
        assert self.fps is not None
        for frame in islice(retimed(self._source.frames(), self.fps), self._count):
            yield replace(frame, image=tiled(frame.image, self._faces))

    def reachable(self) -> bool | None:
        return self._source.reachable()

    def close(self) -> None:
        self._source.close()


def retimed(frames: Iterator[Frame], fps: float) -> Iterator[Frame]:
    """The same pictures at `fps` per second of source time."""
    for seq, frame in enumerate(frames):
        yield replace(frame, seq=seq, pts_s=seq / fps)


def as_source(clip: str, fps: float, count: int, stream_id: str, faces: int) -> Source:
    """The clip as a source, with so many copies of each picture in it."""
    return RetimedSource(clip, fps, count, stream_id, faces)


def tiled(image: np.ndarray, count: int) -> np.ndarray:
    """`count` copies of a picture in a grid of the same size."""
    if count == 1:
        return image
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    height, width = image.shape[0] // columns, image.shape[1] // columns
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    grid = np.zeros((rows * height, columns * width, 3), np.uint8)
    for i in range(count):
        row, column = divmod(i, columns)
        grid[row * height : (row + 1) * height, column * width : (column + 1) * width] = small
    return grid


def machine(rounds: int) -> dict[str, Any]:
    """The machine of the figures. `rounds`: of the comparison of start-up times; 0 leaves it out."""
    described: dict[str, Any] = {
        "cpu": processor_name(),
        "instruction_sets": list(instruction_sets()),
        "cores": usable_cores(),
        "load_1min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }
    if rounds:
        described["start_up"] = start_up(rounds)
    return described


def start_up(rounds: int) -> dict[str, float]:
    """`mtclar-stream --help` against a bare interpreter, alternating."""
    taken: dict[str, list[float]] = {name: [] for name in START_UP}
    for _ in range(rounds):
        for name, command in START_UP.items():
            started_s = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, timeout=120)
            taken[name].append(1e3 * (time.perf_counter() - started_s))
    bare, with_help = taken.values()
    return {
        **{name: round(statistics.median(values), 1) for name, values in taken.items()},
        "ratio": round(statistics.median(h / b for h, b in zip(with_help, bare, strict=True)), 2),
    }
