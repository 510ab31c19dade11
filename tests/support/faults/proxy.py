"""A proxy on loopback that makes a good network bad: delay, loss, disorder, damage, silence, cuts; TLS if wanted."""

import asyncio
import random
import re
import ssl
import threading
from collections.abc import Callable
from typing import Self

from .datagrams import DatagramWay

CHUNK_BYTES = 65536
STARTED_WITHIN_S = 10.0
PIECES_ON_THE_WAY = 10_000

Way = asyncio.Queue[tuple[float, bytes]]
"""From one side to the other: when a piece is due, and the piece."""


class Proxy:
    """Stands between an RTSP client and its server, in a thread of its own; a context manager.

    What is set holds from the next piece of data on. `loss` and `damage` are shares of the RTP packets that the server
    sends interleaved in the connection (RFC 2326, 10.12): a packet is left out as a gateway to a bad radio link would,
    or has some bytes changed. Of those that it sends over UDP, `loss` and `disorder` (late: others overtake them) are
    shares; the other troubles are not theirs. Everything else passes whole.
    """

    def __init__(self, server_port: int, tls: ssl.SSLContext | None = None, seed: int = 0) -> None:
        self.server_port = server_port
        self.port = 0
        self.delay_s = 0.0
        self.loss = 0.0
        self.disorder = 0.0
        self.damage = 0.0
        self.lost = self.late = self.damaged = self.connections = 0
        self._tls = tls
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()  # cleared: bytes are held back, connections stay
        self._accepting = True
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(STARTED_WITHIN_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._loop.stop)
        self._thread.join(STARTED_WITHIN_S)

    def cut(self) -> None:
        """Every connection ends at once, without a farewell; new ones are accepted."""
        self._do(self._abort_all)

    def refuse(self, refused: bool = True) -> None:
        """Whether new connections are closed as soon as they come."""
        self._accepting = not refused

    def freeze(self) -> None:
        """No byte passes any more; the connections stay open."""
        self._do(self._open.clear)

    def thaw(self) -> None:
        """What was held back passes."""
        self._do(self._open.set)

    def _abort_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def _do(self, what: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(what)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._open.set()
        start = asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        server = self._loop.run_until_complete(start)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0))  # handlers that have not begun do, to be ended below
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self.connections += 1
        if not self._accepting:
            to_client.transport.abort()
            return
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            to_client.transport.abort()
            return
        both = {to_client, to_server}
        self._writers |= both
        up: Way = asyncio.Queue(PIECES_ON_THE_WAY)
        down: Way = asyncio.Queue(PIECES_ON_THE_WAY)
        datagrams = DatagramWay(self._lose, self._delay)
        flows = [
            asyncio.ensure_future(flow)
            for flow in (
                self._take(from_client, up, datagrams),
                self._take_rtsp(from_server, down, datagrams),
                self._give(up, to_server),
                self._give(down, to_client),
            )
        ]
        try:
            await asyncio.wait(flows, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass  # the proxy is being closed; asyncio would print an exception of a handler
        finally:
            for flow in flows:
                flow.add_done_callback(_forget)
                flow.cancel()
            self._writers -= both
            datagrams.close()
            for writer in both:
                writer.transport.abort()

    async def _take(self, source: asyncio.StreamReader, way: Way, datagrams: DatagramWay) -> None:
        while data := await source.read(CHUNK_BYTES):
            await self._send_off(await datagrams.asked(data), way)

    async def _take_rtsp(self, source: asyncio.StreamReader, way: Way, datagrams: DatagramWay) -> None:
        """The server's side: replies as they are, interleaved packets at the mercy of `loss` and `damage`."""
        while first := await source.read(1):
            if first != b"$":
                reply = first + await source.readuntil(b"\r\n\r\n")
                if length := re.search(rb"content-length: *(\d+)", reply, re.IGNORECASE):
                    reply += await source.readexactly(int(length[1]))
                await self._send_off(datagrams.answered(reply), way)
                continue
            head = await source.readexactly(3)
            packet = bytearray(await source.readexactly(int.from_bytes(head[1:], "big")))
            if self._lose():
                continue
            if self._random.random() < self.damage and len(packet) > 40:
                self.damaged += 1
                for _ in range(8):  # after the RTP header: the packet is taken, its picture is not
                    packet[self._random.randrange(16, len(packet))] ^= 0xFF
            await self._send_off(first + head + packet, way)

    def _lose(self) -> bool:
        lost = self._random.random() < self.loss
        self.lost += lost
        return lost

    def _delay(self) -> bool:
        late = self._random.random() < self.disorder
        self.late += late
        return late

    async def _send_off(self, data: bytes, way: Way) -> None:
        await way.put((self._loop.time() + self.delay_s, data))

    async def _give(self, way: Way, sink: asyncio.StreamWriter) -> None:
        """Each piece after its delay: it comes later, not slower."""
        while True:
            due_s, data = await way.get()
            await asyncio.sleep(max(0.0, due_s - self._loop.time()))
            await self._open.wait()
            sink.write(data)
            await sink.drain()


class PlainProxy(Proxy):
    """Before a server of any protocol: delays, silence and cuts; no packet is lost or damaged."""

    async def _take_rtsp(self, source: asyncio.StreamReader, way: Way, datagrams: DatagramWay) -> None:
        await self._take(source, way, datagrams)


def _forget(flow: asyncio.Task[None]) -> None:
    """A flow that ended with its connection is no news."""
    if not flow.cancelled():
        flow.exception()
