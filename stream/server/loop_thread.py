"""The thread of a server that has no event loop of its program to run on."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from mtclar.engine.errors import ServeError

log = logging.getLogger(__name__)

START_TIMEOUT_S = 10.0


class LoopThread(threading.Thread):
    """Runs `serve` on an event loop of its own; `serve` sets its event when clients can connect."""

    def __init__(self, serve: Callable[[threading.Event], Coroutine[Any, Any, None]], address: str) -> None:
        super().__init__(name="server", daemon=True)
        self._serve = serve
        self._address = address
        self._serving = threading.Event()
        self._error: Exception | None = None

    def start(self) -> None:
        """Returns when clients can connect; raises the error of `serve` before that, ServeError after ten seconds."""
        super().start()
        if not self._serving.wait(START_TIMEOUT_S):
            raise ServeError(f"{self._address} could not be opened in {START_TIMEOUT_S:g} s")
        if self._error is not None:
            raise self._error

    def run(self) -> None:
        try:
            asyncio.run(self._serve(self._serving))
        except Exception as error:
            self._error = error
            if self._serving.is_set():  # otherwise `start` raises it
                log.exception("the server ended unexpectedly")
        finally:
            self._serving.set()
