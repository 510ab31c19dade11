"""`preview` of a client: pictures of the stream that it watches, for operators of a server that shows them."""

import json
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from support.peers.websocket_client import join, receive, say, until
from support.pipeline_parts import CAM

from mtclar.engine.data_types import Faces, Frame
from mtclar.stream.pipeline.preview import HEADER, MAGIC, Preview
from mtclar.stream.protocol.messages import Hello
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.pictures import WIDTH
from mtclar.stream.server.server import Server


@pytest.fixture
def preview() -> Iterator[Preview]:
    with Preview() as running:
        yield running


def serve(preview: Preview | None, **options: Any) -> Server:
    return Server(
        ServerConfig(port=0, **options),
        hello=lambda: Hello((CAM,), preview=preview is not None),
        on_preview=None if preview is None else preview.watch,
    )


def test_a_client_gets_pictures_until_it_has_enough(preview: Preview) -> None:
    frame = Frame(np.full((480, 640, 3), 90, np.uint8), 0, 1.0, "file", 1.0, "cam")
    with serve(preview) as server, join(server) as client:
        assert receive(client)["preview"] is True
        say(client, type="preview", stream="cam")
        say(client, type="mark", label="asked")
        until(client, "mark")
        preview.enqueue(frame, Faces(()))
        data = client.recv(10)
        assert isinstance(data, bytes)
        magic, length = HEADER.unpack_from(data)
        assert magic == MAGIC
        content = json.loads(data[HEADER.size : HEADER.size + length])
        assert (content["type"], content["stream"], content["faces"]) == ("preview", "cam", [])
        picture = cv2.imdecode(np.frombuffer(data[HEADER.size + length :], np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (round(0.75 * WIDTH), WIDTH, 3)
        say(client, type="preview", stream=None)
        say(client, type="mark", label="closed")
        until(client, "mark")
        preview.enqueue(frame, Faces(()))
        say(client, type="mark", label="none came")
        assert receive(client)["type"] == "mark"
        say(client, type="preview", stream="another")
        assert until(client, "error")["code"] == "unknown_stream"


def test_pictures_are_for_operators_of_a_server_that_shows_them(preview: Preview) -> None:
    with serve(None) as server, join(server) as client:
        assert "preview" not in receive(client)
        say(client, type="preview", stream="cam")
        assert until(client, "error")["code"] == "cannot_preview"
    with serve(preview, read_only=True) as server, join(server) as client:
        receive(client)
        say(client, type="preview", stream="cam")
        assert until(client, "error")["code"] == "not_allowed"
