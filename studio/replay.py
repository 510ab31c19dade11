"""Plays a recorded session to the clients of the server as if it were live, on streams of its own, from now on."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mtclar.engine.errors import UsageError
from mtclar.stream.protocol.messages import (
    AffectMessage,
    ClockMessage,
    MarkMessage,
    StatusMessage,
    SubjectsMessage,
)
from mtclar.stream.recordings.player import marked_as_recorded
from mtclar.stream.recordings.reader import Event, Recording

TICK_S = 0.1
Sent = AffectMessage | MarkMessage | StatusMessage | SubjectsMessage


class Replay:
    """One playing of a session; `number` tells its streams from those of other playings. Raises UsageError.

    Times are moved to the present: the dashboard shows the session from its left edge on, at its own pace.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._recording = Recording(folder)
        self._names = {
            info.stream: f"replay-{number}-{info.stream}"[:128] for info in self._recording.streams
        }
        self.streams = [
            replace(marked_as_recorded(info, self._recording), stream=self._names[info.stream])
            for info in self._recording.streams
        ]
        self.label = self._recording.session or self._recording.folder.name
        if not self.streams:
            raise UsageError(f"{folder} has no stream", "nothing was recorded")

    def run(self, send: Callable[[Sent], None], *stopped: threading.Event) -> bool:
        """Sends the messages at their pace; False when one of `stopped` was set before the end."""
        offset_s: float | None = None
        for t_s, message in self._recording.messages():
            if offset_s is None:
                offset_s = time.monotonic() - t_s
            while (left_s := t_s + offset_s - time.monotonic()) > 0:
                if any(event.is_set() for event in stopped):
                    return False
                time.sleep(min(left_s, TICK_S))
            if any(event.is_set() for event in stopped):
                return False
            if (moved := self._moved(message, offset_s)) is not None:
                send(moved)
        return True

    def _moved(self, message: AffectMessage | Event, offset_s: float) -> Sent | None:
        """The message on this playing's stream and clock; None for one about the recording's own clock."""
        match message:
            case ClockMessage():
                return None
            case AffectMessage():
                return replace(
                    message, stream=self._names[message.stream], t_capture_s=message.t_capture_s + offset_s
                )
            case MarkMessage():
                stream = None if message.stream is None else self._names.get(message.stream)
                return replace(message, stream=stream, t_s=message.t_s + offset_s)
            case StatusMessage() | SubjectsMessage():
                return replace(message, stream=self._names[message.stream])
