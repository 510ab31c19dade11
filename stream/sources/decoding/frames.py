"""Decodes a PyAV container into pictures: upright, BGR, with their stamps, without the damaged ones."""

import math
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import av
import av.error
import numpy as np
from av.sidedata.sidedata import Type
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from mtclar.engine.errors import SourceError
from mtclar.engine.spans import span, spanned

# Measured on 640x480 H.264 (2 cores): one thread takes 0.45 ms a frame; frame threading takes the same wall time, 1.5 x
# the CPU, and delays by one frame a thread. It pays for pictures that take longer to decode than to analyse.
THREADED_ABOVE_PIXELS = 1920 * 1088

ATTACHED = Disposition.attached_pic | Disposition.timed_thumbnails

UNDECODABLE_PACKETS = 25
"""So many packets in a row without a picture, after decodable ones, mean a change of codec rather than damage."""

WALL_TIMES_KEPT = 64  # packets whose pictures may still come out of the decoder
DISPLAY_MATRIX = struct.Struct("=5i")  # a b u c d of a row vector's matrix, in units of 2**-16
PRODUCER_TIME = struct.Struct("<q")  # FFmpeg's AVProducerReferenceTime begins with microseconds since 1970


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One decoded picture."""

    image: NDArray[np.uint8]  # [H, W, 3] BGR, upright
    stamp_s: float | None  # the stream's own time, None without one
    unix_s: float | None  # capture time on the sender's wall clock, from RTCP sender reports


class CodecChanged(SourceError):
    """Packets arrive without pictures: from `at_byte` on the stream needs another decoder."""

    def __init__(self, label: str, at_byte: int | None) -> None:
        super().__init__(f"{label}: pictures cannot be decoded any more", "did the codec change?")
        self.at_byte = at_byte


def video_stream(
    container: Any, label: str, number: int | None = None, warn: Callable[[str], None] = lambda _: None
) -> Any:
    """The video stream `number` (from 0), by default the largest; SourceError when there is none.

    Pictures attached to a file, such as the cover of an album, do not count. Where there is a choice, `warn` is told.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & ATTACHED]
    if not streams:
        has = "only sound" if container.streams.audio else "no video"
        raise SourceError(f"{label} holds {has}", "name a file or stream with a picture")
    named = ", ".join(f"{i} ({_width(stream)}x{_height(stream)})" for i, stream in enumerate(streams))
    if number is None:
        chosen = max(range(len(streams)), key=lambda i: _width(streams[i]) * _height(streams[i]))
        if len(streams) > 1:
            warn(f"it holds the video streams {named}; {chosen} is read: stream=N chooses another")
    elif number < len(streams):
        chosen = number
    else:
        raise SourceError(f"{label} has no video stream {number}", f"its video streams: {named}")
    stream = streams[chosen]
    if stream.codec_context is None:  # FFmpeg does not know the codec, or the header that names it is damaged
        raise SourceError(f"{label} has an unknown video codec", "try to play it, or convert it to H.264")
    stream.thread_type = "AUTO" if _width(stream) * _height(stream) > THREADED_ABOVE_PIXELS else "NONE"
    return stream


def _width(stream: Any) -> int:
    return getattr(stream.codec_context, "width", 0) or 0


def _height(stream: Any) -> int:
    return getattr(stream.codec_context, "height", 0) or 0


def announced_fps(stream: Any) -> float | None:
    """Frames per second as the stream announces them; None for none or an impossible one.

    1000 and more is the clock of the container, as live recordings in WebM announce it.
    """
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate and 0 < rate < 1000 else None


def first_frame_s(container: Any, stream: Any) -> float:
    """Time of the first frame after the beginning of the container; its sound may begin earlier."""
    if stream.start_time is None or container.start_time is None:
        return 0.0
    return max(0.0, float(stream.start_time * stream.time_base) - container.start_time / av.time_base)


