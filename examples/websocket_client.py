"""Prints the values that a running server sends: python websocket_client.py [ws://127.0.0.1:8765/ws]."""

import json
import sys

from websockets.sync.client import connect
from websockets.typing import Subprotocol

address = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8765/ws"
# proxy=None: a proxy in the environment must not be asked for a server on this machine.
with connect(address, subprotocols=[Subprotocol("mtclar.v1")], proxy=None) as connection:
    # Without this the server sends every message with all its fields.
    connection.send(json.dumps({"type": "subscribe", "fields": ["in_support"], "max_hz": 10}))
    for text in connection:  # ends when the server closes
        message = json.loads(text)
        if message["type"] == "affect":
            for face in message["faces"]:
                print(message["stream"], face["subject"], face["valence"], face["arousal"])
        elif message["type"] == "bye":
            print(f"The server stops: {message['reason']}")
