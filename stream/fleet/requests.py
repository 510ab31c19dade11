"""What clients of a gateway ask of workers: `assign`, of the owner of the stream; thresholds, of all by the store.

A request is the client's own message on PREFIX-request.WORKER, beside the subjects that the history keeps; the answer
is an `error` of mtclar.v1, or empty. Thresholds are one entry of the bucket PREFIX-fleet, which everybody reads again
and again, so that workers and gateways that come later have them too.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import nats.errors
from nats.js.errors import BucketNotFoundError, KeyNotFoundError

from mtclar.engine.errors import MtclarError
from mtclar.stream.bus.connection import BusConnection, words
from mtclar.stream.bus.subjects import token
from mtclar.stream.pipeline.pipeline import Pipeline
from mtclar.stream.protocol.client_messages import Assign, Thresholds, parse_client
from mtclar.stream.protocol.events import Threshold
from mtclar.stream.protocol.messages import ErrorMessage, ProtocolError
from mtclar.stream.protocol.server_messages import decode_server

log = logging.getLogger(__name__)

ANSWER_S = 3.0
"""A face is assigned with the next frame: a worker whose camera is away answers nothing."""

KEY = "thresholds.all"
READ_S = 1.0
STORE_ERRORS = (nats.errors.Error, OSError, TimeoutError)  # ConnectionError is one


def request_subject(prefix: str, worker: str) -> str:
    """Where a worker takes requests."""
    return f"{prefix}-request.{token(worker)}"


async def ask(connection: BusConnection, worker: str, request: Assign) -> ErrorMessage | None:
    """Why the worker did not do it; None when it did."""
    subject = request_subject(connection.bus.prefix, worker)
    try:
        reply = await connection.client.request(subject, request.model_dump_json().encode(), timeout=ANSWER_S)
    except nats.errors.NoRespondersError:
        return ErrorMessage("cannot_assign", f"{worker} takes no requests: ask the server of that `run`")
    except TimeoutError:
        return ErrorMessage("cannot_assign", f"worker {worker} has not answered within {ANSWER_S:g} s")
    except (nats.errors.Error, OSError) as error:
        return ErrorMessage("cannot_assign", f"worker {worker} cannot be reached: {words(error)}")
    answered = decode_server(json.loads(reply.data)) if reply.data else None
    return answered if isinstance(answered, ErrorMessage) else None


async def answer(
    message: Any, pipeline_of: Callable[[str], Pipeline | None], on_assigned: Callable[[Assign], None]
) -> None:
    """Does what a request says, and answers it."""
    error = None
    try:
        request = parse_client(message.data)
        if not isinstance(request, Assign):
            raise ProtocolError("bad_message", f"a worker takes no '{request.type}'")
        if (pipeline := pipeline_of(request.stream)) is None:
            raise ProtocolError("cannot_assign", "the stream is moving to another worker: try again")
        await _assign(pipeline, request)
        on_assigned(request)
    except ProtocolError as refused:
        error = ErrorMessage(refused.code, refused.message)
    except MtclarError as refused:
        hint = f" ({refused.hint})" if refused.hint else ""
        error = ErrorMessage("cannot_assign", f"{refused.what}{hint}")
    await message.respond(b"" if error is None else error.encode())


async def _assign(pipeline: Pipeline, request: Assign) -> None:
    """Returns when the face has its support set. Raises MtclarError."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[MtclarError | None] = loop.create_future()

    def finish(error: MtclarError | None) -> None:
        if not done.done():
            done.set_result(error)

    def on_assigned(error: MtclarError | None) -> None:
        loop.call_soon_threadsafe(finish, error)

    pipeline.assign(request.face, request.subject, on_assigned)
    if (error := await done) is not None:
        raise error


async def share_thresholds(connection: BusConnection, request: Thresholds) -> ErrorMessage | None:
    """Sets the thresholds of all workers; why that cannot be done."""
    try:
        bucket = await connection.client.jetstream(timeout=ANSWER_S).key_value(_bucket(connection))
        await bucket.put(KEY, request.model_dump_json().encode())
    except BucketNotFoundError:
        return ErrorMessage(
            "cannot_watch", "no worker of a fleet is on this bus: thresholds are theirs to watch"
        )
    except STORE_ERRORS as error:
        return ErrorMessage("cannot_watch", f"the store of the fleet cannot be reached: {words(error)}")
    return None


async def follow_thresholds(
    connection: BusConnection, on_change: Callable[[tuple[Threshold, ...]], None]
) -> None:
    """Calls `on_change` with the thresholds whenever they change, until it is cancelled."""
    known: tuple[Threshold, ...] = ()
    while True:
        try:
            bucket = await connection.client.jetstream(timeout=ANSWER_S).key_value(_bucket(connection))
            request = parse_client((await bucket.get(KEY)).value or b"")
            chosen = request.chosen if isinstance(request, Thresholds) else ()
        except (BucketNotFoundError, KeyNotFoundError):
            chosen = ()
        except ProtocolError as error:
            log.warning("the thresholds in the store cannot be read: %s", error)
            chosen = known
        except STORE_ERRORS:
            chosen = known
        if chosen != known:
            known = chosen
            on_change(chosen)
        await asyncio.sleep(READ_S)


def _bucket(connection: BusConnection) -> str:
    return f"{connection.bus.prefix}-fleet"
