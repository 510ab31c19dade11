"""Programs at the other end of the sinks, for experiments.server.sinks: each says `ready`, then notes what arrives.

    python -m experiments.server.sink_receivers NAME ADDRESS

A line is the number of a message, which its valence carries, and the monotonic time of its arrival; of LSL also the
time of capture as a recorder has it. None uses code of mtclar-stream.
"""

import csv
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

NUMBERS = 10_000  # messages that four decimals of a valence tell apart
WAIT_S = 60.0


def note(valence: float, *more: float) -> None:
    """One message that has arrived now."""
    print(round(valence * NUMBERS), time.monotonic(), *more, flush=True)


def read_websocket(url: str) -> None:
    """Connects again when the server closes a connection that was not read for long."""
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    while True:
        with (
            suppress(ConnectionClosed),
            connect(url, proxy=None, open_timeout=WAIT_S, max_queue=None, compression=None) as client,
        ):
            client.send(json.dumps({"type": "subscribe", "delivery": "all"}))
            for text in client:
                message = json.loads(text)
                if message["type"] == "subscribed":
                    print("ready", flush=True)
                elif message["type"] == "affect":
                    note(message["faces"][0]["valence"])


def read_csv(path: str) -> None:
    with Path(path).open(newline="") as file:
        names = next(csv.reader([file.readline()]))
        print("ready", flush=True)
        while True:
            if line := file.readline():
                note(float(dict(zip(names, next(csv.reader([line])), strict=True))["valence"]))
            else:
                time.sleep(0.001)


def read_metrics(url: str) -> None:
    """The number is that of the newest counted message; the third figure is when the page was asked for."""
    print("ready", flush=True)
    while True:
        asked_s = time.monotonic()
        with urlopen(url, timeout=WAIT_S) as page:
            lines = page.read().decode().splitlines()
        counts = [float(line.split()[-1]) for line in lines if line.startswith("mtclar_faces_total")]
        note((sum(counts) - 1) / NUMBERS, asked_s)
        time.sleep(0.2)


def read_lsl(name: str) -> None:
    import pylsl

    found: list[Any] = []
    while not found:
        found = pylsl.resolve_byprop("name", name, timeout=WAIT_S)
    inlet = pylsl.StreamInlet(found[0], recover=False)
    inlet.open_stream(WAIT_S)
    inlet.time_correction(WAIT_S)
    print("ready", flush=True)
    while True:
        values, stamp_s = inlet.pull_sample()
        note(values[0], stamp_s + inlet.time_correction())


def read_osc(port: str) -> None:
    from pythonosc.dispatcher import Dispatcher
    from pythonosc.osc_server import BlockingOSCUDPServer

    dispatcher = Dispatcher()
    dispatcher.map("/mtclar/*/valence", lambda _, valence: note(valence))
    with BlockingOSCUDPServer(("127.0.0.1", int(port)), dispatcher) as server:
        print("ready", flush=True)
        server.serve_forever()


def read_mqtt(port: str) -> None:
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    def on_connect(client: Any, *_: object) -> None:
        client.subscribe("mtclar/+/face/#")

    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = on_connect
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.on_message = lambda _client, _data, message: note(json.loads(message.payload)["valence"])
    client.reconnect_delay_set(1, 1)
    client.connect("127.0.0.1", int(port), 10)
    client.loop_forever()


RECEIVERS: dict[str, Callable[[str], None]] = {
    "websocket": read_websocket,
    "csv": read_csv,
    "metrics": read_metrics,
    "lsl": read_lsl,
    "osc": read_osc,
    "mqtt": read_mqtt,
}

if __name__ == "__main__":
    RECEIVERS[sys.argv[1]](sys.argv[2])
