"""Pictures that a page sends: a browser's camera as a source, also from another machine than the tracker's."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from mtclar.engine.data_types import Clock, Frame
from mtclar.stream.sources.base import LEAST_STEP_S

TICK_S = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Upload:
    """One picture on its way in; its form has been checked, its JPEG has not been decoded yet."""

    jpeg: memoryview
    t_capture_s: float  # monotonic clock of this process
    clock: Clock
    taken: Callable[[], None]  # called once it was taken: the sender may send the next one
    refused: Callable[[str], None]  # called instead, with the reason


class BrowserSource:
    """One-slot mailbox of pictures, decoded by the thread that reads. A browser that has not come yet is no fault."""

    live = True
    files: tuple[Path, ...] = ()

    def __init__(self, stream_id: str = "browser") -> None:
        self.stream_id = stream_id
        self.label = stream_id
        self.size: tuple[int, int] | None = None
        self.fps: float | None = None
        self.replaced = 0  # pictures that a newer one replaced before they were taken
        self._seq = 0
        self._first_s: float | None = None
        self._last_pts_s = 0.0
        self._waiting: Upload | None = None
        self._changed = threading.Condition()
        self._closed = False

    def offer(self, upload: Upload) -> None:
        """Puts a picture in; one that still waits is dropped and leaves a gap in the numbers. Never waits itself."""
        with self._changed:
            if self._waiting is not None:
                self.replaced += 1
                self._seq += 1
            self._waiting = upload
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def reachable(self) -> None:
        return None

    def frames(self) -> Iterator[Frame]:
        """Waits for ever for the next picture."""
        decoder = JpegDecoder()
        while not self._closed:
            upload = self._take()
            if upload is None:
                continue
            image = decoder(upload.jpeg)
            if image is None:
                upload.refused("the picture cannot be decoded: it is cut short or damaged")
                continue
            upload.taken()
            self.size = (image.shape[1], image.shape[0])
            yield Frame(
                image,
                self._seq,
                upload.t_capture_s,
                upload.clock,
                self._source_time(upload.t_capture_s),
                self.stream_id,
            )
            self._seq += 1

    def _take(self) -> Upload | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None or self._closed, TICK_S)
            upload, self._waiting = self._waiting, None
            return upload

    def _source_time(self, t_capture_s: float) -> float:
        if self._first_s is None:
            self._first_s = t_capture_s
            return 0.0
        self._last_pts_s = max(t_capture_s - self._first_s, self._last_pts_s + LEAST_STEP_S)
        return self._last_pts_s


class JpegDecoder:
    """JPEG -> BGR [H, W, 3], or None for damaged bytes.

    FFmpeg's decoder, told to give up at the first error: 2.5 ms for 1280x720 where cv2.imdecode takes 11 ms, gives a
    grey lower half for a picture cut short, and prints libjpeg's complaints to the terminal.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._codec = self._open()

    def __call__(self, jpeg: memoryview | bytes) -> NDArray[np.uint8] | None:
        try:
            pictures = self._codec.decode(av.Packet(bytes(jpeg)))
        except (av.error.FFmpegError, ValueError):
            self._codec = self._open()
            return None
        if not pictures:
            return None
        return np.asarray(self._reformatter.reformat(pictures[0], format="bgr24").to_ndarray(), np.uint8)

    def _open(self) -> VideoCodecContext:
        codec = CodecContext.create("mjpeg", "r")
        assert isinstance(codec, VideoCodecContext)
        codec.options = {"err_detect": "explode"}
        codec.thread_count = 1
        return codec
