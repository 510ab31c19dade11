"""What a service manager hears, through a real datagram socket as systemd opens one."""

import json
import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.peers.certificates import make_certificate

from mtclar.cli.service.systemd import Supervisor

Start = Callable[..., Any]
WAIT_S = 60.0


@pytest.fixture
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path_factory.mktemp("s") / "n"))  # a socket's path is at most 107 bytes
        heard.settimeout(WAIT_S)
        yield heard


def test_ready_alive_and_stopping(manager: socket.socket) -> None:
    now_s = [0.0]
    watched = {
        "NOTIFY_SOCKET": manager.getsockname(),
        "WATCHDOG_USEC": "4000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    supervisor = Supervisor(watched, clock=lambda: now_s[0])
    supervisor.ready("serving\nws://x")
    assert manager.recv(999) == b"READY=1\nSTATUS=serving ws://x"
    for at_s in (0.0, 1.0, 1.9, 2.0, 3.0, 4.0):
        now_s[0] = at_s
        supervisor.alive("live")
    for at_s in (
        4.5,
        5.0,
        5.5,
        6.0,
        7.0,
    ):  # a change is not kept until the next is due, nor is each of many said
        now_s[0] = at_s
        supervisor.alive(f"stalled at {at_s:g}")
    supervisor.stopping()
    said = [manager.recv(999) for _ in range(7)]
    told = ["live"] * 3 + [f"stalled at {s}" for s in (5, 6, 7)]
    assert said == [*(f"WATCHDOG=1\nSTATUS={status}".encode() for status in told), b"STOPPING=1"]


def test_an_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("")  # the system chooses an abstract name
        heard.settimeout(WAIT_S)
        Supervisor({"NOTIFY_SOCKET": "@" + heard.getsockname()[1:].decode()}).stopping()
        assert heard.recv(99) == b"STOPPING=1"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": "relative"},
        {"NOTIFY_SOCKET": "/nowhere/at/all"},
        {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "often"},
    ],
)
def test_without_a_manager_that_listens_nothing_happens(environment: dict[str, str]) -> None:
    supervisor = Supervisor(environment)
    assert supervisor.period_s is None
    supervisor.ready("x")
    supervisor.alive("x")
    supervisor.stopping()


def test_run_tells_its_manager(
    process: Start, manager: socket.socket, support: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    running = process("run", "--source", "synthetic", "--support", support, "--port", "0", "--no-live")
    assert manager.recv(999).startswith(b"READY=1\nSTATUS=serving ws://127.0.0.1:")
    heard = [manager.recv(999) for _ in range(3)]
    assert all(text.startswith(b"WATCHDOG=1\nSTATUS=synthetic ") for text in heard)
    running.send(signal.SIGHUP)  # without a certificate there is nothing to load, and no reason to end
    assert manager.recv(999).startswith(b"WATCHDOG=1")
    running.send(signal.SIGTERM)
    while (text := manager.recv(999)) != b"STOPPING=1":
        assert text.startswith(b"WATCHDOG=1")
    assert running.end().code == 0


def test_hangup_loads_the_certificate_again(process: Start, support: Path, tmp_path: Path) -> None:
    first, second = make_certificate(tmp_path, "first"), make_certificate(tmp_path, "second")
    running = process(
        *("run", "--source", "synthetic", "--support", support, "--port", "0", "--log", "json"),
        *("--tls-cert", first[0], "--tls-key", first[1]),
    )
    serving = json.loads(running.read_until('"event": "serving"'))
    assert serving["dashboard"].startswith("https://")
    for old, new in zip(first, second, strict=True):
        new.rename(old)
    running.send(signal.SIGHUP)
    running.read_until("loaded again")
    port = int(serving["dashboard"].rstrip("/").rpartition(":")[2])
    shown = ssl.get_server_certificate(("127.0.0.1", port), timeout=WAIT_S)
    assert ssl.PEM_cert_to_DER_cert(shown) == ssl.PEM_cert_to_DER_cert(first[0].read_text())
    running.send(signal.SIGTERM)
    assert running.end().code == 0
