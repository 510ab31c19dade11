"""A video file: opened as a file whatever its name, with its video stream, the times of its pictures and its length."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error

from mtclar.engine.errors import SourceError
from mtclar.stream.sources.base import HEIF_HINT, HEIF_SUFFIXES
from mtclar.stream.sources.decoding.frames import announced_fps, first_frame_s, reason_of, video_stream
from mtclar.stream.sources.times import TimeLine

MEASURED_PACKETS, MEASURED_BYTES = 100, 32 << 20
"""The first packets of a file, up to one of these limits, give its frame period and its longest pause."""

DECLARES_LENGTH = ("mov", "matroska", "avi", "flv")
"""Formats whose header has the length; of other formats FFmpeg estimates it, or hides it in a file that is cut."""

MIN_MISSING_S, MIN_MISSING_PERIODS = 0.2, 2.5
"""A file that ends earlier than its header says by more than both is cut off; less is how headers are rounded."""

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet with a picture that is shown; times in ticks of the stream, None without one."""

    pts: int | None
    dts: int | None
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class PictureIndex:
    """The pictures of a file in their order on the screen, as its packets announce them."""

    pts: Sequence[int | None]  # [n] in ticks of the stream
    stamps_s: Sequence[float | None]  # [n]


class MediaFile:
    """A video file that can be opened many times. Raises SourceError, which calls it by `label`.

    `stream` is the number of the video stream to read, by default the largest. Texts about the file go to `warn`.
    `first_frame_s` is the time of the first frame as players show it: its sound may begin earlier.
    """

    def __init__(self, path: Path, label: str, warn: Warn, stream: int | None = None) -> None:
        self.label = label
        self._path = path
        self._number = stream
        self._warn = warn
        if path.suffix.lower() in HEIF_SUFFIXES:
            raise SourceError(f"{label} is a photo in HEIF, which cannot be read here", HEIF_HINT)
        with self._container() as container:
            video = video_stream(container, label, stream, warn)
            self._announced_fps = announced_fps(video)
            self.first_frame_s = first_frame_s(container, video)
            self._end_s = _declared_end_s(container, video)
            self._first_stamps_s = [
                float(packet.pts * video.time_base)
                for packet in _first(_packets(container, video, lambda _: None))
                if packet.pts is not None and video.time_base is not None
            ]

    @property
    def length_s(self) -> float | None:
        """Seconds from the first frame to the end, as the header says; None if it does not."""
        return None if self._end_s is None else max(self._end_s - (self._first_stamps_s or [0.0])[0], 0.0)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def fps(self) -> float | None:
        """Frames per second: announced, otherwise measured; None when unknown."""
        if self._announced_fps is None and len(self._first_stamps_s) > 1:
            return 1.0 / self.time_line().period_s
        return self._announced_fps

    def time_line(self) -> TimeLine:
        """A new time line, to be called with the stamp of each picture in order."""
        return TimeLine(self._announced_fps, first_stamps_s=self._first_stamps_s)

    @contextmanager
    def open(self, from_byte: int = 0) -> Iterator[tuple[Any, Any]]:
        """PyAV's container and video stream."""
        with self._container(from_byte) as container:
            yield container, video_stream(container, self.label, self._number)

    def index(self) -> PictureIndex:
        """Reads every packet without decoding; warns of a file that breaks off."""
        with self.open() as (container, video):
            packets = list(_packets(container, video, self._warn))
            base = video.time_base
        pts = [packet.pts for part in _parts(packets) for packet in part]
        stamps_s = [None if ticks is None or base is None else float(ticks * base) for ticks in pts]
        self.check_length(max((stamp_s for stamp_s in stamps_s if stamp_s is not None), default=0.0))
        return PictureIndex(pts, stamps_s)

    def check_length(self, last_stamp_s: float) -> None:
        """Warns when the file ends long before its header says; `last_stamp_s` is the last picture that was read."""
        period_s = self.time_line().period_s
        tolerance_s = max(MIN_MISSING_S, MIN_MISSING_PERIODS * period_s)
        if self._end_s is None or self._end_s - last_stamp_s - period_s <= tolerance_s:
            return
        # Perhaps its sound is longer, or its last pictures are damaged: look at all packets.
        with self.open() as (container, video):
            ours = video.index
            ends_s = {ours: last_stamp_s + period_s}  # by stream
            for packet in _demuxed(container.demux(), lambda _: None):
                if packet.pts is not None and packet.time_base is not None:
                    length_s = float((packet.duration or 0) * packet.time_base) or period_s
                    end_s = float(packet.pts * packet.time_base) + length_s
                    ends_s[packet.stream.index] = max(ends_s.get(packet.stream.index, 0.0), end_s)
        if self._end_s - max(ends_s.values()) > tolerance_s:
            missing_s = self._end_s - ends_s[ours]
            whole_s = self._end_s - min(self._first_stamps_s, default=0.0)
            self._warn(f"it breaks off: the last {missing_s:.1f} s of {whole_s:.1f} s are missing")

    def check_pauses(self, time_line: TimeLine) -> None:
        """Warns of the pauses that the time line left out."""
        if time_line.removed_s:
            self._warn(f"its times jump: {time_line.removed_s:.1f} s without a picture are left out")
            time_line.removed_s = 0.0  # said: a loop would add the same pauses again

    @contextmanager
    def _container(self, from_byte: int = 0) -> Iterator[Any]:
        # With the protocol's name FFmpeg takes names such as `10:30.mp4` as files; other protocols are never opened,
        # whatever a playlist asks for.
        options = {"protocol_whitelist": "file"} | (
            {"skip_initial_bytes": str(from_byte)} if from_byte else {}
        )
        try:
            container = av.open(f"file:{self._path}", metadata_errors="ignore", options=options)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise SourceError(
                f"{self.label} is not a video that can be read: {reason_of(error)}",
                "it may be empty, truncated or of an unknown format; try to play it",
            ) from error
        with container:
            yield container


