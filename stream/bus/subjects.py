"""The subjects of the bus: what is published where.

    PREFIX.stream.STREAM.WORKER.EPOCH.KIND   `affect`, `status`, `subjects`, `mark`, `event`, `assigned` of mtclar.v1
    PREFIX.worker.WORKER.hello               `hello` of mtclar.v1 once a second: the heartbeat; `bye` at the end
    PREFIX.worker.WORKER.health              with it, from a worker of a fleet: its load and what is wrong with it
    PREFIX.gateway.GATEWAY.mark              a mark of a gateway's client; its time is Unix time

An epoch is a number that grows with each owner of a stream; a message of an older one is dropped.
"""

import re
import time
from dataclasses import dataclass
from urllib.parse import quote, unquote

HEARTBEAT_S = 1.0
ESCAPED = re.compile(r"[.~]")


@dataclass(frozen=True, slots=True)
class StreamSubject:
    """The parts of a stream's subject."""

    stream: str
    worker: str
    epoch: int
    kind: str


def token(name: str) -> str:
    """A name as one part of a subject or key, where . * > and spaces have a meaning."""
    return ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", quote(name, safe=""))


def key(name: str) -> str:
    """A name as one part of a key, where % is not allowed."""
    return token(name).replace("%", "=")


def name_of(token_or_key: str) -> str:
    """The name of a token or key."""
    return unquote(token_or_key.replace("=", "%"))


def stream_subject(prefix: str, stream: str, worker: str, epoch: int, kind: str) -> str:
    """Where a message of a stream is published."""
    return f"{prefix}.stream.{token(stream)}.{token(worker)}.{epoch}.{kind}"


def parse_stream_subject(subject: str) -> StreamSubject | None:
    """The parts of a stream's subject; None for another subject."""
    parts = subject.split(".")
    if len(parts) != 6 or parts[1] != "stream" or not parts[4].isdecimal():
        return None
    return StreamSubject(unquote(parts[2]), unquote(parts[3]), int(parts[4]), parts[5])


def worker_subject(prefix: str, worker: str, kind: str) -> str:
    """Where a worker's `hello` and `bye` are published."""
    return f"{prefix}.worker.{token(worker)}.{kind}"


def new_epoch(after: int = 0) -> int:
    """An epoch that is greater than `after`, and than all before unless the wall clock was set back."""
    return max(after + 1, int(1000 * time.time()))
