"""`mtclar-stream run` in a process of its own, and a websocket client that records messages with times."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process holds."""

    rss_mb: float
    threads: int
    descriptors: int


class Running:
    """`mtclar-stream run ...` on a free port; a context manager that stops it by SIGTERM."""

    def __init__(self, *arguments: str | Path, environment: dict[str, str] | None = None) -> None:
        self.began_s = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mtclar.cli.main", "run", "--port", "0", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        self.lines: list[str] = []
        self._url: str | None = None
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def url(self) -> str:
        """Where the websocket is; waits until it listens."""
        assert self._listening.wait(WAIT_S), self.output
        assert self._url is not None, self.output
        return self._url

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def footprint(self) -> Footprint:
        process = psutil.Process(self.process.pid)
        with process.oneshot():
            return Footprint(process.memory_info().rss / 2**20, process.num_threads(), process.num_fds())

    def processor_s(self) -> float:
        """Seconds of processor that it has used."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def end(self, wait_s: float = WAIT_S) -> int:
        """SIGTERM, and the exit code; SIGKILL when that does not help."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.wait(wait_s)

    def wait(self, wait_s: float = WAIT_S) -> int:
        """The exit code when it has ended by itself; SIGKILL after `wait_s`."""
        try:
            code = self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.append(line)
                if line.startswith("Websocket"):
                    self._url = line.split()[1]
                    self._listening.set()
        self._listening.set()


@dataclass(frozen=True, slots=True)
class Received:
    """One message and its time of arrival on this machine's monotonic clock, which is the server's as well."""

    at_s: float
    message: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.message["type"])


class Watcher:
    """A client that keeps all it gets, in a thread of its own; a context manager."""

    def __init__(self, url: str, subscribe: dict[str, Any] | None = None, token: str | None = None) -> None:
        self.url = url
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.received: list[Received] = []
        self._subscribe = subscribe
        self._changed = threading.Condition()
        self._stack = ExitStack()

    def __enter__(self) -> "Watcher":
        connection = self._stack.enter_context(
            connect(
                self.url,
                subprotocols=[Subprotocol("mtclar.v1")],
                additional_headers=self._headers,
                proxy=None,
                open_timeout=WAIT_S,
                max_queue=None,
            )
        )
        thread = threading.Thread(target=self._listen, args=(connection,), daemon=True)
        self._stack.callback(thread.join, WAIT_S)
        self._stack.callback(connection.close)
        if self._subscribe is not None:
            connection.send(json.dumps({"type": "subscribe", **self._subscribe}))
        thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wait(self, what: Callable[[Received], bool], since: int = 0, wait_s: float = WAIT_S) -> Received:
        """The first message from number `since` on for which `what` holds; TimeoutError when none comes."""
        until_s = time.monotonic() + wait_s
        at = since
        with self._changed:
            while True:
                for one in self.received[at:]:
                    if what(one):
                        return one
                at = len(self.received)
                left_s = until_s - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    raise TimeoutError(f"not within {wait_s:g} s; last: {self.received[-3:]}")

    def take(self) -> list[Received]:
        """What has come since the last call, which is forgotten here: for watching long."""
        with self._changed:
            taken, self.received = self.received, []
        return taken

    def affects(self, since: int = 0, stream: str | None = None) -> Sequence[Received]:
        return [
            one
            for one in self.received[since:]
            if one.kind == "affect" and stream in (None, one.message["stream"])
        ]

    def states(self, since: int = 0) -> list[str]:
        return [str(one.message["state"]) for one in self.received[since:] if one.kind == "status"]

    def _listen(self, connection: ClientConnection) -> None:
        try:
            for text in connection:
                with self._changed:
                    self.received.append(Received(time.monotonic(), json.loads(text)))
                    self._changed.notify_all()
        except (ConnectionClosed, InvalidHandshake):
            pass  # the received messages count


def is_affect(one: Received) -> bool:
    return one.kind == "affect"


def is_state(*states: str) -> Callable[[Received], bool]:
    return lambda one: one.kind == "status" and one.message["state"] in states
