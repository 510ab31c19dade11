"""Generated pictures: faces of the demo clip wandering over a moving background, for tests and load."""

import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Frame
from mtclar.engine.errors import SourceError, UsageError

Image = NDArray[np.uint8]

FORM = "synthetic[:WxH@FPS][?faces=N&frames=N]"
MAX_SIDE, MAX_FPS, MAX_FACES = 7680, 240.0, 16
FACE_PICTURES = 50  # every second one of the clip: two seconds of changing expression, played back and forth
FACE_SIDE = 240


@dataclass(frozen=True, slots=True)
class Scene:
    """What to draw."""

    width: int = 640
    height: int = 480
    fps: float = 30.0
    faces: int = 1
    frames: int | None = None  # None: without end


def parse_scene(spec: str) -> Scene:
    """`synthetic:640x480@30?faces=2`; raises UsageError for anything else."""
    match = re.fullmatch(r"synthetic(?::(?:(\d+)x(\d+))?(?:@(\d+(?:\.\d+)?))?)?(?:\?(.*))?", spec)
    options = dict(parse_qsl(match[4] or "", keep_blank_values=True)) if match else {}
    if (
        not match
        or set(options) - {"faces", "frames"}
        or not all(value.isdecimal() for value in options.values())
    ):
        raise UsageError(f"'{spec}' is not a synthetic source", f"write {FORM}")
    default = Scene()
    scene = Scene(
        width=int(match[1] or default.width),
        height=int(match[2] or default.height),
        fps=float(match[3] or default.fps),
        faces=int(options.get("faces", default.faces)),
        frames=int(options["frames"]) if "frames" in options else default.frames,
    )
    if (
        not (min(scene.width, scene.height) >= 16 and max(scene.width, scene.height) <= MAX_SIDE)
        or not 0 < scene.fps <= MAX_FPS
    ):
        raise UsageError(
            f"'{spec}': pictures are 16 to {MAX_SIDE} pixels wide and high, at most {MAX_FPS:g} a second"
        )
    if scene.faces > MAX_FACES:
        raise UsageError(f"'{spec}': at most {MAX_FACES} faces")
    return scene


class Synthetic:
    """A generated camera. With `frames` it ends after so many and is not live; otherwise it runs until `close`."""

    files: tuple[Path, ...] = ()

    def __init__(self, scene: Scene, stream_id: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream_id = stream_id
        self.label = f"synthetic:{scene.width}x{scene.height}@{scene.fps:g}"
        self.live = scene.frames is None
        self.size: tuple[int, int] | None = (scene.width, scene.height)
        self.fps: float | None = scene.fps
        self._scene = scene
        self._clock = clock
        self._closed = threading.Event()
        self._seq = 0
        self._faces: list[Image] | None = None

    def reachable(self) -> None:
        return None

    def close(self) -> None:
        self._closed.set()

    def frames(self) -> Iterator[Frame]:
        """A live one keeps its rate; a finite one yields frames as fast as they are read."""
        scene = self._scene
        if self._faces is None:
            self._faces = face_pictures() if scene.faces else []
        background = _background(scene)
        started_s = self._clock() - self._seq / scene.fps
        while not self._closed.is_set() and (scene.frames is None or self._seq < scene.frames):
            pts_s = self._seq / scene.fps
            image = draw(scene, background, self._faces, pts_s)
            wait_s = started_s + pts_s - self._clock()
            if self.live and wait_s > 0 and self._closed.wait(wait_s):
                return
            yield Frame(image, self._seq, self._clock(), "arrival", pts_s, self.stream_id)
            self._seq += 1


def open_synthetic(spec: str, stream_id: str | None, loop: bool) -> Synthetic:  # noqa: ARG001
    """The source of `synthetic...`."""
    return Synthetic(parse_scene(spec), stream_id or "synthetic")


def draw(scene: Scene, background: Image, faces: list[Image], t_s: float) -> Image:
    """One picture [H, W, 3] BGR at `t_s`: the background rolls by, each face wanders in its own column."""
    image = np.roll(background, int(20 * t_s) % scene.width, axis=1)
    if not scene.faces or not faces:
        return image
    column = scene.width / scene.faces
    side = int(min(column, scene.height) * 0.9)
    for n in range(scene.faces):
        at = int(t_s * scene.fps / 2 + n * 13) % (2 * len(faces) - 1)
        face = cv2.resize(faces[min(at, 2 * len(faces) - 2 - at)], (side, side), interpolation=cv2.INTER_AREA)
        drift = 0.5 + 0.5 * math.sin(0.7 * t_s + n)
        x = int(n * column + drift * (column - side))
        y = int((0.5 + 0.5 * math.cos(0.5 * t_s + 2 * n)) * (scene.height - side))
        mask = _oval(side)
        patch = image[y : y + side, x : x + side]
        patch[:] = (mask * face + (1 - mask) * patch).astype(np.uint8)
    return image


def face_pictures() -> list[Image]:
    """Square pictures of the demo clip's face; a drawing where the clip cannot be read."""
    from mtclar.stream import demo_clip
    from mtclar.stream.sources.video import VideoFile

    try:
        clip = VideoFile(demo_clip.clip_path(), "face")
    except (UsageError, SourceError):
        return [_drawn_face()]
    pictures: list[Image] = []
    for frame in clip.frames():
        if frame.seq % 2 == 0:
            height, width = frame.image.shape[:2]
            side = min(height, width)
            y, x = (height - side) // 2, (width - side) // 2
            square = frame.image[y : y + side, x : x + side]
            small = cv2.resize(square, (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_AREA)
            pictures.append(np.asarray(small, np.uint8))
        if len(pictures) == FACE_PICTURES:
            break
    return pictures


def _background(scene: Scene) -> Image:
    """Soft coloured blobs, the same every time."""
    noise = np.random.default_rng(0).integers(60, 190, (6, 8, 3), dtype=np.uint8)
    return np.asarray(
        cv2.resize(noise, (scene.width, scene.height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8
    )


def _oval(side: int) -> NDArray[np.float32]:
    """A soft-edged oval [side, side, 1], 1 inside."""
    grid = np.linspace(-1, 1, side, dtype=np.float32)
    radius = np.hypot(grid[None, :], grid[:, None])
    return np.clip((1.0 - radius) / 0.08, 0.0, 1.0)[..., None].astype(np.float32)


def _drawn_face() -> Image:
    face = np.full((FACE_SIDE, FACE_SIDE, 3), 110, np.uint8)
    centre = FACE_SIDE // 2
    cv2.ellipse(face, (centre, centre), (70, 95), 0, 0, 360, (150, 175, 215), -1)
    for x in (centre - 28, centre + 28):
        cv2.ellipse(face, (x, centre - 22), (12, 7), 0, 0, 360, (240, 240, 240), -1)
        cv2.circle(face, (x, centre - 22), 5, (40, 40, 40), -1)
    cv2.ellipse(face, (centre, centre + 42), (26, 12), 0, 0, 180, (80, 80, 160), 4)
    return face
