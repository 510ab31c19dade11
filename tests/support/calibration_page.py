"""A calibration page that remembers what it was told, each message checked against the schema."""

import json
import threading
from collections.abc import Callable
from typing import Any

import jsonschema

from mtclar.calibrate.web import messages

WAIT_S = 30.0
SCHEMA = json.loads(messages.schema())
FROM_DESK = jsonschema.Draft202012Validator(SCHEMA)


class Page:
    """A Peer that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.pictures: list[bytes] = []
        self._changed = threading.Condition()

    def send_text(self, message: bytes) -> None:
        said = json.loads(message)
        if said["type"] != "error":
            FROM_DESK.validate(said)
        with self._changed:
            self.told.append(said)
            self._changed.notify_all()

    def send_binary(self, picture: bytes) -> None:
        with self._changed:
            self.pictures.append(picture)
            self._changed.notify_all()

    def wait(self, condition: Callable[[], Any]) -> Any:
        """Until the condition holds; what it then gives."""
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_S)
            return condition()

    def next(self, kind: str, after: int, wanted: Callable[[dict[str, Any]], Any] = bool) -> dict[str, Any]:
        """The first message of that kind from position `after` on that is wanted; waits for it."""

        def found() -> dict[str, Any] | None:
            return next((m for m in self.told[after:] if m["type"] == kind and wanted(m)), None)

        with self._changed:
            assert self._changed.wait_for(found, WAIT_S), [
                m for m in self.told[after:] if "look" not in m["type"]
            ]
            message = found()
        assert message is not None
        return message
