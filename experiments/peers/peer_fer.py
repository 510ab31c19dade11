"""fer (pip) on raw frames from stdin: one line of JSON a block with its seconds and how many faces were seen.

    python peer_fer.py WIDTH HEIGHT

Reads a block as an 8-byte little-endian count and that many BGR frames; runs in an environment of its own.
"""

import json
import struct
import sys
import time


def main() -> None:
    width, height = int(sys.argv[1]), int(sys.argv[2])
    import numpy as np
    from fer import FER

    detector = FER()  # its own OpenCV face detector, every frame: fer has no tracking
    print(json.dumps({"ready": True}), flush=True)
    while header := sys.stdin.buffer.read(8):
        (count,) = struct.unpack("<q", header)
        raw = sys.stdin.buffer.read(count * width * height * 3)
        frames = np.frombuffer(raw, np.uint8).reshape(count, height, width, 3)
        started_s = time.perf_counter()
        faces = sum(bool(detector.detect_emotions(frame)) for frame in frames)
        print(json.dumps({"seconds": time.perf_counter() - started_s, "faces": faces}), flush=True)


if __name__ == "__main__":
    main()
