"""Time of each stage of a frame, frame after frame in one thread."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TypeVar

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from mtclar.cli.benchmark.material import FPS, Material, retimed
from mtclar.engine import models
from mtclar.engine.backends.session import open_sessions
from mtclar.engine.data_types import Affect, Estimate, FaceCrop, Frame
from mtclar.engine.errors import MtclarError
from mtclar.engine.estimate import DEFAULT_SMOOTHER
from mtclar.engine.estimate.comparer import Comparer
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.estimate.smoothing import make_smoother
from mtclar.engine.face.detector import Detector
from mtclar.engine.face.face_tracker import MIN_SCORE
from mtclar.engine.face.landmarks import FaceMesh, Mesh, roi_of_detection, roi_of_points
from mtclar.engine.face.track_registry import Track, TrackRegistry
from mtclar.stream.pipeline.summary import percentiles
from mtclar.stream.protocol.messages import PROTOCOL, AffectMessage, LatencyMs
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server
from mtclar.stream.sources import open_source

STAGES = ("decode", "detect", "landmarks", "align", "encode", "pair", "smooth", "serialise", "send")
WARM_UP_FRAMES = 10
SEND_TIMEOUT_S = 5.0

Result = TypeVar("Result")


class Stopwatch:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self.taken_ms: dict[str, list[float]] = {stage: [] for stage in STAGES}

    def time(self, stage: str, work: Callable[[], Result]) -> Result:
        """Runs `work` and stores its time."""
        started_s = time.perf_counter()
        result = work()
        self.taken_ms[stage].append(1e3 * (time.perf_counter() - started_s))
        return result

    def percentiles(self) -> dict[str, dict[str, float | None]]:
        return {stage: percentiles(taken[WARM_UP_FRAMES:]) for stage, taken in self.taken_ms.items()}


def measure(material: Material, backend: str, threads: int, count: int) -> dict[str, dict[str, float | None]]:
    """`stages_ms` of `count` pictures with a face. MtclarError when the clip shows too few.

    `detect` is measured on every picture, although a tracker runs it about once a second; `pair` is the pair network
    and the rule that combines its outputs; `send` is from a message's bytes to the client's socket.
    """
    watch = Stopwatch()
    with ExitStack() as stack:
        opened = open_sessions([models.path(name) for name in models.NAMES], backend, threads)
        for session in opened.sessions:
            stack.enter_context(session)
        detector, mesh, encoder, pair = opened.sessions
        chain = _Chain(watch, Detector(detector), FaceMesh(mesh), Encoder(encoder))
        comparer = stack.enter_context(Comparer(pair, material.support))
        smoother = make_smoother(DEFAULT_SMOOTHER)
        sender = stack.enter_context(_sender())
        source = stack.enter_context(closing(open_source(material.clip, loop=True)))
        pictures = retimed(source.frames(), FPS)
        measured = 0
        for _ in range(4 * (count + WARM_UP_FRAMES)):
            frame = watch.time("decode", lambda: next(pictures))
            crop = chain.find(frame)
            if crop is None:
                continue
            crops = crop.image[None]
            encoded = watch.time("encode", lambda crops=crops: chain.encoder(crops))  # type: ignore[misc]
            (estimate,) = watch.time("pair", lambda encoded=encoded: comparer(encoded))  # type: ignore[misc]
            value, sd = watch.time(
                "smooth",
                lambda frame=frame, estimate=estimate: smoother(  # type: ignore[misc]
                    frame.pts_s,
                    (estimate.valence, estimate.arousal),
                    (estimate.valence_sd, estimate.arousal_sd),
                ),
            )
            subject = None if material.support is None else material.support.subject
            message = _message(frame, crop, estimate, value, sd, subject)
            serialised_s = time.perf_counter()
            watch.time("serialise", message.encode)
            serialised_s = time.perf_counter() - serialised_s
            watch.taken_ms["send"].append(max(0.0, 1e3 * (sender(message) - serialised_s)))
            measured += 1
            if measured == count + WARM_UP_FRAMES:
                return watch.percentiles()
    raise MtclarError(
        f"only {measured} pictures of {material.clip} show a face that can be followed",
        "name a clip with a face in most of it",
    )


class _Chain:
    """Finds and crops the largest face of a picture as the tracker does, with each step timed."""

    def __init__(self, watch: Stopwatch, detector: Detector, mesh: FaceMesh, encoder: Encoder) -> None:
        self._watch, self._detector, self._mesh = watch, detector, mesh
        self.encoder = encoder
        self._registry = TrackRegistry(models.card("encoder").identity.framing)
        self._track: Track | None = None
        self._last: Mesh | None = None

    def find(self, frame: Frame) -> FaceCrop | None:
        detections = self._watch.time("detect", lambda: self._detector(frame.image))
        if self._last is None:
            if not detections:
                return None
            roi = roi_of_detection(detections[0])
        else:
            roi = roi_of_points(self._last.points)
        mesh = self._watch.time("landmarks", lambda: self._mesh(frame.image, roi))
        self._last = mesh if mesh.score >= MIN_SCORE else None
        if self._last is None:
            return None
        if self._track is None or self._track not in self._registry.tracks:
            self._track = self._registry.start(mesh, frame.pts_s)
        track = self._track
        faces = self._watch.time("align", lambda: self._registry.report(frame, {track: mesh}))
        return faces.crops[0]


@contextmanager
def _sender() -> Iterator[Callable[[AffectMessage], float]]:
    """A server with one real client; the function sends a message and returns the seconds until it was written."""
    written = threading.Event()
    with (
        Server(ServerConfig(port=0), on_sent=lambda _: written.set()) as server,
        connect(server.ws_url, subprotocols=[Subprotocol(PROTOCOL)], proxy=None) as client,
    ):
        reading = threading.Thread(target=_read_all, args=(client,), daemon=True)
        client.recv(SEND_TIMEOUT_S)  # hello: from now on it is a client
        reading.start()

        def send(message: AffectMessage) -> float:
            written.clear()
            started_s = time.perf_counter()
            server.publish(message)
            if not written.wait(SEND_TIMEOUT_S):
                raise MtclarError(f"a message was not written in {SEND_TIMEOUT_S:g} s")
            return time.perf_counter() - started_s

        yield send
    reading.join(SEND_TIMEOUT_S)


def _read_all(client: ClientConnection) -> None:
    with suppress(ConnectionClosed):  # that is how it ends
        for _ in client:
            pass


def _message(
    frame: Frame, crop: FaceCrop, estimate: Estimate, value: np.ndarray, sd: np.ndarray, subject: str | None
) -> AffectMessage:
    affect = Affect(
        track_id=crop.track_id,
        subject=subject,
        state="ok",
        box=crop.box,
        pose_deg=crop.pose_deg,
        valence=float(value[0]),
        arousal=float(value[1]),
        valence_sd=float(sd[0]),
        arousal_sd=float(sd[1]),
        raw=estimate,
        quality_issues=(),
    )
    return AffectMessage(
        stream=frame.stream_id,
        seq=frame.seq,
        frame=frame.seq,
        t_capture_s=frame.t_capture_s,
        clock=frame.clock,
        pts_s=frame.pts_s,
        size=(frame.image.shape[1], frame.image.shape[0]),
        latency_ms=LatencyMs(queue=0.1, track=5.0, estimate=1.0),
        dropped=0,
        faces=(affect,),
    )
