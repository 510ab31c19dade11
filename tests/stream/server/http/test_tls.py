"""Certificates: renewed while the server runs, and never exchanged for one that cannot be used."""

import logging
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.peers.certificates import make_certificate
from support.peers.websocket_client import WAIT_S, Eventually, join, receive

from mtclar.engine.errors import ServeError, UsageError
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.http.tls import Certificate, certificate
from mtclar.stream.server.limits import Limits
from mtclar.stream.server.server import Server

CONNECTIONS = 100  # among as many, some met the new certificate without its key


def shown_by(server: Server) -> bytes:
    """The certificate that a new connection gets to see."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((server.config.host, server.port), timeout=WAIT_S) as plain,
        context.wrap_socket(plain) as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
    assert shown is not None
    return shown


def der(cert: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(cert.read_text())


def replace(target: Path, source: Path) -> None:
    """As certbot does: another file in its place, never half a file."""
    beside = target.with_suffix(".new")
    shutil.copyfile(source, beside)
    os.utime(beside, ns=(time.time_ns(), time.time_ns()))
    beside.rename(target)


def test_new_files_are_used_for_new_connections_and_old_connections_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr("mtclar.stream.server.http.tls.CHECK_S", 0.05)
    first, second = make_certificate(tmp_path, "first"), make_certificate(tmp_path, "second")
    trusting = ssl.create_default_context(cafile=str(first[0]))
    before = der(first[0])
    with (
        Server(ServerConfig(port=0, tls_cert=first[0], tls_key=first[1])) as server,
        join(server, ssl=trusting) as client,
    ):
        assert receive(client)["type"] == "hello"
        assert shown_by(server) == before
        for old, new in zip(first, second, strict=True):
            replace(old, new)
        eventually(lambda: shown_by(server) == der(second[0]))
        client.ping().wait(WAIT_S)


def test_an_unusable_pair_leaves_the_old_one_in_use(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (cert, key), (_, foreign) = make_certificate(tmp_path, "first"), make_certificate(tmp_path, "second")
    with Server(ServerConfig(port=0, tls_cert=cert, tls_key=key)) as server:
        replace(key, foreign)
        server.reload_certificate()
        assert shown_by(server) == der(cert)
        cert.unlink()
        server.reload_certificate()
        shown_by(server)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert all("not renewed" in text for text in warnings)


def test_files_are_read_again_only_when_they_changed(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    loaded = Certificate(cert, key)
    assert not loaded.reload_if_changed()
    replace(cert, cert)
    assert loaded.reload_if_changed()
    assert not loaded.reload_if_changed()


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    assert certificate(None, None) is None
    with pytest.raises(UsageError, match="key"):
        certificate(cert, None)
    with pytest.raises(UsageError, match=r"none\.pem"):
        certificate(tmp_path / "none.pem", key)
    with pytest.raises(ServeError, match=r"localhost\.pem"):
        certificate(cert, cert)


def test_who_never_finishes_the_tls_handshake_is_let_go(tmp_path: Path, eventually: Eventually) -> None:
    cert, key = make_certificate(tmp_path)
    limits = Limits(handshake_s=0.3)
    with (
        Server(ServerConfig(port=0, tls_cert=cert, tls_key=key, limits=limits)) as server,
        socket.create_connection((server.config.host, server.port), timeout=WAIT_S) as silent,
    ):
        eventually(lambda: server.connections == 1)
        assert silent.recv(1) == b""
        eventually(lambda: server.connections == 0)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed: .ci/system brings it")
@pytest.mark.parametrize(
    ("version", "accepted"), [("tls1", False), ("tls1_1", False), ("tls1_2", True), ("tls1_3", True)]
)
def test_old_versions_of_tls_are_refused(tmp_path: Path, version: str, accepted: bool) -> None:
    cert, key = make_certificate(tmp_path, "first")
    with Server(ServerConfig(port=0, tls_cert=cert, tls_key=key)) as server:
        address = f"{server.config.host}:{server.port}"
        client = ["openssl", "s_client", "-connect", address, f"-{version}", "-cipher", "DEFAULT:@SECLEVEL=0"]
        done = subprocess.run(client, stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT_S)
    assert (done.returncode == 0) is accepted, done.stderr
    assert b"no protocols available" not in done.stderr  # the client itself would have spoken it


def test_connections_that_begin_while_files_are_loaded_get_one_pair_or_the_other(tmp_path: Path) -> None:
    pairs = [make_certificate(tmp_path, name) for name in ("first", "second")]
    cert, key = make_certificate(tmp_path, "served")
    known, stopped = {der(cert), *(der(of) for of, _ in pairs)}, threading.Event()

    def renew(server: Server) -> None:
        while not stopped.is_set():
            for pair in pairs:
                for target, source in zip((cert, key), pair, strict=True):
                    replace(target, source)
                server.reload_certificate()

    with Server(ServerConfig(port=0, tls_cert=cert, tls_key=key)) as server, ThreadPoolExecutor(1) as thread:
        renewing = thread.submit(renew, server)
        try:
            assert {shown_by(server) for _ in range(CONNECTIONS)} <= known
        finally:
            stopped.set()
        renewing.result()
