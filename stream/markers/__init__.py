"""Markers of other programs, opened by name: what such a program signals becomes a mark of the run."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from mtclar.stream.registry import resolve_with_extra

OnMarker = Callable[[str, float], Any]
"""Takes a label of 1 to LABEL_LENGTH characters and its time on the monotonic clock in seconds, on any thread."""

MARKERS = {"lsl": "mtclar.stream.markers.lsl:open_lsl"}
"""Name -> `module:factory`. A factory takes the text behind `://`, which may be empty, an OnMarker and `progress`."""


def open_markers(
    spec: str, on_marker: OnMarker, progress: Callable[[str], Any] = lambda _: None
) -> AbstractContextManager[object]:
    """The markers that `NAME` or `NAME://ARGUMENT` describes, received from entering to exiting: `lsl`.

    NAME is one of MARKERS or the `module:factory` of your own. `progress` gets a sentence for each change of the
    connections, on any thread. Raises UsageError for an unknown name, a missing extra, or an argument not taken.
    """
    name, _, argument = spec.strip().partition("://")
    markers: AbstractContextManager[object] = resolve_with_extra(name, MARKERS, "marker stream")(
        argument, on_marker, progress
    )
    return markers


__all__ = ["MARKERS", "OnMarker", "open_markers"]
