"""What the server says in `mtclar.v1`: frozen dataclasses that `encode()` to UTF-8 JSON, floats of four decimals.

docs/protocol/README.md describes each with an example; docs/protocol/mtclar.v1.schema.json is the contract.
client_messages.py has what clients say.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mtclar.engine.data_types import Affect, Clock, Estimate

PROTOCOL = "mtclar.v1"

SourceState = Literal["connecting", "live", "stalled", "reconnecting", "ended"]
Delivery = Literal["latest", "all"]

OptionalField = Literal[
    "faults", "box", "pose", "raw", "sd", "in_support", "drift", "nearest_similarity", "similarity"
]
"""What `subscribe` may choose of each face; id, subject, state, valence, arousal and calibrated always come."""

ALL_FIELDS: frozenset[str] = frozenset(OptionalField.__args__)  # type: ignore[attr-defined]
DEFAULT_FIELDS = ALL_FIELDS - {"similarity"}

DECIMALS = 4


class ProtocolError(Exception):
    """A client said something that `mtclar.v1` does not allow; `code` and the text go back to it as `error`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which networks stand behind the values."""

    id: str
    sha256: str  # of the encoder's graph: what a support set is tied to
    backend: str


@dataclass(frozen=True, slots=True)
class SubjectInfo:
    """One support set in use."""

    subject: str
    frames: int
    labels: tuple[tuple[float, float], ...] = ()  # V/A of each frame, in the order of `similarity`

    def as_json(self) -> dict[str, Any]:
        return {"subject": self.subject, "frames": self.frames, "labels": [list(va) for va in self.labels]}


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One source, as `hello` announces it. `label` never carries credentials."""

    stream: str
    label: str
    live: bool
    size: tuple[int, int] | None  # width, height in pixels; None until a remote source is connected
    fps: float | None
    freshness: str
    subjects: tuple[SubjectInfo, ...] = ()
    truth: bool = False  # a known script of V/A comes with each frame (the demo)


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message to every client: who speaks, on which clock, and which streams there are."""

    streams: tuple[StreamInfo, ...]
    model: ModelInfo | None = None
    server: str = "mtclar-stream"
    pages: tuple[str, ...] = ()  # served besides the dashboard; each is its path too

    def encode(self, session: str, unix_s: float, monotonic_s: float) -> bytes:
        """`session` names this run of the server; the clock pair is read when a client joins."""
        return _dump(
            {
                "type": "hello",
                "protocol": PROTOCOL,
                "server": self.server,
                "session": session,
                "clock": {"unix": unix_s, "monotonic": monotonic_s},
                "model": None
                if self.model is None
                else {"id": self.model.id, "sha256": self.model.sha256, "backend": self.model.backend},
                "streams": [
                    {
                        "stream": s.stream,
                        "label": s.label,
                        "live": s.live,
                        "size": None if s.size is None else list(s.size),
                        "fps": s.fps,
                        "freshness": s.freshness,
                        "subjects": [x.as_json() for x in s.subjects],
                        "truth": s.truth,
                    }
                    for s in self.streams
                ],
                **({"pages": list(self.pages)} if self.pages else {}),
            }
        )


@dataclass(frozen=True, slots=True)
class LatencyMs:
    """Where the time from capture to message went, in milliseconds; `total` is the sum of the parts."""

    queue: float  # capture -> taken from the mailbox
    track: float  # faces found
    estimate: float  # encoded, compared, smoothed

    @property
    def total(self) -> float:
        return self.queue + self.track + self.estimate

    def as_json(self) -> dict[str, float]:
        """Rounded first and added then, so that the parts add up to the total on the wire as well."""
        parts = {name: round(getattr(self, name), DECIMALS) for name in ("queue", "track", "estimate")}
        return {**parts, "total": sum(parts.values())}


@dataclass(frozen=True, slots=True, eq=False)
class AffectMessage:
    """The answer to one frame: every face of it, with its times. A frame without a face is a message too."""

    stream: str
    seq: int  # counts the messages of this stream, from 0: a gap is a message that this client did not get
    frame: int  # counts the pictures of the source, from 0: a gap is a picture that was dropped
    t_capture_s: float
    clock: Clock
    pts_s: float
    size: tuple[int, int]  # width, height of the frame in pixels
    latency_ms: LatencyMs
    dropped: int  # pictures that the mailbox has dropped so far
    faces: tuple[Affect, ...]
    truth: tuple[float, float] | None = None  # V/A of the script, where there is one

    def encode(self, fields: frozenset[str] = DEFAULT_FIELDS) -> bytes:
        """JSON with the chosen optional fields of each face."""
        return self.encode_each((fields,))[fields]

    def encode_each(self, choices: Collection[frozenset[str]]) -> dict[frozenset[str], bytes]:
        """The same for each choice of fields. What costs is done once: clients may choose in hundreds of ways."""
        every = frozenset[str]().union(*choices)
        faces = [_rounded(_face(face, every)) for face in self.faces]
        message: dict[str, Any] = {
            "type": "affect",
            "stream": self.stream,
            "seq": self.seq,
            "frame": self.frame,
            "t_capture": self.t_capture_s,
            "clock": self.clock,
            "pts": self.pts_s,
            "size": list(self.size),
            "latency_ms": self.latency_ms.as_json(),
            "dropped": self.dropped,
            "faces": [],
        }
        if self.truth is not None:
            message["truth"] = list(self.truth)
        message = _rounded(message)
        encoded = {}
        for fields in choices:
            left_out = every - fields
            message["faces"] = [
                {name: value for name, value in face.items() if name not in left_out} for face in faces
            ]
            encoded[fields] = _json(message)
        return encoded


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """How a source is: sent when it changes, and to every client that joins."""

    stream: str
    state: SourceState
    retry_s: float | None = None  # seconds until the next try, when reconnecting
    reason: str | None = None
    reconnects: int = 0  # connections that were lost and made again so far

    def encode(self) -> bytes:
        return _dump(
            {
                "type": "status",
                "stream": self.stream,
                "state": self.state,
                "retry_s": self.retry_s,
                "reason": self.reason,
                "reconnects": self.reconnects,
            }
        )


@dataclass(frozen=True, slots=True)
class ClockMessage:
    """The server's wall clock was set: the pair that takes the place of that in `hello`."""

    unix_s: float
    monotonic_s: float

    def encode(self) -> bytes:
        return _dump({"type": "clock", "unix": self.unix_s, "monotonic": self.monotonic_s})


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """What went wrong: with what this client said, or with the server's work."""

    code: str
    message: str

    def encode(self) -> bytes:
        return _dump({"type": "error", "code": self.code, "message": self.message})


