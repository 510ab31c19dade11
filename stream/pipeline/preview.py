"""The picture of a stream for operators who ask for it: small, a few times a second, newest first, kept nowhere."""

import struct
import threading
import time
from collections.abc import Callable
from typing import Self

import numpy as np

from mtclar.engine.data_types import Faces, Frame
from mtclar.stream.protocol.messages import encode_json
from mtclar.stream.server.extension import ClientHandle
from mtclar.stream.server.pictures import small_jpeg

MAGIC = b"MTP1"
PERIOD_S = 0.12  # between two pictures of a stream
HEADER = struct.Struct(">4sI")  # MAGIC, bytes of the JSON that follows; the rest is the JPEG


class Preview:
    """Sends pictures of the stream that a client watches; a context manager, whose thread encodes them.

    `offer` is called by the pipelines' threads and returns at once; without a watcher it does nothing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._watchers: dict[ClientHandle, str] = {}  # client -> stream
        self._sent_s: dict[str, float] = {}  # stream -> when its last picture was taken
        self._newest: dict[str, tuple[Frame, Faces]] = {}
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="preview", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def watch(self, client: ClientHandle, stream: str | None) -> None:
        """The client gets pictures of this stream from now on, or of none."""
        with self._changed:
            if stream is None:
                self._watchers.pop(client, None)
            else:
                self._watchers[client] = stream

    def enqueue(self, frame: Frame, faces: Faces) -> None:
        """An answered frame, and the faces that were found in it."""
        stream = frame.stream_id
        with self._changed:
            now_s = self._clock()
            if (
                stream not in self._watchers.values()
                or now_s - self._sent_s.get(stream, -PERIOD_S) < PERIOD_S
            ):
                return
            self._sent_s[stream] = now_s
            self._newest[stream] = frame, faces
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest or self._ended)
                if self._ended:
                    return
                stream = next(iter(self._newest))
                frame, faces = self._newest.pop(stream)
                clients = [client for client, watched in self._watchers.items() if watched == stream]
            data = encode_picture(frame, faces)
            for client in clients:
                client.send_binary(data)


def encode_picture(frame: Frame, faces: Faces) -> bytes:
    """One binary message: HEADER, JSON, JPEG."""
    height, width = frame.image.shape[:2]
    points = [
        {
            "id": crop.track_id,
            "points": np.round(crop.landmarks[:, :2] / (width, height), 4).astype(float).reshape(-1).tolist(),
        }
        for crop in faces.crops
    ]
    content = {
        "type": "preview",
        "stream": frame.stream_id,
        "frame": frame.seq,
        "t_capture": round(frame.t_capture_s, 4),
        "faces": points,
    }
    text = encode_json(content)
    return HEADER.pack(MAGIC, len(text)) + text + small_jpeg(frame.image)
