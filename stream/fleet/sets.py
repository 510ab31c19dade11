"""Encrypted support sets in NATS' object store: put there once, fetched by the worker that owns a stream."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import nats.errors
from nats.js.errors import BucketNotFoundError, NotFoundError, ObjectNotFoundError

from mtclar.engine.errors import UsageError
from mtclar.engine.files.encryption import is_sealed
from mtclar.engine.files.reading import MAX_SUPPORT_BYTES
from mtclar.engine.support_set import SupportSet
from mtclar.stream.bus.connection import BusConnection, words

TIMEOUT_S = 10.0


def bucket_of(connection: BusConnection) -> str:
    """The name of the bucket."""
    return f"{connection.bus.prefix}-sets"


async def put_set(connection: BusConnection, name: str, payload: bytes) -> None:
    """Stores an encrypted support set under a name. Raises UsageError for one that is not encrypted."""
    if not is_sealed(payload):
        raise UsageError(
            f"the support set '{name}' is not encrypted, and the bus stores no other",
            "`mtclar-stream support encrypt` writes one",
        )
    jetstream = connection.client.jetstream(timeout=TIMEOUT_S)
    try:
        store = await jetstream.object_store(bucket_of(connection))
    except (BucketNotFoundError, NotFoundError):
        store = await jetstream.create_object_store(bucket_of(connection), replicas=connection.bus.replicas)
    await store.put(name, payload)


async def get_set(connection: BusConnection, name: str) -> bytes:
    """The encrypted support set of that name. Raises UsageError when there is none, or NATS does not answer."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            store = await connection.client.jetstream().object_store(bucket_of(connection))
            payload = (await store.get(name)).data or b""
    except (BucketNotFoundError, ObjectNotFoundError, NotFoundError) as error:
        raise UsageError(
            f"there is no support set '{name}' on the bus", "`mtclar-stream fleet put` stores one"
        ) from error
    except (nats.errors.Error, OSError, TimeoutError) as error:
        raise UsageError(f"the support set '{name}' cannot be fetched: {words(error)}", "") from error
    if not is_sealed(payload) or len(payload) > MAX_SUPPORT_BYTES:
        raise UsageError(f"the support set '{name}' on the bus is not encrypted", "store it again")
    return payload


def open_set(payload: bytes, name: str, passphrase: Callable[[], str]) -> SupportSet:
    """The support set of these bytes. Raises SupportSetError for a wrong passphrase or a damaged set."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name.replace('/', '_')}.mtclar"
        path.write_bytes(payload)  # still encrypted
        return SupportSet.load(path, passphrase)
