"""Pictures that clients send: taken one by one with their time, everything else refused in words and counted."""

import contextlib
import json
import math
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.peers.websocket_client import WAIT_S, Eventually, join, receive, say, until, until_closed
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from mtclar.engine.data_types import Frame
from mtclar.stream.protocol.messages import Hello, ProtocolError, StreamInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.limits import MAX_FRAME_BYTES, MAX_UNDECODABLE
from mtclar.stream.server.server import Server
from mtclar.stream.server.uploads import (
    FrameUploads,
    UploadSlot,
    write_header,
)
from mtclar.stream.sources import open_source
from mtclar.stream.sources.browser import BrowserSource, Upload


def jpeg(width: int = 64, height: int = 48, level: int = 128) -> bytes:
    image = np.full((height, width, 3), level, np.uint8)
    image[: height // 2, :, 2] = 255
    return bytes(cv2.imencode(".jpg", image)[1].tobytes())


GOOD = jpeg()


class Camera:
    """The server with one stream that takes pictures, and a thread that reads them."""

    def __init__(self) -> None:
        self.source = BrowserSource()
        self.slot = UploadSlot(self.source)
        self.frames: list[Frame] = []
        self.hold = threading.Event()  # clear: the reader takes nothing
        self.hold.set()
        info = StreamInfo("browser", "browser", True, None, None, "latest")
        self.server = Server(ServerConfig(port=0), hello=lambda: Hello((info,)))
        self.server.accept_uploads({0: self.slot})
        self.server.start()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for frame in self.source.frames():
            self.frames.append(frame)
            self.hold.wait(WAIT_S)

    def health(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.server.url}health", timeout=WAIT_S) as answer:
            pictures: dict[str, Any] = json.load(answer)["pictures"]
        return pictures

    def close(self) -> None:
        self.hold.set()
        self.source.close()
        self._reader.join(WAIT_S)
        assert not self._reader.is_alive()
        assert self.server.close()


@pytest.fixture
def camera() -> Iterator[Camera]:
    running = Camera()
    yield running
    running.close()


@contextlib.contextmanager
def sender(camera: Camera) -> Iterator[tuple[ClientConnection, dict[str, Any]]]:
    """A client that is the camera; its `hello`."""
    with join(camera.server, max_size=None) as client:
        hello = until(client, "hello")
        say(client, type="camera")
        ready = until(client, "camera_ready")
        assert ready == {
            "type": "camera_ready",
            "stream": "browser",
            "number": 0,
            "max_bytes": MAX_FRAME_BYTES,
        }
        yield client, hello


def test_pictures_are_taken_one_by_one_with_their_own_time(camera: Camera, eventually: Eventually) -> None:
    with sender(camera) as (client, hello):
        for seq in range(5):
            t_capture = hello["clock"]["monotonic"] + time.time() - hello["clock"]["unix"]
            client.send(write_header(0, seq, t_capture) + jpeg(64 + 16 * seq, 48))
            taken = until(client, "frame_taken")
            assert taken["seq"] == seq
            assert taken["t_arrived"] <= taken["t"]
            eventually(lambda seq=seq: len(camera.frames) > seq)  # type: ignore[misc]
            frame = camera.frames[seq]
            assert frame.image.shape == (48, 64 + 16 * seq, 3)
            assert frame.clock == "client"
            assert frame.t_capture_s == pytest.approx(t_capture)
            assert frame.image[0, 0, 2] > 200  # the red half is up
            assert frame.image[-1, 0, 2] < 200
    assert [frame.seq for frame in camera.frames] == list(range(5))
    assert all(b.pts_s > a.pts_s for a, b in zip(camera.frames, camera.frames[1:], strict=False))


@pytest.mark.parametrize("off_s", [-3600.0, -11.0, 1.0, 1e300])
def test_an_implausible_time_is_rejected(camera: Camera, eventually: Eventually, off_s: float) -> None:
    with sender(camera) as (client, _):
        before_s = time.monotonic()
        client.send(write_header(0, 0, before_s + off_s) + GOOD)
        until(client, "frame_taken")
    eventually(lambda: camera.frames)
    frame = camera.frames[0]
    assert frame.clock == "arrival"
    assert before_s <= frame.t_capture_s <= time.monotonic()


def test_a_sender_that_does_not_wait_has_its_pictures_replaced(
    camera: Camera, eventually: Eventually
) -> None:
    with sender(camera) as (client, _):
        camera.hold.clear()
        client.send(write_header(0, 0, time.monotonic()) + GOOD)
        eventually(lambda: len(camera.frames) == 1)
        for seq in range(1, 6):
            client.send(write_header(0, seq, time.monotonic()) + GOOD)
        eventually(lambda: camera.source.replaced == 4)
        camera.hold.set()
        assert until(client, "frame_taken")["seq"] == 0
        assert until(client, "frame_taken")["seq"] == 5
        eventually(lambda: len(camera.frames) == 2)
    assert camera.frames[1].seq == 5  # the gap is seen
    assert camera.health()["streams"]["browser"]["replaced"] == 4


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "bad_frame"),
        (b"\x00\x01", "bad_frame"),
        (b"MTF1" + bytes(16), "bad_frame"),
        (write_header(0, 0, math.nan) + GOOD, "bad_frame"),
        (write_header(0, 0, 1.0) + b"GIF89a" + bytes(100), "bad_frame"),
        (write_header(0, 0, 1.0) + GOOD[: len(GOOD) // 2], "bad_frame"),
        (write_header(0, 0, 1.0) + b"\xff\xd8" + bytes(range(256)) + b"\xff\xd9", "bad_frame"),
        (write_header(0, 0, 1.0) + jpeg(8, 8), "bad_frame"),
        (write_header(0, 0, 1.0) + jpeg(5000, 16), "frame_too_large"),
        (write_header(0, 0, 1.0) + GOOD + bytes(MAX_FRAME_BYTES), "frame_too_large"),
        (write_header(1, 0, 1.0) + GOOD, "unknown_stream"),
    ],
)
def test_data_without_a_picture_is_refused_and_counted(camera: Camera, data: bytes, code: str) -> None:
    with sender(camera) as (client, _):
        client.send(data)
        assert until(client, "error")["code"] == code
        client.send(write_header(0, 7, 1.0) + GOOD)  # and the next one is welcome
        assert until(client, "frame_taken")["seq"] == 7
    counts = camera.health()
    assert counts["streams"]["browser"]["refused"] + counts["refused_elsewhere"] == 1
    assert counts["streams"]["browser"]["taken"] == 1


