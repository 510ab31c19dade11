"""Calibrations of the studio: the session of a participant is opened when the calibration page asks for it."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any

from mtclar.calibrate.web import messages
from mtclar.calibrate.web.session import CalibrationSession
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import MtclarError
from mtclar.stream.protocol.messages import ProtocolError
from mtclar.stream.server.extension import ClientHandle

Key = tuple[str, str]
"""Subject and stream."""


class StudioCalibrations:
    """An Extension of the server for `calibrate.*`. Its methods belong to the event loop's thread, but `enqueue_frame`.

    `open_session` makes the session of a participant on what is tracked, and raises MtclarError. Sessions are closed on
    `executor`, since that waits for their threads.
    """

    prefix = messages.PREFIX

    def __init__(self, open_session: Callable[[str], CalibrationSession], executor: Executor) -> None:
        self._open_session = open_session
        self._executor = executor
        self._sessions: dict[Key, CalibrationSession] = {}
        self._session_of: dict[ClientHandle, CalibrationSession] = {}

    def enqueue_frame(self, frame: Frame) -> None:
        """Takes the newest frame of any stream, from that stream's thread, without waiting."""
        for session in tuple(self._sessions.values()):
            session.enqueue_frame(frame)

    def add(self, session: CalibrationSession) -> None:
        """Takes a session, in place of one of the same person and stream, and starts it; from any thread."""
        key = (session.subject, session.streams[0].stream_id)
        before = self._sessions.get(key)
        session.__enter__()
        self._sessions[key] = session
        if before is not None:
            self._close([before])

    def close_cameras(self, streams: set[str]) -> None:
        """Closes the sessions on cameras other than these; from any thread."""
        gone = [
            key for key, session in self._sessions.items() if _of_camera(session) and key[1] not in streams
        ]
        self._close([self._sessions.pop(key) for key in gone])

    def close(self) -> None:
        """Closes every session and waits for it."""
        for session in self._sessions.values():
            session.__exit__(None, None, None)
        self._sessions.clear()

    def on_message(self, client: ClientHandle, message: Mapping[str, Any]) -> None:
        """Passes a page's message to its session, which `join` chooses."""
        parsed = messages.parse(message)
        if isinstance(parsed, messages.Join):
            session = self._choose(parsed)
            before = self._session_of.get(client)
            if before is not None and before is not session:
                before.on_disconnect(client)
            self._session_of[client] = session
        elif client not in self._session_of:
            raise ProtocolError("join_expected", "send `calibrate.join` first")
        self._session_of[client].enqueue_message(client, parsed)

    def on_disconnect(self, client: ClientHandle) -> None:
        """Removes the client from its session."""
        if (session := self._session_of.pop(client, None)) is not None:
            session.on_disconnect(client)

    def _choose(self, join: messages.Join) -> CalibrationSession:
        if join.subject is None:
            raise ProtocolError("calibrate_failed", "Choose a participant on the home page first")
        for (subject, stream), session in self._sessions.items():
            if subject == join.subject and (stream == join.stream if join.stream else _of_camera(session)):
                return session
        if join.stream is not None and join.stream.startswith(RECORDING):
            raise ProtocolError("calibrate_failed", "Open the recording for rating on the home page again")
        try:
            session = self._open_session(join.subject)
        except MtclarError as error:
            raise ProtocolError("calibrate_failed", f"{error.what}. {error.hint}".rstrip(". ")) from error
        self.add(session)
        return session

    def _close(self, sessions: list[CalibrationSession]) -> None:
        for session in sessions:
            self._executor.submit(session.__exit__, None, None, None)


RECORDING = "recording:"
"""Begins the stream id of a session that rates a recording."""


def _of_camera(session: CalibrationSession) -> bool:
    return not session.streams[0].stream_id.startswith(RECORDING)
