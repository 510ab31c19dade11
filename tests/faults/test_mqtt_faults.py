"""An MQTT broker that is killed, comes back and freezes."""

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.peers.mqtt_broker import mosquitto, subscriber
from support.pipeline_parts import CAM, affect

from mtclar.stream.protocol.messages import AffectMessage, MarkMessage, StatusMessage
from mtclar.stream.sinks import SinkGroup, open_sink

pytestmark = pytest.mark.faults
pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed; `make setup-all` brings it")

RESTARTS = 20


def valences(received: list[tuple[str, str]]) -> set[float]:
    return {json.loads(payload)["valence"] for topic, payload in received if topic == "mtclar/cam/face/anna"}


def marks(received: list[tuple[str, str]]) -> list[str]:
    return [json.loads(payload)["label"] for topic, payload in received if topic == "mtclar/cam/mark"]


def test_restarts_of_the_broker_lose_nothing_but_the_values_of_its_absence(
    tmp_path: Path, make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    with mosquitto(tmp_path) as broker, subscriber(broker) as received:
        sink = open_sink(f"mqtt://127.0.0.1:{broker.port}")
        with SinkGroup([sink]) as sinks:
            sinks.open([CAM])
            (delivery,) = sinks.deliveries
            eventually(lambda: ("mtclar/status", "online") in received)
            for restart in range(RESTARTS):
                present, absent = restart / 100, -1 + restart / 100

                def send(valence: float) -> None:
                    sinks.affect(replace(make_message(), faces=(affect(valence=valence),)))

                send(present)
                eventually(lambda: present in valences(received))  # noqa: B023
                failures = delivery.failures
                broker.kill()
                eventually(lambda: sink.trouble)
                send(absent)
                sinks.mark(MarkMessage(f"absent {restart}", 0.0))
                sinks.status(StatusMessage("cam", "live" if restart % 2 else "stalled"))
                eventually(lambda: delivery.failures == failures + 1)  # noqa: B023
                received.clear()
                broker.start()
                eventually(lambda: sink.trouble is None)
                eventually(lambda: f"absent {restart}" in marks(received))  # noqa: B023
                state = ("mtclar/cam/status", "live" if restart % 2 else "stalled")
                eventually(lambda: state in received)  # noqa: B023
                assert absent not in valences(received)
            assert delivery.failures == RESTARTS
            assert delivery.dropped == 0


def test_a_frozen_broker_delays_nobody(
    tmp_path: Path, make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    with mosquitto(tmp_path) as broker, subscriber(broker) as received:
        sink = open_sink(f"mqtt://127.0.0.1:{broker.port}")
        with SinkGroup([sink]) as sinks:
            sinks.open([CAM])
            (delivery,) = sinks.deliveries
            eventually(lambda: ("mtclar/status", "online") in received)
            broker.signal(signal.SIGSTOP)
            eventually(lambda: sinks.affect(make_message()) or sink.trouble)  # the keepalive notices
            assert delivery.dropped == 0
            broker.signal(signal.SIGCONT)
            eventually(lambda: sink.trouble is None)
            sinks.affect(replace(make_message(), faces=(affect(valence=0.99),)))
            eventually(lambda: 0.99 in valences(received))
