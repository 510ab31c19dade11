"""An RTSP camera's datagrams through a bad network: a pair of UDP ports that loses and delays packets by chance."""

import asyncio
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import cast

OVERTAKEN_BY = 3  # packets, of one that is late
TRIES = 100

CLIENT_PORTS = re.compile(rb"client_port=(\d+)-(\d+)")
SERVER_PORTS = re.compile(rb"server_port=(\d+)-(\d+)")

Chance = Callable[[], bool]


class Detour(asyncio.DatagramProtocol):
    """A port that the camera takes for the client's, and the client for the camera's."""

    def __init__(self, client_port: int, lost: Chance, late: Chance) -> None:
        self.camera_port: int | None = None  # known when the camera has answered
        self._client_port = client_port
        self._lost, self._late = lost, late
        self._transport: asyncio.DatagramTransport | None = None
        self._held: bytes | None = None
        self._overtaken = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr[1] == self._client_port:
            if self.camera_port is not None:
                self._send(data, self.camera_port)
        elif self._held is None and self._late():
            self._held, self._overtaken = data, 0
        elif not self._lost():
            self._send(data, self._client_port)
            self._overtaken += 1
            if self._held is not None and self._overtaken >= OVERTAKEN_BY:
                self._send(self._held, self._client_port)
                self._held = None

    def error_received(self, exc: Exception) -> None:
        """The other side's port is closed: packets to it are lost, as on any network."""

    def _send(self, data: bytes, port: int) -> None:
        assert self._transport is not None
        self._transport.sendto(data, ("127.0.0.1", port))


class DatagramWay:
    """Puts detours in the place of both sides' ports, which their SETUP agrees on (RFC 2326, 12.39); one connection's.

    `lost` and `late` are asked for each RTP packet of the camera; RTCP passes.
    """

    def __init__(self, lost: Chance, late: Chance) -> None:
        self._lost, self._late = lost, late
        self._detours: list[Detour] = []
        self._transports: list[asyncio.DatagramTransport] = []
        self._client_ports = self._our_ports = b""

    async def asked(self, request: bytes) -> bytes:
        """The client's words as the camera gets them."""
        ports = CLIENT_PORTS.search(request)
        if ports is None:
            return request
        self.close()
        rtp, rtcp = _two_ports()
        self._detours = [
            Detour(int(ports[1]), self._lost, self._late),
            Detour(int(ports[2]), lambda: False, lambda: False),
        ]
        loop = asyncio.get_running_loop()
        for port, detour in zip((rtp, rtcp), self._detours, strict=True):
            transport, _ = await loop.create_datagram_endpoint(partial(_given, detour), sock=port)
            self._transports.append(transport)
        self._client_ports = ports[0]
        self._our_ports = b"%d-%d" % (rtp.getsockname()[1], rtcp.getsockname()[1])
        return request.replace(ports[0], b"client_port=" + self._our_ports)

    def answered(self, reply: bytes) -> bytes:
        """The camera's words as the client gets them."""
        ports = SERVER_PORTS.search(reply)
        if ports is None or not self._detours:
            return reply
        for detour, port in zip(self._detours, ports.groups(), strict=True):
            detour.camera_port = int(port)
        reply = CLIENT_PORTS.sub(self._client_ports, reply)
        return reply.replace(ports[0], b"server_port=" + self._our_ports)

    def close(self) -> None:
        """Frees the ports."""
        for transport in self._transports:
            transport.abort()
        self._transports.clear()


def _two_ports() -> tuple[socket.socket, socket.socket]:
    """Neighbours, as RTP and its RTCP have them by convention (RFC 3550, 11)."""
    for _ in range(TRIES):
        rtp = socket.socket(type=socket.SOCK_DGRAM)
        rtp.bind(("127.0.0.1", 0))
        rtcp = socket.socket(type=socket.SOCK_DGRAM)
        with suppress(OSError, OverflowError):
            rtcp.bind(("127.0.0.1", rtp.getsockname()[1] + 1))
            return rtp, rtcp
        rtp.close()
        rtcp.close()
    raise AssertionError("no two neighbouring UDP ports are free")


def _given(detour: "Detour") -> "Detour":
    """A factory, as asyncio wants one, of a protocol that is there already."""
    return detour