def test_damaged_pictures_are_refused_by_the_decoder_and_at_last_no_more_decoded(camera: Camera) -> None:
    damaged = bytearray(GOOD)
    damaged[-40:-4] = bytes([0xFF, 0x00] * 18)
    with sender(camera) as (client, _):
        for seq in range(MAX_UNDECODABLE):
            client.send(write_header(0, seq, 1.0) + bytes(damaged))
            assert "cannot be decoded" in until(client, "error")["message"]
        client.send(write_header(0, 99, 1.0) + GOOD)
        assert "too many" in until(client, "error")["message"]
    assert camera.frames == []


def test_twenty_mebibytes_end_the_connection_of_the_one_who_sent_them(
    camera: Camera, eventually: Eventually
) -> None:
    with sender(camera) as (client, _):
        data = write_header(0, 0, 1.0) + bytes(100_000)
        client.socket.sendall(b"\x82\xff" + (20 * 2**20).to_bytes(8, "big") + bytes(4) + data)
        assert until_closed(client)[1] == 1009  # after its header: the rest is not read
    eventually(lambda: camera.health()["refused_elsewhere"] == 1)
    with sender(camera) as (client, _):  # the next camera is welcome at once
        client.send(write_header(0, 0, 1.0) + GOOD)
        until(client, "frame_taken")


def test_a_large_text_closes_the_connection(camera: Camera) -> None:
    with sender(camera) as (client, _):
        with contextlib.suppress(ConnectionClosed):
            client.send("x" * 20_000)
        assert until_closed(client)[1] == 1009


def test_one_camera_at_a_time_and_the_next_one_when_it_has_gone(
    camera: Camera, eventually: Eventually
) -> None:
    with join(camera.server) as other:
        until(other, "hello")
        other.send(write_header(0, 0, 1.0) + GOOD)
        assert until(other, "error")["code"] == "camera_expected"
        with sender(camera) as (client, _):
            client.send(write_header(0, 0, 1.0) + GOOD)
            until(client, "frame_taken")
            say(other, type="camera", stream="browser")
            assert until(other, "error")["code"] == "stream_taken"
        eventually(lambda: camera.slot.owner is None)
        say(other, type="camera")
        until(other, "camera_ready")
        say(other, type="camera", stream="nowhere")
        assert until(other, "error")["code"] == "unknown_stream"


def test_a_camera_that_fell_silent_makes_room() -> None:
    now = [100.0]
    uploads = FrameUploads({0: UploadSlot(BrowserSource())}, lambda: now[0])
    uploads.claim("a", None)
    now[0] += 4.0
    with pytest.raises(ProtocolError, match="already"):
        uploads.claim("b", None)
    now[0] += 2.0
    uploads.claim("b", None)
    with pytest.raises(ProtocolError, match="send `camera`"):
        uploads.on_frame("a", write_header(0, 0, now[0]) + GOOD, lambda _: None)


def test_without_a_browser_source_a_camera_is_refused(server: Server) -> None:
    with join(server) as client:
        until(client, "hello")
        say(client, type="camera")
        error = receive(client)
        assert error["code"] == "unknown_stream"
        assert "--source browser" in error["message"]


def test_the_camera_page_is_served_where_it_is_of_use(camera: Camera, server: Server) -> None:
    with urllib.request.urlopen(f"{camera.server.url}camera", timeout=WAIT_S) as page:
        assert 'data-text="camera.analysed"' in page.read().decode()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{server.url}camera", timeout=WAIT_S)


@given(st.binary(max_size=300), st.integers(0, 3))
@settings(max_examples=150)
def test_junk_never_gets_further_than_an_error(junk: bytes, kind: int) -> None:
    uploads = FrameUploads({0: UploadSlot(source := BrowserSource())}, lambda: 100.0)
    uploads.claim("me", None)
    data = [
        junk,
        b"MTF1" + junk,
        write_header(0, 1, 99.9) + junk,
        write_header(0, 1, 99.9) + b"\xff\xd8" + junk,
    ]
    with pytest.raises(ProtocolError):
        uploads.on_frame("me", data[kind], lambda _: None)
    assert source._slot is None


def test_the_source_waits_for_a_browser_and_closes_while_it_waits() -> None:
    source = open_source("browser", stream_id="slot")
    assert isinstance(source, BrowserSource)
    assert source.live
    got: list[Frame] = []
    reading = threading.Thread(target=lambda: got.extend(source.frames()))
    reading.start()
    taken = threading.Event()
    source.put(Upload(memoryview(GOOD), (64, 48), 5.0, "client", taken.set, lambda _: None))
    assert taken.wait(WAIT_S)
    source.close()
    reading.join(WAIT_S)
    assert not reading.is_alive()
    assert [frame.stream_id for frame in got] == ["slot"]
    assert source.size == (64, 48)
