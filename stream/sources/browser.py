"""Pictures that a page uploads: a browser's camera as a source, also from another machine."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mtclar.engine.data_types import Clock, Frame
from mtclar.engine.errors import UsageError
from mtclar.stream.sources.decoding.jpeg import JpegDecoder, Size
from mtclar.stream.sources.times import CaptureTimeLine

TICK_S = 0.5


def open_browser(spec: str, stream_id: str | None, loop: bool) -> "BrowserSource":  # noqa: ARG001
    """The source of `browser`."""
    if spec != "browser":
        raise UsageError(f"'{spec}' is not a source", "write browser")
    return BrowserSource(stream_id or "browser")


@dataclass(frozen=True, slots=True, eq=False)
class Upload:
    """One uploaded picture; its header has been checked, its JPEG has not been decoded yet."""

    jpeg: memoryview
    size: Size  # that it announces
    t_capture_s: float  # monotonic clock of this process
    clock: Clock
    on_decoded: Callable[[], None]  # called when it was decoded: the sender may send the next one
    on_rejected: Callable[[str], None]  # called instead, with the reason


class BrowserSource:
    """A one-slot mailbox of pictures, decoded by the reading thread. It waits for a browser without limit."""

    live = True
    files: tuple[Path, ...] = ()

    def __init__(self, stream_id: str = "browser") -> None:
        self.stream_id = stream_id
        self.label = stream_id
        self.size: tuple[int, int] | None = None
        self.fps: float | None = None
        self.replaced = 0  # pictures that a newer one replaced before they were decoded
        self._seq = 0
        self._time_line = CaptureTimeLine()
        self._slot: Upload | None = None
        self._changed = threading.Condition()
        self._closed = False

    def put(self, upload: Upload) -> None:
        """Stores a picture without waiting; an older one in the slot is dropped and leaves a gap in the numbers."""
        with self._changed:
            if self._slot is not None:
                self.replaced += 1
                self._seq += 1
            self._slot = upload
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def reachable(self) -> None:
        return None

    def frames(self) -> Iterator[Frame]:
        """Waits for pictures until `close`."""
        decoder = JpegDecoder()
        while not self._closed:
            upload = self._take()
            if upload is None:
                continue
            image = decoder(upload.jpeg, upload.size)
            if image is None:
                upload.on_rejected(
                    "the picture cannot be decoded: it is truncated, damaged or of another size"
                )
                continue
            upload.on_decoded()
            self.size = (image.shape[1], image.shape[0])
            yield Frame(
                image,
                self._seq,
                upload.t_capture_s,
                upload.clock,
                self._time_line(upload.t_capture_s),
                self.stream_id,
            )
            self._seq += 1

    def _take(self) -> Upload | None:
        with self._changed:
            self._changed.wait_for(lambda: self._slot is not None or self._closed, TICK_S)
            upload, self._slot = self._slot, None
            return upload
