"""Plots the values of a running server: pip install matplotlib; python plot_values.py [ws://127.0.0.1:8765]."""

import sys
from collections import deque

import matplotlib.pyplot as plt

from mtclar.stream.client import watch

points: deque[tuple[float, float, float]] = deque(maxlen=300)  # the last 30 s
figure, axes = plt.subplots()
valence_line, arousal_line = axes.plot([], [], "C0", [], [], "C1")
axes.legend((valence_line, arousal_line), ("valence", "arousal"), loc="upper left")
axes.set(ylim=(-1, 1), xlabel="s")
for message in watch(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8765", max_hz=10):
    for face in message.faces[:1]:
        if face.valence is not None and face.arousal is not None:
            points.append((message.pts_s, face.valence, face.arousal))
            times, valences, arousals = zip(*points, strict=True)
            valence_line.set_data(times, valences)
            arousal_line.set_data(times, arousals)
            axes.set_xlim(times[0], times[0] + 30)
    plt.pause(0.01)  # however long drawing takes, the next message is the latest
    if not plt.fignum_exists(figure.number):
        break  # the window was closed
