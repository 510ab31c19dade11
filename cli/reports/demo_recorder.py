"""Measurements of the demo: estimates with script and baselines, and the messages that a real client receives."""

import json
import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from mtclar.cli.reports.demo_scores import Row
from mtclar.engine.tracker import Tracker
from mtclar.stream.pipeline.summary import percentiles
from mtclar.stream.protocol.messages import PROTOCOL, AffectMessage
from mtclar.stream.sinks import Sink

CLIENT_TIMEOUT_S = 5.0


class Recorder(Sink):
    """A sink that keeps a row for each frame with exactly one measured face."""

    own_thread = False  # so that every row is there when the run ends

    def __init__(self, tracker: Tracker) -> None:
        self.rows: list[Row] = []
        self._labels = tracker.supports[0].labels

    def affect(self, message: AffectMessage) -> None:
        """Keeps the estimates of one frame."""
        measured = [face for face in message.faces if face.raw is not None]
        if message.truth is None or len(measured) != 1:
            return
        (face,) = measured
        raw = face.raw
        if raw is None or raw.nearest is None or face.valence is None or face.arousal is None:
            return
        nearest = self._labels[raw.nearest]
        self.rows.append(
            Row(
                t_s=message.pts_s,
                script=message.truth,
                mtclar=(face.valence, face.arousal),
                absolute=raw.absolute,
                nearest=(float(nearest[0]), float(nearest[1])),
                sd=(raw.valence_sd, raw.arousal_sd),
            )
        )


class LatencyClient:
    """A websocket client in a thread, which measures the latency of `affect` messages from capture to receipt.

    Its clock is the server's.
    """

    def __init__(self, url: str) -> None:
        self.latencies_ms: list[float] = []
        self._arrivals_s: list[float] = []
        self._url = url
        self._open = ExitStack()
        self._thread = threading.Thread(target=self._listen, name="demo-client", daemon=True)

    def __enter__(self) -> Self:
        self._connection = self._open.enter_context(
            connect(
                self._url,
                subprotocols=[Subprotocol(PROTOCOL)],
                proxy=None,
                open_timeout=CLIENT_TIMEOUT_S,
                close_timeout=CLIENT_TIMEOUT_S,
            )
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        self._thread.join(CLIENT_TIMEOUT_S)

    @property
    def messages_per_s(self) -> float:
        """Received `affect` messages a second."""
        span_s = self._arrivals_s[-1] - self._arrivals_s[0] if self._arrivals_s else 0.0
        return round((len(self._arrivals_s) - 1) / span_s, 2) if span_s > 0 else 0.0

    @property
    def latency_ms(self) -> dict[str, float | None]:
        """p50, p95 and p99 from capture to received."""
        return percentiles(self.latencies_ms)

    def _listen(self) -> None:
        try:
            for text in self._connection:
                now_s = time.monotonic()
                message = json.loads(text)
                if message["type"] == "affect":
                    self._arrivals_s.append(now_s)
                    self.latencies_ms.append(1e3 * (now_s - message["t_capture"]))
        except ConnectionClosed:
            return  # the server closes first
