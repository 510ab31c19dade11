"""`--markers lsl`: marker streams of the Lab Streaming Layer, as of PsychoPy and E-Prime. Needs the extra `[lsl]`.

Every stream of type Markers is followed, or each one of a given name. A stream may begin and end at any time; a program
that restarts is found again, whether or not it has given its stream a source_id. Our own marks are left out.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
import pylsl

from mtclar.stream.markers import OnMarker
from mtclar.stream.protocol.client_messages import LABEL_LENGTH
from mtclar.stream.server.clients.quotas import TokenBucket
from mtclar.stream.sinks.lsl import OWN_SOURCE_ID, choose_network, clock_offset_s

log = logging.getLogger(__name__)

MARKER_TYPE = "Markers"
MOST_STREAMS = 16
MARKERS_PER_S = 50.0
"""Beyond this rate, after as many at once, markers are dropped and counted."""

SEARCH_EVERY_S = 0.5
OPEN_TIMEOUT_S = 10.0
CORRECTION_TIMEOUT_S = 5.0
PULL_TIMEOUT_S = 0.2

PLAUSIBLE_AGE_S = (-1.0, 300.0)
"""A marker from later or earlier carries another clock's time; liblsl may hold one back while a connection is away."""


def open_lsl(argument: str, on_marker: OnMarker, progress: Callable[[str], Any]) -> "LslMarkers":
    """The markers of `lsl`, `lsl://NAME`, `lsl://network` and `lsl://network/NAME`."""
    where, _, name = argument.partition("/")
    if where != "network":
        where, name = "", argument
    return LslMarkers(on_marker, progress, name=name or None, network=bool(where))


class LslMarkers:
    """A context manager that follows marker streams from entering to exiting, each in a thread of its own.

    `name`: of the streams, whatever their type; by default all of type Markers. With `network`, those of other machines
    as well; otherwise of this machine. The time of a marker is the sender's, brought to the monotonic clock of this
    process by LSL's measured correction; where that cannot be, the time of arrival.
    """

    def __init__(
        self,
        on_marker: OnMarker,
        progress: Callable[[str], Any] = lambda _: None,
        *,
        name: str | None = None,
        network: bool = False,
    ) -> None:
        choose_network(network)
        self._on_marker = on_marker
        self._progress = progress
        self._name = name
        self._following: dict[str, threading.Thread] = {}  # by the unique id of an outlet
        self._ended = threading.Event()
        self._search = threading.Thread(target=self._find, name="lsl-markers", daemon=True)
        self._lock = threading.Lock()  # of the two that follow
        self._bucket = TokenBucket(MARKERS_PER_S, MARKERS_PER_S)
        self._dropped = 0

    def __enter__(self) -> Self:
        self._offset_s = clock_offset_s()
        self._search.start()
        streams = f"of type {MARKER_TYPE}" if self._name is None else f"'{self._name}'"
        self._report(f"LSL markers: streams {streams} are awaited")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in (self._search, *self._following.values()):
            thread.join(2 * PULL_TIMEOUT_S + SEARCH_EVERY_S)
        if self._dropped:
            log.warning("%d LSL markers beyond %g a second were dropped", self._dropped, MARKERS_PER_S)

    def _find(self) -> None:
        resolver = pylsl.ContinuousResolver()
        while not self._ended.wait(SEARCH_EVERY_S):
            self._following = {uid: thread for uid, thread in self._following.items() if thread.is_alive()}
            for info in resolver.results():
                uid = info.uid()
                if (
                    uid in self._following
                    or len(self._following) == MOST_STREAMS
                    or not self._is_wanted(info)
                ):
                    continue
                thread = threading.Thread(target=self._follow, args=(info,), name="lsl-marker", daemon=True)
                self._following[uid] = thread
                thread.start()

    def _is_wanted(self, info: pylsl.StreamInfo) -> bool:
        if info.source_id().split(" ")[0] == OWN_SOURCE_ID or info.nominal_srate() != pylsl.IRREGULAR_RATE:
            return False
        return info.type() == MARKER_TYPE if self._name is None else info.name() == self._name

    def _follow(self, info: pylsl.StreamInfo) -> None:
        """Passes on the markers of one outlet until it ends; `_find` sees the next one."""
        where = f"LSL markers '{info.name()}' of {info.hostname()}"
        # liblsl recovers only streams with a source_id, and not with every change of them: `_find` does it for all.
        inlet = pylsl.StreamInlet(info, recover=False, as_numpy=True)
        try:
            inlet.open_stream(OPEN_TIMEOUT_S)
        except RuntimeError:  # pylsl's errors: the outlet has gone, or cannot be reached; `_find` tries again
            return
        self._report(f"{where}: connected")
        clock = _SenderClock(inlet, where, self._offset_s)
        waiting: list[tuple[str, float, float]] = []  # in the first second: label, stamp, arrival
        try:
            while not self._ended.is_set():
                values, stamp_s = inlet.pull_sample(PULL_TIMEOUT_S)
                if values is not None:
                    waiting.append((_label(values), stamp_s, time.monotonic()))
                if clock.is_compared():
                    self._pass_on(waiting, clock)
        except pylsl.util.LostError:
            self._report(f"{where}: ended; waiting for it to return")
        self._pass_on(waiting, clock)

    def _pass_on(self, waiting: list[tuple[str, float, float]], clock: "_SenderClock") -> None:
        """Makes marks of the markers that wait."""
        for label, stamp_s, arrival_s in waiting:
            if label and self._is_within_rate():
                self._on_marker(label, clock.capture_s(stamp_s, arrival_s))
        waiting.clear()

    def _is_within_rate(self) -> bool:
        with self._lock:
            if self._bucket.take():
                return True
            self._dropped += 1
            if self._dropped == 1:
                log.warning("more than %g LSL markers a second: the others are dropped", MARKERS_PER_S)
        return False

    def _report(self, text: str) -> None:
        log.info(text, extra={"fields": {"event": "markers"}})
        self._progress(text)