@dataclass(frozen=True, slots=True)
class SubscribedMessage:
    """What a client now gets: the answer to its `subscribe`."""

    streams: tuple[str, ...] | None
    max_hz: float | None
    fields: frozenset[str]
    delivery: Delivery

    def encode(self) -> bytes:
        return _dump(
            {
                "type": "subscribed",
                "streams": None if self.streams is None else list(self.streams),
                "max_hz": self.max_hz,
                "fields": sorted(self.fields),
                "delivery": self.delivery,
            }
        )


@dataclass(frozen=True, slots=True)
class MarkMessage:
    """A client's `mark`, told to all, so that whoever records has it."""

    label: str
    t_s: float  # on the clock of t_capture
    stream: str | None = None

    def encode(self) -> bytes:
        return _dump({"type": "mark", "label": self.label, "t": self.t_s, "stream": self.stream})


@dataclass(frozen=True, slots=True)
class AssignedMessage:
    """Who a face is now, told to all: some client said so by `assign`."""

    stream: str
    face: int
    subject: str | None

    def encode(self) -> bytes:
        return _dump({"type": "assigned", "stream": self.stream, "face": self.face, "subject": self.subject})


@dataclass(frozen=True, slots=True)
class SubjectsMessage:
    """The support sets of a stream have changed since `hello`: somebody was calibrated while it runs."""

    stream: str
    seq: int  # of the first `affect` that they stand behind
    subjects: tuple[SubjectInfo, ...]

    def encode(self) -> bytes:
        return _dump(
            {
                "type": "subjects",
                "stream": self.stream,
                "seq": self.seq,
                "subjects": [subject.as_json() for subject in self.subjects],
            }
        )


@dataclass(frozen=True, slots=True)
class CameraReadyMessage:
    """This client is the camera of a stream now: the answer to its `camera`."""

    stream: str
    number: int  # of the stream, for the header of each picture
    max_bytes: int  # of a picture with its header

    def encode(self) -> bytes:
        return _dump(
            {
                "type": "camera_ready",
                "stream": self.stream,
                "number": self.number,
                "max_bytes": self.max_bytes,
            }
        )


@dataclass(frozen=True, slots=True)
class FrameTakenMessage:
    """A picture that this client sent was taken: it may send the next one. The times let it set its clock."""

    stream: str
    seq: int  # the client's own number of the picture
    t_arrived_s: float  # when its message came in, on the clock of t_capture
    t_taken_s: float

    def encode(self) -> bytes:
        return _dump(
            {
                "type": "frame_taken",
                "stream": self.stream,
                "seq": self.seq,
                "t_arrived": self.t_arrived_s,
                "t": self.t_taken_s,
            }
        )


@dataclass(frozen=True, slots=True)
class ByeMessage:
    """The last message before the server closes the connection."""

    code: Literal["ended", "shutdown", "failed"]
    reason: str

    def encode(self) -> bytes:
        return _dump({"type": "bye", "code": self.code, "reason": self.reason})


def _face(face: Affect, fields: frozenset[str]) -> dict[str, Any]:
    x0, y0, x1, y1 = face.box
    raw = face.raw
    sd = None
    if face.valence_sd is not None and face.arousal_sd is not None:
        sd = [face.valence_sd, face.arousal_sd]
    optional: dict[str, Any] = {
        "faults": list(face.quality_issues),
        "box": [x0, y0, x1 - x0, y1 - y0],
        "pose": None if face.pose_deg is None else list(face.pose_deg),
        "raw": None if raw is None else [raw.valence, raw.arousal],
        "sd": sd,
        "in_support": None if raw is None else bool(raw.in_support),
        "drift": None if face.drift is None else list(face.drift),
        "nearest_similarity": _nearest_similarity(raw),
    }
    message: dict[str, Any] = {
        "id": int(face.track_id),
        "subject": face.subject,
        "state": face.state,
        "valence": face.valence,
        "arousal": face.arousal,
        "calibrated": face.calibrated,
    }
    message.update((name, value) for name, value in optional.items() if name in fields)
    if "similarity" in fields:
        message["similarity"] = [] if raw is None else raw.similarity.tolist()
    return message


def _nearest_similarity(raw: Estimate | None) -> float | None:
    if raw is None or raw.nearest is None:
        return None
    return float(raw.similarity[raw.nearest])


def _dump(message: Mapping[str, Any]) -> bytes:
    return _json(_rounded(message))


def _json(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _rounded(value: Any) -> Any:
    if isinstance(value, (float, np.floating)):
        return round(float(value), DECIMALS)
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
