"""Latency, losses and cost of sending each message to 1, 100 and 1,000 clients, one of them frozen.

    python -m experiments.server.fan_out                 # the table
    python -m experiments.server.fan_out --write         # -> docs/results/performance.md

Server and clients are processes of their own on loopback; a message's capture time is the moment it is published, on
the clock that both share. The clients read bare frames, so that they cost little beside the server.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from mtclar.engine.data_types import Affect, Estimate
from mtclar.stream.pipeline.summary import percentiles
from mtclar.stream.protocol.messages import AffectMessage, Hello, LatencyMs, StreamInfo
from mtclar.stream.server.clients.quotas import allow_descriptors
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.limits import Limits
from mtclar.stream.server.server import Server
from tests.support.faults import bad_clients
from tools.arguments import parser_of
from tools.docs.generated import replace_section

PAGE = Path(__file__).parents[2] / "docs" / "results" / "performance.md"
CLIENTS = (1, 100, 1000)
SECONDS, WARM_UP_S, RATE_HZ = 12.0, 2.0, 30.0
WAIT_S = 60.0
CAPTURED = re.compile(rb'"t_capture":([\d.]+)')


# --- the server's process -----------------------------------------------------------------------------------------


def message(seq: int, t_s: float) -> AffectMessage:
    """One face with the usual fields."""
    raw = Estimate(0.53, 0.1, 0.05, 0.06, np.array([0.25, 0.93], np.float32), 1, True, (0.5, 0.1))
    face = Affect(
        0, "anna", "ok", (210.0, 120.0, 390.5, 320.0), (3.1, -4.0, 0.7), 0.51, 0.12, 0.05, 0.06, raw, ()
    )
    latency = LatencyMs(0.41, 3.2, 4.1)
    return AffectMessage("cam", seq, seq, t_s, "arrival", seq / RATE_HZ, (640, 480), latency, 0, (face,))


def serve(seconds: float) -> None:
    """Listens, waits for a line, publishes, prints what it cost."""
    info = StreamInfo("cam", "webcam:0", True, (640, 480), RATE_HZ, "latest")
    limits = Limits(clients=4000, clients_per_address=4000)
    with Server(ServerConfig(port=0, limits=limits), hello=lambda: Hello((info,))) as server:
        print(server.ws_url, flush=True)
        sys.stdin.readline()
        began_s, cpu_s = time.monotonic(), time.process_time()
        count = round(seconds * RATE_HZ)
        for seq in range(count):
            time.sleep(max(0.0, began_s + seq / RATE_HZ - time.monotonic()))
            server.publish(message(seq, time.monotonic()))
        wall_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
        time.sleep(1.0)  # what is under way arrives
        print(json.dumps({"cpu_cores": cpu_s / wall_s, "clients": server.clients}), flush=True)


# --- the clients' process -----------------------------------------------------------------------------------------


class Reader(asyncio.Protocol):
    """A websocket client that reads frames and notes how old each message is."""

    def __init__(self, url: str) -> None:
        self.latencies_ms: list[float] = []
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._url = url
        self._buffer = b""
        self._shaken = False

    def connection_made(self, transport: Any) -> None:
        host, port = bad_clients.address(self._url)
        transport.write(bad_clients.handshake(host, port))

    def data_received(self, data: bytes) -> None:
        now_s = time.monotonic()
        buffer = self._buffer + data
        if not self._shaken:
            head, found, buffer = buffer.partition(b"\r\n\r\n")
            if not found:
                self._buffer = head
                return
            self._shaken = True
            self.ready.set_result(None)
        at = 0
        while len(buffer) - at >= 2:
            size, start = buffer[at + 1] & 0x7F, at + 2
            if size == 126:
                size, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            if len(buffer) - start < size:
                break
            captured = CAPTURED.search(buffer, start, start + size)
            if captured is not None:
                self.latencies_ms.append(1e3 * (now_s - float(captured[1])))
            at = start + size
        self._buffer = buffer[at:]


async def read_all(url: str, count: int) -> None:
    """So many clients; says when they are connected, and at the end of stdin what they got."""
    loop = asyncio.get_running_loop()
    host, port = bad_clients.address(url)
    readers = []
    for begin in range(0, count, 50):
        made = [
            await loop.create_connection(lambda: Reader(url), host, port)
            for _ in range(min(50, count - begin))
        ]
        readers += [reader for _, reader in made]
        await asyncio.gather(*(reader.ready for _, reader in made))
    print("connected", flush=True)
    cpu_s = time.process_time()
    await loop.run_in_executor(None, sys.stdin.readline)
    got = [reader.latencies_ms for reader in readers]
    print(json.dumps({"latencies_ms": got, "cpu_s": time.process_time() - cpu_s}), flush=True)


# --- one measurement ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class FanOut:
    """What so many clients saw."""

    clients: int
    published: int
    received: int
    latency_ms: dict[str, float | None]
    server_cores: float
    client_cores: float
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    @property
    def delivered(self) -> float:
        """Share of what was published for them, the frozen one left out."""
        return self.received / (self.published * self.clients)


def child(stack: ExitStack, *arguments: object) -> "subprocess.Popen[str]":
    """This module in a process of its own."""
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-m", "experiments.server.fan_out", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )
    stack.callback(process.kill)
    return process


def line_of(process: "subprocess.Popen[str]") -> str:
    """What it says next."""
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said, f"{process.args!r} ended"
    return said.strip()


def go(process: "subprocess.Popen[str]") -> None:
    """Lets it go on."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def measure(clients: int, seconds: float = SECONDS) -> FanOut:
    """`clients` that read and one more that does not, at 30 messages a second."""
    with ExitStack() as stack:
        server = child(stack, "--serve", seconds)
        url = line_of(server)
        reading = child(stack, "--read", clients, "--url", url)
        assert line_of(reading) == "connected"
        stack.enter_context(bad_clients.silent_websocket(url))
        go(server)
        cost = json.loads(line_of(server))
        go(reading)
        got = json.loads(line_of(reading))
    skipped = round(WARM_UP_S * RATE_HZ)
    warm = [one[skipped:] for one in got["latencies_ms"]]
    return FanOut(
        clients=clients,
        published=round(seconds * RATE_HZ),
        received=sum(map(len, got["latencies_ms"])),
        latency_ms=percentiles([ms for one in warm for ms in one]),
        server_cores=cost["cpu_cores"],
        client_cores=got["cpu_s"] / seconds,
    )


