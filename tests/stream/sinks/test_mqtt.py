"""MQTT as mosquitto and mosquitto_sub see it."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.peers.certificates import make_certificate
from support.peers.mqtt_broker import Mosquitto, mosquitto, subscriber
from support.pipeline_parts import affect, publishing

from mtclar.engine.errors import UsageError
from mtclar.stream.protocol.messages import (
    AffectMessage,
    MarkMessage,
    StatusMessage,
)
from mtclar.stream.sinks import open_sink

pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed; `make setup-all` brings it")

SECRET = "correct horse"


def test_a_subscriber_gets_values_marks_and_states(
    tmp_path: Path, make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    with mosquitto(tmp_path) as broker, subscriber(broker) as received:
        with publishing(f"mqtt://127.0.0.1:{broker.port}/lab/room 1") as sinks:
            eventually(lambda: ("lab/room 1/status", "online") in received)
            sinks.status(StatusMessage("cam", "live"))
            sinks.affect(make_message())
            sinks.mark(MarkMessage("müde", 1.0))
            eventually(lambda: len(received) == 4)
        eventually(lambda: received[-1] == ("lab/room 1/status", "offline"))
        messages = dict(received)
        assert messages["lab/room 1/cam/status"] == "live"
        assert json.loads(messages["lab/room 1/cam/mark"])["label"] == "müde"
        value = json.loads(messages["lab/room 1/cam/face/anna"])
        assert value.pop("time") == pytest.approx(1_800_000_000, abs=1e9)  # seconds since 1970
        assert value == {
            "valence": 0.25,
            "arousal": -0.5,
            "valence_sd": 0.05,
            "arousal_sd": 0.06,
            "state": "ok",
            "in_support": True,
            "calibrated": True,
        }


def test_one_who_comes_later_gets_the_states_and_no_values(
    tmp_path: Path, make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    with (
        mosquitto(tmp_path) as broker,
        subscriber(broker) as early,
        publishing(f"mqtt://127.0.0.1:{broker.port}") as sinks,
    ):
        sinks.status(StatusMessage("cam", "live"))
        eventually(lambda: ("mtclar/cam/status", "live") in early)
        sinks.affect(replace(make_message(), faces=(replace(affect(), subject="a/b#+"),)))
        eventually(lambda: early[-1][0] == "mtclar/cam/face/a%2Fb%23%2B")
        with subscriber(broker, "-i", "late") as late:
            eventually(lambda: len(late) == 2)
        assert set(late) == {("mtclar/status", "online"), ("mtclar/cam/status", "live")}


def test_the_will_tells_of_a_crash(tmp_path: Path, eventually: Any) -> None:
    program = (
        "import time\nfrom mtclar.stream.sinks import open_sink\n"
        "sink = open_sink('mqtt://127.0.0.1:{}')\nsink.open([])\ntime.sleep(600)"
    )
    with mosquitto(tmp_path) as broker, subscriber(broker) as received:
        with subprocess.Popen([sys.executable, "-c", program.format(broker.port)]) as process:
            eventually(lambda: ("mtclar/status", "online") in received)
            process.kill()
        eventually(lambda: ("mtclar/status", "offline") in received)


def test_home_assistant_finds_each_face_where_it_is_asked_for(
    tmp_path: Path, make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    with mosquitto(tmp_path) as broker, subscriber(broker) as received:
        with publishing(f"mqtt://127.0.0.1:{broker.port}/mtclar?discovery=homeassistant") as sinks:
            for seq in range(3):
                sinks.affect(make_message(seq))
            place = "homeassistant/sensor/mtclar_cam_anna/{}/config"
            eventually(
                lambda: {place.format(v) for v in ("valence", "arousal", "state")} <= {t for t, _ in received}
            )
        sensor = json.loads(dict(received)[place.format("valence")])
        assert sensor == {
            "name": "Valence",
            "unique_id": "mtclar_cam_anna_valence",
            "state_topic": "mtclar/cam/face/anna",
            "value_template": "{{ value_json.valence }}",
            "availability_topic": "mtclar/status",
            "state_class": "measurement",
            "device": {
                "identifiers": ["mtclar_cam_anna"],
                "name": "anna (cam)",
                "manufacturer": "mtclar-stream",
                "model": "small",
            },
        }


def test_a_rate_limits_the_messages_of_a_face(
    tmp_path: Path, make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    with mosquitto(tmp_path) as broker, subscriber(broker) as received:
        with publishing(f"mqtt://127.0.0.1:{broker.port}?max-hz=2") as sinks:
            eventually(lambda: ("mtclar/status", "online") in received)
            for seq in range(100):
                sinks.affect(make_message(seq, t_s=seq / 32))
        eventually(lambda: ("mtclar/status", "offline") in received)
        assert sum(topic == "mtclar/cam/face/anna" for topic, _ in received) == 7  # in three seconds


# paho leaves the socket of a failed handshake to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_user_and_password(tmp_path: Path, eventually: Any, caplog: pytest.LogCaptureFixture) -> None:
    certificate, key = make_certificate(tmp_path)
    passwords, secret = tmp_path / "passwords", tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "lab", SECRET], check=True, timeout=60)
    settings = f"certfile {certificate}\nkeyfile {key}\nallow_anonymous false\npassword_file {passwords}"
    with mosquitto(tmp_path, settings) as broker:
        spec = f"mqtts://lab@127.0.0.1:{broker.port}/mtclar?ca={certificate}&password-file={secret}"
        options = ("--cafile", str(certificate), "-u", "lab", "-P", SECRET)
        with subscriber(broker, *options) as received, publishing(spec):
            eventually(lambda: ("mtclar/status", "online") in received)
        for wrong, reason in (
            (spec.replace("lab@", "eve@"), "Not authorized"),
            (spec.replace(f"ca={certificate}&", ""), "CERTIFICATE_VERIFY_FAILED"),
        ):
            with publishing(wrong) as sinks:
                sink = sinks.deliveries[0].sink
                eventually(lambda: reason in (sink.trouble or ""))  # noqa: B023
    assert SECRET not in caplog.text


def test_missing_certificates_are_refused() -> None:
    with pytest.raises(UsageError, match="cannot read the certificates"):
        open_sink("mqtts://host?ca=/nowhere/ca.pem")


def test_it_ends_at_once_without_a_broker(tmp_path: Path, eventually: Any) -> None:
    broker = Mosquitto(tmp_path)  # not started
    with publishing(f"mqtt://127.0.0.1:{broker.port}") as sinks:
        sink = sinks.deliveries[0].sink
        eventually(lambda: "is away: [Errno 111] Connection refused" in (sink.trouble or ""))
