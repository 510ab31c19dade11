"""Reads blocks of raw BGR frames from stdin and times `sees_face(frame)` on each: what the Python peers share.

A block is an 8-byte little-endian count and that many frames; the answer is one line of JSON with its seconds, those of
the processor (all threads), and in how many frames a face was seen.
"""

import json
import struct
import sys
import time
from collections.abc import Callable
from typing import Any


def answer_blocks(width: int, height: int, sees_face: Callable[[Any], object]) -> None:
    import numpy as np

    print(json.dumps({"ready": True}), flush=True)
    while header := sys.stdin.buffer.read(8):
        (count,) = struct.unpack("<q", header)
        raw = sys.stdin.buffer.read(count * width * height * 3)
        frames = np.frombuffer(raw, np.uint8).reshape(count, height, width, 3)
        started_s, busy_s = time.perf_counter(), time.process_time()
        faces = sum(bool(sees_face(frame)) for frame in frames)
        report = {
            "seconds": time.perf_counter() - started_s,
            "cpu": time.process_time() - busy_s,
            "faces": faces,
        }
        print(json.dumps(report), flush=True)
