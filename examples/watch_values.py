"""Prints the values that a running server sends: python watch_values.py [ws://127.0.0.1:8765]."""

import sys

from mtclar.stream.client import watch

address = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8765"
# Only what is used is asked for. A lost connection is tried again; the loop ends with the server's source.
for message in watch(address, fields=["in_support"], max_hz=10):
    for face in message.faces:
        print(message.stream, face.subject, face.valence, face.arousal, flush=True)
