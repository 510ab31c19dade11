"""Calibrations of the studio: the session of a participant is opened when the calibration page asks for it."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any

from mtclar.calibrate.web.protocol import messages
from mtclar.calibrate.web.session import CalibrationSession
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import MtclarError
from mtclar.engine.files.encryption import SealedError
from mtclar.stream.protocol.messages import ErrorMessage, ProtocolError
from mtclar.stream.server.extension import ClientHandle
from mtclar.studio.failures import reason_of, sentence_of

Key = tuple[str, str]
"""Subject and stream."""


class StudioCalibrations:
    """An Extension of the server for `calibrate.*`. Its methods belong to the event loop's thread, but `enqueue_frame`.

    `open_session` makes the session of a participant on what is tracked, for an encrypted set with its passphrase, and
    raises MtclarError. `is_locked` says whether a participant's set is encrypted; `unlock` tries a passphrase by
    loading the set. Sessions are closed, and passphrases tried, on `executor`: both take time.
    """

    prefix = messages.PREFIX

    def __init__(
        self,
        open_session: Callable[[str, str | None], CalibrationSession],
        is_locked: Callable[[str], bool],
        unlock: Callable[[str, str], object],
        executor: Executor,
    ) -> None:
        self._open_session = open_session
        self._is_locked, self._unlock = is_locked, unlock
        self._executor = executor
        self._joining = threading.Lock()  # a join after a passphrase ends on the executor's thread
        self._waiting: set[ClientHandle] = set()  # whose passphrase is being tried
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
            rates = (parsed.stream or "").startswith(RECORDING)
            try:
                locked = parsed.subject is not None and not rates and self._is_locked(parsed.subject)
            except MtclarError as error:
                raise ProtocolError("calibrate_failed", sentence_of(error)) from error
            if locked:
                self._join_locked(client, parsed)
            else:
                self._join(client, parsed)
            return
        session = self._session_of.get(client)
        if session is None:
            raise ProtocolError("join_expected", "send `calibrate.join` first")
        session.enqueue_message(client, parsed)

    def on_disconnect(self, client: ClientHandle) -> None:
        """Removes the client from its session."""
        with self._joining:
            self._waiting.discard(client)
            session = self._session_of.pop(client, None)
        if session is not None:
            session.on_disconnect(client)

    def _join(self, client: ClientHandle, join: messages.Join) -> None:
        session = self._choose(join)
        before = self._session_of.get(client)
        if before is not None and before is not session:
            before.on_disconnect(client)
        self._session_of[client] = session
        session.enqueue_message(client, join)

    def _join_locked(self, client: ClientHandle, join: messages.Join) -> None:
        """Joins once the passphrase has opened the support set; every page has to give it."""
        subject, passphrase = join.subject or "", join.passphrase
        if passphrase is None:
            raise ProtocolError("passphrase_needed", f"the calibration of {subject} is encrypted")
        self._waiting.add(client)

        def join_unlocked() -> None:
            try:
                self._unlock(subject, passphrase.get_secret_value())
                with self._joining:
                    if client in self._waiting:
                        self._waiting.discard(client)
                        self._join(client, join)
            except Exception as error:
                code = error.code if isinstance(error, ProtocolError) else "calibrate_failed"
                if isinstance(error.__cause__, SealedError):
                    code = "passphrase_wrong"
                client.send_text(ErrorMessage(code, reason_of(error)).encode())

        self._executor.submit(join_unlocked)

    def _choose(self, join: messages.Join) -> CalibrationSession:
        if join.subject is None:
            raise ProtocolError("calibrate_failed", "Choose a participant on the home page first")
        for (subject, stream), session in self._sessions.items():
            if subject == join.subject and (stream == join.stream if join.stream else _of_camera(session)):
                return session
        if join.stream is not None and join.stream.startswith(RECORDING):
            raise ProtocolError("calibrate_failed", "Open the recording for rating on the home page again")
        try:
            passphrase = None if join.passphrase is None else join.passphrase.get_secret_value()
            session = self._open_session(join.subject, passphrase)
        except MtclarError as error:
            raise ProtocolError("calibrate_failed", sentence_of(error)) from error
        self.add(session)
        return session

    def _close(self, sessions: list[CalibrationSession]) -> None:
        for session in sessions:
            self._executor.submit(session.__exit__, None, None, None)


RECORDING = "recording:"
"""Begins the stream id of a session that rates a recording."""


def _of_camera(session: CalibrationSession) -> bool:
    return not session.streams[0].stream_id.startswith(RECORDING)
