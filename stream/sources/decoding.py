"""Decodes a PyAV container into pictures: upright, BGR, with their stamps, without the damaged ones."""

import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import av
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from mtclar.engine.errors import SourceError

# Measured on 640x480 H.264 (2 cores): one thread takes 0.45 ms a frame; frame threading takes the same wall time, 1.5 x
# the CPU, and delays by one frame a thread. It pays for pictures that take longer to decode than to analyse.
THREADED_ABOVE_PIXELS = 1920 * 1088

UNDECODABLE_PACKETS = 25
"""So many packets in a row without a picture, after decodable ones, mean a change of codec rather than damage."""

WALL_TIMES_KEPT = 64  # packets whose pictures may still come out of the decoder
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


def video_stream(container: Any, label: str) -> Any:
    """The first video stream; SourceError when there is none."""
    if not container.streams.video:
        has = "only sound" if container.streams.audio else "no video"
        raise SourceError(f"{label} holds {has}", "name a file or stream with a picture")
    stream = container.streams.video[0]
    if stream.codec_context is None:  # FFmpeg does not know the codec, or the header that names it is damaged
        raise SourceError(f"{label} has an unknown video codec", "try to play it, or convert it to H.264")
    pixels = (stream.codec_context.width or 0) * (stream.codec_context.height or 0)
    stream.thread_type = "AUTO" if pixels > THREADED_ABOVE_PIXELS else "NONE"
    return stream


def announced_fps(stream: Any) -> float | None:
    """Frames per second as the stream announces them; None for none or an impossible one."""
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate and 0 < rate <= 1000 else None


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
    reformatter = VideoReformatter()  # shared: a new one for each frame costs 0.35 ms at 640x480
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
            image = np.asarray(reformatter.reformat(picture, format="bgr24").to_ndarray(), np.uint8)
            unix_s = None if picture.pts is None else taken.pop(picture.pts, None)
            turned = np.ascontiguousarray(upright(image, picture.rotation))
            yield Picture(turned, picture.time, unix_s)
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


def upright(image: NDArray[np.uint8], rotation_deg: int) -> NDArray[np.uint8]:
    """Rotates by the angle of the display matrix (counter-clockwise), as phones write it."""
    quarter_turns = round(rotation_deg / 90) % 4
    return np.rot90(image, quarter_turns) if quarter_turns else image


def reason_of(error: BaseException) -> str:
    """The reason without the address: FFmpeg's own texts hold the URL."""
    return getattr(error, "strerror", None) or type(error).__name__
