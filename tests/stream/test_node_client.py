"""A second, independent client: Node with npm's `ws` understands every message of the server."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.contract import STREAM
from support.peers.node_project import install
from support.peers.websocket_client import WAIT_S, Make
from support.pipeline_parts import cam_server

from mtclar.stream.protocol.messages import ByeMessage
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server

SOURCES = Path(__file__).parent / "node_client"
INSTALLED = Path(__file__).parents[2] / "build" / "node_client"
TOKEN = "a-long-enough-token"

pytestmark = pytest.mark.timeout(300)  # the first run installs


@pytest.fixture(scope="session")
def client() -> Path:
    """The client's script beside an installed `ws`."""
    return install(SOURCES, INSTALLED) / "client.mjs"


@contextmanager
def talking(client: Path, url: str, *messages: dict[str, Any]) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        ["node", str(client), url, *map(json.dumps, messages)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=WAIT_S)


def lines_until(process: "subprocess.Popen[str]", kind: str) -> list[dict[str, Any]]:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(json.loads(line))
        if said[-1].get("type") == kind:
            return said
    raise AssertionError(f"the client ended without {kind}: {said}")


def test_node_subscribes_reads_every_message_and_hears_bye(client: Path, make_message: Make) -> None:
    server = cam_server()
    wish = {"type": "subscribe", "fields": ["sd", "similarity"], "delivery": "all"}
    with server, talking(client, server.ws_url, wish, {"type": "mark", "label": "größer 😀"}) as process:
        before = lines_until(process, "mark")
        for seq in range(500):
            server.publish(make_message(seq, faces=seq % 3))
        server.close(ByeMessage("ended", "the file has ended"))
        after, errors = process.communicate(timeout=WAIT_S)
    opened, *said = before
    assert opened == {"opened": "mtclar.v1", "extensions": ""}  # it offered deflate, which is declined
    said += [json.loads(line) for line in after.splitlines()]
    for message in said[:-1]:
        STREAM.from_server.validate(message)
    kinds = [message.get("type") for message in said]
    assert kinds == ["hello", "subscribed", "mark", *["affect"] * 500, "bye", None]
    assert said[2]["label"] == "größer 😀"
    affects = [message for message in said if message.get("type") == "affect"]
    assert [message["seq"] for message in affects] == list(range(500))
    assert [len(message["faces"]) for message in affects[:3]] == [0, 1, 2]
    assert "similarity" in affects[1]["faces"][0]
    assert "box" not in affects[1]["faces"][0]
    assert said[-1] == {"closed": 1001}
    assert (process.returncode, errors) == (0, "")


def test_node_gives_the_token_as_its_first_message(client: Path) -> None:
    with (
        Server(ServerConfig(port=0, token=TOKEN)) as server,
        talking(client, server.ws_url, {"type": "hello", "token": TOKEN}) as process,
    ):
        said = lines_until(process, "hello")
    assert [message.get("type") for message in said[1:]] == ["error", "hello"]
