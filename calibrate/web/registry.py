"""One calibration page for several people and streams: a desk for each person, and `join` says whose, and where."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Self

from mtclar.calibrate.web import messages
from mtclar.calibrate.web.session import Desk
from mtclar.engine.data_types import Frame
from mtclar.stream.protocol.messages import ProtocolError
from mtclar.stream.server.extension import ClientHandle


class Desks:
    """An Extension of the Server; a context manager around its desks, of which there is one at least."""

    prefix = messages.PREFIX

    def __init__(self, desks: Sequence[Desk]) -> None:
        self._desks = tuple(desks)
        self._sits_at: dict[ClientHandle, Desk] = {}  # of the event loop's thread alone
        self._running = ExitStack()
        self._choices = [
            {"stream": view.stream, "label": view.label, "subject": desk.subject}
            for desk in desks
            for view in desk.views
        ]

    def __enter__(self) -> Self:
        for desk in self._desks:
            self._running.enter_context(desk)
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def offer(self, frame: Frame) -> None:
        """The newest frame of any stream; from that stream's thread, never waiting."""
        for desk in self._desks:
            desk.offer(frame)

    def on_message(self, peer: ClientHandle, message: Mapping[str, Any]) -> None:
        """A page's message, for the desk that it sits at; before its first `join`, for the first one."""
        said = messages.parse(message)
        desk = self._sits_at.get(peer, self._desks[0])
        if isinstance(said, messages.Join):
            chosen = self._chosen(said, desk)
            if chosen is not desk:
                desk.on_disconnect(peer)
            self._sits_at[peer] = desk = chosen
            if len(self._choices) > 1:
                peer.send_text(messages.encode("choices", choices=self._choices))
        desk.dispatch(peer, said)

    def on_disconnect(self, peer: ClientHandle) -> None:
        """The client is gone."""
        if (desk := self._sits_at.pop(peer, None)) is not None:
            desk.on_disconnect(peer)

    def _chosen(self, said: messages.Join, now: Desk) -> Desk:
        """The desk that is meant, the present one where it can be; ProtocolError when there is none."""
        found = next((desk for desk in (now, *self._desks) if desk.serves(said)), None)
        if found is None:
            raise ProtocolError("unknown_stream", "nobody of that name is calibrated on such a stream here")
        return found
