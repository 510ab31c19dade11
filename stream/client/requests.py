"""What a client asks of the server: the request that waits for its answer, and the names of a subscription."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mtclar.engine.text import printable
from mtclar.stream.client.connection import RefusedError
from mtclar.stream.client.inbox import Json
from mtclar.stream.protocol.patterns import matches


@dataclass(slots=True)
class Request:
    """A message of this client that waits for its answer."""

    name: str
    is_answer: Callable[[Json], bool]
    answer: "asyncio.Future[Json]"
    lasting: bool  # a subscription


def listed(names: Iterable[str] | None) -> list[str] | None:
    """The names of a subscription; a single one is a list of one."""
    if names is None:
        return None
    return [names] if isinstance(names, str) else list(names)


def is_named(stream: str, streams: list[str] | None) -> bool:
    """Whether a subscription to these names and patterns has this stream."""
    return streams is None or stream in streams or any(matches(name, stream) for name in streams)


def refusal(what: str, error: Json) -> RefusedError:
    """The `error` message of the server that answers a request."""
    return RefusedError(f"the server refused the {what}: {printable(str(error.get('message')))}")
