"""Everyone who listens: each message handed once to every client, and counted; lives on the event loop."""

from collections.abc import Callable, Iterable

from mtclar.stream.protocol.messages import (
    DEFAULT_FIELDS,
    AssignedMessage,
    ClockMessage,
    ErrorMessage,
    MarkMessage,
    StatusMessage,
    SubjectsMessage,
)
from mtclar.stream.server.client import Client, Outgoing

ToAll = StatusMessage | ClockMessage | MarkMessage | AssignedMessage | SubjectsMessage | ErrorMessage


class ClientHub:
    """The clients that are connected, and the last `status` of each stream for those that will be.

    `on_sent(t_capture_s)` is called once per `affect`: when it was first written to a socket, or when nobody wanted it.
    """

    def __init__(self, on_sent: Callable[[float], None] | None = None) -> None:
        self.statuses: dict[str, StatusMessage] = {}  # by stream
        self.wanted_fields: frozenset[frozenset[str]] = frozenset({DEFAULT_FIELDS})
        self.published = 0
        self.written = 0
        self._clients: set[Client] = set()
        self._missed_before = 0  # by clients that have gone
        self._missed_reported = 0
        self._on_sent = on_sent

    def __len__(self) -> int:
        return len(self._clients)

    def __contains__(self, client: Client) -> bool:
        return client in self._clients

    @property
    def clients(self) -> tuple[Client, ...]:
        """A copy, for any thread."""
        return tuple(self._clients)

    @property
    def missed(self) -> int:
        """How many `affect` messages a newer one replaced before they were written, over all clients; never falls.

        Asked from another thread, a client may be neither here nor among those that have gone.
        """
        now = self._missed_before + sum(client.missed for client in self.clients)
        self._missed_reported = max(self._missed_reported, now)
        return self._missed_reported

    def add(self, client: Client, hello: bytes) -> None:
        """Tells it how things are; from now on it gets what comes."""
        client.send_text(hello)
        for status in self.statuses.values():
            client.send_text(status.encode())
        self._clients.add(client)

    def remove(self, client: Client) -> None:
        """It gets nothing any more; its count stays in the sum."""
        self._clients.remove(client)
        self._missed_before += client.missed
        self.update_fields()

    def update_fields(self) -> None:
        """What clients want has changed: the worker threads serialise these sets of fields from now on."""
        wanted = {client.subscription.fields for client in self._clients}
        self.wanted_fields = frozenset(wanted or {DEFAULT_FIELDS})

    def distribute(self, items: Iterable[Outgoing | ToAll]) -> None:
        """Offers each item to every client, in their order."""
        items = list(items)
        # Several at once: this loop is behind, and sending each of them would keep it there for ever.
        newest = {item.message.stream: item for item in items if isinstance(item, Outgoing)}
        for item in items:
            if isinstance(item, Outgoing):
                self.published += 1
                outdated = item is not newest[item.message.stream]
                takers = [client.enqueue(item, outdated) for client in self._clients]
                if not any(takers):
                    self._report_sent(item)
            else:
                if isinstance(item, StatusMessage):
                    self.statuses[item.stream] = item
                data = item.encode()
                for client in self._clients:
                    client.send_text(data)

    def on_written(self, outgoing: Outgoing) -> None:
        """One client's socket has it."""
        self.written += 1
        self._report_sent(outgoing)

    def _report_sent(self, outgoing: Outgoing) -> None:
        if not outgoing.sent:
            outgoing.sent = True
            if self._on_sent is not None:
                self._on_sent(outgoing.message.t_capture_s)
