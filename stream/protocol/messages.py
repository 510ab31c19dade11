"""The server's messages in `mtclar.v1`: frozen dataclasses that `encode()` to UTF-8 JSON, floats with four decimals.

A field is one line of its class: `encode` takes names and order from there. docs/protocol/README.md describes each
message with an example, mtclar.v1.schema.json is the contract, client_messages.py has the messages of clients.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np

from mtclar.engine.data_types import Affect, Clock
from mtclar.engine.spans import spanned
from mtclar.stream.protocol.face import Face

PROTOCOL = "mtclar.v1"

SourceState = Literal["connecting", "live", "stalled", "reconnecting", "ended"]
Delivery = Literal["latest", "all"]

Role = Literal["operator", "viewer", "camera"]
"""What a client may do: a viewer subscribes; an operator also marks, assigns, sends pictures and calibrates."""

OptionalField = Literal[
    "faults",
    "caveats",
    "box",
    "pose",
    "raw",
    "sd",
    "in_support",
    "drift",
    "nearest_similarity",
    "similarity",
    "absolute",
    "blendshapes",
]
"""The fields of a face that `subscribe` may choose; the others are always there."""

ALL_FIELDS: frozenset[str] = frozenset(OptionalField.__args__)  # type: ignore[attr-defined]
DEFAULT_FIELDS = ALL_FIELDS - {"similarity", "absolute", "blendshapes"}

DECIMALS = 4


class ProtocolError(Exception):
    """A client's message that `mtclar.v1` does not allow; the client gets `code` and `message` as `error`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Message:
    """A message of the server. Its `type` and the fields of its dataclass are the JSON object."""

    __slots__ = ()
    type: ClassVar[str]

    def encode(self) -> bytes:
        """The message as JSON."""
        return encode_json({"type": self.type, **_to_json(self)})


def _wire_name(name: str, **options: Any) -> Any:
    """A field whose name in JSON differs. Where a field without a default follows, mypy wants `field` itself."""
    return field(metadata={"wire": name}, **options)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The networks that computed the values."""

    id: str
    sha256: str  # of the encoder's graph: a support set fits one encoder only
    backend: str


@dataclass(frozen=True, slots=True)
class SubjectInfo:
    """One support set in use."""

    subject: str
    frames: int
    labels: tuple[tuple[float, float], ...] = ()  # V/A of each frame, in the order of `similarity`


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
class ClockReading:
    """One moment on two clocks of the server, seconds."""

    unix_s: float = _wire_name("unix")
    monotonic_s: float = _wire_name("monotonic")  # the clock of t_capture


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message to every client: the server, its clock, its model and its streams.

    `session` names this run of the server, `clock` is read when a client of this `role` connects: the server fills
    them in for each client.
    """

    type: ClassVar[str] = "hello"
    streams: tuple[StreamInfo, ...]
    model: ModelInfo | None = None
    server: str = "mtclar-stream"
    pages: tuple[str, ...] = ()  # besides the dashboard; a name is also a path
    session: str = ""
    role: Role = "operator"
    preview: bool = False  # operators may ask for the picture
    clock: ClockReading = ClockReading(0.0, 0.0)

    def encode(self) -> bytes:
        """The message as JSON."""
        pages = self.pages if self.role == "operator" else ()  # none of them is for viewers
        camera = self.role == "camera"  # which learns nothing of the people
        streams = [replace(info, subjects=()) for info in self.streams] if camera else self.streams
        hello = {
            "type": self.type,
            "protocol": PROTOCOL,
            "server": self.server,
            "session": self.session,
            "role": self.role,
            "clock": self.clock,
            "model": self.model,
            "streams": streams,
        }
        given = {"pages": pages, "preview": self.preview}
        return encode_json(_to_json(hello | {name: value for name, value in given.items() if value}))


