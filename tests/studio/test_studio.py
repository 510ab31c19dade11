"""The studio behind a real server: states, what a page may open from where, files that are deleted or damaged."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.contract import STUDIO
from support.peers.websocket_client import WAIT_S, join, say
from support.recordings import START_S
from websockets.sync.client import ClientConnection

from mtclar.calibrate.core.demo_clip import demo_support
from mtclar.calibrate.web.protocol import messages as calibration
from mtclar.engine.errors import UsageError
from mtclar.engine.files.encryption import seal
from mtclar.engine.support_set import SupportSet, is_encrypted
from mtclar.stream import demo_clip
from mtclar.stream.pipeline.runner import Runner
from mtclar.stream.server.config import ServerConfig
from mtclar.studio.storage.folder import StudioFolder
from mtclar.studio.studio import Studio
from mtclar.studio.tracking import SourceRequest

TOKEN = "the-operators-token"
Start = Callable[..., ClientConnection]


@pytest.fixture
def folder(tmp_path: Path) -> StudioFolder:
    made = StudioFolder(tmp_path / "study")
    made.participants.mkdir(parents=True)
    return made


@pytest.fixture
def start(folder: StudioFolder) -> Iterator[Start]:
    """Runs a studio and returns an operator's client; with `host`, one of a server that others can reach."""
    with ExitStack() as stack:

        def run(host: str = "127.0.0.1") -> ClientConnection:
            token = None if host == "127.0.0.1" else TOKEN
            runner = Runner([], ServerConfig(host, 0, token))
            studio = stack.enter_context(Studio(runner, folder))
            runner.server.accept_uploads({})
            runner.server.add_extension(studio, {})
            runner.server.add_extension(studio.calibrations, {})
            stack.enter_context(runner)
            stopped = threading.Event()
            loop = threading.Thread(target=studio.tracking.run, args=(stopped,))
            loop.start()
            stack.callback(loop.join)
            stack.callback(stopped.set)
            headers = {} if token is None else {"additional_headers": {"Authorization": f"Bearer {token}"}}
            return stack.enter_context(join(runner.server, **headers))

        yield run


def until(
    client: ClientConnection, kind: str, wanted: Callable[[dict[str, Any]], Any] = bool
) -> dict[str, Any]:
    """The next wanted message of that kind; those of the studio are checked against the schema."""
    while True:
        message: dict[str, Any] = json.loads(client.recv(WAIT_S))
        if message["type"].startswith("studio."):
            STUDIO.from_server.validate(message)
        if message["type"] == kind and wanted(message):
            return message


def test_participants_are_listed_with_their_quality_and_deleted(start: Start, folder: StudioFolder) -> None:
    support = demo_support("auto", 1)
    support.save(folder.participant("anna"))
    folder.participant("broken").write_bytes(b"PK damaged")
    folder.participant("secret").write_bytes(seal(b"x", "passphrase"))
    (folder.participants / "anna.labels.csv").write_text("time,valence,arousal\n")
    support.save(folder.participants / "anna.previous-20260101T000000Z.mtclar")
    folder.participant("anna.b").write_bytes(b"another person")
    client = start()
    say(client, type="studio.join")
    anna, other, broken, secret = until(client, "studio.state")["participants"]
    assert (anna["name"], anna["frames"], anna["labels"]) == (
        "anna",
        len(support),
        len(np.unique(support.labels, axis=0)),
    )
    assert anna["error"] < anna["uncalibrated"]
    assert "damaged" in broken["problem"]
    assert secret["encrypted"]
    say(client, type="studio.delete_participant", participant="anna")
    left = until(client, "studio.state", lambda state: len(state["participants"]) == 3)
    assert [one["name"] for one in left["participants"]] == ["anna.b", "broken", "secret"]
    assert other["problem"]
    assert sorted(path.name for path in folder.participants.iterdir()) == [
        "anna.b.mtclar",
        "broken.mtclar",
        "secret.mtclar",
    ]


