"""Serves a recording as if it were live: a server with a playback in place of pipelines."""

import threading
import time
from collections.abc import Callable
from typing import Self

from mtclar.stream.protocol.messages import ByeMessage, Hello
from mtclar.stream.recordings.playback import Playback
from mtclar.stream.recordings.reader import Recording
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server

TICK_S = 0.1


class Player:
    """A server with a recording in place of pipelines; a context manager that listens from enter to exit.

    It begins `start_s` seconds after the first message. Two replays send the same messages; only the session's name in
    `hello` differs. Raises UsageError when the recording ends before `start_s`.
    """

    def __init__(
        self,
        recording: Recording,
        config: ServerConfig | None = None,
        *,
        speed: float = 1.0,
        start_s: float = 0.0,
        version: str = "",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._version = version
        self._playback = Playback(recording, speed=speed, start_s=start_s, now=now)
        self.bye = ByeMessage("shutdown", "the server is stopping")
        self.server = Server(
            config, hello=self._hello, clocks=self._playback.clock, on_play=self._playback.play
        )

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close(self.bye)

    def run(self, stopped: threading.Event, *, wait: bool = False, stay: bool = False) -> int:
        """Sends the messages until the recording ends or `stopped` is set; returns how many frames it has sent.

        `wait`: the first message is sent once a client has connected. `stay`: at the end clients may go back.
        """
        while wait and not self.server.clients and not stopped.is_set():
            stopped.wait(TICK_S)
        frames = self._playback.run(self.server, stopped.is_set, stay=stay)
        if not stopped.is_set():
            self.bye = ByeMessage("ended", "the recording has ended")
        return frames

    def _hello(self) -> Hello:
        return Hello(
            streams=self._playback.streams,
            model=self._playback.recording.model,
            server=f"mtclar-stream {self._version}".strip(),
        )
