"""A recording of files by the time of the media: they were tracked faster or slower than they play."""

import heapq
import math
from collections.abc import Iterator
from dataclasses import replace
from operator import itemgetter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mtclar.stream.protocol.messages import AffectMessage, ClockMessage, MarkMessage
from mtclar.stream.recordings.reader import Event, Recording, Timed


class Timeline(Protocol):
    """Messages in the order of their times, on a clock of their own, in seconds."""

    def span(self) -> tuple[float, float] | None:
        """The times of the first and the last message; None without a message."""

    def events(self) -> Iterator[tuple[float, Event]]:
        """All messages but frames."""

    def messages(self, since_s: float = -math.inf) -> Iterator[Timed]:
        """Frames and events at `since_s` or later."""


def timeline_of(recording: Recording) -> Timeline:
    """The messages as they were sent; by the media's time where each stream is a file that was read frame by frame."""
    if recording.streams and all(not one.live and one.freshness == "all" for one in recording.streams):
        timeline = MediaTime(recording)
        if timeline.length_s > 0:
            return timeline
    return recording


class MediaTime:
    """The recording as if its files had been tracked at the speed at which they play.

    A frame's time, and its time of capture, is its place in the file, counted from the first message. Other messages
    keep their place between the frames of their stream; those of no stream, between the frames of all.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        streams, sent_s, pts_s = recording.progress()
        self._first_pts_s = float(pts_s.min()) if len(pts_s) else 0.0
        self.length_s = float(pts_s.max()) - self._first_pts_s if len(pts_s) else 0.0
        span = recording.span()
        self._began_s = 0.0 if span is None else span[0]
        self._progress: dict[str | None, _Progress] = {None: _Progress(sent_s, pts_s)}
        for stream in np.unique(streams).tolist():
            of_it = streams == stream
            self._progress[stream] = _Progress(sent_s[of_it], pts_s[of_it])
        self._events = sorted(map(self._placed, recording.events()), key=itemgetter(0))

    def span(self) -> tuple[float, float] | None:
        """The times of the first and the last message."""
        return self._began_s, self._began_s + self.length_s

    def events(self) -> Iterator[tuple[float, Event]]:
        """All messages but frames."""
        return iter(self._events)

    def messages(self, since_s: float = -math.inf) -> Iterator[Timed]:
        """Frames and events at `since_s` or later."""
        events = (timed for timed in self._events if timed[0] >= since_s)
        streams = [self._frames(info.stream, since_s) for info in self._recording.streams]
        return heapq.merge(events, *streams, key=itemgetter(0))

    def _frames(self, stream: str, since_s: float) -> Iterator[tuple[float, AffectMessage]]:
        """Of one stream: files are not tracked at the same speed."""
        offset_s = self._began_s - self._first_pts_s
        for _, message in self._recording.frames(since_pts_s=since_s - offset_s):
            if message.stream == stream:
                t_s = message.pts_s + offset_s
                yield t_s, replace(message, t_capture_s=t_s)

    def _placed(self, timed: tuple[float, Event]) -> tuple[float, Event]:
        sent_s, event = timed
        match event:
            case ClockMessage():
                t_s = self._place(sent_s, None)
                return t_s, ClockMessage(event.unix_s - event.monotonic_s + t_s, t_s)
            case MarkMessage():
                marked = replace(event, t_s=self._place(event.t_s, event.stream))
                return self._place(sent_s, event.stream), marked
            case _:
                return self._place(sent_s, event.stream), event

    def _place(self, sent_s: float, stream: str | None) -> float:
        """Where the file of this stream was at that moment; for None the one that was furthest."""
        pts_s = self._progress.get(stream, self._progress[None]).pts_s(sent_s)
        return self._began_s + (0.0 if pts_s is None else pts_s - self._first_pts_s)


class _Progress:
    """How far files had been tracked at each moment."""

    def __init__(self, sent_s: NDArray[np.float64], pts_s: NDArray[np.float64]) -> None:
        order = np.argsort(sent_s, kind="stable")
        self._sent_s, self._pts_s = sent_s[order], np.maximum.accumulate(pts_s[order])

    def pts_s(self, sent_s: float) -> float | None:
        """Time of the frame that was sent last; None before the first."""
        at = int(np.searchsorted(self._sent_s, sent_s, side="right")) - 1
        return float(self._pts_s[at]) if at >= 0 else None
