"""How long work says how far it is: it names a stage and its size, and gets a function that moves it on."""

from collections.abc import Callable
from typing import Protocol

Advance = Callable[[int], None]
"""Called with how many units were done since the last call."""


class Progress(Protocol):
    """Shows stages of work; the command line draws bars."""

    def __call__(self, stage: str, total: int) -> Advance:
        """A stage of `total` units begins."""
        ...


def silent(stage: str, total: int) -> Advance:  # noqa: ARG001  # a Progress
    """Shows nothing."""
    return lambda _: None
