"""`watch` as scripts and notebooks use it: a plain loop, left half-way, in a running event loop, at the end."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from support.peers.server_process import ServerProcess
from support.peers.websocket_client import WAIT_S, Make

from mtclar.engine.errors import UsageError
from mtclar.stream.client import RefusedError, watch
from mtclar.stream.protocol.messages import ByeMessage
from mtclar.stream.server.server import Server


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "mtclar client"]


@pytest.fixture(scope="module")
def publishing() -> Iterator[ServerProcess]:
    with ServerProcess(streams="cam,door") as server:
        yield server


def test_a_loop_gets_values_and_leaving_it_closes_the_connection(publishing: ServerProcess) -> None:
    seqs = []
    for message in watch(publishing.url, streams=["door"], fields=["sd"], delivery="all"):
        assert (message.stream, message.faces[0].sd) == ("door", (0.1, 0.2))
        seqs.append(message.seq)
        if len(seqs) == 5:
            break
    assert seqs == list(range(seqs[0], seqs[0] + 5))
    assert threads() == []


def test_a_loop_that_does_other_work_gets_the_latest_message(publishing: ServerProcess) -> None:
    values = watch(publishing.url, streams=["cam"])
    for message in values:
        seen = time.monotonic()
        while time.monotonic() < seen + 0.5:  # blocks this thread, as drawing does
            pass
        following = next(values)
        assert following.seq > message.seq + 5
        break
    values.close()  # type: ignore[attr-defined]


def test_it_works_inside_a_running_event_loop(publishing: ServerProcess) -> None:
    async def notebook() -> bool:
        return any(message.faces for message in watch(publishing.url))

    assert asyncio.run(notebook())


def test_it_ends_with_the_source(server: Server, make_message: Make) -> None:
    values = watch(server.ws_url, delivery="all")
    threading.Thread(target=_publish_then_end, args=(server, make_message)).start()
    assert [message.seq for message in values][-1] == 9
    assert threads() == []


def _publish_then_end(server: Server, make_message: Make) -> None:
    until_s = time.monotonic() + WAIT_S
    while not server.clients and time.monotonic() < until_s:
        time.sleep(0.01)
    time.sleep(0.1)
    for seq in range(10):
        server.publish(make_message(seq))
    server.close(ByeMessage("ended", "the file has ended"))


def test_errors_come_from_the_loop(publishing: ServerProcess) -> None:
    with pytest.raises(UsageError, match="not the address"):
        next(watch("http://localhost:8765"))
    with pytest.raises(RefusedError, match="there is no stream 'attic'"):
        next(watch(publishing.url, streams="attic"))
    assert threads() == []


def test_a_program_that_keeps_an_unfinished_loop_ends(publishing: ServerProcess) -> None:
    code = f"from mtclar.stream.client import watch\nvalues = watch({publishing.url!r})\nprint(next(values).stream)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT_S)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() in ("cam", "door")


def test_a_script_without_a_server_ends_with_what_to_do() -> None:
    code = "from mtclar.stream.client import watch\nfor message in watch('ws://127.0.0.1:9'): print(message)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2].endswith("cannot reach ws://127.0.0.1:9/ws: Connection refused")
    assert done.stderr.splitlines()[-1] == "is mtclar-stream running there?"


def test_importing_it_needs_websockets_and_numpy_alone() -> None:
    heavy = [
        "cv2",
        "onnxruntime",
        "av",
        "pydantic",
        "typer",
        "rich",
        "torch",
        "prometheus_client",
        "platformdirs",
    ]
    code = f"import sys; sys.modules.update(dict.fromkeys({heavy})); import mtclar.stream.client"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=WAIT_S)
