"""`--sink osc://HOST:PORT`: Open Sound Control over UDP, for game engines and sound. Needs the extra `[osc]`.

    /mtclar/STREAM/FACE/valence  f        also arousal, valence_sd, arousal_sd, and in_support (i); what has a value
    /mtclar/STREAM/FACE/state    s        with every frame
    /mtclar/STREAM/mark          s
    /mtclar/STREAM/status        s

The messages of a face in a frame are one bundle. With `--blendshapes`, the first face of the first stream is also sent
as an avatar's expression in the VMC protocol: https://protocol.vmc.info/english
"""

import socket
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from mtclar.engine.data_types import BLENDSHAPES, Affect
from mtclar.engine.errors import UsageError
from mtclar.stream.protocol.messages import AffectMessage, MarkMessage, StatusMessage, StreamInfo
from mtclar.stream.sinks.base import Sink
from mtclar.stream.sinks.face_names import FaceNames

OscMessage = tuple[str, Sequence[str | int | float]]

CLIPS = tuple(name[0].upper() + name[1:] for name in BLENDSHAPES[1:])
"""Avatars with ARKit's expressions ("perfect sync") call them so."""


def open_osc(argument: str) -> "OscSink":
    """The sink of `osc://HOST:PORT`."""
    try:
        address = urlsplit(f"osc://{argument}")
        host, port = address.hostname, address.port
    except ValueError:
        host = port = None
    if not (host and port) or address.path or "@" in argument:
        raise UsageError("the osc sink needs a host and a port", "write osc://127.0.0.1:9000")
    return OscSink(host, port)


class OscSink(Sink):
    """Sends each face of each frame as one datagram; nobody needs to receive it.

    Names of streams and subjects are percent-encoded, as OSC forbids some signs in addresses.
    """

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self._target: tuple[Any, ...] = ()  # the address, resolved
        self._names: dict[str, FaceNames] = {}

    def open(self, streams: Sequence[StreamInfo]) -> None:
        host, port = self._address
        try:
            family, kind, _, _, self._target = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        except OSError as error:  # an unknown name
            raise UsageError(
                f"cannot send OSC to {host}:{port}: {error.strerror}", "check the address"
            ) from error
        self._names = {info.stream: FaceNames() for info in streams}

    def affect(self, message: AffectMessage) -> None:
        """One bundle for each face, and its expression for an avatar."""
        named = self._names[message.stream](message.faces)
        for name, face in named.items():
            self._send(_values(f"/mtclar/{quote(message.stream, safe='')}/{quote(name, safe='')}", face))
        if message.stream == next(iter(self._names)):
            shown = next((face for face in named.values() if face.blendshapes is not None), None)
            if shown is not None:
                self._send(_expression(shown))

    def mark(self, message: MarkMessage) -> None:
        """The label, in the stream of the mark or in all."""
        for stream in self._names if message.stream is None else (message.stream,):
            self._send([(f"/mtclar/{quote(stream, safe='')}/mark", [message.label])])

    def status(self, message: StatusMessage) -> None:
        """The state of a source."""
        self._send([(f"/mtclar/{quote(message.stream, safe='')}/status", [message.state])])

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _send(self, messages: Iterable[OscMessage]) -> None:
        """Sends the messages as one bundle. Raises OSError, such as for a network that is down."""
        assert self._socket is not None
        bundle = OscBundleBuilder(IMMEDIATELY)
        for address, values in messages:
            message = OscMessageBuilder(address)
            for value in values:
                message.add_arg(value)
            bundle.add_content(message.build())
        try:
            self._socket.sendto(bundle.build().dgram, self._target)
        except OSError as error:
            self.trouble = f"OSC cannot be sent to {self._address[0]}:{self._address[1]}: {error.strerror}"
            raise
        self.trouble = None


def _values(prefix: str, face: Affect) -> Iterable[OscMessage]:
    for name in ("valence", "arousal", "valence_sd", "arousal_sd"):
        if (value := getattr(face, name)) is not None:
            yield f"{prefix}/{name}", [float(value)]
    if face.raw is not None:
        yield f"{prefix}/in_support", [int(face.raw.in_support)]
    yield f"{prefix}/state", [face.state]


def _expression(face: Affect) -> Iterable[OscMessage]:
    assert face.blendshapes is not None
    yield "/VMC/Ext/OK", [1]
    for clip, weight in zip(CLIPS, face.blendshapes[1:].tolist(), strict=True):
        yield "/VMC/Ext/Blend/Val", [clip, weight]
    yield "/VMC/Ext/Blend/Apply", []
