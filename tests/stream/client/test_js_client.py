"""The JavaScript client, packed by npm and used from Node as a user installs it; its types, checked by TypeScript."""

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.contract import STREAM
from support.peers.node_project import install, npm
from support.peers.server_process import Relay, ServerProcess
from support.peers.websocket_client import WAIT_S, Make
from support.pipeline_parts import cam_server

from mtclar.stream.protocol.messages import ByeMessage
from tools import client_types

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "stream" / "web" / "client"
SOURCES = Path(__file__).parent / "node"
INSTALLED = ROOT / "build" / "js_client"
TOKEN = "a-token-of-this-test"
Json = dict[str, Any]

pytestmark = pytest.mark.timeout(600)  # the first run installs


@pytest.fixture(scope="session")
def folder() -> Path:
    """A project in which the packed client, `ws` and TypeScript are installed."""
    install(SOURCES, INSTALLED)
    packed = npm("pack", "--json", str(PACKAGE), cwd=INSTALLED)
    assert packed.returncode == 0, packed.stderr
    target = INSTALLED / "node_modules" / "mtclar-client"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    archive = INSTALLED / json.loads(packed.stdout)[0]["filename"]
    subprocess.run(["tar", "xzf", archive, "--strip-components=1"], cwd=target, check=True)  # as npm does
    return INSTALLED