@dataclass(frozen=True, slots=True)
class LatencyMs:
    """The latency from capture to message in milliseconds; `total` is the sum of the parts."""

    queue: float  # capture -> taken from the mailbox
    track: float  # faces found
    estimate: float  # encoded, compared, smoothed

    @property
    def total(self) -> float:
        return self.queue + self.track + self.estimate

    def as_json(self) -> dict[str, float]:
        """The parts are rounded before they are added, so that their sum is the total in JSON as well."""
        parts = {name: round(getattr(self, name), DECIMALS) for name in ("queue", "track", "estimate")}
        return {**parts, "total": sum(parts.values())}


FaceT = TypeVar("FaceT", Affect, Face)


@dataclass(frozen=True, slots=True, eq=False)
class FrameMessage(Generic[FaceT]):
    """One frame: its faces, of which there may be none, and its times.

    In the server the faces are the engine's results (AffectMessage), in a client what the JSON says of them
    (ReceivedAffect).
    """

    type: ClassVar[str] = "affect"
    stream: str
    seq: int  # number of the message in its stream, from 0: a gap is a message that this client did not get
    frame: int  # number of the frame in its source, from 0: a gap is a dropped frame
    t_capture_s: float = field(metadata={"wire": "t_capture"})  # on the server's monotonic clock
    clock: Clock
    pts_s: float = field(metadata={"wire": "pts"})  # of the source, from 0 at its first frame
    size: tuple[int, int]  # width, height of the frame in pixels
    latency_ms: LatencyMs
    dropped: int  # frames that the mailbox has dropped so far
    faces: tuple[FaceT, ...]
    truth: tuple[float, float] | None = None  # known V/A of a scripted stream


@dataclass(frozen=True, slots=True, eq=False)
class ReceivedAffect(FrameMessage[Face]):
    """An `affect` message that a client received."""

    faces: tuple[Face, ...]


@dataclass(frozen=True, slots=True, eq=False)
class AffectMessage(FrameMessage[Affect]):
    """An `affect` message that the server sends, and that sinks get."""

    faces: tuple[Affect, ...]

    def encode(self, fields: frozenset[str] = DEFAULT_FIELDS) -> bytes:
        """JSON with the chosen optional fields of each face."""
        return self.encode_each((fields,))[fields]

    @spanned("serialise")
    def encode_each(self, choices: Collection[frozenset[str]]) -> dict[frozenset[str], bytes]:
        """The same for several choices of fields; rounding, the largest cost, is done once for all of them."""
        every = frozenset[str]().union(*choices)
        faces = [_to_json(Face.of(face, every)) for face in self.faces]
        message: dict[str, Any] = {
            "type": self.type,
            "stream": self.stream,
            "seq": self.seq,
            "frame": self.frame,
            "t_capture": self.t_capture_s,
            "clock": self.clock,
            "pts": self.pts_s,
            "size": self.size,
            "latency_ms": self.latency_ms.as_json(),
            "dropped": self.dropped,
            "faces": [],
        }
        if self.truth is not None:
            message["truth"] = self.truth
        message = _to_json(message)
        encoded = {}
        for chosen in choices:
            left_out = ALL_FIELDS - chosen
            message["faces"] = [
                {name: value for name, value in face.items() if name not in left_out} for face in faces
            ]
            encoded[chosen] = encode_json(message)
        return encoded


@dataclass(frozen=True, slots=True)
class StatusMessage(Message):
    """The state of a source: sent when it changes, and to every new client."""

    type: ClassVar[str] = "status"
    stream: str
    state: SourceState
    retry_s: float | None = None  # seconds until the next try, when reconnecting
    reason: str | None = None
    reconnects: int = 0  # so far


@dataclass(frozen=True, slots=True)
class ClockMessage(Message):
    """The server's wall clock was set: this pair replaces that of `hello`."""

    type: ClassVar[str] = "clock"
    unix_s: float = _wire_name("unix")
    monotonic_s: float = _wire_name("monotonic")


