"""NATS as nats-server and another client see it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.peers.certificates import make_certificate
from support.peers.nats_server import Heard, NatsServer, listener, nats_server
from support.pipeline_parts import publishing

from mtclar.stream.protocol.messages import (
    AffectMessage,
    MarkMessage,
    StatusMessage,
    StreamInfo,
)
from mtclar.stream.sinks import SinkGroup

nkeys = pytest.importorskip("nkeys", reason="nats-py is not installed; `make setup-all` brings it")
pytest.importorskip("nats", reason="nats-py is not installed; `make setup-all` brings it")

CAM = StreamInfo("cam", "webcam:0", True, None, 30.0, "latest")
SECRET = "correct horse"


def connected(sinks: SinkGroup, eventually: Any) -> None:
    eventually(lambda: sinks.deliveries[0].sink.trouble is None)


def of_kind(heard: list[Heard], kind: str) -> list[Heard]:
    return [one for one in heard if one.subject.endswith(f".{kind}")]


def test_another_client_gets_the_messages_of_mtclar_v1(
    tmp_path: Path, make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    back_door = StreamInfo("back door.1", "webcam:1", True, None, None, "latest")
    with nats_server(tmp_path) as server, listener(server) as heard:
        with publishing(f"{server.url}/lab", CAM, back_door) as sinks:
            connected(sinks, eventually)
            message = make_message()
            sinks.status(StatusMessage("cam", "live"))
            sinks.affect(message)
            sinks.affect(make_message(stream="back door.1"))
            sinks.mark(MarkMessage("müde", 1.0))
            eventually(lambda: len(of_kind(heard, "mark")) == 2)
            eventually(lambda: len(of_kind(heard, "hello")) >= 2)
        eventually(lambda: of_kind(heard, "bye"))
        affects = of_kind(heard, "affect")
        worker, epoch = affects[0].subject.split(".")[3:5]
        assert affects[0].subject == f"lab.stream.cam.{worker}.{epoch}.affect"
        assert affects[1].subject.startswith("lab.stream.back%20door%2E1.")
        assert affects[0].content == json.loads(message.encode())
        assert of_kind(heard, "status")[0].content["state"] == "live"
        assert [one.content["stream"] for one in of_kind(heard, "mark")] == ["cam", "back door.1"]
        hello = of_kind(heard, "hello")[-1].content
        assert hello["model"]["id"] == "small"
        assert [(one["stream"], one["size"]) for one in hello["streams"]] == [
            ("cam", [640, 480]),
            ("back door.1", [640, 480]),
        ]
        assert of_kind(heard, "bye")[0].content["code"] == "shutdown"


def test_streams_of_two_machines_have_different_names(
    tmp_path: Path, make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    with (
        nats_server(tmp_path) as server,
        listener(server) as heard,
        publishing(f"{server.url}?name=lab-1") as sinks,
    ):
        connected(sinks, eventually)
        sinks.affect(make_message())
        eventually(lambda: of_kind(heard, "affect") and of_kind(heard, "hello"))
        assert of_kind(heard, "affect")[0].content["stream"] == "lab-1-cam"
        assert of_kind(heard, "hello")[0].content["streams"][0]["stream"] == "lab-1-cam"


def test_a_run_that_starts_again_has_a_later_epoch(
    tmp_path: Path, make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    with nats_server(tmp_path) as server, listener(server) as heard:
        for count in (1, 2):
            with publishing(server.url) as sinks:
                connected(sinks, eventually)
                sinks.affect(make_message())
                eventually(lambda: len(of_kind(heard, "affect")) == count)  # noqa: B023
        first, second = (int(one.subject.split(".")[4]) for one in of_kind(heard, "affect"))
        assert second > first


def test_a_server_that_comes_later_is_found_and_what_was_lost_is_counted(
    tmp_path: Path, make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    server = NatsServer(tmp_path)
    try:
        with publishing(server.url) as sinks:
            (delivery,) = sinks.deliveries
            eventually(lambda: "is away" in (delivery.sink.trouble or ""))
            sinks.affect(make_message())
            eventually(lambda: delivery.failures == 1)
            server.start()
            with listener(server) as heard:
                connected(sinks, eventually)
                sinks.affect(make_message(1))
                eventually(lambda: [one.content["seq"] for one in of_kind(heard, "affect")] == [1])
            assert delivery.failures == 1
    finally:
        server.kill()


def test_jetstream_keeps_the_last_minutes_where_they_are_asked_for(
    tmp_path: Path, make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    from support.peers.nats_history import kept

    with nats_server(tmp_path) as server:
        for span in ("1m", "5m"):  # the second run changes what the first has made
            with publishing(f"{server.url}?history={span}") as sinks:
                connected(sinks, eventually)
                eventually(lambda: kept(server).max_age_s == (60 if span == "1m" else 300))  # noqa: B023
                sinks.affect(make_message())
                eventually(lambda: "affect" in kept(server).last_kind)
        assert kept(server).bytes_at_most == 2 * 2**30


def test_without_jetstream_values_are_published_and_the_log_says_what_is_missing(
    tmp_path: Path,
    make_message: Callable[..., AffectMessage],
    eventually: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        nats_server(tmp_path, jetstream=False) as server,
        listener(server) as heard,
        publishing(f"{server.url}?history=1m") as sinks,
    ):
        connected(sinks, eventually)
        sinks.affect(make_message())
        eventually(lambda: of_kind(heard, "affect"))
        eventually(lambda: "keeps no history" in caplog.text)


def test_tls_user_and_password(tmp_path: Path, eventually: Any, caplog: pytest.LogCaptureFixture) -> None:
    certificate, key = make_certificate(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    settings = (
        f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}\n'
        f'authorization {{ user: lab, password: "{SECRET}" }}'
    )
    with nats_server(tmp_path, settings) as server:
        place = f"nats+tls://lab@127.0.0.1:{server.port}"
        right = f"{place}/mtclar?ca={certificate}&password-file={secret}"
        with publishing(right) as sinks:
            connected(sinks, eventually)
        for wrong, reason in (
            (right.replace("lab@", "eve@"), "refuses these credentials"),
            (right.replace(f"ca={certificate}&", ""), "CERTIFICATE_VERIFY_FAILED"),
        ):
            with publishing(wrong) as sinks:
                sink = sinks.deliveries[0].sink
                eventually(lambda: reason in (sink.trouble or ""))  # noqa: B023
    assert SECRET not in caplog.text


def test_a_secret_does_not_go_to_a_server_without_tls(tmp_path: Path, eventually: Any) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    with (
        nats_server(tmp_path) as server,
        publishing(f"nats+tls://lab@127.0.0.1:{server.port}?password-file={secret}") as sinks,
    ):
        sink = sinks.deliveries[0].sink
        eventually(lambda: "secure connection not available" in (sink.trouble or ""))


def test_nkey_and_token(tmp_path: Path, eventually: Any) -> None:
    seed = nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER)
    public = nkeys.from_seed(seed).public_key.decode()
    for name, content, settings in (
        ("nkey", seed, f"authorization {{ users: [ {{ nkey: {public} }} ] }}"),
        ("token-file", SECRET.encode(), f'authorization {{ token: "{SECRET}" }}'),
    ):
        file = tmp_path / name
        file.write_bytes(content)
        file.chmod(0o600)
        with nats_server(tmp_path, settings) as server, publishing(f"{server.url}?{name}={file}") as sinks:
            connected(sinks, eventually)


def test_a_crash_ends_the_heartbeat(tmp_path: Path, eventually: Any) -> None:
    program = (
        "import time\nfrom mtclar.stream.sinks import open_sink\n"
        "sink = open_sink('{}')\nsink.open([])\ntime.sleep(600)"
    )
    with nats_server(tmp_path) as server, listener(server) as heard:
        with subprocess.Popen([sys.executable, "-c", program.format(server.url)]) as process:
            eventually(lambda: of_kind(heard, "hello"))
            process.kill()
        assert not of_kind(heard, "bye")


def test_it_ends_at_once_without_a_server(tmp_path: Path, eventually: Any) -> None:
    server = NatsServer(tmp_path)  # not started
    with publishing(server.url) as sinks:
        sink = sinks.deliveries[0].sink
        eventually(
            lambda: "Connection refused" in (sink.trouble or "") or "Connect call" in (sink.trouble or "")
        )
