"""A program of its own that reads LSL outlets, knows nothing of mtclar-stream, and prints what it has got as JSON.

Arguments: names of streams, and the samples to read from each. `connected` on the first line: it will miss no sample.
"""

import json
import sys

import pylsl

WAIT_S = 60.0
LOOPBACK = """
[multicast]
ResolveScope = machine
MachineAddresses = {127.0.0.1}
[ports]
IPv6 = disable
[log]
level = -1
"""


def main(*names: str, count: int) -> None:
    pylsl.util.set_config_content(LOOPBACK)
    inlets = {}
    for name in names:
        (found,) = pylsl.resolve_byprop("name", name, timeout=WAIT_S)
        inlets[name] = pylsl.StreamInlet(found, recover=False)
        inlets[name].open_stream(WAIT_S)
    print("connected", flush=True)
    for name, inlet in inlets.items():
        samples = [inlet.pull_sample(WAIT_S) for _ in range(count)]
        correction_s = inlet.time_correction(WAIT_S)
        print(
            json.dumps(
                {
                    "name": name,
                    "samples": [values for values, _ in samples],
                    "times": [time_s + correction_s for _, time_s in samples],
                    "xml": inlet.info(WAIT_S).as_xml(),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:-1], count=int(sys.argv[-1]))