class _SenderClock:
    """The clock of one outlet's machine, as LSL's exchanges with it measure it."""

    def __init__(self, inlet: pylsl.StreamInlet, where: str, offset_s: float) -> None:
        self._inlet = inlet
        self._where = where
        self._offset_s = offset_s  # LSL's clock here minus the monotonic one
        self._is_told = False
        self._latest_s = time.monotonic() + CORRECTION_TIMEOUT_S
        self._correction_s()  # begins the exchanges

    def is_compared(self) -> bool:
        """Whether the two clocks have been compared, which takes about a second, or it has been given up."""
        return self._correction_s() is not None or time.monotonic() > self._latest_s

    def capture_s(self, stamp_s: float, arrival_s: float) -> float:
        """The time of a sample with this stamp on the monotonic clock; that of its arrival where the stamp is none."""
        correction_s = self._correction_s()
        if correction_s is not None:
            time_s = stamp_s + correction_s - self._offset_s
            if PLAUSIBLE_AGE_S[0] <= arrival_s - time_s <= PLAUSIBLE_AGE_S[1]:
                return time_s
        if not self._is_told:
            self._is_told = True
            reason = (
                "its clock cannot be read"
                if correction_s is None
                else "its time stamps are not of LSL's clock"
            )
            log.warning("%s: %s, the time of arrival is used", self._where, reason)
        return arrival_s

    def _correction_s(self) -> float | None:
        try:
            return float(self._inlet.time_correction(0.0))
        except RuntimeError:  # pylsl's errors: not known yet, or the outlet has gone
            return None


def _label(values: Sequence[Any]) -> str:
    """The channels of a sample as one label: texts in UTF-8 or Windows' western code page, numbers in short."""
    return ", ".join(map(_text, values))[:LABEL_LENGTH]


def _text(value: Any) -> str:
    if not isinstance(value, bytes):
        return f"{value:g}" if isinstance(value, np.floating) else str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("cp1252", errors="replace")
