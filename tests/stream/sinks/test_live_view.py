"""The live view, drawn on a recorded console: a terminal gets bars, a pipe gets plain lines."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mtclar.engine.data_types import Affect
from mtclar.stream.protocol.messages import AffectMessage, LatencyMs, MarkMessage, StatusMessage
from mtclar.stream.sinks.live_view import LiveView, bar

ESCAPE = "\x1b"


def affect(
    *faces: dict[str, Any],
    pts: float = 1.0,
    total_ms: float = 8.0,
    dropped: int = 0,
    stream: str = "door",
) -> dict[str, Any]:
    return {
        "type": "affect",
        "stream": stream,
        "pts": pts,
        "latency_ms": {"total": total_ms},
        "dropped": dropped,
        "faces": list(faces),
    }


def face(**changes: Any) -> dict[str, Any]:
    return {
        "id": 0,
        "subject": "anna",
        "state": "ok",
        "valence": 0.42,
        "arousal": -0.1,
        "sd": [0.08, 0.06],
        "calibrated": True,
        "faults": [],
    } | changes


def status(state: str, **more: Any) -> dict[str, Any]:
    return {"type": "status", "stream": "door", "state": state} | more


def terminal(width: int = 120) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=20, color_system=None)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def ticks() -> Callable[[], float]:
    """A clock that goes on by 0.1 s each time it is asked."""
    steps: Iterator[int] = count()
    return lambda: next(steps) / 10


def test_terminal_shows_values_state_and_numbers() -> None:
    console = terminal()
    with LiveView("demo: rendered face", console, clients=lambda: 3) as view:
        view.status(status("live"))
        view.affect(affect(face(), dropped=2))
        view.affect(affect(face(valence=-0.5, state="low_quality", faults=["too dark"]), dropped=2))
    text = written(console)
    for part in ("demo: rendered face", "anna", "-0.50 ±0.08", "-0.10 ±0.06", "low quality (too dark)"):
        assert part in text
    for part in ("8.0 ms", "2 dropped", "3 clients", "live", "━"):
        assert part in text


def test_terminal_says_when_there_is_no_face_and_when_a_face_is_not_calibrated() -> None:
    console = terminal()
    with LiveView("x", console) as view:
        view.affect(affect())
        assert view._live is not None
        view._live.refresh()
        assert "no face in the picture" in written(console)
        view.affect(affect(face(subject=None, calibrated=False, valence=None, arousal=None, sd=None)))
    assert "face 0" in written(console)
    assert "not calibrated" in written(console)


def test_what_to_do_about_a_face_that_left_its_support_set_is_said() -> None:
    console = terminal(200)
    with LiveView("camera", console) as view:
        view.affect(affect(face(drift=["darker"])))
    assert "more light, or add a frame" in written(console)


def test_a_clear_face_that_the_calibration_does_not_cover_is_not_green() -> None:
    green, yellow = f"{ESCAPE}[32m", f"{ESCAPE}[33m"
    for changes, colour in (
        ({}, green),
        ({"in_support": True}, green),
        ({"in_support": False}, yellow),
        ({"drift": ["expressions"]}, yellow),
        ({"calibrated": False, "in_support": False}, green),
    ):
        console = Console(
            file=io.StringIO(), force_terminal=True, width=120, height=20, color_system="standard"
        )
        with LiveView("camera", console) as view:
            view.affect(affect(face(**changes)))
        assert f"{colour}ok" in written(console), changes


def test_names_are_text_not_markup() -> None:
    console = terminal()
    with LiveView("[bold]t[/bold]", console) as view:
        view.affect(affect(face(subject="[red]eve[/red]\x1b]0;title\x07")))
    assert "[red]eve[/red]" in written(console)
    assert "\x1b]0" not in written(console)


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, height=20, record=True, force_terminal=True)
    view = LiveView("a title that is long enough to be cut " * 3, console)
    view._affect = affect(face(), face(id=1, subject="someone with a long name"))
    console.print(view._picture())
    assert max(len(line) for line in console.export_text().splitlines()) <= width


def test_pipe_gets_one_plain_line_a_second(ticks: Callable[[], float]) -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=80)
    with LiveView("x", console, clock=ticks) as view:
        for i in range(100):
            view.affect(affect(face(), pts=i / 30))
    lines = written(console).splitlines()
    assert ESCAPE not in written(console)
    assert 5 < len(lines) < 40  # the clock is asked once or a few times a message, 0.1 s each
    assert "anna V +0.42 ±0.08 A -0.10 ±0.06 ok" in lines[0]
    assert lines[-1].strip().startswith("3.30 s")  # the last message is told at the end


def test_pipe_line_is_not_wrapped_and_carries_no_control_characters(ticks: Callable[[], float]) -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=40)
    with LiveView("x", console, clock=ticks) as view:
        view.affect(affect(face(subject="e\x1b[31mve\nx"), face(id=1), face(id=2)))
    text = written(console)
    assert ESCAPE not in text
    assert all(" fps" in line for line in text.splitlines())


def test_pipe_gets_a_line_when_the_source_changes() -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=80)
    with LiveView("x", console) as view:
        for _ in range(3):
            view.status(status("reconnecting", retry_s=2.1, reason="no picture for 2.0 s"))
        view.status(status("live"))
    assert written(console).splitlines() == [
        "door: reconnecting, next try in 2 s (no picture for 2.0 s)",
        "door: live",
    ]


@pytest.mark.parametrize("on_terminal", [True, False])
def test_several_streams_are_told_apart(on_terminal: bool) -> None:
    """Each has its state and its faces; what was dropped is summed."""
    console = terminal() if on_terminal else Console(file=io.StringIO(), force_terminal=False, width=80)
    with LiveView("x", console) as view:
        view.affect(affect(face(valence=0.42), stream="door", dropped=3))
        view.affect(affect(face(subject="ben", valence=-0.5), stream="hall", dropped=4))
        view.status(status("reconnecting", retry_s=2.1))
        view.affect(affect(face(subject="ben", valence=-0.6), stream="hall", dropped=4))
    last = written(console).splitlines()[-1 if not on_terminal else slice(None)]
    text = last if isinstance(last, str) else "\n".join(last)
    for part in ("door: anna", "+0.42", "hall: ben", "-0.60", "7 dropped", "door reconnecting", "hall live"):
        assert part in text


def test_the_state_of_one_stream_is_not_anothers() -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=80)
    with LiveView("x", console, values=False) as view:
        for stream in ("door", "hall"):
            view.status({"type": "status", "stream": stream, "state": "live"})
        view.status({"type": "status", "stream": "door", "state": "live"})
    assert written(console).splitlines() == ["door: live", "hall: live"]


@pytest.mark.parametrize("on_terminal", [True, False])
def test_without_values_only_changes_of_the_source_are_written(on_terminal: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=on_terminal, width=80, color_system=None)
    with LiveView("x", console, values=False) as view:
        for i in range(50):
            view.affect(affect(face(), pts=i))
        view.status(status("reconnecting", retry_s=2.1, reason="no picture"))
        view.affect(affect(face(), pts=60))
    assert written(console).splitlines() == ["door: reconnecting, next try in 2 s (no picture)"]


def test_that_a_queue_is_in_the_latency_is_said() -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=200)
    with LiveView("x", console, queued=True) as view:
        view.affect(affect(face()))
    assert "8.0 ms with the queue" in written(console)


def test_of_recordings_the_share_and_the_remaining_time_are_shown() -> None:
    now = 0.0
    console = Console(file=io.StringIO(), force_terminal=False, width=200)
    with LiveView("x", console, lengths_s={"door": 20.0, "hall": 20.0}, clock=lambda: now) as view:
        view.affect(affect(face(), pts=0.0))
        for now in (2.0, 4.0, 6.0):
            view.affect(affect(face(), pts=2.5 * now))
        view.affect(affect(face(), pts=15.0, stream="hall"))
    lines = written(console).splitlines()
    assert "25 %, 12 s left" in lines[2]  # 10 of 40 s after 4 s
    assert "38 %, 10 s left" in lines[3]
    assert "75 %, 2 s left" in lines[-1]


def test_frames_per_second_come_from_the_clock() -> None:
    now = 0.0
    console = Console(file=io.StringIO(), force_terminal=False, width=80)
    view = LiveView("x", console, clock=lambda: now)
    for i in range(100):
        now = i / 25
        view.affect(affect(face(), total_ms=i))
    assert "25.0 fps" in view._numbers()
    now += 60
    assert "- fps" in view._numbers()


def test_messages_may_come_from_many_threads() -> None:
    console = terminal()
    with LiveView("x", console) as view:

        def send_many() -> None:
            for _ in range(300):
                view.affect(affect(face()))

        threads = [threading.Thread(target=send_many) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)
    assert "anna" in written(console)


def test_many_messages_are_few_drawings() -> None:
    console = terminal()
    began = time.monotonic()
    with LiveView("one title", console) as view:
        for _ in range(2000):
            view.affect(affect(face()))
    seconds = time.monotonic() - began
    assert written(console).count("one title") <= 10 * seconds + 3


def test_leaving_by_an_error_gives_the_terminal_back() -> None:
    console = terminal()
    with pytest.raises(ZeroDivisionError), LiveView("x", console):
        _ = 1 / 0
    assert (
        written(console).count("\x1b[?25l") == written(console).count("\x1b[?25h") == 1
    )  # cursor hidden, shown


@given(st.one_of(st.none(), st.floats(-3, 3)), st.sampled_from([11, 21]), st.booleans())
def test_bar_reaches_from_zero_to_the_value(value: float | None, cells: int, ascii_only: bool) -> None:
    text = bar(value, cells, "green", ascii_only).plain
    assert len(text) == cells
    filled = [i - cells // 2 for i, c in enumerate(text) if c in "#━"]
    reach = 0 if value is None else round(max(-1.0, min(1.0, value)) * (cells // 2))
    assert filled == (list(range(min(0, reach), max(0, reach) + 1)) if reach else [])
    if ascii_only:
        assert text.isascii()


@pytest.mark.parametrize("mark", [MarkMessage("trial\x1b[2J 1", 1.0), {"label": "trial\x1b[2J 1"}])
def test_the_last_mark_is_shown(mark: Any) -> None:
    console = terminal()
    with LiveView("x", console, hint="m: mark") as view:
        view.affect(affect(face()))
        view.mark(mark)
    assert "m: mark  mark: trial [2J 1" in written(console)
    plain = Console(file=io.StringIO(), force_terminal=False, width=80)
    with LiveView("x", plain, values=False, hint="m: mark") as view:
        view.mark(mark)
    assert written(plain) == "mark: trial [2J 1\n"


def test_it_is_a_sink_of_the_pipeline() -> None:
    estimate = Affect(3, "ben", "ok", (0, 0, 9, 9), None, 0.25, -0.5, 0.1, 0.2, None, ())
    message = AffectMessage(
        "demo", 0, 0, 1.0, "file", 0.0, (64, 48), LatencyMs(1.0, 2.0, 3.0), 4, (estimate,)
    )
    for console in (terminal(), Console(file=io.StringIO(), force_terminal=False, width=80)):
        with LiveView("x", console) as view:
            view.status(StatusMessage("demo", "live"))
            view.affect(message)
        for part in ("ben", "+0.25 ±0.10", "-0.50 ±0.20", "6.0 ms", "4 dropped"):
            assert part in written(console)
