"""What was sent in the last half minute, thinned, for clients that ask for `history`."""

from collections import deque
from collections.abc import Callable, Set

from mtclar.stream.protocol.events import HISTORY_S, EventMessage, encode_history
from mtclar.stream.protocol.messages import MarkMessage
from mtclar.stream.server.clients.client import Outgoing, Subscription

PERIOD_S = 0.099  # between kept messages of a stream: every third one of 30 in a second
KEPT = round(HISTORY_S / 0.1)  # of each stream
KEPT_MARKS = 100
ANSWER_BYTES = 512 * 1024  # of one answer: above it, every second message is left out, or more


class RecentMessages:
    """Lives on the event loop. Adding takes constant time; an answer is encoded by the thread that wants it."""

    def __init__(self) -> None:
        self._affect: dict[str, deque[Outgoing]] = {}  # by stream
        self._newest: dict[str, Outgoing] = {}  # by stream; also one that is not kept
        self._others: deque[MarkMessage | EventMessage] = deque(maxlen=KEPT_MARKS)

    def add(self, outgoing: Outgoing) -> None:
        """Keeps an `affect` of a stream: until the next one if the last kept one is hardly older."""
        self._newest[outgoing.message.stream] = outgoing
        kept = self._affect.setdefault(outgoing.message.stream, deque(maxlen=KEPT))
        apart_s = outgoing.message.t_capture_s - kept[-1].message.t_capture_s if kept else PERIOD_S
        if apart_s < 0:  # the clock of the source has changed
            kept.clear()
        elif apart_s < PERIOD_S:
            return
        kept.append(outgoing)

    def add_other(self, message: MarkMessage | EventMessage) -> None:
        """Keeps a mark or an event."""
        self._others.append(message)

    def keep_only(self, streams: Set[str]) -> None:
        """Frees what is kept of other streams."""
        for stream in self._affect.keys() - streams:
            del self._affect[stream], self._newest[stream]

    def answer(self, subscription: Subscription, seconds: float) -> Callable[[], bytes]:
        """What encodes the `history` for this subscription, on any thread: `seconds` until the newest message."""
        newest_s = max((one.message.t_capture_s for one in self._newest.values()), default=0.0)
        since_s, fields = newest_s - seconds, subscription.fields
        affect = [
            outgoing
            for stream, kept in self._affect.items()
            if subscription.follows(stream)
            for outgoing in dict.fromkeys((*kept, self._newest[stream]))
            if outgoing.message.t_capture_s >= since_s
        ]
        affect.sort(key=lambda outgoing: outgoing.message.t_capture_s)
        others = list(self._others)
        marks = [one for one in others if isinstance(one, MarkMessage) and one.t_s >= since_s]
        events = [one for one in others if isinstance(one, EventMessage) and one.t >= since_s]

        def encode() -> bytes:
            encoded = [one.encoded.get(fields) or one.message.encode(fields) for one in affect]
            step = 1 + sum(map(len, encoded)) // ANSWER_BYTES
            return encode_history(encoded[::-step][::-1], marks, events)

        return encode
