"""A calibration session with a camera that repeats its images, and its one client."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mtclar.calibrate.web.feeds.live_feed import LiveFeed
from mtclar.calibrate.web.session import CalibrationSession, CalibrationStream
from mtclar.calibrate.web.surroundings import Surroundings
from mtclar.engine.data_types import Frame
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from support.calibration.page import Page
from support.contract import CALIBRATE


class Running:
    """A session, a client, and a camera that repeats its images."""

    def __init__(self, folder: Path, pictures: list[np.ndarray], **options: Any) -> None:
        self.target = folder / "me.mtclar"
        self.saved: list[SupportSet] = []
        self.page = Page()
        self.pictures = pictures
        self._stopped = threading.Event()
        self.session = CalibrationSession(
            Tracker.open,
            options.pop("save", self.save),
            target=self.target,
            subject=options.pop("subject", "me"),
            streams=[CalibrationStream("demo", "demo")],
            feed=LiveFeed,
            surroundings=Surroundings(on_saved=self.saved.append),
            **options,
        )
        self._camera = threading.Thread(target=self._play, daemon=True)

    def save(self, support: SupportSet) -> Path:
        support.save(self.target)
        return self.target

    def _play(self) -> None:
        began_s, seq = time.monotonic(), 0
        while not self._stopped.wait(0.02):
            now_s = time.monotonic()
            image = self.pictures[seq % len(self.pictures)]
            self.session.enqueue_frame(Frame(image, seq, now_s, "arrival", now_s - began_s, "demo"))
            seq += 1

    def __enter__(self) -> "Running":
        self.session.__enter__()
        self._camera.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._camera.join()
        self.session.__exit__()

    def ask(self, kind: str, **content: Any) -> int:
        """Sends a message; returns the position in `received` where its answers start."""
        at = len(self.page.received)
        message = {"type": f"calibrate.{kind}", **content}
        CALIBRATE.from_client.validate(message)
        self.session.on_message(self.page, message)
        return at

    def do(self, kind: str, wanted: Callable[[dict[str, Any]], Any] = bool, **content: Any) -> dict[str, Any]:
        """Says something and waits for the state that is wanted."""
        return self.page.next("calibrate.state", self.ask(kind, **content), wanted)

    def take(self, valence: float, arousal: float, count: int) -> dict[str, Any]:
        return self.do("take", lambda s: len(s["samples"]) == count, valence=valence, arousal=arousal)
