"""A program of its own that sends LSL markers as PsychoPy does; it knows nothing of mtclar-stream.

Arguments: name, type and source_id of the stream, its format (string, int32) and how it stamps: `lsl`, as most programs
do, or `own`, a time of another clock. It says `connected` when somebody reads the stream, then sends each line of stdin
and answers with the time of this process's monotonic clock.
"""

import sys
import time

import pylsl

FORMATS = {"string": pylsl.cf_string, "int32": pylsl.cf_int32}
WAIT_S = 60.0
UNINTERRUPTED_S = 0.001  # between two clocks that are read one after the other


def main(name: str, kind: str, source_id: str, form: str, stamps: str) -> None:
    info = pylsl.StreamInfo(name, kind, 1, pylsl.IRREGULAR_RATE, FORMATS[form], source_id)
    outlet = pylsl.StreamOutlet(info)
    assert outlet.wait_for_consumers(WAIT_S)
    print("connected", flush=True)
    for line in sys.stdin.buffer:
        label = line.rstrip(b"\n")
        before_s = after_s = 0.0
        while not 0 < after_s - before_s < UNINTERRUPTED_S:
            before_s, stamp_s, after_s = time.monotonic(), pylsl.local_clock(), time.monotonic()
        value = label if form == "string" else int(label)
        outlet.push_sample([value], 1.0 if stamps == "own" else stamp_s)
        print(before_s, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
