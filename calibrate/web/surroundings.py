"""What a calibration session knows of the command around it: sets on disk, what follows a save, other raters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtclar.engine.support_set import SupportSet


@dataclass(frozen=True, slots=True)
class StoredSet:
    """A support set of this person on disk."""

    name: str  # for people, of one line
    load: Callable[[], SupportSet]  # raises MtclarError
    present: bool = False  # the one that saving replaces; others are earlier ones


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a session knows of the command around it."""

    stored: Callable[[], Sequence[StoredSet]] = (
        tuple  # the present set first, then earlier ones, newest first
    )
    on_saved: Callable[[SupportSet], None] = lambda _: None
    on_done: Callable[[], None] | None = None  # ends the command; None: it serves more than this page
    tracks: bool = False  # a saved set is used by the streams of this server at once
    rater: str = ""  # who rates the recording, if several do
    agreement: Callable[[], Mapping[str, Any] | None] = lambda: None  # of the raters who have saved
    sound: str = ""  # path of the page with the recording's sound


ALONE = Surroundings()
"""Nothing is known."""
