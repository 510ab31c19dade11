"""Plays a recording to the clients of a server, by the recording's own clock; they pause, seek and change the speed."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from mtclar.engine.errors import UsageError
from mtclar.stream.protocol.client_messages import Play
from mtclar.stream.protocol.events import HISTORY_S
from mtclar.stream.protocol.messages import (
    AffectMessage,
    ClockMessage,
    MarkMessage,
    PlaybackMessage,
    RecordedMark,
    StatusMessage,
    StreamInfo,
    SubjectsMessage,
)
from mtclar.stream.recordings.media_time import timeline_of
from mtclar.stream.recordings.reader import Event, Recording, Timed
from mtclar.stream.server.clients.client_hub import NewSession
from mtclar.stream.server.clock import ClockPair
from mtclar.stream.server.limits import MAX_QUEUED
from mtclar.stream.server.server import Server

TICK_S = 0.05  # between two looks at whether it was stopped
BUSY_S = 0.001
MOST_MARKS = 1000  # of a recording that `playback` names: every client gets them with each change
MOST_QUEUED = MAX_QUEUED // 2
"""At a speed that the server's event loop cannot follow, the playback waits for it."""


class RecordedClock(ClockPair):
    """The clock of the recording, for any thread: it stands still, or runs at a speed."""

    def __init__(self, speed: float, now: Callable[[], float]) -> None:
        self.unix_offset_s = 0.0
        self._now = now
        self._state: tuple[float, float | None, float] = (0.0, None, speed)  # replaced as a whole
        super().__init__(self._time, lambda: self._time() + self.unix_offset_s)

    @property
    def running(self) -> bool:
        """Whether it does not stand still."""
        return self._state[1] is not None

    @property
    def speed(self) -> float:
        """How many of its seconds pass in a second."""
        return self._state[2]

    def set(
        self, *, t_s: float | None = None, running: bool | None = None, speed: float | None = None
    ) -> None:
        """Changes what is given: the time that it shows, whether it runs, how fast."""
        self._state = (
            self._time() if t_s is None else t_s,
            self._now() if (self.running if running is None else running) else None,
            self.speed if speed is None else speed,
        )

    def wait_s(self, t_s: float) -> float:
        """Seconds until this clock shows `t_s`: 0 or less when it has passed, without end while it stands still."""
        left_s = t_s - self._time()
        return left_s / self.speed if self.running or left_s <= 0 else float("inf")

    def read(self) -> tuple[float, float]:
        """The present moment as (Unix, monotonic) time of the recording."""
        t_s = self._time()
        return t_s + self.unix_offset_s, t_s

    def read_if_set(self) -> None:
        """Never: the recording has its own messages about that."""
        return

    def _time(self) -> float:
        t_s, since_s, speed = self._state
        return t_s if since_s is None else t_s + (self._now() - since_s) * speed


