"""The live view of a run in the terminal: bars for valence and arousal, or one plain line per second.

On a terminal, rich redraws the view at its own rate; a message that arrives is only stored. Without a terminal (a pipe,
a log file) a plain line without escape codes is written every second and whenever the state of a source changes.
"""

import json
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mtclar.engine.errors import UsageError
from mtclar.engine.estimate.drift import ADVICE
from mtclar.engine.text import printable
from mtclar.stream.protocol.messages import AffectMessage, MarkMessage, StatusMessage, StreamInfo
from mtclar.stream.sinks.base import Sink

REDRAWS_PER_S = 8
PLAIN_INTERVAL_S = 1.0
RATE_WINDOW_S = 2.0
MINUTES_FROM_S = 120  # from here on remaining time is in minutes
BAR_CELLS = ((96, 21), (72, 11))  # (least columns of the terminal, cells of a bar); narrower: no bars

CONNECTING = "connecting"  # the state of a source before its first message
_STATE_STYLE = {"ok": "green", "live": "green", "low_quality": "yellow", "held": "yellow", "lost": "red"}
_NO_VALUE = "   -  "

Json = Mapping[str, Any]


def open_live_view(argument: str) -> "LiveView":
    """The sink of `live`."""
    if argument:
        raise UsageError("the live view takes no argument", "write live")
    return LiveView()


