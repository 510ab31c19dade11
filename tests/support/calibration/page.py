"""A client of the calibration that records what it receives, each message checked against the schema."""

import json
import threading
from collections.abc import Callable
from typing import Any

from support.contract import CALIBRATE

WAIT_S = 60.0


class Page:
    """A ClientHandle that records what it receives."""

    role = "operator"

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.received: list[dict[str, Any]] = []
        self.images: list[bytes] = []
        self._changed = threading.Condition()

    def send_text(self, message: bytes) -> None:
        parsed = json.loads(message)
        if parsed["type"] != "error":
            CALIBRATE.from_server.validate(parsed)
        with self._changed:
            self.received.append(parsed)
            self._changed.notify_all()

    def send_binary(self, data: bytes) -> None:
        with self._changed:
            self.images.append(data)
            self._changed.notify_all()

    def wait(self, condition: Callable[[], Any]) -> Any:
        """Waits until the condition holds, and returns it."""
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_S)
            return condition()

    def next(self, kind: str, after: int, wanted: Callable[[dict[str, Any]], Any] = bool) -> dict[str, Any]:
        """Waits for the first wanted message of that kind from position `after` on."""

        def found() -> dict[str, Any] | None:
            return next((m for m in self.received[after:] if m["type"] == kind and wanted(m)), None)

        with self._changed:
            assert self._changed.wait_for(found, WAIT_S), [
                m for m in self.received[after:] if "look" not in m["type"]
            ]
            message = found()
        assert message is not None
        return message
