"""A server under attack: its memory, and what two viewers get meanwhile."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from . import attackers
from .tracker_process import WAIT_S, Running, Watcher, is_affect

STREAM = "synthetic"
SOURCES = ("--source", "synthetic:320x240@25", "--source", "browser", "--support", "none", "--no-live")
TOKEN = "a-long-enough-token"
ATTACKS = {  # and whether the attackers have the token
    "pings": False,
    "frozen": True,
    "pictures": True,
    "subscribes": True,
    "headers": False,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one attack."""

    made: int  # messages while it lasted
    latest: int  # of these, what a viewer with delivery `latest` got
    every: int  # and one with delivery `all`
    mb_before: float
    mb_most: float


@contextmanager
def attack(name: str, url: str) -> Iterator[None]:
    """The attack while the block runs."""
    command = [sys.executable, attackers.__file__, name, url, *([TOKEN] if ATTACKS[name] else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"begins\n"
        yield
        assert process.poll() is None, "the attackers have ended"
        process.stdin.close()
        process.wait(WAIT_S)


def under_attack(name: str | None, run: Running, seconds: float) -> Outcome:
    """Attacks a server that was started with SOURCES and TOKEN, for so long; None: without an attack."""
    with (
        Watcher(run.url, token=TOKEN) as latest,
        Watcher(run.url, {"delivery": "all"}, token=TOKEN) as every,
    ):
        first = every.wait(is_affect).message["seq"] + 50  # two seconds, so that memory has settled
        for viewer in (latest, every):
            viewer.wait(lambda one: is_affect(one) and one.message["seq"] >= first)
        before = run.footprint()
        most_mb = 0.0
        with nullcontext() if name is None else attack(name, run.url):
            until_s = time.monotonic() + seconds
            while time.monotonic() < until_s:
                time.sleep(0.2)
                most_mb = max(most_mb, run.footprint().rss_mb)
            last = every.wait(lambda one: is_affect(one) and one.message["t_capture"] >= until_s).message[
                "seq"
            ]
            latest.wait(lambda one: is_affect(one) and one.message["seq"] >= last)

        def got(viewer: Watcher) -> int:
            return sum(first <= one.message["seq"] <= last for one in viewer.affects(stream=STREAM))

        return Outcome(last - first + 1, got(latest), got(every), before.rss_mb, most_mb)
