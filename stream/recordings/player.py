"""Serves a recording as if it were live: the same messages with the same times, paced by the recording's own clock."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Self

from mtclar.engine.errors import UsageError
from mtclar.stream.protocol.messages import (
    AffectMessage,
    ByeMessage,
    ClockMessage,
    Hello,
    StatusMessage,
    StreamInfo,
    SubjectsMessage,
)
from mtclar.stream.recordings.reader import Event, Recording, Timed
from mtclar.stream.server.clock import ClockPair
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.limits import MAX_QUEUED
from mtclar.stream.server.server import Server

TICK_S = 0.1
BUSY_S = 0.001
MOST_QUEUED = MAX_QUEUED // 2
"""At a speed that the server's event loop cannot follow, the player waits for it."""


class RecordedClock(ClockPair):
    """The clock of the recording: it stands still until `start`, then it runs at `speed`."""

    def __init__(self, unix_offset_s: float, t_s: float, speed: float, now: Callable[[], float]) -> None:
        self.unix_offset_s = unix_offset_s
        self._from_s = t_s
        self._speed = speed
        self._now = now
        self._started_s: float | None = None
        super().__init__(self._time, lambda: self._time() + self.unix_offset_s)

    def start(self) -> None:
        """Lets the clock run."""
        self._started_s = self._now()

    def wait_s(self, t_s: float) -> float:
        """Seconds until this clock shows `t_s`; 0 or less when it has passed."""
        return (t_s - self._time()) / self._speed

    def read(self) -> tuple[float, float]:
        """The present moment as (Unix, monotonic) time of the recording."""
        t_s = self._time()
        return t_s + self.unix_offset_s, t_s

    def read_if_set(self) -> None:
        """Never: the recording has its own messages about that."""
        return

    def _time(self) -> float:
        if self._started_s is None:
            return self._from_s
        return self._from_s + (self._now() - self._started_s) * self._speed


class Player:
    """A server with a recording in place of pipelines; a context manager that listens from enter to exit.

    It begins `start_s` seconds after the first message. Two replays send the same messages; only the session's name in
    `hello` differs. Raises UsageError when the recording ends before `start_s`.
    """

    def __init__(
        self,
        recording: Recording,
        config: ServerConfig | None = None,
        *,
        speed: float = 1.0,
        start_s: float = 0.0,
        version: str = "",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.recording = recording
        self._version = version
        self._messages = recording.messages()
        self._streams = {info.stream: marked_as_recorded(info, recording) for info in recording.streams}
        self.bye = ByeMessage("shutdown", "the server is stopping")
        first = next(self._messages, None)
        if first is None:
            raise UsageError(f"{recording.folder} has no message", "nothing was recorded")
        offset_s = recording.unix_s - recording.monotonic_s
        self._clock = RecordedClock(offset_s, first[0] + start_s, speed, now)
        self._skipped: dict[str, StatusMessage] = {}  # the last state of each stream before the start
        following: Timed | None = first
        while following is not None and following[0] < first[0] + start_s:
            self._skip(following[1])
            following = next(self._messages, None)
        if following is None:
            raise UsageError(f"{recording.folder} ends before {start_s:g} s", "choose an earlier start")
        self._next = following
        self.server = Server(config, hello=self._hello, clocks=self._clock)

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close(self.bye)

    def run(self, stopped: threading.Event, *, wait: bool = False) -> int:
        """Sends the messages until the recording ends or `stopped` is set; returns how many frames it has sent.

        `wait`: the first message is sent once a client has connected.
        """
        while wait and not self.server.clients and not stopped.is_set():
            stopped.wait(TICK_S)
        for status in self._skipped.values():
            self.server.publish(status)
        self._clock.start()
        frames = 0
        following: Timed | None = self._next
        while following is not None:
            t_s, message = following
            while (left_s := self._clock.wait_s(t_s)) > 0 and not stopped.is_set():
                stopped.wait(left_s)
            while self.server.queued > MOST_QUEUED and not stopped.is_set():
                stopped.wait(BUSY_S)
            if stopped.is_set():
                return frames
            self._take_over(message)
            self.server.publish(message)
            frames += isinstance(message, AffectMessage)
            following = next(self._messages, None)
        self.bye = ByeMessage("ended", "the recording has ended")
        return frames

    def _skip(self, message: AffectMessage | Event) -> None:
        """Takes over what still holds at the start."""
        self._take_over(message)
        if isinstance(message, StatusMessage):
            self._skipped[message.stream] = message

    def _take_over(self, message: AffectMessage | Event) -> None:
        """What later clients get with `hello`."""
        match message:
            case SubjectsMessage(stream, _, subjects) if stream in self._streams:
                self._streams[stream] = replace(self._streams[stream], subjects=subjects)
            case ClockMessage(unix_s, monotonic_s):
                self._clock.unix_offset_s = unix_s - monotonic_s

    def _hello(self) -> Hello:
        return Hello(
            streams=tuple(self._streams.values()),
            model=self.recording.model,
            server=f"mtclar-stream {self._version}".strip(),
        )


def marked_as_recorded(info: StreamInfo, recording: Recording) -> StreamInfo:
    """Nobody should take a recording for the present."""
    return replace(info, label=f"{info.label}, recorded {recording.started[:16].replace('T', ' ')} UTC")
