"""Sinks in a group: their threads, their failures, and a user's own sink found by name."""

import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.pipeline_parts import CAM

from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.installation.extras import install_command
from mtclar.stream.pipeline.pipeline import Pipeline
from mtclar.stream.protocol.messages import AffectMessage, MarkMessage, StatusMessage
from mtclar.stream.sinks import SINKS, Sink, SinkGroup, open_sink
from mtclar.stream.sinks.base import QUEUE_MESSAGES
from mtclar.stream.sources import open_source

STREAMS = [CAM]
WAIT_S = 60.0
EXTRAS = {
    "lsl": "pylsl",
    "osc": "pythonosc",
    "mqtt": "paho.mqtt",
    "mqtts": "paho.mqtt",
    "nats": "nats",
    "nats+tls": "nats",
}
LAB_SINK = '''
"""The sink of docs/development/extending.md: one file of one's own."""

from pathlib import Path

from mtclar.stream.sinks import Sink


class TextFile(Sink):
    def __init__(self, argument):
        self._path = Path(argument)

    def open(self, streams):
        self._lines = [f"open {streams[0].stream}"]

    def affect(self, message):
        self._lines.append(f"affect {message.frame}")

    def status(self, message):
        self._lines.append(f"status {message.state}")

    def close(self):
        self._path.write_text("\\n".join(self._lines))
'''


class Direct(Sink):
    """Called on the thread of the caller."""

    own_thread = False

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.threads: set[threading.Thread] = set()

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self.threads.add(threading.current_thread())

    def affect(self, message: AffectMessage) -> None:
        self._note(f"affect {message.seq}")

    def status(self, message: StatusMessage) -> None:
        self._note(f"status {message.state}")

    def mark(self, message: MarkMessage) -> None:
        self._note(f"mark {message.label}")

    def close(self) -> None:
        self._note("close")


class Threaded(Direct):
    """Called on a thread of its own."""

    own_thread = True


@pytest.mark.parametrize("kind", [Direct, Threaded])
def test_a_sink_gets_every_message_in_order_on_one_thread(
    kind: type[Direct], make_message: Callable[..., AffectMessage]
) -> None:
    sink = kind()
    with SinkGroup([sink]) as sinks:
        sinks.affect(make_message(99))  # not open yet
        sinks.open(STREAMS)
        sinks.status(StatusMessage("cam", "live"))
        for seq in range(3):
            sinks.affect(make_message(seq))
        sinks.mark(MarkMessage("start", 0.0))
    sinks.affect(make_message(99))
    sinks.close()
    assert sink.calls == ["status live", "affect 0", "affect 1", "affect 2", "mark start", "close"]
    assert sink.threads == {threading.current_thread()} if kind is Direct else len(sink.threads) == 1
    assert (threading.current_thread() in sink.threads) is (kind is Direct)


def test_a_blocked_sink_delays_no_other_and_loses_its_oldest_messages(
    make_message: Callable[..., AffectMessage], caplog: pytest.LogCaptureFixture
) -> None:
    taken, go_on = threading.Event(), threading.Event()

    class Slow(Threaded):
        def affect(self, message: AffectMessage) -> None:
            taken.set()
            assert go_on.wait(WAIT_S)
            super().affect(message)

    sink = Slow()
    with SinkGroup([sink]) as sinks:
        sinks.open(STREAMS)
        sinks.affect(make_message(0))
        assert taken.wait(WAIT_S)
        for seq in range(1, QUEUE_MESSAGES + 6):
            sinks.affect(make_message(seq))
        (delivery,) = sinks.deliveries
        assert delivery.dropped == 5
        go_on.set()
    assert sink.calls == ["affect 0", *(f"affect {seq}" for seq in range(6, QUEUE_MESSAGES + 6)), "close"]
    assert "Slow: 0 failures, 5 messages dropped" in caplog.text


@pytest.mark.parametrize("kind", [Direct, Threaded])
def test_marks_before_the_sinks_are_open_wait_for_it(kind: type[Direct]) -> None:
    sink = kind()
    with SinkGroup([sink]) as sinks:
        for label in ("early", "still early"):
            sinks.mark(MarkMessage(label, 0.0))
        sinks.open(STREAMS)
        sinks.mark(MarkMessage("late", 0.0))
    assert sink.calls == ["mark early", "mark still early", "mark late", "close"]


@pytest.mark.parametrize("own_thread", [True, False])
def test_failures_are_counted_and_reach_neither_the_tracker_nor_other_sinks(
    own_thread: bool, tracker: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Sink):
        def affect(self, message: AffectMessage) -> None:
            raise OSError(f"no route for {message.seq}")

    broken, other = Broken(), Direct()
    broken.own_thread = own_thread  # type: ignore[misc]
    sinks = SinkGroup([broken, other])
    pipeline = Pipeline(open_source("synthetic:64x48?faces=0&frames=5"), tracker, sinks)
    sinks.open([pipeline.info()])
    with pipeline:
        assert pipeline.wait(WAIT_S)
    sinks.close()
    assert pipeline.error is None
    assert pipeline.summary().frames == 5
    assert sinks.deliveries[0].failures == 5
    assert [call for call in other.calls if call.startswith("affect")] == [f"affect {n}" for n in range(5)]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["Broken failed: OSError: no route for 0", "Broken: 5 failures, 0 messages dropped"]


