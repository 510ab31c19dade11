"""Scripted people for the dashboard: the real server with a script in the tracker's place.

For pictures and timings of the page that must be the same each time. Nothing here is measured affect.
"""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Affect, Estimate, FaceState
from mtclar.stream.protocol.messages import (
    AffectMessage,
    Hello,
    LatencyMs,
    ModelInfo,
    StreamInfo,
    SubjectInfo,
)
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server

FPS = 30
SUPPORT_FRAMES = 16
SIZE = (1280, 720)
PATIENCE_S = 20.0
NAMES = ("anna", "ben", "chris", "dana")


@dataclass(frozen=True)
class Scene:
    """Who is in front of which camera."""

    people: dict[str, tuple[str, ...]]  # by stream


SCENES = {
    "one-face": Scene({"webcam-0": ("anna",)}),
    "four-faces": Scene({"webcam-0": ("anna", "ben", "chris", "dana")}),
    "two-streams": Scene({"door": ("anna", "ben"), "desk": ("chris",)}),
}


def labels_of(person: int) -> NDArray[np.float64]:
    """[16, 2] V/A: a ring of prompts and some near the middle, turned a little for each person."""
    angle = np.linspace(0, 2 * math.pi, SUPPORT_FRAMES, endpoint=False) + 0.2 * person
    radius = np.where(np.arange(SUPPORT_FRAMES) % 3 == 2, 0.3, 0.75)
    return np.round(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), 2)


def affect(person: int, t_s: float, noise: np.random.Generator) -> Affect:
    """A plausible estimate of this person at that time; `person` counts over all streams."""
    slow = t_s / (5.5 + 1.3 * person) + 1.7 * person
    valence = 0.6 * math.sin(slow) + 0.22 * math.sin(2.7 * slow + person)
    arousal = 0.5 * math.cos(0.8 * slow + 0.6 * person) + 0.18 * math.sin(3.1 * slow)
    sd = 0.05 + 0.03 * (1 + math.sin(1.3 * slow)) + 0.01 * person
    state: FaceState = "low_quality" if person == 2 and t_s % 19 > 16.5 else "ok"
    raw = None
    if state == "ok":
        away = np.linalg.norm(labels_of(person) - (valence, arousal), axis=1)
        similarity = np.clip(np.exp(-((away / 0.45) ** 2)) + noise.normal(0, 0.015, len(away)), 0, 1)
        rough = noise.normal(0, 0.035, 2)
        raw = Estimate(
            valence + rough[0],
            arousal + rough[1],
            sd,
            sd,
            similarity.astype(np.float32),
            int(away.argmin()),
            bool(away.min() < 0.5),
            (valence, arousal),
        )
    box = (80.0 + 290 * person, 200.0, 280.0 + 290 * person, 460.0)
    faults = () if state == "ok" else ("turned away",)
    name = NAMES[person]
    return Affect(person, name, state, box, (1.0, 2.0, 3.0), valence, arousal, sd, 0.8 * sd, raw, faults)


class Player:
    """Plays a scene to every client, from `start_s` of the script on."""

    def __init__(self, scene: Scene, start_s: float = 0.0) -> None:
        self.scene = scene
        self._frame = round(start_s * FPS)
        self._zero_s = time.monotonic() - start_s
        self._noise = np.random.default_rng(1)
        model = ModelInfo("encoder", "5c2e9f0a" * 8, "onnxruntime (CPU)")
        streams = tuple(self._info(name, people) for name, people in scene.people.items())
        self.server = Server(ServerConfig(port=0), hello=lambda: Hello(streams, model))

    @staticmethod
    def _info(name: str, people: tuple[str, ...]) -> StreamInfo:
        subjects = tuple(
            SubjectInfo(person, SUPPORT_FRAMES, tuple(map(tuple, labels_of(NAMES.index(person)).tolist())))
            for person in people
        )
        return StreamInfo(name, name, True, SIZE, float(FPS), "latest", subjects)

    def say(self) -> None:
        """One frame of every stream."""
        t_s = self._frame / FPS
        for stream, people in self.scene.people.items():
            faces = tuple(affect(NAMES.index(person), t_s, self._noise) for person in people)
            latency = LatencyMs(0.6, 3.1 + 0.4 * math.sin(t_s), 4.4)
            self.server.publish(
                AffectMessage(
                    stream,
                    self._frame,
                    self._frame,
                    self._zero_s + t_s,
                    "arrival",
                    t_s,
                    SIZE,
                    latency,
                    0,
                    faces,
                )
            )
        self._frame += 1

    def rush(self, seconds: float) -> None:
        """`seconds` of the script, as fast as the one page that is connected takes them."""
        for _ in range(round(seconds * FPS)):
            wanted = self.server.written + len(self.scene.people)
            self.say()
            until_s = time.monotonic() + PATIENCE_S
            while self.server.written < wanted:
                if time.monotonic() > until_s:
                    raise TimeoutError("no page takes the messages")
                time.sleep(0.001)

    def play(self, stopped: threading.Event) -> None:
        """The script as if live, until `stopped`."""
        due_s = time.monotonic()
        while not stopped.is_set():
            self.say()
            due_s += 1 / FPS
            time.sleep(max(0.0, due_s - time.monotonic()))


@contextmanager
def playing(player: Player) -> Iterator[None]:
    """Plays live in a thread of its own, until the block ends."""
    stopped = threading.Event()
    thread = threading.Thread(target=player.play, args=(stopped,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
