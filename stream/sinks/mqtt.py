"""`--sink mqtt://HOST:PORT/TOPIC`, `mqtts://` over TLS: values as JSON for home automation. Needs the extra `[mqtt]`.

    TOPIC/status                online or offline; retained, and the broker's last will
    TOPIC/STREAM/status         the state of a source; retained
    TOPIC/STREAM/face/NAME      a face of a frame, at most once
    TOPIC/STREAM/mark           a client's mark, at least once: it waits for a broker that is away

With `?discovery=PREFIX` Home Assistant finds the values: https://www.home-assistant.io/integrations/mqtt/
"""

import json
import logging
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from mtclar.engine.data_types import Affect
from mtclar.engine.errors import UsageError
from mtclar.engine.files.reading import expand_home
from mtclar.engine.files.secret_files import first_line, warn_if_readable
from mtclar.stream.protocol.messages import (
    DECIMALS,
    AffectMessage,
    MarkMessage,
    SourceState,
    StatusMessage,
    StreamInfo,
)
from mtclar.stream.server.access import is_loopback
from mtclar.stream.sinks.base import Sink
from mtclar.stream.sinks.face_names import FaceNames

log = logging.getLogger(__name__)

PORT, TLS_PORT = 1883, 8883
KEEPALIVE_S = 10
"""A broker that answers nothing for twice this time is away; what was written to it meanwhile is lost."""

RETRY_S = (1, 30)
"""Pauses between tries to connect, from the first to the longest; each is twice the one before."""

MARKS_WAITING = 1000
FAREWELL_S = 1.0

FORM = "write mqtt://HOST:PORT/TOPIC or mqtts://USER@HOST:PORT/TOPIC?password-file=FILE (docs/live/sinks.md)"


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the values go, and how."""

    host: str
    port: int
    topic: str
    tls: bool
    user: str | None = None
    password_file: Path | None = None
    ca: Path | None = None  # certificates to trust instead of the system's
    discovery: str | None = None  # prefix of Home Assistant's topics
    max_hz: float | None = None  # messages of a face a second

    @property
    def name(self) -> str:
        """The broker for messages to people, without user and password."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def open_mqtt(argument: str) -> "MqttSink":
    """The sink of `mqtt://[USER@]HOST[:PORT][/TOPIC][?OPTIONS]`."""
    return MqttSink(_broker(argument, tls=False))


def open_mqtts(argument: str) -> "MqttSink":
    """The sink of `mqtts://`, with the same argument."""
    return MqttSink(_broker(argument, tls=True))


