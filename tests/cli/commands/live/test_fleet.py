"""`worker`, `gateway` and `fleet` in processes of their own, as a user starts them, around a real nats-server."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.peers.nats_server import nats_server
from support.peers.server_program import free_port
from websockets.sync.client import connect

pytest.importorskip("nats", reason="nats-py is not installed; `make setup-all` brings it")
pytest.importorskip("pyarrow", reason="pyarrow is not installed; `make setup` brings it")

Command = Callable[..., Any]
Start = Callable[..., Any]


def test_a_fleet_from_its_file_to_a_client_and_a_recording(
    process: Start, command: Command, tmp_path: Path
) -> None:
    cameras = tmp_path / "fleet.toml"
    cameras.write_text(
        '[cameras.ward-1]\nsource = "synthetic:320x240@10"\n[cameras.gone]\nsource = "gone.mp4"\n'
    )
    with nats_server(tmp_path) as server:
        url = f"{server.url}?history=5m"
        worker = process("worker", "--nats", url, "--fleet", cameras, "--name", "w1")
        gateway = process("gateway", "--nats", server.url, "--port", "0")
        address = gateway.read_until("Websocket").split()[1]
        worker.read_until("ward-1")
        with connect(address, proxy=None, open_timeout=60) as client:
            while (message := json.loads(client.recv(60)))["type"] != "affect":
                pass
        assert message["stream"] == "ward-1"
        state = json.loads(command("fleet", "status", "--nats", server.url, "--json").out)
        assert state["streams"]["ward-1"]["worker"] == "w1"
        assert state["streams"]["gone"]["worker"] is None
        assert "there is no file" in state["streams"]["gone"]["trouble"]
        shown = command("fleet", "status", "--nats", server.url)
        assert "1 stream without a worker" in shown.out
        assert "w1 gives its streams away" in command("fleet", "drain", "w1", "--nats", server.url).out
        for started in (worker, gateway):
            started.send(signal.SIGTERM)
            assert started.end().code == 0
        done = command("fleet", "record", tmp_path / "night", "--nats", server.url, "--until-now")
        assert done.code == 0, done.out
        assert "frames, 0 missed)" in done.out
        assert list((tmp_path / "night").glob("*/manifest.json"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gateway", "--nats", "redis://host"], 2, "begins with nats:// or nats+tls://"),
        (["gateway", "--nats", "nats://host", "--host", "0.0.0.0"], 2, "there is no token"),
        (["worker", "--nats", "nats://host", "--fleet", "nowhere.toml"], 2, "cannot read nowhere.toml"),
        (["fleet", "status", "--nats", "nats://127.0.0.1:{port}"], 1, "is away"),
        (["fleet", "put", "nowhere.mtclar", "--nats", "nats://127.0.0.1:{port}"], 2, "cannot read nowhere"),
        (["fleet", "record", "out", "--nats", "nats://h", "--name", "a.b"], 2, "the name of a recorder"),
        (["fleet", "record", "out", "--nats", "nats://h", "--since", "soon"], 2, "at most 24 hours"),
    ],
    ids=["scheme", "token", "file", "away", "set", "name", "time"],
)
def test_what_cannot_be_done_is_refused(
    command: Command, arguments: list[str], code: int, message: str
) -> None:
    done = command(*(one.format(port=free_port()) for one in arguments))
    assert done.code == code, done.out + done.err
    assert message in done.err
    assert "Traceback" not in done.err
