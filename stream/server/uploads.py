"""Binary messages of clients: pictures for `--source browser`, checked and passed to their source.

    offset  bytes  what (big-endian)
    0       4      "MTF1"
    4       2      number of the stream: its place in `hello`'s list of streams, from 0
    6       2      0
    8       4      seq: the client's own number of this picture, repeated in the reply
    12      8      t_capture: float64, seconds on the server's monotonic clock
    20      ...    one JPEG

The checks take a few microseconds on the event loop; the source's reading thread decodes.
"""

import math
import struct
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from mtclar.engine.data_types import Clock
from mtclar.stream.protocol.messages import CameraReadyMessage, ErrorMessage, FrameTakenMessage, ProtocolError
from mtclar.stream.server.limits import (
    FUTURE_S,
    MAX_FRAME_BYTES,
    MAX_SIDE,
    MAX_UNDECODABLE,
    MIN_SIDE,
    OLDEST_S,
    SILENT_S,
)
from mtclar.stream.sources.browser import BrowserSource, Upload
from mtclar.stream.sources.decoding.jpeg import Size, jpeg_size

HEADER = struct.Struct(">4sHHId")
MAGIC = b"MTF1"
SendText = Callable[[bytes], None]


@dataclass(slots=True)
class UploadSlot:
    """The client that sends pictures for one stream, and counts."""

    source: BrowserSource
    owner: Hashable | None = None  # the client that is the camera
    last_s: float = 0.0  # when the owner last sent something
    taken: int = 0
    refused: int = 0
    undecodable: int = 0  # of this owner


@dataclass(slots=True)
class FrameUploads:
    """The streams that accept pictures, by their place in `hello`."""

    slots: Mapping[int, UploadSlot]
    clock: Callable[[], float]
    unassigned: int = 0  # refused messages that belong to no slot

    def claim(self, client: Hashable, stream: str | None) -> CameraReadyMessage:
        """Makes the client the camera of a stream (None: of the first one that accepts pictures).

        Raises ProtocolError `unknown_stream`, or `stream_taken` while another client is the camera.
        """
        for number, slot in self.slots.items():
            name = slot.source.stream_id
            if stream is not None and name != stream:
                continue
            silent_s = self.clock() - slot.last_s
            if slot.owner not in (None, client) and silent_s < SILENT_S:
                raise ProtocolError("stream_taken", f"another page is the camera of '{name}' already")
            if slot.owner != client:
                slot.owner, slot.undecodable = client, 0
            slot.last_s = self.clock()
            return CameraReadyMessage(name, number, MAX_FRAME_BYTES)
        raise ProtocolError(
            "unknown_stream",
            "no stream accepts pictures here" if stream is None else f"'{stream}' accepts no pictures",
        )

    def on_frame(self, client: Hashable, data: bytes, send_text: SendText) -> None:
        """Checks one binary message and passes it on; any thread may call `send_text`.

        Raises ProtocolError `bad_frame`, `frame_too_large`, `unknown_stream` or `camera_expected`; each is counted.
        """
        slot: UploadSlot | None = None
        try:
            number, seq, t_capture_s = read_header(data)
            slot = self.slots.get(number)
            if slot is None:
                raise ProtocolError("unknown_stream", f"stream {number} accepts no pictures")
            if slot.owner != client:
                raise ProtocolError("camera_expected", "send `camera` before the first picture")
            if slot.undecodable >= MAX_UNDECODABLE:
                raise ProtocolError("bad_frame", "too many pictures that cannot be decoded")
            jpeg = memoryview(data)[HEADER.size :]
            size = require_jpeg(jpeg)
        except ProtocolError:
            self._count_refused(slot)
            raise
        slot.last_s = now_s = self.clock()
        plausible = now_s - OLDEST_S <= t_capture_s <= now_s + FUTURE_S
        clock: Clock = "client" if plausible else "arrival"
        capture_s = min(t_capture_s, now_s) if plausible else now_s
        upload = Upload(
            jpeg,
            size,
            capture_s,
            clock,
            on_decoded=lambda: self._taken(slot, seq, now_s, send_text),
            on_rejected=lambda why: self._refused(slot, why, send_text),
        )
        slot.source.put(upload)

    def on_disconnect(self, client: Hashable) -> None:
        """Frees the client's streams for another one."""
        for slot in self.slots.values():
            if slot.owner == client:
                slot.owner = None
                slot.undecodable = 0

    def too_large(self) -> None:
        """Counts a message that was too large to read."""
        self.unassigned += 1

    def counts(self) -> dict[str, object]:
        """For /health."""
        streams = {
            slot.source.stream_id: {
                "sending": slot.owner is not None,
                "taken": slot.taken,
                "refused": slot.refused,
                "replaced": slot.source.replaced,
            }
            for slot in self.slots.values()
        }
        return {"streams": streams, "refused_elsewhere": self.unassigned}

    def _count_refused(self, slot: UploadSlot | None) -> None:
        if slot is None:
            self.unassigned += 1
        else:
            slot.refused += 1

    # --- the reading thread ---

    def _taken(self, slot: UploadSlot, seq: int, arrived_s: float, send_text: SendText) -> None:
        slot.taken += 1
        send_text(FrameTakenMessage(slot.source.stream_id, seq, arrived_s, self.clock()).encode())

    def _refused(self, slot: UploadSlot, why: str, send_text: SendText) -> None:
        slot.refused += 1
        slot.undecodable += 1
        send_text(ErrorMessage("bad_frame", why).encode())


def read_header(data: bytes) -> tuple[int, int, float]:
    """Number of the stream, seq, t_capture_s; raises ProtocolError."""
    if len(data) > MAX_FRAME_BYTES:
        raise ProtocolError(
            "frame_too_large",
            f"{len(data) / 2**20:.1f} MiB: a picture has at most {MAX_FRAME_BYTES // 2**20} MiB",
        )
    if len(data) <= HEADER.size or data[:4] != MAGIC:
        raise ProtocolError("bad_frame", f"a picture is a header of {HEADER.size} bytes and one JPEG")
    _, number, reserved, seq, t_capture_s = HEADER.unpack_from(data)
    if reserved or not math.isfinite(t_capture_s):
        raise ProtocolError("bad_frame", "the header has invalid values")
    return number, seq, t_capture_s


def write_header(number: int, seq: int, t_capture_s: float) -> bytes:
    """The header as bytes, for clients in Python."""
    return HEADER.pack(MAGIC, number, 0, seq, t_capture_s)


def require_jpeg(jpeg: memoryview | bytes) -> Size:
    """Its size; raises ProtocolError unless this is one whole JPEG of MIN_SIDE to MAX_SIDE pixels a side."""
    size = jpeg_size(jpeg)
    if size is None:
        raise ProtocolError("bad_frame", "this is not one complete baseline or progressive JPEG picture")
    if max(size) > MAX_SIDE:
        raise ProtocolError("frame_too_large", f"{size[0]} x {size[1]} pixels: at most {MAX_SIDE} a side")
    if min(size) < MIN_SIDE:
        raise ProtocolError("bad_frame", f"{size[0]} x {size[1]} pixels: at least {MIN_SIDE} a side")
    return size
