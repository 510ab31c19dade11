"""The video beside a recording, with --record-video: H.264 in Matroska, which a killed process leaves playable."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av

from mtclar.engine.data_types import Frame
from mtclar.engine.files.writing import open_private
from mtclar.stream.recordings import VIDEO, file_name

log = logging.getLogger(__name__)

FIRST_T = "T_CAPTURE"
"""The file's tag with the capture time of its first frame, on the clock of t_capture: the zero of its own times."""

TIME_BASE = Fraction(1, 1000)
MAX_WAITING = 16
"""Frames that wait for the encoder; later ones are left out and counted."""

RETRY_S = 1.0
"""After a failure, such as a full disk, another file is begun no sooner."""

ENCODER = {"preset": "superfast", "tune": "zerolatency", "crf": "23", "g": "50"}
CONTAINER = {"cluster_time_limit": "500", "flush_packets": "1"}  # what a kill loses: half a second


class StreamVideo:
    """The video of one stream, in a thread of its own; a failure ends the file, and the next one is begun later.

    `trouble` is why frames cannot be written at present.
    """

    def __init__(self, folder: Path, stream: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.trouble: str | None = None
        self._folder = folder
        self._stream = stream
        self._clock = clock
        self._number = 0  # of the last file
        self._retry_s = 0.0
        self._lost = 0
        self._file: IO[bytes] | None = None
        self._container: Any = None
        self._video: Any = None  # the container's stream
        self._first_s = 0.0
        self._last_pts = -1
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=f"video-{stream}", daemon=True)
        self._thread.start()

    def enqueue(self, frame: Frame) -> None:
        """Hands over a frame; returns at once."""
        with self._changed:
            if len(self._frames) >= MAX_WAITING:
                self._lost += 1
                return
            self._frames.append(frame)
            self._changed.notify()

    def close(self) -> None:
        """Writes what waits and completes the file."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        if self._lost:
            log.warning("video of %s: %d frames are missing", self._stream, self._lost)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._frames or self._closing)
                if not self._frames:
                    break
                frame = self._frames.popleft()
            if self._container is None and self._clock() < self._retry_s:
                self._lost += 1
                continue
            try:
                self._write(frame)
                self.trouble = None
            except (OSError, av.error.FFmpegError) as error:
                self._fail(error)
        try:
            self._end_file()
        except (OSError, av.error.FFmpegError) as error:
            self._fail(error)

    def _write(self, frame: Frame) -> None:
        if self._container is None:
            self._begin_file(frame)
        pts = max(round((frame.t_capture_s - self._first_s) / TIME_BASE), self._last_pts + 1)
        self._last_pts = pts
        picture = av.VideoFrame.from_ndarray(frame.image, format="bgr24")
        picture = picture.reformat(self._video.width, self._video.height, "yuv420p")
        picture.pts, picture.time_base = pts, TIME_BASE
        self._container.mux(self._video.encode(picture))

    def _begin_file(self, frame: Frame) -> None:
        self._number += 1
        path = self._folder / VIDEO.format(stream=file_name(self._stream), number=self._number)
        self._file = open_private(path, "xb")
        self._container = av.open(self._file, "w", format="matroska", options=CONTAINER)
        self._container.metadata[FIRST_T] = repr(frame.t_capture_s)
        self._video = self._container.add_stream("libx264", rate=30, options=ENCODER)
        height, width = frame.image.shape[:2]
        self._video.height, self._video.width = height // 2 * 2, width // 2 * 2
        self._video.pix_fmt = "yuv420p"
        self._video.codec_context.time_base = TIME_BASE
        self._first_s, self._last_pts = frame.t_capture_s, -1

    def _end_file(self) -> None:
        if self._container is not None:
            self._container.mux(self._video.encode())
            self._container.close()
        self._forget_file()

    def _fail(self, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or error
        if self.trouble is None:
            log.warning("the video of %s cannot be written: %s", self._stream, reason)
        self.trouble = f"the video of {self._stream} cannot be written: {reason}"
        self._retry_s = self._clock() + RETRY_S
        self._lost += 1
        self._forget_file()

    def _forget_file(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._container = self._video = None


class Videos:
    """The videos of all streams of one recording."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._streams: dict[str, StreamVideo] = {}
        self._lock = threading.Lock()  # of _streams: each stream's worker hands over its own frames
        self._closed = False

    @property
    def trouble(self) -> str | None:
        """The trouble of the first stream that has any."""
        return next((one.trouble for one in list(self._streams.values()) if one.trouble), None)

    def enqueue(self, frame: Frame) -> None:
        """Hands over a frame of any stream; returns at once."""
        with self._lock:
            if self._closed:
                return
            video = self._streams.get(frame.stream_id)
            if video is None:
                video = self._streams[frame.stream_id] = StreamVideo(self._folder, frame.stream_id)
        video.enqueue(frame)

    def close(self) -> None:
        """Completes every file."""
        with self._lock:
            self._closed = True
        for video in self._streams.values():
            video.close()


def first_capture_s(path: Path) -> float:
    """The capture time of a video's first frame. Raises OSError, FFmpegError, KeyError or ValueError without one."""
    with av.open(str(path)) as container:
        return float(container.metadata[FIRST_T])