class Program:
    """A running Node program: what it prints, and what it is told."""

    def __init__(self, folder: Path, url: str, flags: list[str], settings: Json) -> None:
        self.process = subprocess.Popen(
            ["node", *flags, "program.mjs", url, json.dumps(settings)],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until(self, key: str, kind: str | None = None) -> tuple[Any, list[Json]]:
        """What is said next under `key`, of a type if it is a message, and every line before."""
        assert self.process.stdout is not None
        before = []
        for line in self.process.stdout:
            said = json.loads(line)
            if key in said and (kind is None or said[key]["type"] == kind):
                return said[key], before
            before.append(said)
        assert self.process.stderr is not None
        raise AssertionError(f"it ended after {before[-5:]}: {self.process.stderr.read()}")

    def tell(self, *call: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{json.dumps(call)}\n")
        self.process.stdin.flush()

    def rest(self) -> tuple[list[Json], str]:
        """What it still says until it ends by itself, and its errors and warnings."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdin.close()
        said = [json.loads(line) for line in self.process.stdout]  # `communicate` would lose what is buffered
        errors = self.process.stderr.read()
        assert self.process.wait(WAIT_S) == 0, errors
        return said, errors


@contextmanager
def running(folder: Path, url: str, *flags: str, **settings: Any) -> Iterator[Program]:
    program = Program(folder, url, list(flags), settings)
    try:
        yield program
    finally:
        program.process.kill()
        with program.process:
            pass  # closes its pipes


def test_the_package_holds_what_a_user_needs(folder: Path) -> None:
    names = {path.name for path in (folder / "node_modules" / "mtclar-client").iterdir() if path.is_file()}
    assert names == {
        *("LICENSE", "README.md", "client.d.ts", "client.js", "inbox.js", "messages.d.ts", "package.json")
    }
    assert (PACKAGE / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert json.loads((PACKAGE / "package.json").read_text())["version"] == version


def test_the_types_are_those_of_the_schema() -> None:
    """After a change of the schema: python -m tools.client_types."""
    assert client_types.TYPES.read_text() == client_types.written(STREAM.schema)


def test_typescript_accepts_the_types_and_knows_wrong_ones(folder: Path) -> None:
    flags = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom"]
    done = subprocess.run(
        ["node", "node_modules/typescript/bin/tsc", *flags, "usage.ts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert done.returncode == 0, done.stdout


def test_the_declared_members_are_those_of_the_class(folder: Path) -> None:
    code = """
        import { Client } from "mtclar-client";
        const names = Reflect.ownKeys(Client.prototype).filter((name) => name !== "constructor").map(String);
        console.log(JSON.stringify([...names, ...Object.keys(new Client("ws://h", { WebSocket: class {} }))].sort()));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", code], cwd=folder, capture_output=True, text=True, check=True
    )
    declared = (PACKAGE / "client.d.ts").read_text().partition("export class Client implements")[2]
    members = re.findall(
        r"^  (?:readonly )?([a-zA-Z]\w*|\[Symbol\.asyncIterator\])[(:]", declared, re.MULTILINE
    )
    names = {name.replace("[", "Symbol(").replace("]", ")") for name in members} - {"constructor"}
    assert set(json.loads(done.stdout)) == names


def test_every_message_comes_as_it_was_sent(folder: Path, make_message: Make) -> None:
    server = cam_server()
    with server, running(folder, server.ws_url, all=True, subscription={"delivery": "all"}) as program:
        _, before = program.until("got", "subscribed")
        for seq in range(300):
            server.publish(make_message(seq, faces=seq % 3))
        program.tell("mark", "größer 😀", "cam")
        answer, middle = program.until("answer")
        assert answer["label"] == "größer 😀"
        server.close(ByeMessage("ended", "the file has ended"))
        after, errors = program.rest()
    got = [said["got"] for said in [*before, *middle, *after] if "got" in said]
    for message in got:
        STREAM.from_server.validate(message)
    assert [message["seq"] for message in got if message["type"] == "affect"] == list(range(300))
    assert (got[0]["type"], got[-1]["type"]) == ("hello", "bye")
    assert after[-2:] == [{"state": "ended"}, {"ended": None}]
    assert errors == ""


def test_it_uses_the_websocket_of_the_language_where_there_is_one(folder: Path) -> None:
    """From Node 22 on; Node 20 has it behind a flag, older ones take the package."""
    has = ["-e", "process.exit(typeof WebSocket === 'undefined' ? 1 : 0)"]
    tries = ([], ["--experimental-websocket"])
    working = (flags for flags in tries if subprocess.run(["node", *flags, *has]).returncode == 0)
    flags = next(working, None)
    with (
        ServerProcess(token=TOKEN) as server,
        running(
            folder, server.url, *(flags or []), ws=flags is None, options={"token": TOKEN}, count=3
        ) as program,
    ):
        said, _ = program.rest()
    assert [one["got"]["type"] for one in said if "got" in one] == ["affect"] * 3
    assert said[-1] == {"ended": None}


def test_without_a_websocket_it_says_what_to_do(folder: Path) -> None:
    code = "globalThis.WebSocket = undefined; new (await import('mtclar-client')).Client('ws://h')"
    done = subprocess.run(
        ["node", "--input-type=module", "-e", code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert "give { WebSocket } of the package ws" in done.stderr


def test_a_killed_server_that_comes_back_is_found_again_with_the_same_subscription(folder: Path) -> None:
    first = ServerProcess(streams="cam,door", token=TOKEN)
    wish = {"streams": ["door"], "fields": ["sd"], "max_hz": 20}
    with running(folder, first.url, all=True, subscription=wish, options={"token": TOKEN}) as program:
        program.until("got", "affect")
        first.kill()
        program.until("state")
        with ServerProcess(first.port, "cam,door", TOKEN):
            gap, before = program.until("got", "gap")
            message, _ = program.until("got", "affect")
    assert [said["got"] for said in before if said.get("got", {}).get("type") == "subscribed"] == [
        {"type": "subscribed", "delivery": "latest", **wish}
    ]
    assert (gap["stream"], gap["missed"]) == ("door", None)  # the new server counts from 0 again
    assert gap["disconnected_s"] > 0
    assert (message["stream"], message["faces"][0]["sd"], "box" in message["faces"][0]) == (
        "door",
        [0.1, 0.2],
        False,
    )


def test_after_a_cut_of_the_network_every_missed_message_is_counted(folder: Path) -> None:
    with (
        ServerProcess() as server,
        Relay(server.port) as relay,
        running(folder, relay.url, all=True, subscription={"delivery": "all"}) as program,
    ):
        first, _ = program.until("got", "affect")
        relay.cut()
        gap, before = program.until("got", "gap")
        after, _ = program.until("got", "affect")
    seqs = [one["got"]["seq"] for one in before if one.get("got", {}).get("type") == "affect"]
    assert gap["missed"] == after["seq"] - [first["seq"], *seqs][-1] - 1
    assert gap["missed"] > 0
    assert gap["disconnected_s"] > 0


def test_a_slow_program_gets_the_latest_message_and_is_warned(folder: Path) -> None:
    with ServerProcess() as server, running(folder, server.url) as program:
        before, _ = program.until("got")
        program.tell("block", 1000)
        seqs = [before["seq"]]
        while seqs[-1] < before["seq"] + 40:
            seqs.append(program.until("got")[0]["seq"])
        assert len(seqs) < 40
        assert seqs == sorted(set(seqs))
        program.tell("close")
        _, errors = program.rest()
    assert "cam: " in errors
    assert "messages missed, 0.0 s without connection" in errors


@pytest.mark.parametrize(("token", "code"), [(None, "token_required"), ("another-token", "bad_token")])
def test_a_wrong_token_is_refused_at_once(folder: Path, token: str | None, code: str) -> None:
    with (
        ServerProcess(token=TOKEN) as server,
        running(folder, server.url, options={"token": token}) as program,
    ):
        said, _ = program.rest()
    assert said[-1]["ended"] == code
    assert "token" in said[-1]["message"]
    assert "another-token" not in said[-1]["message"]


def test_what_the_server_refuses_is_an_error(folder: Path) -> None:
    with ServerProcess() as server:
        with running(folder, server.url, subscription={"streams": ["attic"]}) as program:
            said, _ = program.rest()
        assert (said[-1]["ended"], "there is no stream 'attic'" in said[-1]["message"]) == (
            "unknown_stream",
            True,
        )
        with running(folder, server.url, all=True) as program:
            program.until("got", "hello")
            program.tell("mark", "")
            assert program.until("refused")[0] == "bad_message"
            program.tell("assign", "cam", 0, "anna")
            assert program.until("refused")[0] == "cannot_assign"
            program.tell("subscribe", {"max_hz": -1})
            assert program.until("refused")[0] == "bad_message"
            program.until("got", "affect")  # the subscription of before holds
            program.tell("close")
            assert program.rest()[0][-1] == {"ended": None}


def test_nobody_at_the_address_and_another_server(folder: Path) -> None:
    with ServerProcess() as server:
        with running(folder, server.url.replace("/ws", "/elsewhere")) as program:
            said, _ = program.rest()
        assert (said[-1]["ended"], "404" in said[-1]["message"]) == ("refused", True)
    with running(folder, server.url) as program:
        said, _ = program.rest()
    assert (said[-1]["ended"], "cannot reach" in said[-1]["message"]) == ("unreachable", True)