class MqttSink(Sink):
    """Publishes with paho's thread, which connects again by itself; nothing here waits for the broker.

    A value that cannot be sent is lost and counted as a failure, a mark waits. After each connection the retained
    messages are sent again: the broker may have forgotten them.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._names: dict[str, FaceNames] = {}
        self._states: dict[str, SourceState] = {}
        self._announced: dict[
            tuple[str, str], None
        ] = {}  # streams and names that Home Assistant knows, in order
        self._last_s: dict[tuple[str, str], float] = {}
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.will_set(f"{broker.topic}/status", "offline", qos=1, retain=True)
        client.reconnect_delay_set(*RETRY_S)
        client.max_queued_messages_set(MARKS_WAITING)
        if broker.tls:
            try:
                client.tls_set(ca_certs=None if broker.ca is None else str(expand_home(broker.ca)))
            except OSError as error:  # ssl.SSLError is one
                raise UsageError(f"cannot read the certificates {broker.ca}: {error}", FORM) from error
        password = None
        if broker.password_file is not None:
            password = first_line(broker.password_file, "password", FORM)
            warn_if_readable(broker.password_file)
            if not (broker.tls or is_loopback(broker.host)):
                log.warning("the password for %s is sent without encryption; use mqtts://", broker.name)
        if broker.user is not None:
            client.username_pw_set(broker.user, password)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        self._client = client

    def open(self, streams: Sequence[StreamInfo]) -> None:
        """Begins to connect; a broker that is away is tried again and again, as a camera is."""
        self._names = {info.stream: FaceNames() for info in streams}
        self._client.connect_async(self._broker.host, self._broker.port, KEEPALIVE_S)
        self._client.loop_start()

    def affect(self, message: AffectMessage) -> None:
        """One message for each face."""
        stream, hz = message.stream, self._broker.max_hz
        unix_s = message.t_capture_s + time.time() - time.monotonic()
        for name, face in self._names[stream](message.faces).items():
            key = (stream, name)
            if self._broker.discovery is not None and key not in self._announced:
                self._announced[key] = None
                self._announce(*key)
            due_s = self._last_s.get(key, -1e9) + (1 / hz if hz else 0)
            if message.t_capture_s >= due_s or face.state == "lost":
                self._last_s[key] = message.t_capture_s
                self._publish(f"{_level(stream)}/face/{_level(name)}", json.dumps(_values(face, unix_s)))

    def mark(self, message: MarkMessage) -> None:
        """The label and its time, in the stream of the mark or in all."""
        unix_s = message.t_s + time.time() - time.monotonic()
        mark = json.dumps({"label": message.label, "time": round(unix_s, DECIMALS)}, ensure_ascii=False)
        for stream in self._names if message.stream is None else (message.stream,):
            self._publish(f"{_level(stream)}/mark", mark, qos=1)

    def status(self, message: StatusMessage) -> None:
        """The state of a source; the next connection brings it if there is none."""
        self._states[message.stream] = message.state
        if self._client.is_connected():
            self._publish(f"{_level(message.stream)}/status", message.state, qos=1, retain=True)

    def close(self) -> None:
        """Says goodbye, so that the will is not needed."""
        if self._client.is_connected():
            farewell = self._client.publish(f"{self._broker.topic}/status", "offline", qos=1, retain=True)
            farewell.wait_for_publish(FAREWELL_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _publish(self, topic: str, payload: str, *, qos: int = 0, retain: bool = False) -> None:
        """Raises ConnectionError where the message is lost."""
        code = self._client.publish(f"{self._broker.topic}/{topic}", payload, qos, retain).rc
        waits = qos > 0 and code == paho.MQTT_ERR_NO_CONN
        if code != paho.MQTT_ERR_SUCCESS and not waits:
            raise ConnectionError(self.trouble or paho.error_string(code))

    # --- paho's thread ---

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            self._lost(str(code))
            return
        if self.trouble is not None:
            log.info("%s is connected again", self._broker.name)
        self.trouble = None
        self._client.publish(f"{self._broker.topic}/status", "online", qos=1, retain=True)
        for stream, state in tuple(self._states.items()):
            self._publish(f"{_level(stream)}/status", state, qos=1, retain=True)
        for key in tuple(self._announced):
            self._announce(*key)

    def _on_connect_fail(self, _client: Any, _data: Any) -> None:
        self._lost(str(sys.exc_info()[1] or "no connection"))  # paho calls this while it handles the error

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure and self.trouble is None:
            self._lost(str(code))

    def _lost(self, reason: str) -> None:
        trouble = f"{self._broker.name} is away: {reason}"
        if trouble != self.trouble:
            log.warning("%s", trouble)
        self.trouble = trouble

    def _announce(self, stream: str, name: str) -> None:
        """Home Assistant's description of the values of a face, retained."""
        topic = self._broker.topic
        device = _identifier(topic, stream, name)
        for value in ("valence", "arousal", "state"):
            sensor: dict[str, Any] = {
                "name": value.capitalize(),
                "unique_id": f"{device}_{value}",
                "state_topic": f"{topic}/{_level(stream)}/face/{_level(name)}",
                "value_template": f"{{{{ value_json.{value} }}}}",
                "availability_topic": f"{topic}/status",
                "device": {
                    "identifiers": [device],
                    "name": f"{name} ({stream})",
                    "manufacturer": "mtclar-stream",
                    "model": "" if self.model is None else self.model.id,
                },
            }
            if value != "state":
                sensor["state_class"] = "measurement"
            place = f"{self._broker.discovery}/sensor/{device}/{value}/config"
            self._client.publish(place, json.dumps(sensor), qos=1, retain=True)


def _broker(argument: str, *, tls: bool) -> Broker:
    """The parts of the address. Raises UsageError, whose text never holds the argument: it may contain a password."""
    try:
        parts = urlsplit(f"mqtt://{argument}")
        host, port = parts.hostname, parts.port
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        max_hz = float(options["max-hz"]) if "max-hz" in options else None
    except ValueError as error:
        raise UsageError("the address of the MQTT broker cannot be read", FORM) from error
    if parts.password is not None:
        raise UsageError(
            "other users can see a password in an address", "put it into a file: ?password-file=FILE"
        )
    topic = parts.path.strip("/") or "mtclar"
    if unknown := options.keys() - {"password-file", "ca", "discovery", "max-hz"}:
        raise UsageError(
            f"the mqtt sink has no option '{min(unknown)}'", "it has: password-file, ca, discovery, max-hz"
        )
    if not host or "#" in argument or "+" in topic or (max_hz is not None and not max_hz > 0):
        raise UsageError("the address of the MQTT broker cannot be read", FORM)
    if "password-file" in options and parts.username is None:
        raise UsageError("a password needs the name of a user", FORM)
    if "ca" in options and not tls:
        raise UsageError("certificates are for TLS", "write mqtts://")
    return Broker(
        host=host,
        port=port or (TLS_PORT if tls else PORT),
        topic=topic,
        tls=tls,
        user=None if parts.username is None else unquote(parts.username),
        password_file=Path(options["password-file"]) if "password-file" in options else None,
        ca=Path(options["ca"]) if "ca" in options else None,
        discovery=options.get("discovery"),
        max_hz=max_hz,
    )


def _values(face: Affect, unix_s: float) -> dict[str, Any]:
    numbers = {
        name: None if (value := getattr(face, name)) is None else round(float(value), DECIMALS)
        for name in ("valence", "arousal", "valence_sd", "arousal_sd")
    }
    return {
        "time": round(unix_s, DECIMALS),
        **numbers,
        "state": face.state,
        "in_support": None if face.raw is None else bool(face.raw.in_support),
        "calibrated": face.calibrated,
    }


def _level(name: str) -> str:
    """A name as one level of a topic, where / + and # have a meaning."""
    return quote(name, safe="")


def _identifier(*names: str) -> str:
    """A name of letters, digits, _ and -, which is all that Home Assistant allows."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", "_".join(map(_level, names)))
