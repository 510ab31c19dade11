"""What the list of participants says of drift: the last thing that was measured, and nothing too early."""

from collections.abc import Callable
from dataclasses import replace

from mtclar.engine.estimate.drift import MEMORY_S, Reason
from mtclar.stream.protocol.messages import AffectMessage
from mtclar.studio.drift import LastDrift


def test_the_last_drift_of_each_subject_is_kept(make_message: Callable[..., AffectMessage]) -> None:
    changes: list[None] = []
    last = LastDrift(lambda: changes.append(None))

    def measure(t_s: float, *drift: Reason, state: str = "ok") -> None:
        message = make_message(faces=1, t_s=t_s)
        face = replace(message.faces[0], subject="anna", drift=drift, state=state)
        last.affect(replace(message, faces=(face,)))

    measure(0.0)
    assert last.of("anna") is None  # nothing could be known yet
    measure(MEMORY_S)
    assert last.of("anna") == ()
    measure(MEMORY_S + 1, "darker", "turned")
    measure(MEMORY_S + 2, "darker", "turned")
    measure(MEMORY_S + 3, state="held")
    assert last.of("anna") == ("darker", "turned")
    assert len(changes) == 2
    last.close()
    measure(100.0)  # another source
    assert last.of("anna") == ("darker", "turned")
    measure(100.0 + MEMORY_S)
    assert last.of("anna") == ()
    assert last.of("ben") is None
