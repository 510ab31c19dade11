"""What JetStream keeps of the bus: a stream that is bounded in time and size, made by whoever publishes."""

import logging

from nats.aio.client import Client
from nats.js.api import DiscardPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from mtclar.stream.bus.address import Bus

log = logging.getLogger(__name__)

MOST_BYTES = 2 * 2**30
REQUEST_S = 2.0


def stream_name(bus: Bus) -> str:
    """The name of the JetStream stream."""
    return f"{bus.prefix}-history"


async def keep_history(client: Client, bus: Bus) -> None:
    """Makes the stream that keeps the last `history_s` seconds, or sets it to them.

    Raises nats.errors.Error without JetStream.
    """
    assert bus.history_s is not None
    config = StreamConfig(
        name=stream_name(bus),
        subjects=[f"{bus.prefix}.>"],
        max_age=bus.history_s,
        max_bytes=MOST_BYTES,
        discard=DiscardPolicy.OLD,
        storage=StorageType.FILE,
        num_replicas=bus.replicas,
        duplicate_window=min(bus.history_s, 120.0),
    )
    jetstream = client.jetstream(timeout=REQUEST_S)
    try:
        await jetstream.stream_info(stream_name(bus))
    except NotFoundError:
        await jetstream.add_stream(config)
    else:
        await jetstream.update_stream(config)
    log.info("%s keeps %g s", stream_name(bus), bus.history_s)