@pytest.mark.parametrize("own_thread", [True, False])
def test_a_required_sink_ends_the_run_also_by_failing_at_the_end(
    own_thread: bool, make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    class Full(Sink):
        required = True

        def affect(self, message: AffectMessage) -> None:  # noqa: ARG002
            raise MtclarError("the disk is full")

        def close(self) -> None:
            raise MtclarError("still full")

    full, other = Full(), Direct()
    full.own_thread = own_thread  # type: ignore[misc]
    sinks = SinkGroup([full, other])
    sinks.open(STREAMS)

    def fails() -> bool:
        try:
            sinks.affect(make_message(0))
        except MtclarError as error:
            return error.what == "the disk is full"
        return False

    eventually(fails)
    with pytest.raises(MtclarError, match="full"):
        sinks.close()
    assert other.calls[-1] == "close"


def test_a_mark_that_a_required_sink_refuses_ends_the_run_by_the_next_frame(
    make_message: Callable[..., AffectMessage],
) -> None:
    class Full(Direct):
        required = True

        def mark(self, message: MarkMessage) -> None:  # noqa: ARG002
            raise MtclarError("the disk is full")

    with SinkGroup([Full()]) as sinks:
        sinks.open(STREAMS)
        sinks.mark(MarkMessage("trial 1", 0.0))
        with pytest.raises(MtclarError, match="the disk is full"):
            sinks.affect(make_message())


def test_a_sink_that_cannot_be_opened_closes_the_ones_before_it() -> None:
    class Refuses(Sink):
        def open(self, streams: Any) -> None:  # noqa: ARG002
            raise MtclarError("no such device")

    first = Direct()
    with pytest.raises(MtclarError, match="no such device"):
        SinkGroup([first, Refuses()]).open(STREAMS)
    assert first.calls == ["close"]


def test_a_sink_of_ones_own_is_one_file_and_one_entry(
    tmp_path: Path, tracker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lab_sink.py").write_text(LAB_SINK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(SINKS, "text", "lab_sink:TextFile")
    for spec in ("text", "lab_sink:TextFile"):  # in the table, and without an entry
        path = tmp_path / "out.txt"
        source = open_source("synthetic:64x48?faces=0&frames=2")
        with Pipeline(source, tracker, [open_sink(f"{spec}://{path}")]) as pipeline:
            assert pipeline.wait(WAIT_S)
        lines = path.read_text().splitlines()
        assert lines[0] == "open synthetic"
        assert [line for line in lines if "affect" in line] == ["affect 0", "affect 1"]
        assert "status ended" in lines


def test_a_missing_extra_is_one_error_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mtclar.stream.sinks.lsl", raising=False)
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with pytest.raises(UsageError, match=r"cannot be loaded: .*pylsl") as raised:
        open_sink("lsl")
    assert raised.value.hint == install_command("lsl")


@pytest.mark.parametrize("name", SINKS)
def test_every_entry_can_be_opened(name: str, tmp_path: Path) -> None:
    if name in EXTRAS:
        pytest.importorskip(
            EXTRAS[name], reason=f"{EXTRAS[name]} is not installed; `make setup-all` brings it"
        )
    arguments = {
        "csv": f"://{tmp_path}/out.csv",
        "metrics": "://127.0.0.1:0",
        "osc": "://127.0.0.1:9",
        "record": f"://{tmp_path}/recordings",
        "mqtt": "://127.0.0.1:9",
        "mqtts": "://127.0.0.1:9",
        "nats": "://127.0.0.1:9",
        "nats+tls": "://127.0.0.1:9",
    }
    sink = open_sink(name + arguments.get(name, ""))
    assert isinstance(sink, Sink)
    sink.close()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("morse://127.0.0.1:9000", "there is no sink 'morse'"),
        ("nowhere:Sink", "cannot be imported"),
        ("csv", "needs a file"),
        ("record", "needs a folder"),
        ("live://x", "takes no argument"),
        ("metrics", "needs an address"),
        ("websocket://8765", "takes an address"),
    ],
)
def test_what_is_no_sink_is_refused(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_sink(spec)


def test_metrics_can_have_a_page_of_their_own(tracker: Any) -> None:
    from urllib.request import urlopen

    with Pipeline(
        open_source("synthetic:64x48?faces=0&frames=3"), tracker, [open_sink("metrics://127.0.0.1:0")]
    ) as pipeline:
        assert pipeline.wait(WAIT_S)
        (delivery,) = pipeline._sinks.deliveries
        address = delivery.sink.address  # type: ignore[attr-defined]
        with urlopen(f"http://{address[0]}:{address[1]}/metrics", timeout=WAIT_S) as page:
            assert b'mtclar_faces_total{state="ok",stream="synthetic"} 3.0' in page.read()