def test_the_demo_starts_is_announced_to_clients_and_stops(start: Start) -> None:
    client = start()
    assert until(client, "hello")["streams"] == []
    say(client, type="studio.join")
    say(client, type="studio.start", source="demo")
    assert until(client, "studio.state", lambda state: state["now"])["now"]["kind"] == "demo"
    (stream,) = until(client, "hello", lambda hello: hello["streams"])["streams"]
    assert [subject["subject"] for subject in stream["subjects"]] == ["rendered"]
    until(client, "affect", lambda message: message["faces"])
    say(client, type="studio.stop")
    assert until(client, "hello")["streams"] == []
    assert until(client, "studio.state", lambda state: state["now"] is None)["problem"] == ""


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed; `make setup` brings it")
def test_a_session_is_played_by_its_own_clock_until_it_is_stopped(
    start: Start, folder: StudioFolder, recording: Path
) -> None:
    folder.sessions.mkdir()
    recording.rename(folder.sessions / "first")
    client = start()
    live = until(client, "hello")
    say(client, type="play", playing=True)
    assert until(client, "error")["code"] == "cannot_play"
    say(client, type="studio.join")
    say(client, type="studio.replay", session="first")
    hello = until(client, "hello", lambda hello: hello["streams"])
    assert hello["session"] != live["session"]
    assert hello["clock"]["monotonic"] == pytest.approx(START_S, abs=1)
    assert until(client, "affect")["t_capture"] >= START_S
    ended = until(client, "playback", lambda told: not told["playing"])  # it stays there at the end
    assert ended["position"] == ended["length"] == 2.0
    say(client, type="assign", stream="cam", face=0, subject=None)
    assert until(client, "error")["code"] == "cannot_assign"
    say(client, type="play", position=1.0, playing=True)
    assert until(client, "playback")["position"] == pytest.approx(1.0, abs=0.2)
    say(client, type="studio.stop")
    over = until(client, "hello", lambda hello: not hello["streams"])
    assert abs(over["clock"]["monotonic"] - live["clock"]["monotonic"]) < WAIT_S


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed; `make setup` brings it")
def test_what_is_said_and_answered_about_files_obeys_the_contract(
    start: Start, folder: StudioFolder, recording: Path
) -> None:
    folder.sessions.mkdir()
    recording.rename(folder.sessions / "first")
    folder.results.mkdir()
    (folder.results / "trial.csv").write_text("time\n")
    client = start()
    for message, answer in (
        ({"type": "studio.join"}, "studio.state"),
        ({"type": "studio.browse", "folder": str(folder.root)}, "studio.folder"),
        ({"type": "studio.export", "session": "first", "to": "csv"}, "studio.download"),
        ({"type": "studio.download", "result": "trial.csv"}, "studio.download"),
        ({"type": "studio.replay", "session": "first"}, "playback"),
        ({"type": "studio.stop"}, "studio.state"),
    ):
        STUDIO.from_client.validate(message)
        say(client, **message)
        until(client, answer)


