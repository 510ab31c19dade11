"""How each participant's face differed from its support set when it was last tracked, as `run` reports it."""

from collections.abc import Callable

from mtclar.engine.estimate.drift import MEMORY_S
from mtclar.stream.protocol.messages import AffectMessage
from mtclar.stream.sinks import Sink


class LastDrift(Sink):
    """Remembers the last `drift` of each subject; calls `on_change` when one is another than before.

    No reason means something once the face was tracked for MEMORY_S.
    """

    own_thread = False

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._of: dict[str, tuple[str, ...]] = {}
        self._since_s: dict[tuple[str, str], float] = {}  # stream and subject -> capture of its first frame

    def affect(self, message: AffectMessage) -> None:
        """Takes over what is measured now."""
        for face in message.faces:
            subject, drift = face.subject, face.drift
            if subject is None or drift is None or face.state != "ok":
                continue
            tracked_s = message.t_capture_s - self._since_s.setdefault(
                (message.stream, subject), message.t_capture_s
            )
            if self._of.get(subject) != drift and (drift or tracked_s >= MEMORY_S):
                self._of[subject] = drift
                self._on_change()

    def close(self) -> None:
        """The next source begins anew; what was seen last stays."""
        self._since_s.clear()

    def of(self, subject: str) -> tuple[str, ...] | None:
        """The reasons; empty: none. None: this face was not tracked for long enough."""
        return self._of.get(subject)
