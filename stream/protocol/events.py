"""The messages of thresholds and of what has happened lately: `thresholds`, `event` and `history`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from mtclar.stream.protocol.messages import MarkMessage, Message, ReceivedAffect

Axis = Literal["valence", "arousal"]
Side = Literal["above", "below"]

HISTORY_S = 30.0  # what a server keeps of each stream


@dataclass(frozen=True, slots=True)
class Threshold:
    """A value of one axis, and for how long a face must be on one side of it, in seconds."""

    axis: Axis
    side: Side
    value: float  # in [-1, 1]
    seconds: float

    def __str__(self) -> str:
        return f"{self.axis} {self.side} {self.value:g} for {self.seconds:g} s"


@dataclass(frozen=True, slots=True)
class ThresholdsMessage(Message):
    """All thresholds that are watched: sent when they change, and to every new client while there are any."""

    type: ClassVar[str] = "thresholds"
    thresholds: tuple[Threshold, ...]


@dataclass(frozen=True, slots=True)
class EventMessage(Message):
    """A face has reached a threshold (`active`), or is no longer beyond it; sent to all."""

    type: ClassVar[str] = "event"
    event: Literal["threshold"]
    active: bool
    t: float  # of capture
    stream: str
    face: int
    subject: str | None
    threshold: Threshold

    @property
    def label(self) -> str:
        """The event as the label of a mark."""
        return f"{'' if self.active else 'end of '}{self.threshold}: {self.subject or f'face {self.face}'}"


@dataclass(frozen=True, slots=True)
class HistoryMessage(Message):
    """The reply to `history`: the latest messages of the subscribed streams, thinned, in order of time."""

    type: ClassVar[str] = "history"
    affect: tuple[ReceivedAffect, ...]
    marks: tuple[MarkMessage, ...]
    events: tuple[EventMessage, ...]


def encode_history(
    affect: Iterable[bytes], marks: Iterable[MarkMessage], events: Iterable[EventMessage]
) -> bytes:
    """A HistoryMessage as JSON, of `affect` messages that are encoded already."""
    lists = {
        b"affect": affect,
        b"marks": (mark.encode() for mark in marks),
        b"events": (event.encode() for event in events),
    }
    parts = [b'"%s":[%s]' % (name, b",".join(messages)) for name, messages in lists.items()]
    return b'{"type":"history",%s}' % b",".join(parts)
