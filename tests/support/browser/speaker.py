"""The real server, with a test in the place of the tracker."""

import time
from collections.abc import Callable

import numpy as np

from mtclar.engine.data_types import Affect, Estimate, FaceState
from mtclar.stream.protocol.client_messages import Assign
from mtclar.stream.protocol.messages import (
    AffectMessage,
    Hello,
    LatencyMs,
    ModelInfo,
    StreamInfo,
    SubjectInfo,
)
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.extension import ClientHandle
from mtclar.stream.server.server import Server
from support.browser.chromium import WAIT_MS

STREAM = "demo"
FRAME_S = 0.04
LABELS = ((0.75, 0.5), (-0.5, 0.25), (0.0, -0.5))  # of every support set
SUBJECTS = (SubjectInfo("anna", 3, LABELS), SubjectInfo("ben", 3, LABELS))


class Speaker:
    """The real server, with a test in the place of the tracker."""

    def __init__(
        self,
        *,
        port: int = 0,
        token: str | None = None,
        truth: bool = False,
        live: bool = False,
        streams: tuple[str, ...] = (STREAM,),
        subjects: tuple[SubjectInfo, ...] = SUBJECTS,
        on_assign: Callable[[Assign, ClientHandle], None] | None = None,
    ) -> None:
        self.seqs = dict.fromkeys(streams, 0)
        infos = tuple(
            StreamInfo(
                stream=stream,
                label=f"{stream}: a rendered face",
                live=live,
                size=(640, 480),
                fps=25.0,
                freshness="paced",
                subjects=subjects,
                truth=truth,
            )
            for stream in streams
        )
        model = ModelInfo("encoder-1", "5c2e9f0a" * 8, "onnxruntime (CPU)")
        self.server = Server(
            ServerConfig(port=port, token=token), hello=lambda: Hello(infos, model), on_assign=on_assign
        )
        self.server.start()

    @property
    def url(self) -> str:
        return self.server.url

    @staticmethod
    def face(
        valence: float | None,
        arousal: float | None,
        *,
        track: int = 0,
        subject: str | None = "anna",
        state: FaceState = "ok",
        faults: tuple[str, ...] = (),
        in_support: bool = True,
        alike: tuple[float, ...] = (0.9, 0.2, 0.4),
        drift: tuple[str, ...] = (),
    ) -> Affect:
        """One face as the engine hands it over."""
        raw = None
        if state == "ok" and valence is not None and arousal is not None:
            similarity = np.array(alike, np.float32)
            raw = Estimate(
                valence + 0.03, arousal - 0.03, 0.08, 0.06, similarity, 0, in_support, (valence, arousal)
            )
        sd = None if valence is None else 0.08
        box = (100.0, 80.0, 300.0, 320.0)
        return Affect(
            track, subject, state, box, (1.0, 2.0, 3.0), valence, arousal, sd, sd, raw, faults, drift
        )

    def say(
        self,
        *faces: Affect,
        stream: str = STREAM,
        truth: tuple[float, float] | None = None,
        dropped: int = 0,
    ) -> int:
        """Publishes the answer to a stream's next frame and returns its seq."""
        seq = self.seqs[stream]
        self.seqs[stream] += 1
        latency_ms = LatencyMs(queue=0.5, track=3.0, estimate=4.25)
        times_s = seq * FRAME_S
        self.server.publish(
            AffectMessage(
                stream,
                seq,
                seq,
                100.0 + times_s,
                "file",
                times_s,
                (640, 480),
                latency_ms,
                dropped,
                faces,
                truth,
            )
        )
        return seq

    def tell(self, *faces: Affect) -> int:
        """Says it and waits until the one page that is connected has it: with `latest` it could be replaced."""
        written = self.server.written
        seq = self.say(*faces)
        until_s = time.monotonic() + WAIT_MS / 1e3
        while self.server.written == written:
            assert time.monotonic() < until_s
            time.sleep(0.001)
        return seq