class Playback:
    """One recording that is played; `play` is for any thread, `run` for one.

    It begins `start_s` seconds after the first message. `streams` are the recorded ones, and `statuses` their states,
    as they were at the position; `clock` is the server's clock meanwhile. Raises UsageError when nothing was recorded,
    or the recording ends before `start_s`.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        speed: float = 1.0,
        start_s: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeline = timeline_of(recording)
        span = self._timeline.span()
        if span is None:
            raise UsageError(f"{recording.folder} has no message", "nothing was recorded")
        self.recording = recording
        self.label = recording.session or recording.folder.name
        self.clock = RecordedClock(speed, now)
        self._first_s, self._length_s = span[0], span[1] - span[0]
        self._marks = tuple(islice(self._recorded_marks(), MOST_MARKS))
        if start_s > self._length_s:
            raise UsageError(f"{recording.folder} ends before {start_s:g} s", "choose an earlier start")
        self._requested: dict[str, Any] = {}  # fields of `play` that are not carried out yet
        self._wished = threading.Event()
        self._lock = threading.Lock()
        self._messages: Iterator[Timed]
        self._next: Timed | None
        self._seek(start_s)

    @property
    def statuses(self) -> list[StatusMessage]:
        """The state of each stream at the position."""
        return list(self._statuses.values())

    @property
    def streams(self) -> tuple[StreamInfo, ...]:
        """What `hello` says of them."""
        return tuple(self._streams.values())

    def play(self, request: Play) -> None:
        """Changes what the request names, between two messages."""
        with self._lock:
            self._requested |= request.model_dump(exclude={"type"}, exclude_none=True)
            self._wished.set()

    def run(self, server: Server, stopped: Callable[[], bool], *, stay: bool = False) -> int:
        """Sends the messages until the end, or until `stopped`; returns how many frames it has sent.

        `stay`: at the end it waits for a request to go back.
        """
        frames = 0
        for status in self.statuses:
            server.publish(status)
        self.clock.set(running=True)
        server.publish(self._state())
        while not stopped():
            if self._wished.is_set():
                self._carry_out(server)
            if self._next is None:
                if not stay:
                    break
                if self.clock.running:
                    self.clock.set(t_s=self._first_s + self._length_s, running=False)
                    server.publish(self._state())
                self._wished.wait(TICK_S)
                continue
            t_s, message = self._next
            if (left_s := self.clock.wait_s(t_s)) > 0:
                self._wished.wait(min(left_s, TICK_S))
            elif server.queued > MOST_QUEUED:
                self._wished.wait(BUSY_S)
            else:
                self._take_over(message)
                server.publish(message)
                frames += isinstance(message, AffectMessage)
                self._next = next(self._messages, None)
        return frames

    def _carry_out(self, server: Server) -> None:
        with self._lock:
            requested, self._requested = self._requested, {}
            self._wished.clear()
        if requested.get("playing") and self._next is None:
            requested.setdefault("position", 0.0)  # play, pressed at the end
        if "position" in requested:
            history = self._seek(min(requested["position"], self._length_s))
            server.begin_session(NewSession(self.clock, self.statuses, history))
        self.clock.set(running=requested.get("playing"), speed=requested.get("speed"))
        server.publish(self._state())

    def _state(self) -> PlaybackMessage:
        position_s = min(self.clock.monotonic() - self._first_s, self._length_s)
        return PlaybackMessage(
            self.clock.running, max(position_s, 0.0), self.clock.speed, self._length_s, self._marks
        )

    def _recorded_marks(self) -> Iterator[RecordedMark]:
        for _, event in self._timeline.events():
            if isinstance(event, MarkMessage) and 0 <= event.t_s - self._first_s <= self._length_s:
                yield RecordedMark(event.label, event.t_s - self._first_s, event.stream)

    def _seek(self, position_s: float) -> list[AffectMessage]:
        """What held at that moment holds again; returns the frames of the half minute before it."""
        t_s = self._first_s + position_s
        recording = self.recording
        self._streams = {info.stream: _marked_as_recorded(info, recording) for info in recording.streams}
        self._statuses: dict[str, StatusMessage] = {}
        self.clock.unix_offset_s = recording.unix_s - recording.monotonic_s
        for sent_s, event in self._timeline.events():
            if sent_s >= t_s:
                break
            self._take_over(event)
        self._messages = self._timeline.messages(t_s - HISTORY_S)
        self._next = next(self._messages, None)
        before = []
        while self._next is not None and self._next[0] < t_s:
            if isinstance(self._next[1], AffectMessage):
                before.append(self._next[1])
            self._next = next(self._messages, None)
        self.clock.set(t_s=t_s)  # after the reading, which takes time
        return before

    def _take_over(self, message: AffectMessage | Event) -> None:
        """What later clients get with `hello`."""
        match message:
            case StatusMessage():
                self._statuses[message.stream] = message
            case SubjectsMessage(stream, _, subjects) if stream in self._streams:
                self._streams[stream] = replace(self._streams[stream], subjects=subjects)
            case ClockMessage(unix_s, monotonic_s):
                self.clock.unix_offset_s = unix_s - monotonic_s


def _marked_as_recorded(info: StreamInfo, recording: Recording) -> StreamInfo:
    """Nobody should take a recording for the present."""
    return replace(info, label=f"{info.label}, recorded {recording.started[:16].replace('T', ' ')} UTC")
