"""Progress reports of long work: it names a stage and its size, and gets a function that advances the stage."""

from collections.abc import Callable
from typing import Protocol

Advance = Callable[[int], None]
"""Receives the number of units done since the last call."""


class Progress(Protocol):
    """Displays stages of work; the command line draws progress bars."""

    def __call__(self, stage: str, total: int) -> Advance:
        """Starts a stage of `total` units."""
        ...


def silent(stage: str, total: int) -> Advance:  # noqa: ARG001  # a Progress
    """Displays nothing."""
    return lambda _: None