def readable_frames(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames, pictures or sound, up to the first read error; packets that cannot be decoded are left out."""
    for packet in readable_packets(container.demux(stream)):
        try:
            yield from packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            continue


def readable_packets(packets: Iterator[Any]) -> Iterator[Any]:
    """Packets up to the first read error."""
    while True:
        try:
            yield next(packets)
        except (StopIteration, av.error.FFmpegError, OSError):
            return


def pictures(
    container: Any,
    stream: Any,
    label: str,
    closed: threading.Event,
    warn: Callable[[str], None],
    undecodable_packets: int | None = UNDECODABLE_PACKETS,
) -> Iterator[Picture]:
    """Yields decodable pictures until the end or until `closed`; texts about damage go to `warn`.

    Raises CodecChanged after `undecodable_packets` in a row; never with None.
    """
    converted = Converter()
    packets = container.demux(stream)
    taken: OrderedDict[int, float] = OrderedDict()  # by stamp, in the stream's own ticks
    began = False
    silent, silent_since = 0, None
    while not closed.is_set():
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.EOFError:
            return
        except (av.error.FFmpegError, OSError) as error:
            warn(f"reading stopped early: {reason_of(error)}")
            return
        _store_wall_time(packet, taken)
        if silent == 0:
            silent_since = packet.pos
        silent += packet.size > 0  # the last packet is empty: it flushes the decoder
        try:
            with span("decode"):
                decoded = packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            warn(f"damaged pictures left out: {reason_of(error)}")
            decoded = []
        for picture in decoded:
            if closed.is_set():
                return
            if getattr(picture, "is_corrupt", False):
                warn("damaged pictures left out")
                continue
            silent, began = 0, True
            unix_s = None if picture.pts is None else taken.pop(picture.pts, None)
            yield Picture(converted(picture), picture.time, unix_s)
        if began and undecodable_packets is not None and silent >= undecodable_packets:
            raise CodecChanged(label, silent_since)


def _store_wall_time(packet: Any, taken: "OrderedDict[int, float]") -> None:
    """Stores the capture time that FFmpeg attaches to a packet once a sender report has arrived."""
    if packet.pts is None or not packet.has_sidedata("prft"):
        return
    (microseconds,) = PRODUCER_TIME.unpack_from(bytes(packet.get_sidedata("prft")))
    taken[packet.pts] = microseconds / 1e6
    while len(taken) > WALL_TIMES_KEPT:
        taken.popitem(last=False)


class Converter:
    """Converts the pictures of one stream to BGR, turned and mirrored by their display matrix as ffmpeg does.

    Source: fftools/ffmpeg_filter.c.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()  # a new one for each picture costs 0.35 ms at 640x480
        self._rotation: int | None = None
        self._matrix: tuple[int, ...] | None = None

    @spanned("convert")
    def __call__(self, picture: Any) -> NDArray[np.uint8]:
        """[H, W, 3] BGR, upright."""
        image = np.asarray(self._reformatter.reformat(picture, format="bgr24").to_ndarray(), np.uint8)
        if picture.rotation != self._rotation:
            # Only then: PyAV keeps a picture whose side data was read until the next garbage collection.
            self._rotation = picture.rotation
            side_data = picture.side_data.get(Type.DISPLAYMATRIX)
            self._matrix = None if side_data is None else DISPLAY_MATRIX.unpack_from(bytes(side_data))
        return np.ascontiguousarray(image if self._matrix is None else _upright(image, self._matrix))


def _upright(image: NDArray[np.uint8], matrix: tuple[int, ...]) -> NDArray[np.uint8]:
    a, b, _, c, d = matrix
    if not (a or c) or not (b or d):
        return image  # not the matrix of a rotation
    clockwise_deg = math.degrees(math.atan2(b / math.hypot(b, d), a / math.hypot(a, c))) % 360
    quarter = round(clockwise_deg / 90) % 4
    if abs((clockwise_deg + 45) % 90 - 45) > 1:
        return _turned(image, clockwise_deg)
    if quarter % 2:
        mirrored = (c > 0) if quarter == 1 else (c < 0)
        turned = np.rot90(image, -quarter)
        return turned[:, ::-1] if mirrored else turned
    flipped = image[:, ::-1] if quarter and a < 0 else image
    return flipped[::-1] if d < 0 else flipped


def _turned(image: NDArray[np.uint8], clockwise_deg: float) -> NDArray[np.uint8]:
    """Turns by any angle about the centre; the size stays, corners are lost and black."""
    import cv2

    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -clockwise_deg, 1.0)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height)), np.uint8)


def reason_of(error: BaseException) -> str:
    """The reason without the address: FFmpeg's own texts hold the URL."""
    return getattr(error, "strerror", None) or type(error).__name__
