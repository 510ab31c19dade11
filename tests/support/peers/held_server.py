"""A server whose event loop can be held, so that all that comes meanwhile is handled in one turn."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mtclar.stream.protocol.messages import Hello
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server
from support.pipeline_parts import CAM

WAIT_S = 60.0


class HeldServer(Server):
    """A server of one stream, `cam`."""

    def __init__(self) -> None:
        self.may_run = threading.Event()
        self.may_run.set()
        super().__init__(ServerConfig(port=0), hello=self.make_hello)

    def make_hello(self) -> Hello:
        """Called on the event loop."""
        self.may_run.wait(WAIT_S)
        return Hello((CAM,))

    @contextmanager
    def held(self) -> Iterator[None]:
        """The event loop waits until the end of the block."""
        self.may_run.clear()
        self.announce()
        try:
            yield
        finally:
            self.may_run.set()
