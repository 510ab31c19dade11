"""What `run` and `demo` share: limits from options, and `run` behind its server: origins, clients, marks in the log."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mtclar.cli.options_of_servers import limits_of
from mtclar.stream.server.limits import Limits

Start = Callable[..., Any]


def test_limits_are_the_defaults_unless_given() -> None:
    assert limits_of(None, None) == Limits()
    assert limits_of(7, None) == Limits(clients=7)
    assert limits_of(7, 3) == Limits(clients=7, clients_per_address=3)


def test_run_listens_to_its_flags(process: Start, support: Any) -> None:
    allowed = "https://lab.example"
    running = process(
        *("run", "--source", "synthetic", "--support", support, "--port", "0", "--log", "json"),
        *("--origin", allowed, "--max-clients", "1"),
    )
    serving = json.loads(running.read_until('"event": "serving"'))
    ws = serving["message"].removeprefix("serving ")
    with pytest.raises(InvalidStatus, match="403"):
        connect(ws, origin="https://other.example", proxy=None)  # type: ignore[arg-type]
    with connect(ws, origin=allowed, proxy=None) as client:  # type: ignore[arg-type]
        client.send(json.dumps({"type": "mark", "label": "video starts"}))
        assert json.loads(running.read_until('"event": "mark"'))["label"] == "video starts"
        with pytest.raises(InvalidStatus, match="503"):
            connect(ws, proxy=None)
    assert '"clients": 0' in running.read_until("a client left")
