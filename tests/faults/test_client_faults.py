"""Misbehaving clients: a well-behaved one misses no message, and the server keeps no resources of theirs."""

import json
import time
import urllib.request
from collections.abc import Callable

import pytest
from support.faults import bad_clients
from support.faults.tracker_process import Footprint, Running, Watcher, is_affect

from mtclar.stream.server.limits import Limits

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]
Start = Callable[..., Running]
WAIT_S = 60.0
CROWD, SILENT, IDLE = 5000, 3000, 300
MOST_MB = 30.0
TRIES = 20


@pytest.fixture
def run(running: Start) -> Running:
    """A server that sends 25 messages a second."""
    return running("--source", "synthetic", "--support", "none", "--no-live")


def connections(run: Running) -> float:
    url = run.url.replace("ws://", "http://").removesuffix("/ws") + "/metrics"
    with urllib.request.urlopen(url, timeout=WAIT_S) as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("mtclar_connections ")))


def settled(run: Running, before: Footprint) -> Footprint:
    """The server's resources after the bad clients' connections have ended: as before, plus at most two files."""
    until_s = time.monotonic() + WAIT_S
    while (now := run.footprint()).descriptors > before.descriptors + 2 or now.threads > before.threads:
        assert time.monotonic() < until_s, f"{before} became {now}"
        time.sleep(0.1)
    return now


def misses_nothing(watcher: Watcher) -> None:
    """Every message came, in order."""
    watcher.wait(is_affect, since=20)
    seqs = [one.message["seq"] for one in watcher.affects()]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


def go_on(watcher: Watcher) -> None:
    """Fresh messages still come."""
    since = len(watcher.received)
    watcher.wait(lambda one: is_affect(one) and one.at_s > watcher.received[since - 1].at_s, since)


@pytest.mark.parametrize(
    "fault",
    [bad_clients.send_junk, bad_clients.half_close, bad_clients.vanish],
    ids=lambda fault: fault.__name__,
)
def test_misbehaving_clients_that_come_and_go(run: Running, fault: Callable[..., None]) -> None:
    with Watcher(run.url, {"delivery": "all"}) as watcher:
        watcher.wait(is_affect)
        before = run.footprint()
        for number in range(TRIES):
            fault(run.url, number) if fault is bad_clients.send_junk else fault(run.url)
        go_on(watcher)
        settled(run, before)
        misses_nothing(watcher)
    assert run.end() == 0
    assert "error" not in run.output.lower()


def test_clients_that_never_read(run: Running) -> None:
    """They hold a connection and a small buffer each, and nothing else grows; delivery `all` is closed with 1013."""
    with Watcher(run.url, {"delivery": "all"}) as watcher:
        watcher.wait(is_affect)
        before = run.footprint()
        frozen = [bad_clients.silent_websocket(run.url) for _ in range(TRIES)]
        for sock in frozen[: TRIES // 2]:
            sock.sendall(bad_clients.frame(1, json.dumps({"type": "subscribe", "delivery": "all"}).encode()))
        for _ in range(5):
            since = len(watcher.received)
            watcher.wait(is_affect, since + 20)
        during = run.footprint()
        assert during.descriptors <= before.descriptors + TRIES + 2
        assert during.threads <= before.threads
        for sock in frozen:
            sock.close()
        settled(run, before)
        misses_nothing(watcher)
    assert run.end() == 0


def test_a_crowd_of_connections_finds_the_entrance_full(run: Running) -> None:
    limits = Limits()
    with Watcher(run.url, {"delivery": "all"}) as watcher:
        watcher.wait(is_affect)
        before = run.footprint()
        most = limits.clients_per_address + limits.pages
        with bad_clients.crowd(run.url, CROWD) as came:
            assert came == CROWD
            for _ in range(5):
                assert run.footprint().descriptors <= before.descriptors + most + 2
                go_on(watcher)
        settled(run, before)
        with Watcher(run.url) as another:  # there is room again
            another.wait(is_affect)
        misses_nothing(watcher)
    assert run.end() == 0


def test_silent_connections_are_let_go_in_time(run: Running) -> None:
    with Watcher(run.url, {"delivery": "all"}) as watcher:
        watcher.wait(is_affect)
        before = run.footprint()
        silent = [bad_clients.silent_connection(run.url) for _ in range(TRIES)]
        settled(run, before)  # although they are all still there
        for sock in silent:
            assert sock.recv(1) == b""
            sock.close()
        misses_nothing(watcher)
        assert connections(run) <= 2
    assert run.end() == 0


def test_ended_in_the_middle_of_a_crowd(run: Running) -> None:
    """A stop does not wait for those who never read."""
    with Watcher(run.url) as watcher:
        watcher.wait(is_affect)
        frozen = [bad_clients.silent_websocket(run.url) for _ in range(TRIES)]
        watcher.wait(is_affect, len(watcher.received) + 20)
        assert run.end() == 0
        watcher.wait(lambda one: one.kind == "bye")
        for sock in frozen:
            sock.close()


def test_idle_viewers_and_silent_connections_cost_little(running: Start) -> None:
    """300 viewers of no stream, then 3,000 connections that send nothing: memory, messages, and room afterwards."""
    sources = ("--source", "synthetic", "--support", "none", "--no-live")
    run = running(*sources, "--max-clients-per-address", IDLE + 2)
    subscribe = bad_clients.frame(1, json.dumps({"type": "subscribe", "streams": []}).encode())
    with Watcher(run.url, {"delivery": "all"}) as watcher:
        watcher.wait(is_affect, since=50)  # memory has settled
        before = run.footprint()
        idle = [bad_clients.silent_websocket(run.url) for _ in range(IDLE)]
        for sock in idle:
            sock.sendall(subscribe)
        with bad_clients.crowd(run.url, SILENT) as came:
            assert came == SILENT
            for _ in range(5):
                go_on(watcher)
                now = run.footprint()
                assert now.rss_mb <= before.rss_mb + MOST_MB
                assert now.threads <= before.threads
        for sock in idle:
            sock.close()
        settled(run, before)
        misses_nothing(watcher)
    assert run.end() == 0
