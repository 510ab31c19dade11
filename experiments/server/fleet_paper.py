"""A fleet of 100,000 cameras on paper, from the measured costs of its parts: docs/server/fleet.md.

python -m experiments.server.fleet_paper --write
"""

import json
import math
from typing import Any

from experiments.server.fleet_load import PAGE, RESULT, WORKER_HZ
from tools.arguments import parser_of
from tools.docs.figures import table
from tools.docs.generated import replace_section

BENCH = RESULT.with_name("bench.json")

CAMERAS = 100_000
CLIENTS = 100_000  # each with one stream
BUSY = 0.7  # of a processor; the rest is for takeovers and peaks
GATEWAY_BUSY = 0.5  # of its one core by the messages of cameras: the rest is for clients and peaks
MESSAGE_BYTES = 500  # of one face with the usual fields: docs/results/performance.md
CAMERA_MBIT_S = 2.0
GATEWAYS_A_GROUP = 2
CAMERAS_A_CLUSTER = 1000
SERVERS, SERVER_CORES = 3, 2
USD_A_CORE_MONTH = 62.05 / 2
PRICE = (
    "62.05 US$ a month for two cores (AWS `c6i.large` on demand, as\n"
    "[Infracost](https://gist.github.com/alikhajeh1/6107727c5218382b9cc6af69be562111) computed it; read on 2026-11-30)"
)


def paper(load: dict[str, Any], bench: dict[str, Any]) -> str:
    """The section of the page."""
    workers = max(load["workers"], key=lambda one: one["messages_per_s"])
    nats_s, gateway_s = (workers[name] / workers["messages_per_s"] for name in ("nats", "gateway"))
    clients = max(load["clients"], key=lambda one: one["messages_per_s"])
    write_s = 2 * clients["gateway"] / clients["messages_per_s"]
    live = bench["end_to_end"]
    frame_s = live["cpu_cores"] / live["messages_per_s"]
    group = int(GATEWAY_BUSY / (gateway_s * WORKER_HZ))  # cameras
    groups = math.ceil(CAMERAS / group)
    worker_cores = CAMERAS * frame_s * WORKER_HZ / BUSY
    relay_cores = GATEWAYS_A_GROUP * groups
    write_cores = CLIENTS * WORKER_HZ * write_s
    clusters = math.ceil(CAMERAS / CAMERAS_A_CLUSTER)
    nats_cores = clusters * SERVERS * SERVER_CORES
    cluster_cores = CAMERAS_A_CLUSTER * WORKER_HZ * nats_s
    bus_gbit = 8e-9 * CAMERAS * WORKER_HZ * MESSAGE_BYTES
    rows = [
        (
            "workers",
            f"{1e3 * frame_s:.1f} ms of a core a frame, everything included; {100 * BUSY:.0f} % busy",
            worker_cores,
        ),
        (
            f"{relay_cores:,} gateways, {GATEWAYS_A_GROUP} for each {group} cameras",
            f"{1e3 * gateway_s:.2f} ms a message; a core each, half of it for clients and peaks",
            float(relay_cores),
        ),
        (
            f"{clusters} NATS clusters of {SERVERS}, one for {CAMERAS_A_CLUSTER:,} cameras",
            f"{1e3 * nats_s:.2f} ms a message: {cluster_cores:.1f} cores of {SERVERS * SERVER_CORES}",
            float(nats_cores),
        ),
    ]
    total = sum(cores for *_, cores in rows)
    dollars = total * USD_A_CORE_MONTH
    cells = [
        [name, why, f"{cores:,.0f}", f"{cores * USD_A_CORE_MONTH / CAMERAS:.2f}"] for name, why, cores in rows
    ]
    cells.append(["together", "", f"{total:,.0f}", f"{dollars / CAMERAS:.2f}"])
    return (
        f"{CAMERAS:,} cameras at {WORKER_HZ:g} frames/s, 640x480, one face. "
        "`python -m experiments.server.fleet_paper`:\n\n"
        f"{table(['part', 'from', 'cores', 'US$ a camera and month'], cells)}\n\n"
        f"The price is an assumption: {PRICE}; a core is taken\nfor one of those measured above. "
        f"{CLIENTS:,} clients with one stream each are {CLIENTS * WORKER_HZ:,.0f}\nmessages/s, {1e6 * write_s:.0f} us "
        f"each: {write_cores:.0f} cores, which the gateways have. The bus carries {bus_gbit:.0f} Gbit/s in all "
        f"({1e3 * bus_gbit * group / CAMERAS:.0f} Mbit/s in a\ngroup of {group}), and {GATEWAYS_A_GROUP} times that "
        f"to gateways. The cameras' {CAMERA_MBIT_S:g} Mbit/s each, "
        f"{1e-3 * CAMERA_MBIT_S * CAMERAS:.0f} Gbit/s in all, go to\nworkers only: keep them at the site. Larger "
        "pictures, more faces and history cost more; none of this was run at that size."
    )


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/server/fleet.md")
    text = paper(json.loads(RESULT.read_text()), json.loads(BENCH.read_text()))
    print(text)
    if parser.parse_args().write:
        replace_section(PAGE, "fleet-paper", text)


if __name__ == "__main__":
    main()
