"""The terminal's live view of a stream, shared by `run` and `watch`: bars for V and A, or a plain line a second.

On a terminal, rich redraws the view at its own pace; what comes in is only noted. Without one (a pipe, a log file) a
plain line without escape codes is written every second and whenever the source's state changes.
"""

import json
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mtclar.cli.terminal import Terminal, counted, printable
from mtclar.engine.estimate.drift import ADVICE

if TYPE_CHECKING:
    from mtclar.stream.protocol.messages import AffectMessage, StatusMessage

REDRAWS_PER_S = 8
PLAIN_INTERVAL_S = 1.0
METER_WINDOW_S = 2.0
BAR_CELLS = ((96, 21), (72, 11))  # (columns of the terminal from which on, cells of a bar); narrower: no bars

CONNECTING = "connecting"  # what a source is until it says something
_STATE_STYLE = {"ok": "green", "live": "green", "low_quality": "yellow", "held": "yellow", "lost": "red"}
_NO_VALUE = "   -  "


class LiveView:
    """Shows the latest `affect` and `status` messages of `mtclar.v1`; a context manager.

    `publish` makes it a sink of the pipeline; `on_affect` and `on_status` take messages as they came over the wire.
    All may be called from any thread and any number of times a second. `clients`, where given, is asked for the
    number of connected clients. Without `values` only changes of the source's state are written, a line each.
    `queued`: latencies hold a wait in a queue that is meant to be full (freshness `all`), and that is said. `clock` is
    monotonic.
    """

    def __init__(
        self,
        title: str,
        console: Console | None = None,
        *,
        clients: Callable[[], int] | None = None,
        values: bool = True,
        queued: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.title = title
        self._console = console or Terminal()
        self.queued = queued
        self._clients = clients
        self._values = values
        self._clock = clock
        self._lock = threading.Lock()
        self._arrivals: deque[tuple[float, float]] = deque()  # (time, latency in ms) of the last seconds
        # By stream, as they came.
        self._affects: dict[str, Mapping[str, Any] | AffectMessage] = {}
        self._states: dict[str, str] = {}
        self._next_line_s = clock()
        self._live: Live | None = None

    def __enter__(self) -> "LiveView":
        if self._console.is_terminal and self._values:
            self._live = Live(
                console=self._console, refresh_per_second=REDRAWS_PER_S, get_renderable=self._picture
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        elif self._values and self._affects:
            self._say(self._line())

    def publish(self, message: "AffectMessage") -> None:
        """Notes one answer of the pipeline; it is only looked into when it is shown."""
        self._note(message, message.latency_ms.total)

    def on_affect(self, message: Mapping[str, Any]) -> None:
        """Notes one `affect` message."""
        self._note(message, float(message["latency_ms"]["total"]))

    def _note(self, affect: "Mapping[str, Any] | AffectMessage", latency_ms: float) -> None:
        now = self._clock()
        with self._lock:
            stream = affect["stream"] if isinstance(affect, Mapping) else affect.stream
            self._affects[stream] = affect
            self._arrivals.append((now, latency_ms))
            self._forget(now)
            if self._states.get(stream, CONNECTING) == CONNECTING:
                self._states[stream] = "live"
            line_is_due = self._values and self._live is None and now >= self._next_line_s
            if line_is_due:
                self._next_line_s = now + PLAIN_INTERVAL_S
        if line_is_due:
            self._say(self._line())

    def on_status(self, message: "Mapping[str, Any] | StatusMessage") -> None:
        """Notes one `status` message: how the source is."""
        status = _as_mapping(message)
        text = str(status["state"])
        if status.get("retry_s") is not None:
            text += f", next try in {status['retry_s']:.0f} s"
        if status.get("reason"):
            text += f" ({status['reason']})"
        with self._lock:
            changed = text != self._states.get(status["stream"], CONNECTING)
            self._states[status["stream"]] = text
        if changed and self._live is None:
            self._say(f"{status['stream']}: {text}")

    def _say(self, line: str) -> None:
        self._console.out(printable(line), highlight=False)

    # --- what is shown ---------------------------------------------------------------------------------------------

    def _picture(self) -> RenderableType:
        """The whole view, as rich draws it: called by its thread."""
        affects, states = self._now()
        head = Text(printable(self.title), style="bold", overflow="ellipsis", no_wrap=True)
        foot = Text(self._numbers(), style="dim")
        for i, (stream, state) in enumerate(states.items()):
            text = f"{stream} {state}" if len(states) > 1 else state
            foot.append(f"{', ' if i else '  '}{printable(text)}", style=_STATE_STYLE.get(state, "yellow"))
        if not affects:
            return Group(head, Text("waiting for the first picture", style="dim"), foot)
        faces = [
            (_name(face, stream if len(states) > 1 else None), face)
            for stream, affect in affects.items()
            for face in affect["faces"]
        ]
        if not faces:
            return Group(head, Text("no face in the picture", style="yellow"), foot)
        return Group(head, self._faces(faces), foot)

    def _now(self) -> tuple[dict[str, Mapping[str, Any]], dict[str, str]]:
        """The last message and the state of every stream; before the first there is one, which connects."""
        with self._lock:
            affects, states = dict(self._affects), dict(self._states)
        return {stream: _as_mapping(affect) for stream, affect in affects.items()}, states or {"": CONNECTING}

    def _faces(self, faces: list[tuple[str, Mapping[str, Any]]]) -> Table:
        cells = next((cells for columns, cells in BAR_CELLS if self._console.width >= columns), 0)
        ascii_only = not self._console.encoding.lower().startswith("utf")
        table = Table.grid(padding=(0, 1))
        for name, face in faces:
            style = _STATE_STYLE.get(face["state"], "yellow")
            spread = face.get("sd") or (None, None)
            row: list[Text] = [Text(name, style="bold", overflow="ellipsis", no_wrap=True)]
            for letter, value, sd in (
                ("V", face["valence"], spread[0]),
                ("A", face["arousal"], spread[1]),
            ):
                row += [
                    Text(letter),
                    bar(value, cells, style, ascii_only),
                    Text(_value(value, sd), no_wrap=True),
                ]
            row.append(Text(_state(face), style=style))
            table.add_row(*row)
        return table

    def _line(self) -> str:
        """The same in one plain line."""
        affects, states = self._now()
        several = len(states) > 1
        faces = "; ".join(
            f"{_name(face, stream if several else None)} V {_value(face['valence'], (face.get('sd') or [None])[0])}"
            f" A {_value(face['arousal'], (face.get('sd') or [None])[-1])} {_state(face)}"
            for stream, affect in affects.items()
            for face in affect["faces"]
        )
        state = ", ".join(f"{stream} {state}" if several else state for stream, state in states.items())
        pts = max(affect["pts"] for affect in affects.values())
        return f"{pts:8.2f} s  {faces or 'no face'}  | {self._numbers()}, {state}"

    def _numbers(self) -> str:
        with self._lock:
            self._forget(self._clock())
            arrivals = list(self._arrivals)
            affects = list(self._affects.values())
        dropped = sum(_as_mapping(affect)["dropped"] for affect in affects)
        span_s = arrivals[-1][0] - arrivals[0][0] if arrivals else 0.0
        parts = [f"{(len(arrivals) - 1) / span_s:.1f} fps" if span_s > 0 else "- fps"]
        latency = f"{statistics.median(ms for _, ms in arrivals):.1f} ms" if arrivals else "- ms"
        parts.append(f"{latency} with the queue" if self.queued else latency)
        parts.append(f"{dropped} dropped")
        if self._clients is not None:
            parts.append(counted(self._clients(), "client"))
        return ", ".join(parts)

    def _forget(self, now: float) -> None:
        while self._arrivals and self._arrivals[0][0] < now - METER_WINDOW_S:
            self._arrivals.popleft()


def bar(value: float | None, cells: int, style: str, ascii_only: bool = False) -> Text:
    """A bar from zero, in the middle, to `value` in [-1, 1]; `cells` is odd, or 0. None: an empty bar."""
    ground, filled, zero = "-#|" if ascii_only else "─━┼"
    middle = cells // 2
    reach = 0 if value is None else round(max(-1.0, min(1.0, value)) * middle)
    first, last = sorted((middle, middle + reach))
    text = Text(no_wrap=True)
    for cell in range(cells):
        is_filled = reach != 0 and first <= cell <= last
        if is_filled:
            text.append(filled, style=style)
        else:
            text.append(zero if cell == middle else ground, style="dim")
    return text


def _as_mapping(message: "Mapping[str, Any] | AffectMessage | StatusMessage") -> Mapping[str, Any]:
    return message if isinstance(message, Mapping) else json.loads(message.encode())


def _name(face: Mapping[str, Any], stream: str | None) -> str:
    """Who it is; and in which stream, where there are several."""
    who = face["subject"] or f"face {face['id']}"
    return printable(who if stream is None else f"{stream}: {who}")


def _state(face: Mapping[str, Any]) -> str:
    words = str(face["state"]).replace("_", " ")
    if face.get("faults"):
        words += f" ({', '.join(face['faults'])})"
    if face.get("drift"):
        words += f"; {'; '.join(ADVICE.get(reason, reason) for reason in face['drift'])}"
    words = printable(words)
    return words if face["calibrated"] else f"{words}, not calibrated"


def _value(value: float | None, sd: float | None) -> str:
    if value is None:
        return _NO_VALUE
    return f"{value:+.2f}" if sd is None else f"{value:+.2f} ±{sd:.2f}"
