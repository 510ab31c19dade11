"""All connected clients: distributes each message to them and counts; lives on the event loop."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass

from mtclar.engine.spans import span
from mtclar.stream.protocol.client_messages import Subscribe
from mtclar.stream.protocol.events import EventMessage, ThresholdsMessage
from mtclar.stream.protocol.messages import (
    DEFAULT_FIELDS,
    AffectMessage,
    AssignedMessage,
    ClockMessage,
    ErrorMessage,
    MarkMessage,
    PlaybackMessage,
    ProtocolError,
    RecordingMessage,
    Role,
    StatusMessage,
    SubjectsMessage,
)
from mtclar.stream.server.clients.client import Client, Outgoing
from mtclar.stream.server.clients.recent import RecentMessages
from mtclar.stream.server.clock import ClockPair
from mtclar.stream.server.limits import Limits

ToAll = (
    StatusMessage
    | ClockMessage
    | MarkMessage
    | AssignedMessage
    | SubjectsMessage
    | RecordingMessage
    | PlaybackMessage
    | ThresholdsMessage
    | EventMessage
    | ErrorMessage
)

LASTING = (RecordingMessage, ThresholdsMessage, PlaybackMessage)
"""What holds until the next one of its type."""

OF_A_CAMERA = (StatusMessage, ClockMessage, RecordingMessage, ErrorMessage)
"""What a client gets that is only a camera."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """Stands between the messages of two sessions: times are of these clocks then, by default the server's own."""

    clocks: ClockPair | None = None
    statuses: Sequence[StatusMessage] = ()  # of its streams
    history: Sequence[AffectMessage] = ()  # what went before, for clients that ask


class ClientHub:
    """The connected clients, and for new ones the last `status` of each stream and of what is in `latest`.

    `on_sent(t_capture_s)` is called once per `affect`: when it is first written to a socket, or no client wants it.
    """

    def __init__(self, on_sent: Callable[[float], None] | None = None, limits: Limits | None = None) -> None:
        self.statuses: dict[str, StatusMessage] = {}  # by stream
        self.latest: dict[type[ToAll], ToAll] = {}  # the last one of each type of LASTING
        self.recent = RecentMessages()
        self.wanted_fields: frozenset[frozenset[str]] = frozenset({DEFAULT_FIELDS})
        self.published = 0
        self.written = 0
        self._clients: set[Client] = set()
        self._choices: Counter[frozenset[str]] = Counter()  # how many clients want these fields
        self._most_choices = (limits or Limits()).field_choices
        self._missed_before = 0  # by clients that have disconnected
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
        """How many `affect` messages a newer one replaced before they were written, over all clients; never decreases.

        When another thread reads it, a client that disconnects may be missing from both parts of the sum.
        """
        now = self._missed_before + sum(client.missed for client in self.clients)
        self._missed_reported = max(self._missed_reported, now)
        return self._missed_reported

    def add(self, client: Client, hello: bytes) -> None:
        """Sends `hello` and what new clients learn of the present state; the client gets all messages from now on."""
        client.send_text(hello)
        for status in self.statuses.values():
            client.send_text(status.encode())
        self._send_latest(client)
        self._clients.add(client)
        self._choose(client.subscription.fields, None)

    def announce(self, hello: Callable[[Role], bytes], streams: Set[str]) -> None:
        """Sends `hello` again to every client: these are the streams now. States, and what was kept of others, go."""
        self.statuses.clear()
        self.recent.keep_only(streams)
        for client in self._clients:
            client.subscription.keep_only(streams)
            client.send_text(hello(client.role))

    def begin_session(self, hello: Callable[[Role], bytes], streams: Set[str], new: NewSession) -> None:
        """As `announce`; what waits is dropped, and the new `history` is what clients get that ask for it."""
        self.recent = RecentMessages()
        for message in new.history:
            self.recent.add(Outgoing(message, {}))
        self.latest.pop(PlaybackMessage, None)
        for client in self._clients:
            client.begin_session()
        self.announce(hello, streams)
        for client in self._clients:
            self._send_latest(client)
        self.distribute(new.statuses)

    def remove(self, client: Client) -> None:
        """Removes a client; its count stays in the sum."""
        self._clients.remove(client)
        self._missed_before += client.missed
        self._choose(None, client.subscription.fields)

    def subscribe(self, client: Client, request: Subscribe) -> None:
        """Changes what a client receives; raises ProtocolError `busy` when clients want too many choices of fields."""
        self._choose(request.chosen_fields, client.subscription.fields)
        client.subscribe(request)

    def _choose(self, fields: frozenset[str] | None, before: frozenset[str] | None) -> None:
        """Counts what clients want, for the worker threads that encode each message for each choice."""
        if fields == before:
            return
        new = fields is not None and fields not in self._choices
        if new and fields != DEFAULT_FIELDS and len(self._choices) >= self._most_choices:
            raise ProtocolError(
                "busy", f"clients have chosen {self._most_choices} sets of fields: take one of theirs"
            )
        if fields is not None:
            self._choices[fields] += 1
        if before is not None:
            self._choices[before] -= 1
            if not self._choices[before]:
                del self._choices[before]
        if self.wanted_fields != self._choices.keys():
            self.wanted_fields = frozenset(self._choices or {DEFAULT_FIELDS})

    def distribute(self, items: Iterable[Outgoing | ToAll]) -> None:
        """Enqueues each item for every client, in order."""
        items = list(items)
        # Several `affect`s of one stream mean that this loop is behind; sending each of them would keep it behind.
        newest = {item.message.stream: item for item in items if isinstance(item, Outgoing)}
        for item in items:
            if isinstance(item, Outgoing):
                self.published += 1
                self.recent.add(item)
                outdated = item is not newest[item.message.stream]
                with span("send", getattr(item.message, "frame", None)):
                    takers = [client.enqueue(item, outdated) for client in self._clients]
                if not any(takers):
                    self._report_sent(item)
            else:
                if isinstance(item, StatusMessage):
                    self.statuses[item.stream] = item
                elif isinstance(item, LASTING):
                    self.latest[type(item)] = item
                elif isinstance(item, MarkMessage | EventMessage):
                    self.recent.add_other(item)
                data = item.encode()
                for client in self._clients:
                    if _is_for(client, item):
                        client.send_text(data)

    def _send_latest(self, client: Client) -> None:
        for message in self.latest.values():
            if _is_for(client, message):
                client.send_text(message.encode())

    def on_written(self, outgoing: Outgoing) -> None:
        """An `affect` was written to one client's socket."""
        self.written += 1
        self._report_sent(outgoing)

    def _report_sent(self, outgoing: Outgoing) -> None:
        if not outgoing.sent:
            outgoing.sent = True
            if self._on_sent is not None:
                self._on_sent(outgoing.message.t_capture_s)


def _is_for(client: Client, message: ToAll) -> bool:
    return client.role != "camera" or isinstance(message, OF_A_CAMERA)
