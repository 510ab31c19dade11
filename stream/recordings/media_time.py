"""A recording of files by the time of the media: they were tracked faster or slower than they play."""

import heapq
import math
from collections.abc import Iterator
from dataclasses import replace
from operator import itemgetter
from typing import Protocol

import numpy as np

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
    keep their place between the frames.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        sent_s, pts_s = recording.progress()
        order = np.argsort(sent_s, kind="stable")
        self._sent_s, self._pts_s = sent_s[order], np.maximum.accumulate(pts_s[order])
        self._first_pts_s = float(pts_s.min()) if len(pts_s) else 0.0
        self.length_s = float(pts_s.max()) - self._first_pts_s if len(pts_s) else 0.0
        span = recording.span()
        self._began_s = 0.0 if span is None else span[0]

    def span(self) -> tuple[float, float] | None:
        """The times of the first and the last message."""
        return self._began_s, self._began_s + self.length_s

    def events(self) -> Iterator[tuple[float, Event]]:
        """All messages but frames."""
        for sent_s, event in self._recording.events():
            t_s = self._place(sent_s)
            match event:
                case MarkMessage():
                    yield t_s, replace(event, t_s=self._place(event.t_s))
                case ClockMessage():
                    yield t_s, ClockMessage(event.unix_s - event.monotonic_s + t_s, t_s)
                case _:
                    yield t_s, event

    def messages(self, since_s: float = -math.inf) -> Iterator[Timed]:
        """Frames and events at `since_s` or later."""
        events = (timed for timed in self.events() if timed[0] >= since_s)
        streams = [self._frames(info.stream, since_s) for info in self._recording.streams]
        return heapq.merge(events, *streams, key=itemgetter(0))

    def _frames(self, stream: str, since_s: float) -> Iterator[tuple[float, AffectMessage]]:
        """Of one stream: files are not tracked at the same speed."""
        offset_s = self._began_s - self._first_pts_s
        for _, message in self._recording.frames(since_pts_s=since_s - offset_s):
            if message.stream == stream:
                t_s = message.pts_s + offset_s
                yield t_s, replace(message, t_capture_s=t_s)

    def _place(self, sent_s: float) -> float:
        """Where the files were at that moment."""
        at = int(np.searchsorted(self._sent_s, sent_s, side="right")) - 1
        return self._began_s + (float(self._pts_s[at]) - self._first_pts_s if at >= 0 else 0.0)
