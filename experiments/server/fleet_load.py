"""What bus and gateways cost, how many clients two gateways serve, what the bus adds: docs/server/fleet.md.

    python -m experiments.server.fleet_load --workers 8 --write            # 1 to 8 workers with four streams each
    python -m experiments.server.fleet_load --clients 5000 --hz 5 --write  # over two gateways, one stream each
    python -m experiments.server.fleet_load --paired --write               # the same messages by both ways

One measurement a call, in under a minute; `--write` keeps the others. A real nats-server on loopback, everything in
processes of its own; a worker's networks are replaced by a sleep of their measured time. Needs nats-server.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import psutil
from websockets.sync.client import connect

from experiments.server.fan_out import CAPTURED, Reader, go, line_of
from mtclar.engine.installation.machine import processor_name
from tests.support.faults import bad_clients
from tests.support.peers.fleet_worker import WorkerProcess
from tests.support.peers.nats_server import NatsServer, nats_server
from tools.arguments import parser_of
from tools.docs.figures import table
from tools.docs.generated import replace_section

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "server" / "fleet.md"
RESULT = ROOT / "docs" / "results" / "data" / "fleet-load.json"

NETWORK_S = 0.012  # of a frame, as `bench` measures it on two cores
STREAMS_A_WORKER, WORKER_HZ = 4, 15.0
CLIENT_STREAMS = 20  # of one worker; each client follows one of them
GATEWAYS = 2
WARM_S, MEASURE_S = 3.0, 10.0
WAIT_S = 50.0
STEP_MS = 0.1  # of the latencies that are counted


# --- parts --------------------------------------------------------------------------------------------------------


@contextmanager
def processor(*pids: int) -> Iterator[list[float]]:
    """Fills the list with the cores that each process has used."""
    processes = [psutil.Process(pid) for pid in pids]
    before = [sum(process.cpu_times()[:2]) for process in processes]
    begun_s = time.monotonic()
    cores: list[float] = []
    yield cores
    passed_s = time.monotonic() - begun_s
    cores += [
        round((sum(one.cpu_times()[:2]) - used) / passed_s, 3)
        for one, used in zip(processes, before, strict=True)
    ]


def start_gateway(stack: ExitStack, server: NatsServer, clients: int = 100) -> tuple[int, str]:
    """The process and the websocket of `mtclar-stream gateway`."""
    limits = ("--max-clients", clients, "--max-clients-per-address", clients)
    command = [sys.executable, "-m", "mtclar.cli.main", "gateway", "--nats", server.url, "--port", 0, *limits]
    process = stack.enter_context(
        subprocess.Popen(
            [*map(str, command)], stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}
        )
    )
    stack.callback(process.kill)
    assert process.stdout is not None
    return process.pid, next(line.split()[1] for line in process.stdout if line.startswith("Websocket"))


def start_worker(stack: ExitStack, server: NatsServer, name: str, streams: Sequence[str], hz: float) -> int:
    worker = WorkerProcess(server.url, name, streams, pause_s=NETWORK_S, hz=hz)
    stack.callback(worker.kill)
    return worker.process.pid


def wait_for_streams(address: str, count: int) -> None:
    """Returns when every stream has sent something. Raises TimeoutError."""
    seen: set[str] = set()
    until_s = time.monotonic() + WAIT_S
    with connect(address, proxy=None, max_queue=None, open_timeout=WAIT_S) as client:
        while len(seen) < count:
            message = json.loads(client.recv(WAIT_S))
            seen |= {message["stream"]} if message["type"] == "affect" else set()
            if time.monotonic() > until_s:
                raise TimeoutError(f"only {len(seen)} of {count} streams")


def child(stack: ExitStack, *arguments: object) -> "subprocess.Popen[str]":
    """This module in a process of its own."""
    command = [sys.executable, "-m", "experiments.server.fleet_load", *map(str, arguments)]
    process = stack.enter_context(
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    )
    stack.callback(process.kill)
    return process


class StreamReader(Reader):
    """Counts how old messages are, from `started` on."""

    ages: ClassVar[Counter[int]] = Counter()  # in steps of STEP_MS
    started = False

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if StreamReader.started:
            StreamReader.ages.update(round(ms / STEP_MS) for ms in self.latencies_ms)
        self.latencies_ms.clear()


async def read_streams(url: str, count: int, names: Sequence[str]) -> None:
    """So many clients, each with one stream or, without names, with all; counts between two lines of stdin."""
    loop = asyncio.get_running_loop()
    host, port = bad_clients.address(url)
    for begin in range(0, count, 50):
        made = [
            await loop.create_connection(lambda: StreamReader(url), host, port)
            for _ in range(min(50, count - begin))
        ]
        await asyncio.gather(*(reader.ready for _, reader in made))
        for number, (transport, _) in enumerate(made, begin):
            wanted = {"streams": [names[number % len(names)]]} if names else {}
            transport.write(bad_clients.frame(1, json.dumps({"type": "subscribe", **wanted}).encode()))
    print("connected", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    StreamReader.started, cpu_s, begun_s = True, time.process_time(), time.monotonic()
    await loop.run_in_executor(None, sys.stdin.readline)
    passed_s = time.monotonic() - begun_s
    cores = (time.process_time() - cpu_s) / passed_s
    print(json.dumps({"ages": StreamReader.ages, "seconds": passed_s, "cores": cores}), flush=True)


def measure_readers(readers: Sequence["subprocess.Popen[str]"], pids: Sequence[int]) -> dict[str, Any]:
    """What the readers get in MEASURE_S, and the cores of these processes meanwhile."""
    for reader in readers:
        assert line_of(reader) == "connected"
    time.sleep(WARM_S)
    with processor(*pids) as cores:
        for reader in readers:
            go(reader)
        time.sleep(MEASURE_S)
    for reader in readers:
        go(reader)
    got = [json.loads(line_of(reader)) for reader in readers]
    ages: Counter[int] = Counter()
    for one in got:
        ages.update({int(age): count for age, count in one["ages"].items()})
    total = sum(ages.values())
    result: dict[str, Any] = {
        "messages_per_s": round(sum(sum(one["ages"].values()) / one["seconds"] for one in got), 1),
        "cores": cores,
        "reader_cores": round(sum(one["cores"] for one in got), 3),
    }
    for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99)):
        passed = 0
        for age in sorted(ages):
            passed += ages[age]
            if passed >= share * total:
                result[name] = round(age * STEP_MS, 1)
                break
    return result


# --- measurements -------------------------------------------------------------------------------------------------


def measure_workers(workers: int) -> dict[str, Any]:
    """So many workers with four streams each, and one client that gets everything."""
    names = [f"cam-{number}" for number in range(workers * STREAMS_A_WORKER)]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        server = stack.enter_context(nats_server(Path(folder)))
        gateway, address = start_gateway(stack, server)
        running = [start_worker(stack, server, f"w{n}", names, WORKER_HZ) for n in range(workers)]
        wait_for_streams(address, len(names))
        got = measure_readers([child(stack, "--read", 1, "--url", address)], [server.pid, gateway, *running])
    nats, own, *others = got.pop("cores")
    return {"workers": workers, **got, "nats": nats, "gateway": own, "a_worker": sum(others) / workers}


def measure_clients(clients: int, hz: float) -> dict[str, Any]:
    """So many clients over two gateways; each follows one stream."""
    names = [f"cam-{number}" for number in range(CLIENT_STREAMS)]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        server = stack.enter_context(nats_server(Path(folder)))
        gateways = [start_gateway(stack, server, clients + 10) for _ in range(GATEWAYS)]
        start_worker(stack, server, "w", names, hz)
        for _, address in gateways:
            wait_for_streams(address, len(names))
        readers = [
            child(stack, "--read", clients // GATEWAYS, "--url", address, "--streams", *names)
            for _, address in gateways
        ]
        got = measure_readers(readers, [server.pid, *(pid for pid, _ in gateways)])
    nats, *own = got.pop("cores")
    return {"clients": clients, "hz": hz, **got, "nats": nats, "gateway": sum(own) / len(own)}


def serve(url: str) -> None:
    """A `run` with a server of its own that publishes the same messages on the bus, until a line comes."""
    from mtclar.stream.pipeline.pipeline import Pipeline
    from mtclar.stream.server.config import ServerConfig
    from mtclar.stream.server.server import Server
    from mtclar.stream.sinks import open_sink
    from mtclar.stream.sources import open_source
    from tests.support.pipeline_parts import SmallTracker

    server = Server(ServerConfig(port=0))
    source = open_source(f"synthetic:64x48@{WORKER_HZ:g}", stream_id="cam")
    tracker: Any = SmallTracker(pause_s=NETWORK_S, keep=False)
    with Pipeline(source, tracker, [server, open_sink(url)]):
        print(server.ws_url, flush=True)
        sys.stdin.readline()


def measure_paired() -> dict[str, Any]:
    """Each message by the server of its run, and by bus and gateway: how much later it comes."""
    arrived: list[dict[int, tuple[float, float]]] = [{}, {}]  # frame -> when, and its t_capture

    def follow(client: Any, place: int) -> None:
        for data in client:
            now_s = time.monotonic()
            if (captured := CAPTURED.search(data.encode())) is not None:
                arrived[place][json.loads(data)["frame"]] = now_s, float(captured[1])

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        server = stack.enter_context(nats_server(Path(folder)))
        _, behind = start_gateway(stack, server)
        run = child(stack, "--url", server.url)
        direct = line_of(run)
        wait_for_streams(behind, 1)
        for place, address in enumerate((direct, behind)):
            client = stack.enter_context(connect(address, proxy=None, open_timeout=WAIT_S))
            threading.Thread(target=follow, args=(client, place), daemon=True).start()
        time.sleep(WARM_S + 2 * MEASURE_S)
        go(run)
    both = sorted(arrived[0].keys() & arrived[1].keys())[round(WARM_S * WORKER_HZ) :]
    later_ms = sorted(1e3 * (arrived[1][frame][0] - arrived[0][frame][0]) for frame in both)
    off_ms = sorted(1e3 * (arrived[1][frame][1] - arrived[0][frame][1]) for frame in both)
    return {
        "messages": len(both),
        "later_p50_ms": round(later_ms[len(both) // 2], 2),
        "later_p99_ms": round(later_ms[int(0.99 * len(both))], 2),
        "t_capture_off_ms": round(off_ms[len(both) // 2], 2),
    }


# --- the page -----------------------------------------------------------------------------------------------------


def text_of(result: dict[str, Any]) -> str:
    """The section of the page."""
    parts = [
        f"{os.cpu_count()} cores of {result['processor']} for everything, `python -m experiments.server.fleet_load`."
    ]
    if rows := result.get("workers"):
        parts.append(
            f"{STREAMS_A_WORKER} synthetic streams a worker at {WORKER_HZ:g} frames/s, the networks a sleep of "
            f"{1e3 * NETWORK_S:g} ms, one client that gets all; *age*: from the\ncapture to the client:"
        )
        parts.append(
            table(
                [
                    "workers",
                    "streams",
                    "messages/s",
                    "age p50 / p99, ms",
                    "NATS, cores",
                    "gateway",
                    "a worker",
                ],
                [
                    [
                        str(one["workers"]),
                        str(one["workers"] * STREAMS_A_WORKER),
                        f"{one['messages_per_s']:.0f}",
                        f"{one['p50_ms']:.1f} / {one['p99_ms']:.1f}",
                        *(f"{one[name]:.2f}" for name in ("nats", "gateway", "a_worker")),
                    ]
                    for one in sorted(rows, key=lambda one: one["workers"])
                ],
            )
        )
    if rows := result.get("clients"):
        parts.append(
            f"Clients over {GATEWAYS} gateways, each with one of {CLIENT_STREAMS} streams; the readers use "
            "these cores, too:"
        )
        parts.append(
            table(
                [
                    "clients",
                    "frames/s",
                    "messages/s",
                    "of those due",
                    "age p50 / p99, ms",
                    "NATS",
                    "a gateway",
                    "readers",
                ],
                [
                    [
                        f"{one['clients']:,}",
                        f"{one['hz']:g}",
                        f"{one['messages_per_s']:,.0f}",
                        f"{100 * one['messages_per_s'] / (one['clients'] * one['hz']):.0f} %",
                        f"{one['p50_ms']:.0f} / {one['p99_ms']:.0f}",
                        *(f"{one[name]:.2f}" for name in ("nats", "gateway", "reader_cores")),
                    ]
                    for one in sorted(rows, key=lambda one: (one["clients"], one["hz"]))
                ],
            )
        )
    if one := result.get("paired"):
        parts.append(
            f"The same {one['messages']} messages by the server of their `run` and by bus and gateway, in one run: "
            f"by the bus they come\n{one['later_p50_ms']:.1f} ms later (p50; p99 {one['later_p99_ms']:.1f} ms). "
            f"`t_capture` of a gateway is {one['t_capture_off_ms']:.1f} ms late: the least time of a heartbeat "
            "under way."
        )
    return "\n\n".join(parts)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--clients", type=int)
    parser.add_argument("--hz", type=float, default=5.0)
    parser.add_argument("--paired", action="store_true")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}")
    for option, kind in (("--read", {"type": int}), ("--url", {}), ("--streams", {"nargs": "*"})):
        parser.add_argument(option, help=argparse.SUPPRESS, **kind)  # of the processes that it starts
    asked = parser.parse_args()
    if asked.read is not None:
        asyncio.run(read_streams(asked.url, asked.read, asked.streams or ()))
        return
    if asked.url is not None:
        serve(asked.url)
        return
    result: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    result["processor"] = processor_name()
    if asked.workers:
        one = measure_workers(asked.workers) | {"load": os.getloadavg()[0]}
        others = [old for old in result.get("workers", ()) if old["workers"] != asked.workers]
        result["workers"] = [*others, one]
    elif asked.clients:
        one = measure_clients(asked.clients, asked.hz) | {"load": os.getloadavg()[0]}
        key = asked.clients, asked.hz
        others = [old for old in result.get("clients", ()) if (old["clients"], old["hz"]) != key]
        result["clients"] = [*others, one]
    elif asked.paired:
        one = result["paired"] = measure_paired() | {"load": os.getloadavg()[0]}
    print(one)
    if asked.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        replace_section(PAGE, "fleet-load", text_of(result))


if __name__ == "__main__":
    main()
