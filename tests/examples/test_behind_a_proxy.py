"""A proxy in the environment that reaches nothing: clients of a server on this machine do not ask it."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.peers.websocket_client import Make
from support.pipeline_parts import cam_server, make_message

from mtclar.stream.protocol.messages import ByeMessage
from mtclar.stream.server.server import Server

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:9"
WAIT_S = 60.0
ENVIRONMENT = {
    **{name: text for name, text in os.environ.items() if name.lower() != "no_proxy"},
    **{
        name: NOWHERE
        for kind in ("http", "https", "ws", "all")
        for name in (f"{kind}_proxy", f"{kind.upper()}_PROXY")
    },
}
PAGES = ("README.md", "docs/protocol/README.md", "docs/live/clients.md")
CLIENTS = {
    f"{page}-{number}": text
    for page in PAGES
    for number, text in enumerate(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL))
    if "ws://" in text
}
CHECKS = {file.name: file.read_text() for file in sorted((ROOT / "deploy").glob("Containerfile*"))}

__all__ = ["make_message"]


@pytest.fixture
def server() -> Iterator[Server]:
    with cam_server() as running:
        yield running


@pytest.mark.parametrize("name", CLIENTS)
def test_a_documented_client_reads_values(name: str, server: Server, make_message: Make) -> None:
    program = CLIENTS[name].replace("127.0.0.1:8765", f"127.0.0.1:{server.port}")
    with subprocess.Popen(
        [sys.executable, "-u", "-c", program],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as client:
        try:
            seq = 0
            while client.poll() is None and server.written < 3:
                server.publish(make_message(seq))
                seq += 1
                time.sleep(0.02)  # a client's start cannot be waited for otherwise
            server.close(ByeMessage("ended", "the test is over"))
            out, error = client.communicate(timeout=WAIT_S)
        finally:
            client.kill()
    assert out, error


@pytest.mark.parametrize("name", CHECKS)
def test_an_image_knows_that_it_is_healthy(name: str, server: Server) -> None:
    (command,) = re.findall(r'^  CMD (\["python".*\])$', CHECKS[name], re.MULTILINE)
    _, *arguments = json.loads(command)
    done = subprocess.run(
        [sys.executable, *(text.replace(":8765", f":{server.port}") for text in arguments)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert done.returncode == 0, done.stderr