def table(results: list[FanOut]) -> str:
    """Markdown."""
    load = f"load {min(one.load for one in results):.1f} to {max(one.load for one in results):.1f}"
    lines = [
        f"{RATE_HZ:g} messages a second of one face for {SECONDS:g} s, one more client frozen (it never reads), server "
        f"and clients in processes of their own on {psutil.cpu_count()} cores ({load}).",
        "`python -m experiments.server.fan_out --write`:",
        "",
        "| clients | publish to receive p50 / p95 / p99 | delivered | server, cores | all clients, cores |",
        "|---|---|---|---|---|",
    ]
    for one in results:
        words = " / ".join(f"{one.latency_ms[key] or 0:.1f}" for key in ("p50", "p95", "p99"))
        cores = f"{one.server_cores:.2f} | {one.client_cores:.2f}"
        lines.append(f"| {one.clients:,} | {words} ms | {100 * one.delivered:.1f} % | {cores} |")
    return "\n".join(lines)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    parser.add_argument("--clients", type=int, nargs="+", default=list(CLIENTS))
    for hidden in ("--serve", "--read"):
        parser.add_argument(hidden, type=float, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    allow_descriptors(8192)
    if wanted.serve:
        serve(wanted.serve)
    elif wanted.read:
        asyncio.run(read_all(wanted.url, int(wanted.read)))
    else:
        text = table([measure(clients) for clients in wanted.clients])
        print(text)
        if wanted.write:
            replace_section(PAGE, "fan-out", text)


if __name__ == "__main__":
    main()