def test_a_source_that_cannot_be_opened_is_a_problem_and_the_next_one_starts(
    start: Start, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(b"")
    client = start()
    say(client, type="studio.join")
    say(client, type="studio.start", source=str(empty))
    assert "empty.mp4" in until(client, "studio.state", lambda state: state["problem"])["problem"]
    say(client, type="studio.start", source=str(demo_clip.clip_path()), participants=["nobody"])
    until(client, "studio.state", lambda state: "no support set" in state["problem"])
    say(client, type="studio.start", source=str(demo_clip.clip_path()))
    assert until(client, "hello", lambda hello: hello["streams"])["streams"][0]["freshness"] == "paced"


@pytest.mark.parametrize("source", ["-", "pipe", "os:system://x", "synthetic"])
def test_a_page_opens_no_program_and_no_input_of_the_server(source: str) -> None:
    with pytest.raises(UsageError, match="does not open"):
        SourceRequest(source).require_allowed()


def test_a_page_elsewhere_opens_only_files_of_the_data_folder(start: Start, folder: StudioFolder) -> None:
    own = folder.root / "trial.mp4"
    own.write_bytes(demo_clip.clip_path().read_bytes())
    (folder.root / "link.mp4").symlink_to(demo_clip.clip_path())
    client = start("0.0.0.0")
    outside = str(demo_clip.clip_path())
    for message in (
        {"type": "studio.start", "source": outside},
        {"type": "studio.start", "source": f"file:{outside}"},
        {"type": "studio.start", "source": str(folder.root / "link.mp4")},
        {"type": "studio.analyse", "file": outside},
        {"type": "studio.browse", "folder": "/"},
        {"type": "studio.browse", "folder": f"{folder.root}/.."},
    ):
        say(client, **message)
        assert "only open files of the data folder" in until(client, "error")["message"], message
    say(client, type="studio.browse")
    shown = until(client, "studio.folder")
    assert (shown["folder"], shown["parent"], shown["files"]) == (
        str(folder.root.resolve()),
        None,
        ["link.mp4", "trial.mp4"],
    )
    say(client, type="studio.start", source=str(own))
    assert until(client, "hello", lambda hello: hello["streams"])["streams"][0]["label"].endswith("trial.mp4")


def test_a_calibration_needs_a_participant_and_starts_the_browsers_camera(start: Start) -> None:
    client = start()
    say(client, type="studio.join")
    say(client, type="calibrate.join")
    assert "Choose a participant" in until(client, "error")["message"]
    say(client, type="calibrate.join", subject="../anna")
    assert "cannot be a name" in until(client, "error")["message"]
    say(client, type="calibrate.join", subject="anna")
    state = until(client, f"{calibration.PREFIX}state")
    assert (state["subject"], state["camera"]) == ("anna", "browser")
    say(client, type="studio.join")  # the change may have come before
    assert until(client, "studio.state", lambda state: state["now"])["now"]["kind"] == "browser"


def test_an_encrypted_calibration_asks_every_page_for_its_passphrase_and_keeps_it_to_itself(
    start: Start, folder: StudioFolder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path, passphrase = folder.participant("anna"), "a passphrase of anna"
    demo_support("auto", 1).save(path, passphrase)
    client, page = start(), f"{calibration.PREFIX}state"
    say(client, type="studio.join")
    say(client, type="calibrate.join", subject="anna")
    assert until(client, "error")["code"] == "passphrase_needed"
    say(client, type="calibrate.join", subject="anna", passphrase="another one")
    wrong = until(client, "error")
    assert wrong["code"] == "passphrase_wrong"
    say(client, type="calibrate.join", subject="anna", passphrase=passphrase)
    assert until(client, page)["stored"] == [{"name": "anna.mtclar", "present": True}]
    say(client, type="calibrate.load")
    labels = until(client, page, lambda state: state["samples"])["samples"]
    say(client, type="calibrate.delete", number=labels[0]["number"])
    assert len(until(client, page)["samples"]) == len(labels) - 1
    say(client, type="calibrate.save", accept_poor=True)
    until(client, page, lambda state: state["saved"])
    assert is_encrypted(path)
    assert len(SupportSet.load(path, lambda: passphrase)) < len(demo_support("auto", 1))
    say(client, type="calibrate.join", subject="anna")  # as another page would
    assert until(client, "error")["code"] == "passphrase_needed"
    logged = [str(record.__dict__) for record in caplog.records if record.name.startswith("mtclar")]
    assert any("calibrate.join" in record for record in logged)
    assert not [record for record in logged if passphrase in record or "another one" in record]
    for file in folder.root.rglob("*"):
        assert not file.is_file() or passphrase.encode() not in file.read_bytes()


def test_without_recordings_the_page_is_told_so(start: Start) -> None:
    client = start()
    say(client, type="studio.join")
    assert not until(client, "studio.state")["can_record"]
    say(client, type="studio.delete_session", session="first")
    assert "pyarrow" in until(client, "error")["message"]
    say(client, type="studio.phone", origin="http://127.0.0.1:8765")
    assert "this machine alone" in until(client, "error")["message"]


def test_the_studio_ends_in_the_middle_of_an_analysis(folder: StudioFolder) -> None:
    runner = Runner([], ServerConfig(port=0))
    with Studio(runner, folder) as studio:
        runner.server.add_extension(studio, {})
        with runner, join(runner.server) as client:
            say(client, type="studio.join")
            say(client, type="studio.analyse", file=str(demo_clip.clip_path()))
            until(client, "studio.state", lambda state: state["job"] and state["job"]["share"])
    assert list(folder.results.glob("*")) == []
