"""What a sink costs for each message with one face: processor time of its `affect`, in microseconds.

Sends to a socket that is never read (OSC), to a broker that you have started (MQTT) and to nobody (LSL).

    mosquitto -p 1883 & python -m experiments.server.sink_costs
"""

import socket
import statistics
import time
from dataclasses import replace

import numpy as np

from mtclar.engine.data_types import BLENDSHAPES, Affect, Estimate
from mtclar.stream.protocol.messages import AffectMessage, LatencyMs, StreamInfo, SubjectInfo
from mtclar.stream.sinks import open_sink

MESSAGES = 3000
PAUSE_S = 0.001
CONNECT_S = 1.5

ESTIMATE = Estimate(0.3, -0.2, 0.05, 0.06, np.array([0.2, 0.9], np.float32), 1, True, (0.2, -0.1))
FACE = Affect(0, "anna", "ok", (10, 20, 110, 140), (1, 2, 3), 0.25, -0.5, 0.05, 0.06, ESTIMATE, ())
WITH_BLENDSHAPES = replace(FACE, blendshapes=np.linspace(0, 1, len(BLENDSHAPES), dtype=np.float32))


def measure(spec: str, face: Affect) -> None:
    """Prints median and 99th percentile."""
    sink = open_sink(spec)
    sink.open([StreamInfo("cam", "webcam:0", True, None, 30.0, "latest", (SubjectInfo("anna", 12),))])
    time.sleep(CONNECT_S)
    costs_us = []
    for seq in range(MESSAGES):
        now_s = time.monotonic()
        message = AffectMessage(
            "cam", seq, seq, now_s, "arrival", now_s, (640, 480), LatencyMs(0, 3, 4), 0, (face,)
        )
        before_s = time.thread_time()
        sink.affect(message)
        costs_us.append(1e6 * (time.thread_time() - before_s))
        time.sleep(PAUSE_S)
    sink.close()
    percentiles = statistics.quantiles(costs_us, n=100)
    print(f"{spec.partition(':')[0]:4}  p50 {percentiles[49]:5.0f}  p99 {percentiles[98]:5.0f}")


def main() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        port = receiver.getsockname()[1]
        measure(f"osc://127.0.0.1:{port}", FACE)
        measure(f"osc://127.0.0.1:{port}", WITH_BLENDSHAPES)
    measure("mqtt://127.0.0.1", FACE)
    measure("lsl", FACE)


if __name__ == "__main__":
    main()
