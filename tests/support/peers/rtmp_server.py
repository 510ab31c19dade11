"""An RTMP server that plays a clip to each client: as much of the protocol as a player needs (Adobe RTMP 1.0)."""

import io
import os
import socket
import struct
import threading
from fractions import Fraction

import av

from support.media.video_clips import picture

CHUNK = 1 << 20
COMMAND, MEDIA = 3, 4  # chunk streams


def flv_tags(frames: int) -> list[tuple[int, int, bytes]]:
    """Type, time in ms and content of the tags of a clip of 25 frames a second."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="flv") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for n in range(frames):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture(64, 48, n), format="bgr24")))
        out.mux(stream.encode(None))
    data, at, tags = buffer.getvalue(), 13, []
    while at + 11 < len(data):
        size, time = int.from_bytes(data[at + 1 : at + 4]), int.from_bytes(data[at + 4 : at + 7])
        tags.append((data[at], time, data[at + 11 : at + 11 + size]))
        at += 15 + size
    return tags


def text(value: str) -> bytes:
    return b"\x02" + struct.pack(">H", len(value)) + value.encode()


def number(value: float) -> bytes:
    return b"\x00" + struct.pack(">d", value)


def message(kind: int, content: bytes, time: int = 0, stream: int = 0, chunk: int = COMMAND) -> bytes:
    header = bytes([chunk]) + time.to_bytes(3) + len(content).to_bytes(3) + bytes([kind])
    return header + struct.pack("<I", stream) + content


PLAYING = b"\x03\x00\x04code" + text("NetStream.Play.Start") + b"\x00\x00\x09"
ANSWERS = {
    b"connect": lambda call: (
        message(1, struct.pack(">I", CHUNK))
        + message(20, text("_result") + number(call) + b"\x05" + b"\x03\x00\x00\x09")
    ),
    b"createStream": lambda call: message(20, text("_result") + number(call) + b"\x05" + number(1)),
    b"play": lambda _: message(20, text("onStatus") + number(0) + b"\x05" + PLAYING, stream=1),
}


class RtmpServer:
    """Each client gets the clip from its beginning, 25 frames a second, until `stop`."""

    def __init__(self, frames: int = 1000) -> None:
        self._tags = flv_tags(frames)
        self._stopped = threading.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"rtmp://127.0.0.1:{self.port}/live/key"

    def start(self) -> None:
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener, self._stopped), daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self, listener: socket.socket, stopped: threading.Event) -> None:
        while not stopped.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client, stopped), daemon=True).start()

    def _serve(self, client: socket.socket, stopped: threading.Event) -> None:
        try:
            with client:
                hello = client.recv(1537, socket.MSG_WAITALL)
                client.sendall(b"\x03" + bytes(8) + os.urandom(1528) + hello[1:])
                client.recv(1536, socket.MSG_WAITALL)
                asked = b""
                waiting = list(ANSWERS)
                while waiting:
                    asked += client.recv(65536)
                    while waiting and (at := asked.find(text(waiting[0].decode()))) >= 0:
                        call = struct.unpack_from(">d", asked, at + 4 + len(waiting[0]))[0]
                        client.sendall(ANSWERS[waiting.pop(0)](call))
                for kind, time_ms, content in self._tags:
                    client.sendall(message(kind, content, time_ms, stream=1, chunk=MEDIA))
                    if stopped.wait(0.04):
                        return
        except OSError:
            pass
