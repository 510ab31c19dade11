"""Serves values and the dashboard from a program of your own: python own_server.py [SOURCE [PORT]]."""

import sys
from contextlib import closing

from mtclar.engine import Tracker
from mtclar.stream import Runner, ServerConfig, Stream, open_sink, open_source

source_name = sys.argv[1] if len(sys.argv) > 1 else "webcam"
config = ServerConfig(port=int(sys.argv[2]) if len(sys.argv) > 2 else 8765)
with (
    closing(open_source(source_name)) as source,
    Tracker.open() as tracker,
    Runner([Stream(source, tracker)], config) as runner,
):
    print(f"Dashboard {runner.server.url}, websocket {runner.server.ws_url}", flush=True)
    try:
        runner.run(sinks=[open_sink("live")])  # until the source ends
    except KeyboardInterrupt:
        print("Stopped.")