@dataclass(frozen=True, slots=True)
class ErrorMessage(Message):
    """An error in a message of this client or in the server's work."""

    type: ClassVar[str] = "error"
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class SubscribedMessage(Message):
    """The reply to `subscribe`: what the client receives from now on."""

    type: ClassVar[str] = "subscribed"
    streams: tuple[str, ...] | None
    max_hz: float | None
    fields: frozenset[str]
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class MarkMessage(Message):
    """The label of a moment, sent to all clients, for recordings."""

    type: ClassVar[str] = "mark"
    label: str
    t_s: float = _wire_name("t")  # on the clock of t_capture
    stream: str | None = None


@dataclass(frozen=True, slots=True)
class AssignedMessage(Message):
    """The subject of a face has changed by a client's `assign`; sent to all."""

    type: ClassVar[str] = "assigned"
    stream: str
    face: int
    subject: str | None


@dataclass(frozen=True, slots=True)
class SubjectsMessage(Message):
    """The support sets of a stream have changed since `hello`, by a calibration."""

    type: ClassVar[str] = "subjects"
    stream: str
    seq: int  # of the first `affect` that uses them
    subjects: tuple[SubjectInfo, ...]


@dataclass(frozen=True, slots=True)
class RecordingMessage(Message):
    """Whether the run is recorded: sent when that changes, and to every new client of a server that can record."""

    type: ClassVar[str] = "recording"
    recording: bool
    session: str = ""  # its name, if it has one
    since_s: float | None = field(default=None, metadata={"wire": "since"})  # on the clock of t_capture
    video: bool = False  # pictures as well


@dataclass(frozen=True, slots=True)
class RecordedMark:
    """A mark of the recording that is played."""

    label: str
    position_s: float = _wire_name("position")  # from the beginning
    stream: str | None = None


@dataclass(frozen=True, slots=True)
class PlaybackMessage(Message):
    """What is played of a recording: sent when a client changes it, at its end, and to every new client."""

    type: ClassVar[str] = "playback"
    playing: bool
    position_s: float = field(metadata={"wire": "position"})  # now, from the beginning
    speed: float
    length_s: float = _wire_name("length")
    marks: tuple[RecordedMark, ...] = ()


@dataclass(frozen=True, slots=True)
class CameraReadyMessage(Message):
    """The reply to `camera`: this client is the camera of a stream now."""

    type: ClassVar[str] = "camera_ready"
    stream: str
    number: int  # of the stream, for the header of each picture
    max_bytes: int  # of a picture with its header


@dataclass(frozen=True, slots=True)
class FrameTakenMessage(Message):
    """A frame of this client was accepted: it may send the next one. The times let it synchronise its clock."""

    type: ClassVar[str] = "frame_taken"
    stream: str
    seq: int  # the client's own number of the picture
    t_arrived_s: float = _wire_name("t_arrived")  # of its message, on the clock of t_capture
    t_taken_s: float = _wire_name("t")


@dataclass(frozen=True, slots=True)
class ByeMessage(Message):
    """The last message before the server closes the connection."""

    type: ClassVar[str] = "bye"
    code: Literal["ended", "shutdown", "failed"]
    reason: str


def encode_json(message: dict[str, Any]) -> bytes:
    """A message as it is sent, of an extension of the server too."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _to_json(value: Any) -> Any:
    """Dataclasses as objects, tuples as lists, sets sorted, floats rounded."""
    if type(value) is float:  # most values: exact types are compared faster than isinstance does
        return round(value, DECIMALS)
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, float | np.floating):  # of numpy, whose own rounding differs in the last digit
        return round(float(value), DECIMALS)
    kind: Any = type(value)
    return {wire: _to_json(getattr(value, name)) for name, wire in _wire_names(kind)}


@cache
def _wire_names(kind: Any) -> list[tuple[str, str]]:
    """The fields of a dataclass and their names in JSON."""
    return [(one.name, one.metadata.get("wire", one.name)) for one in fields(kind)]
