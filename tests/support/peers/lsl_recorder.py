"""A program of its own that records LSL streams into an XDF file, as LabRecorder does.

Arguments: the file, then names of streams. It says `recording` when it reads all of them, and ends when stdin does. The
format is public: https://github.com/sccn/xdf/wiki/Specifications
"""

import struct
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pylsl

WAIT_S = 60.0
CLOCK_EVERY_S = 1.0
FILE_HEADER, STREAM_HEADER, SAMPLES, CLOCK_OFFSET, STREAM_FOOTER = 1, 2, 3, 4, 6


class XdfFile:
    """Chunks of XDF 1.0, from any thread."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = threading.Lock()
        file.write(b"XDF:")
        self.write(FILE_HEADER, b"<?xml version='1.0'?><info><version>1.0</version></info>")

    def write(self, tag: int, content: bytes) -> None:
        with self._lock:
            self._file.write(struct.pack("<BQH", 8, len(content) + 2, tag) + content)


def record(file: XdfFile, number: int, inlet: pylsl.StreamInlet, ended: threading.Event) -> None:
    """One stream, until `ended` and nothing of it waits."""
    stream = struct.pack("<I", number)
    file.write(STREAM_HEADER, stream + inlet.info(WAIT_S).as_xml().encode())
    stamps: list[float] = []
    offsets: list[tuple[float, float]] = []

    def read_clock() -> None:
        correction_s = inlet.time_correction(WAIT_S)
        offsets.append((pylsl.local_clock() - correction_s, correction_s))
        file.write(CLOCK_OFFSET, stream + struct.pack("<dd", *offsets[-1]))

    read_clock()
    while True:
        values, stamp_s = inlet.pull_sample(0.1)
        if values is not None:
            stamps.append(stamp_s)
            cells = b"".join(map(text, values)) if values.dtype == object else values.tobytes()
            file.write(SAMPLES, stream + struct.pack("<BBBd", 1, 1, 8, stamp_s) + cells)
        elif ended.is_set():
            break
        if pylsl.local_clock() - sum(offsets[-1]) >= CLOCK_EVERY_S:
            read_clock()
    read_clock()
    clocks = "".join(f"<offset><time>{t}</time><value>{v}</value></offset>" for t, v in offsets)
    first_s, last_s = (stamps[0], stamps[-1]) if stamps else (0.0, 0.0)
    footer = (
        f"<?xml version='1.0'?><info><first_timestamp>{first_s}</first_timestamp><last_timestamp>{last_s}"
        f"</last_timestamp><sample_count>{len(stamps)}</sample_count><clock_offsets>{clocks}</clock_offsets></info>"
    )
    file.write(STREAM_FOOTER, stream + footer.encode())


def text(value: bytes) -> bytes:
    return struct.pack("<BI", 4, len(value)) + value


def main(path: Path, *names: str) -> None:
    assert sys.byteorder == "little", "samples are written as they are in memory"
    inlets = []
    for name in names:
        (found,) = pylsl.resolve_byprop("name", name, timeout=WAIT_S)
        inlets.append(pylsl.StreamInlet(found, as_numpy=True))
        inlets[-1].open_stream(WAIT_S)
    ended = threading.Event()
    with path.open("xb") as output:
        file = XdfFile(output)
        threads = [
            threading.Thread(target=record, args=(file, number, inlet, ended))
            for number, inlet in enumerate(inlets, 1)
        ]
        for thread in threads:
            thread.start()
        print("recording", flush=True)
        sys.stdin.read()
        ended.set()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