class LiveView(Sink):
    """Shows the latest `affect` and `status` messages of `mtclar.v1`, as objects or as decoded JSON.

    `open` takes title and queue from the streams; a client without streams enters it as a context manager instead.
    `clients`, where given, returns the number of connected clients. Without `values` only changes of a source's state
    and marks are written, a line each. `queued`: latencies include a wait in a full queue (freshness `all`), and the
    view states it. `hint`, such as which key does what, is shown on a terminal. `lengths_s`: of recordings, by
    stream; then the share that is done and the remaining time are shown. `clock` is monotonic.
    """

    own_thread = False

    def __init__(
        self,
        title: str = "",
        console: Console | None = None,
        *,
        clients: Callable[[], int] | None = None,
        values: bool = True,
        queued: bool = False,
        hint: str = "",
        lengths_s: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.title = title
        self._console = console or Console()
        self.queued = queued
        self.hint = hint
        self._lengths_s = dict(lengths_s or {})
        self._started_s: float | None = None  # when the first message came
        self._clients = clients
        self._values = values
        self._clock = clock
        self._lock = threading.Lock()
        self._arrivals: deque[tuple[float, float]] = deque()  # (time, latency in ms) of the last seconds
        self._affects: dict[str, Json | AffectMessage] = {}  # by stream
        self._states: dict[str, str] = {}
        self._mark: str | None = None  # the label of the last one
        self._next_line_s = clock()
        self._live: Live | None = None

    def __enter__(self) -> Self:
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
        self.close()

    def open(self, streams: Sequence[StreamInfo]) -> None:
        self.title = ", ".join(info.label for info in streams)
        self.queued = streams[0].freshness == "all"
        self._affects.clear()
        self._states.clear()
        self._mark = None
        self.__enter__()

    def close(self) -> None:
        """Writes the last line, or gives the terminal back; safe to call twice."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        elif self._values and self._affects:
            self._write(self._line())
            self._affects.clear()

    def affect(self, message: Json | AffectMessage) -> None:
        """Stores one `affect` message; it is read when the view is drawn."""
        if isinstance(message, AffectMessage):
            stream, latency_ms = message.stream, message.latency_ms.total
        else:
            stream, latency_ms = message["stream"], float(message["latency_ms"]["total"])
        now = self._clock()
        with self._lock:
            if self._started_s is None:
                self._started_s = now
            self._affects[stream] = message
            self._arrivals.append((now, latency_ms))
            self._drop_old(now)
            if self._states.get(stream, CONNECTING) == CONNECTING:
                self._states[stream] = "live"
            line_is_due = self._values and self._live is None and now >= self._next_line_s
            if line_is_due:
                self._next_line_s = now + PLAIN_INTERVAL_S
        if line_is_due:
            self._write(self._line())

    def status(self, message: Json | StatusMessage) -> None:
        """Stores one `status` message: the state of a source."""
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
            self._write(f"{status['stream']}: {text}")

    def mark(self, message: Json | MarkMessage) -> None:
        """Shows the label until the next one."""
        label = message.label if isinstance(message, MarkMessage) else str(message["label"])
        self._mark = printable(label)
        if self._live is None:
            self._write(f"mark: {label}")

    def _write(self, line: str) -> None:
        self._console.out(printable(line), highlight=False)

    # --- drawing ---------------------------------------------------------------------------------------------

    def _picture(self) -> RenderableType:
        """The whole view; called by rich's thread."""
        affects, states = self._snapshot()
        head = Text(printable(self.title), style="bold", overflow="ellipsis", no_wrap=True)
        foot = Text(self._numbers(), style="dim")
        for i, (stream, state) in enumerate(states.items()):
            text = f"{stream} {state}" if len(states) > 1 else state
            foot.append(f"{', ' if i else '  '}{printable(text)}", style=_STATE_STYLE.get(state, "yellow"))
        if self.hint:
            foot.append(f"  {self.hint}")
        if self._mark is not None:
            foot.append(f"  mark: {self._mark}", style="bold")
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

    def _snapshot(self) -> tuple[dict[str, Json], dict[str, str]]:
        """The last message and the state of every stream; one unnamed stream before the first message."""
        with self._lock:
            affects, states = dict(self._affects), dict(self._states)
        return {stream: _as_mapping(affect) for stream, affect in affects.items()}, states or {"": CONNECTING}

    def _faces(self, faces: list[tuple[str, Json]]) -> Table:
        cells = next((cells for columns, cells in BAR_CELLS if self._console.width >= columns), 0)
        ascii_only = not self._console.encoding.lower().startswith("utf")
        table = Table.grid(padding=(0, 1))
        for name, face in faces:
            style = _style(face)
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
        """The view as one plain line."""
        affects, states = self._snapshot()
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
            self._drop_old(self._clock())
            arrivals = list(self._arrivals)
            affects = list(self._affects.values())
        dropped = sum(_as_mapping(affect)["dropped"] for affect in affects)
        span_s = arrivals[-1][0] - arrivals[0][0] if arrivals else 0.0
        parts = [f"{(len(arrivals) - 1) / span_s:.1f} fps" if span_s > 0 else "- fps"]
        latency = f"{statistics.median(ms for _, ms in arrivals):.1f} ms" if arrivals else "- ms"
        parts.append(f"{latency} with the queue" if self.queued else latency)
        parts.append(f"{dropped} dropped")
        if self._clients is not None:
            count = self._clients()
            parts.append(f"{count:,} client{'' if count == 1 else 's'}")
        if self._lengths_s:
            parts.append(self._progress())
        return ", ".join(parts)

    def _progress(self) -> str:
        """`43 %, 12 s left`: by the time within the recordings, and the time since the first message."""
        with self._lock:
            reached_s = {
                stream: float(_as_mapping(affect)["pts"]) for stream, affect in self._affects.items()
            }
            started_s = self._started_s
        done_s = sum(
            min(reached_s.get(stream, 0.0), length_s) for stream, length_s in self._lengths_s.items()
        )
        share = done_s / sum(self._lengths_s.values())
        if started_s is None or share <= 0:
            return "0 %"
        left_s = round((self._clock() - started_s) * (1 - share) / share)
        return f"{100 * share:.0f} %, {f'{left_s // 60} min' if left_s >= MINUTES_FROM_S else f'{left_s} s'} left"

    def _drop_old(self, now: float) -> None:
        while self._arrivals and self._arrivals[0][0] < now - RATE_WINDOW_S:
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


def _as_mapping(message: Json | AffectMessage | StatusMessage) -> Json:
    return message if isinstance(message, Mapping) else json.loads(message.encode())


def _name(face: Json, stream: str | None) -> str:
    """The subject of a face, or its number; with its stream where there are several."""
    who = face["subject"] or f"face {face['id']}"
    return printable(who if stream is None else f"{stream}: {who}")


def _style(face: Json) -> str:
    """The colour of a face; a clear one that the calibration does not cover is no better than a warning."""
    uncovered = face["calibrated"] and (face.get("in_support") is False or face.get("drift"))
    return "yellow" if face["state"] == "ok" and uncovered else _STATE_STYLE.get(face["state"], "yellow")


def _state(face: Json) -> str:
    words = str(face["state"]).replace("_", " ")
    if face.get("faults"):
        words += f" ({', '.join(face['faults'])})"
    if face.get("caveats"):
        words += f" ({', '.join(face['caveats'])})"
    if face.get("drift"):
        words += f"; {'; '.join(ADVICE.get(reason, reason) for reason in face['drift'])}"
    words = printable(words)
    return words if face["calibrated"] else f"{words}, not calibrated"


def _value(value: float | None, sd: float | None) -> str:
    if value is None:
        return _NO_VALUE
    return f"{value:+.2f}" if sd is None else f"{value:+.2f} ±{sd:.2f}"
