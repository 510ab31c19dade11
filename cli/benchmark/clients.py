"""Real websocket clients in their own process, and the messages that they received.

    python -m mtclar.cli.benchmark.clients ws://127.0.0.1:PORT/ws COUNT

Prints `connected`, reads until the server sends bye, and prints the clients' figures as JSON.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from mtclar.stream.pipeline.summary import percentiles
from mtclar.stream.protocol.messages import PROTOCOL


@dataclass(slots=True)
class Received:
    """The messages of one client."""

    latencies_ms: list[float] = field(default_factory=list)  # capture to here, on the clock that both share
    arrivals_s: list[float] = field(default_factory=list)


async def listen(url: str, connected: asyncio.Barrier) -> Received:
    """One client, until the server closes."""
    received = Received()
    async with connect(url, subprotocols=[Subprotocol(PROTOCOL)], proxy=None) as connection:
        await connection.recv()  # hello
        await connected.wait()
        try:
            async for text in connection:
                now_s = time.monotonic()
                message = json.loads(text)
                if message["type"] == "affect":
                    received.arrivals_s.append(now_s)
                    received.latencies_ms.append(1e3 * (now_s - message["t_capture"]))
        except ConnectionClosed:
            pass  # without a bye: the received messages still count
    return received


async def listen_all(url: str, count: int) -> list[Received]:
    """All clients at once."""
    connected = asyncio.Barrier(count + 1)
    clients = [asyncio.create_task(listen(url, connected)) for _ in range(count)]
    await connected.wait()
    print("connected", flush=True)
    return await asyncio.gather(*clients)


def main() -> None:
    url, count = sys.argv[1], int(sys.argv[2])
    received = asyncio.run(listen_all(url, count))
    rates = [
        (len(one.arrivals_s) - 1) / (one.arrivals_s[-1] - one.arrivals_s[0])
        for one in received
        if len(one.arrivals_s) > 1
    ]
    report = {
        "messages": sum(len(one.latencies_ms) for one in received),
        "messages_per_s": round(sum(rates) / len(rates), 2) if rates else 0.0,
        "latency_ms": percentiles([ms for one in received for ms in one.latencies_ms]),
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
