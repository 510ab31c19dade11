"""A reader of LSL outlets, in a process of its own, that is killed, comes back and freezes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.pipeline_parts import affect

from mtclar.stream.protocol.messages import AffectMessage, StreamInfo, SubjectInfo
from mtclar.stream.sinks import SinkGroup, open_sink

pytestmark = pytest.mark.faults
pytest.importorskip("pylsl", reason="pylsl is not installed; `make setup-all` brings it")

INLET = Path(__file__).parents[1] / "support" / "peers" / "lsl_inlet.py"
CAM = f"fault{os.getpid()}"  # a machine has one LSL
INFO = StreamInfo(CAM, "webcam:0", True, (640, 480), 30.0, "latest", (SubjectInfo("anna", 12),))
RESTARTS = 3
SAMPLES = 20
STEP = 1 / 1024  # of the valences in turn: each is one of float32


@contextmanager
def inlet() -> Iterator["subprocess.Popen[str]"]:
    """A reader of SAMPLES samples, connected."""
    command = [sys.executable, str(INLET), f"Affect {CAM} anna", str(SAMPLES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "connected\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def sinks() -> Iterator[SinkGroup]:
    with SinkGroup([open_sink("lsl")]) as group:
        group.open([INFO])
        yield group


@pytest.fixture
def send(sinks: SinkGroup, make_message: Callable[..., AffectMessage]) -> Callable[[], None]:
    """Sends one message, whose valence is the next."""
    sent = 0

    def send_next() -> None:
        nonlocal sent
        sinks.affect(replace(make_message(sent, stream=CAM), faces=(affect(valence=sent * STEP),)))
        sent += 1

    return send_next


def numbers(reader: "subprocess.Popen[str]") -> list[int]:
    """What a reader that has ended got."""
    assert reader.stdout is not None
    return [round(values[0] / STEP) for values in json.loads(reader.stdout.read())["samples"]]


def test_restarts_of_a_reader_lose_nothing_while_it_is_there(
    sinks: SinkGroup, send: Callable[[], None], eventually: Any
) -> None:
    for _ in range(RESTARTS):
        with inlet():
            send()  # killed while it reads
        for _ in range(SAMPLES):
            send()  # to nobody
        with inlet() as reader:
            for _ in range(SAMPLES):
                send()
            eventually(lambda: reader.poll() is not None)
            got = numbers(reader)
            assert got == list(range(got[0], got[0] + SAMPLES))
    (delivery,) = sinks.deliveries
    assert (delivery.failures, delivery.dropped) == (0, 0)


def test_a_frozen_reader_delays_nobody_and_gets_everything_later(
    sinks: SinkGroup, send: Callable[[], None], eventually: Any
) -> None:
    with inlet() as frozen:
        frozen.send_signal(signal.SIGSTOP)
        with inlet() as other:
            for _ in range(SAMPLES):
                send()
                time.sleep(0.01)
            eventually(lambda: other.poll() is not None)
            assert numbers(other) == list(range(SAMPLES))
        frozen.send_signal(signal.SIGCONT)
        eventually(lambda: frozen.poll() is not None)
        assert numbers(frozen) == list(range(SAMPLES))
    (delivery,) = sinks.deliveries
    assert (delivery.failures, delivery.dropped) == (0, 0)
