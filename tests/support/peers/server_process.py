"""A server in a process of its own that can be killed, and a relay before a server whose connections can be cut."""

import contextlib
import socket
import subprocess
import sys
import threading
from typing import Self

WAIT_S = 60.0

PROGRAM = """
import sys, time
from mtclar.engine.data_types import Affect
from mtclar.stream.protocol.messages import AffectMessage, Hello, LatencyMs, StreamInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server

streams = tuple(StreamInfo(name, name, True, (640, 480), 50.0, "latest") for name in sys.argv[2].split(","))
config = ServerConfig(port=int(sys.argv[1]), token=sys.argv[3] or None)
with Server(config, hello=lambda: Hello(streams)) as server:
    print(server.port, flush=True)
    for seq in range(10**6):
        now_s = time.monotonic()
        face = Affect(0, "anna", "ok", (0, 0, 9, 9), None, 0.25, -0.5, 0.1, 0.2, None, ())
        for info in streams:
            times = LatencyMs(1.0, 2.0, 3.0)
            server.publish(AffectMessage(info.stream, seq, seq, now_s, "arrival", seq / 50, (9, 9), times, 0, (face,)))
        time.sleep(0.02)
"""


class ServerProcess:
    """Publishes 50 messages of one face a second for each stream; a context manager that kills it."""

    def __init__(self, port: int = 0, streams: str = "cam", token: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(port), streams, token], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.url = f"ws://127.0.0.1:{self.port}/ws"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """SIGKILL: no farewell. Safe to call twice."""
        self._process.kill()
        self._process.communicate(timeout=WAIT_S)


class Relay:
    """Passes bytes between clients and the server at `port` of this machine; a context manager."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}/ws"
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(WAIT_S)
        for one in self._sockets:
            one.close()

    def cut(self) -> None:
        """Ends every connection at once, without a farewell; new ones are accepted."""
        for one in self._sockets:
            with contextlib.suppress(OSError):  # it has ended by itself
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._sockets += [client, server]
            self._start(self._pass_on, client, server)
            self._start(self._pass_on, server, client)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):  # cut
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)

    def _start(self, work: object, *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()