def _declared_end_s(container: Any, video: Any) -> float | None:
    """When the last picture ends, by the header; None if that is unknown."""
    if not container.format.name.startswith(DECLARES_LENGTH):
        return None
    if video.duration and video.time_base:
        # AVI: FFmpeg shortens the duration of a file without its index; the header counts frames, one a tick.
        ticks = max(video.duration, video.frames) if container.format.name == "avi" else video.duration
        return float(((video.start_time or 0) + ticks) * video.time_base)
    if match := re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", video.metadata.get("DURATION", "")):  # Matroska's
        return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    return container.duration / av.time_base if container.duration else None


def _demuxed(packets: Iterator[Any], warn: Warn) -> Iterator[Any]:
    """Packets up to the first read error."""
    while True:
        try:
            yield next(packets)
        except (StopIteration, av.error.EOFError):
            return
        except (av.error.FFmpegError, OSError) as error:
            warn(f"reading stopped early: {reason_of(error)}")
            return


def _packets(container: Any, video: Any, warn: Warn) -> Iterator[Packet]:
    for packet in _demuxed(container.demux(video), warn):
        if packet.size and not packet.is_discard:
            yield Packet(packet.pts, packet.dts, packet.size)


def _first(packets: Iterator[Packet]) -> Iterator[Packet]:
    size = 0
    for count, packet in enumerate(packets, 1):
        yield packet
        size += packet.size
        if count >= MEASURED_PACKETS or size >= MEASURED_BYTES:
            return


def _parts(packets: Sequence[Packet]) -> Iterator[list[Packet]]:
    """The packets in the order of their pictures on the screen.

    Decoding times go back only where a recorder started anew, and stamps of different recordings are not compared.
    """
    part: list[Packet] = []
    before: int | None = None
    for packet in packets:
        if packet.dts is not None:
            if before is not None and packet.dts < before:
                yield _sorted(part)
                part = []
            before = packet.dts
        part.append(packet)
    yield _sorted(part)


def _sorted(part: list[Packet]) -> list[Packet]:
    times = [packet.dts if packet.pts is None else packet.pts for packet in part]
    if None in times:  # raw streams: the order of the packets is all there is
        return part
    return [packet for _, packet in sorted(zip(times, part, strict=True), key=lambda pair: pair[0] or 0)]
