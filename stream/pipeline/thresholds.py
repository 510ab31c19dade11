"""Thresholds: whether a face's valence or arousal has been above or below a value for some seconds."""

import threading
from dataclasses import dataclass

from mtclar.engine.data_types import Affect
from mtclar.stream.protocol.events import EventMessage, Threshold
from mtclar.stream.protocol.messages import AffectMessage

HYSTERESIS = 0.05  # so far back the value must be for the event to end: it would flicker otherwise


@dataclass(slots=True)
class _Watched:
    """One face and one threshold."""

    subject: str | None
    since_s: float | None = None  # beyond the threshold without a break
    active: bool = False


class ThresholdWatch:
    """Watches every face of every stream; `update` and `set` may be called by any thread.

    Only measured values count (state `ok`): a face that is turned away for a moment starts anew, and an event that has
    begun goes on until a measured value is back or the face is lost.
    """

    def __init__(self) -> None:
        self._thresholds: tuple[Threshold, ...] = ()
        self._watched: dict[tuple[str, int, Threshold], _Watched] = {}
        self._lock = threading.Lock()

    def set(self, thresholds: tuple[Threshold, ...]) -> None:
        """Replaces all thresholds; what is watched of those that stay goes on."""
        with self._lock:
            self._thresholds = tuple(dict.fromkeys(thresholds))
            self._watched = {
                key: watched for key, watched in self._watched.items() if key[2] in self._thresholds
            }

    def update(self, message: AffectMessage) -> list[EventMessage]:
        """The events of one frame."""
        with self._lock:
            if not self._thresholds:
                return []
            events = []
            present = {face.track_id: face for face in message.faces if face.state != "lost"}
            for key in [key for key in self._watched if key[0] == message.stream and key[1] not in present]:
                watched = self._watched.pop(key)
                if watched.active:
                    events.append(_event(message, key, watched.subject, active=False))
            for track, face in present.items():
                for threshold in self._thresholds:
                    key = message.stream, track, threshold
                    watched = self._watched.setdefault(key, _Watched(face.subject))
                    watched.subject = face.subject
                    if _changes(watched, face, threshold, message.t_capture_s):
                        events.append(_event(message, key, face.subject, active=watched.active))
            return events


def _changes(watched: _Watched, face: Affect, threshold: Threshold, t_s: float) -> bool:
    """Whether the event begins or ends with this measurement."""
    value = face.valence if threshold.axis == "valence" else face.arousal
    if face.state != "ok" or value is None:
        watched.since_s = None
        return False
    beyond = value - threshold.value if threshold.side == "above" else threshold.value - value
    if watched.active:
        watched.active = beyond > -HYSTERESIS
        watched.since_s = None
        return not watched.active
    if beyond <= 0:
        watched.since_s = None
        return False
    if watched.since_s is None or t_s < watched.since_s:  # or the clock of the source has changed
        watched.since_s = t_s
    watched.active = t_s - watched.since_s >= threshold.seconds
    return watched.active


def _event(
    message: AffectMessage, key: tuple[str, int, Threshold], subject: str | None, *, active: bool
) -> EventMessage:
    stream, track, threshold = key
    return EventMessage("threshold", active, message.t_capture_s, stream, track, subject, threshold)
