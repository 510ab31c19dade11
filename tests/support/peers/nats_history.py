"""What JetStream of a test's nats-server keeps."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from support.peers.nats_server import NatsServer


@dataclass(frozen=True)
class Kept:
    """The history and its last message."""

    max_age_s: float = 0.0
    bytes_at_most: int = 0
    messages: int = 0
    last_kind: str = ""


def kept(server: NatsServer, name: str = "mtclar-history") -> Kept:
    """The state of the stream; nothing where there is none."""
    import nats
    from nats.js.errors import NotFoundError

    async def ask() -> Kept:
        client = await nats.connect(server.url)
        try:
            jetstream = client.jetstream()
            info = await jetstream.stream_info(name)
            messages = info.state.messages
            kind = ""
            with suppress(NotFoundError):  # no value yet
                last = await jetstream.get_last_msg(name, "*.stream.*.*.*.affect")
                kind = (last.subject or "").rpartition(".")[2]
            return Kept(info.config.max_age or 0, info.config.max_bytes or 0, messages, kind)
        except NotFoundError:
            return Kept()
        finally:
            await client.close()

    return asyncio.run(ask())
