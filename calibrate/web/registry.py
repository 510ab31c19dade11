"""All calibration sessions of a server: a session for each person, which `join` chooses."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Self

from mtclar.calibrate.web.protocol import messages
from mtclar.calibrate.web.session import CalibrationSession
from mtclar.engine.data_types import Frame
from mtclar.stream.protocol.messages import ProtocolError
from mtclar.stream.server.extension import ClientHandle


class CalibrationRegistry:
    """An Extension of the Server; a context manager around its sessions, of which there is at least one."""

    prefix = messages.PREFIX

    def __init__(self, sessions: Sequence[CalibrationSession]) -> None:
        self._sessions = tuple(sessions)
        self._session_of: dict[ClientHandle, CalibrationSession] = {}  # of the event loop's thread alone
        self._running = ExitStack()
        self._choices = [
            {"stream": stream.stream_id, "label": stream.label, "subject": session.subject}
            for session in sessions
            for stream in session.streams
        ]

    def __enter__(self) -> Self:
        for session in self._sessions:
            self._running.enter_context(session)
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def enqueue_frame(self, frame: Frame) -> None:
        """Takes the newest frame of any stream, from that stream's thread, without waiting."""
        for session in self._sessions:
            session.enqueue_frame(frame)

    def on_message(self, client: ClientHandle, message: Mapping[str, Any]) -> None:
        """Passes a page's message to its session; before its first `join`, to the first session."""
        parsed = messages.parse(message)
        session = self._session_of.get(client, self._sessions[0])
        if isinstance(parsed, messages.Join):
            chosen = self._choose(parsed, session)
            if chosen is not session:
                session.on_disconnect(client)
            self._session_of[client] = session = chosen
            if len(self._choices) > 1:
                client.send_text(messages.encode("choices", choices=self._choices))
        session.enqueue_message(client, parsed)

    def on_disconnect(self, client: ClientHandle) -> None:
        """Removes the client from its session."""
        if (session := self._session_of.pop(client, None)) is not None:
            session.on_disconnect(client)

    def _choose(self, join: messages.Join, current: CalibrationSession) -> CalibrationSession:
        """The current session if it fits the `join`, else the first that does; ProtocolError without one."""
        found = next((session for session in (current, *self._sessions) if session.accepts(join)), None)
        if found is None:
            raise ProtocolError("unknown_stream", "no person of that name can be calibrated on that stream")
        return found
