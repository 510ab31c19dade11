"""The sound of a recording in a rendered video: its packets as they are, or as AAC where MP4 has no place for them."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Self

import av
import av.error

from mtclar.stream.sources.decoding.frames import readable_packets
from mtclar.stream.sources.decoding.media_file import MediaFile

COPIED = frozenset({"aac", "mp3", "mp3float", "ac3", "eac3", "opus", "libopus", "flac", "alac"})
"""PyAV's names of codecs that players understand in MP4."""

AHEAD_S = 0.5  # sound is written this long before its picture


class Sound:
    """The best sound of a media file, with times from the beginning of the file; of None or a silent file none.

    A context manager. Sound that cannot be read ends where it breaks off.
    """

    def __init__(self, file: MediaFile | None) -> None:
        self._file = file
        self._stack = ExitStack()
        self._source: Any = None
        self._container: Any = None
        self._stream: Any = None
        self._packets: Iterator[Any] = iter(())
        self._next: Any = None
        self._begin_s = 0.0
        self._last_dts: int | None = None

    def __enter__(self) -> Self:
        if self._file is not None:
            opened, _ = self._stack.enter_context(self._file.open())
            self._source = opened.streams.best("audio")
            if self._source is not None and self._source.codec_context is None:
                self._source = None
            if self._source is not None:
                self._begin_s = (opened.start_time or 0) / av.time_base
                self._packets = readable_packets(opened.demux(self._source))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add_to(self, container: Any) -> None:
        """Adds a stream to an MP4 that is about to be written."""
        if self._source is None:
            return
        self._container = container
        if self._copied:
            self._stream = container.add_stream_from_template(self._source)
        else:
            self._stream = container.add_stream(
                "aac", rate=min(self._source.codec_context.sample_rate, 48_000)
            )
            self._stream.layout = "mono" if self._source.codec_context.channels == 1 else "stereo"
        self._next = next(self._packets, None)

    @property
    def _copied(self) -> bool:
        return self._source.codec_context.name in COPIED

    def write_until(self, time_s: float) -> None:
        """Writes the packets up to shortly after a time in seconds; infinity: all that are left."""
        while self._next is not None:
            packet = self._next
            base = packet.time_base
            if packet.pts is not None and float(packet.pts * base) - self._begin_s > time_s + AHEAD_S:
                return
            self._write(packet)
            self._next = next(self._packets, None)
        if self._stream is not None and not self._copied and time_s == float("inf"):
            self._container.mux(self._stream.encode())

    def _write(self, packet: Any) -> None:
        begin = round(self._begin_s / packet.time_base)
        if self._copied:
            if packet.dts is None or (self._last_dts is not None and packet.dts <= self._last_dts):
                return
            self._last_dts = packet.dts
            packet.pts, packet.dts = (None if t is None else t - begin for t in (packet.pts, packet.dts))
            packet.stream = self._stream
            self._container.mux(packet)
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            return
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= begin
            self._container.mux(self._stream.encode(frame))
