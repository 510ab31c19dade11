"""What a gateway knows of the bus: workers by their heartbeats, streams with their epochs and numbers. No I/O."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mtclar.stream.bus.subjects import StreamSubject
from mtclar.stream.protocol.events import EventMessage
from mtclar.stream.protocol.messages import (
    AssignedMessage,
    ClockReading,
    Hello,
    MarkMessage,
    ModelInfo,
    StatusMessage,
    StreamInfo,
    SubjectsMessage,
)
from mtclar.stream.protocol.relayed import RelayedAffect

SILENT_S = 2.5
"""A worker whose heartbeat was not heard for so long is away; its streams wait for it, or for another."""

GONE_S = 10.0
"""A stream that no worker has announced for so long is gone."""

FORGOTTEN_S = 60.0
"""Epochs of streams that are gone are kept for so long: a frozen worker may return."""

NUMBERS_KEPT = 10_000
"""Of so many streams that were forgotten the numbers go on, should they return."""

COMPARED = 30
"""Heartbeats of a worker from which the difference of both clocks is taken."""


@dataclass(slots=True)
class WorkerState:
    """One worker, as its last heartbeat says."""

    session: str
    ahead_s: deque[float]  # the clock of this directory minus its own, at each of the last heartbeats
    heard_s: float  # on the clock of this directory
    streams: dict[str, StreamInfo]
    server: str
    model: ModelInfo | None
    load: float | None = None  # share of its processors in use, 0..1; None: it is no worker of a fleet
    trouble: str | None = None
    left: bool = False  # it has said goodbye


@dataclass(slots=True)
class StreamState:
    """One stream: who owns it, and how its messages are numbered here."""

    info: StreamInfo
    announced_s: float
    worker: str = ""
    epoch: int = 0
    last_seq: int = -1  # of the owner's messages, in this epoch
    first_seq: int = 0  # of this epoch
    base: int = 0  # number of the epoch's first message for clients
    away: bool = False
    gone: bool = False
    status: StatusMessage | None = None
    last_s: float | None = None  # when its last message was captured, on the clock of this directory
    messages: int = 0
    missed: int = 0  # numbers that did not arrive
    repeated: int = 0  # messages that arrived again, or after a later one
    outdated: int = 0  # messages of an earlier epoch
    epochs: int = 0

    @property
    def next_number(self) -> int:
        """The number of the next message for clients, if none is missing and its owner stays."""
        return self.base + self.last_seq - self.first_seq + 1


@dataclass(slots=True)
class Directory:
    """`clock` is monotonic. `changed`: other streams are announced than before.

    `ahead_s` says by how much it is ahead of a worker's clock, which a heartbeat has just told. Of several heartbeats
    the least counts: it was the least time under way.
    """

    clock: Callable[[], float]
    ahead_s: Callable[[ClockReading], float]
    workers: dict[str, WorkerState] = field(default_factory=dict)
    streams: dict[str, StreamState] = field(default_factory=dict)
    changed: bool = False
    early: int = 0  # messages of workers that were not heard of before
    _numbers: dict[str, int] = field(default_factory=dict)  # the next one, of streams that were forgotten

    @property
    def infos(self) -> list[StreamInfo]:
        """The streams that are announced, by name."""
        return [self.streams[name].info for name in sorted(self.streams) if not self.streams[name].gone]

    @property
    def statuses(self) -> list[StatusMessage]:
        """The present states of the announced streams."""
        return [
            state.status for state in self.streams.values() if state.status is not None and not state.gone
        ]

    @property
    def model(self) -> ModelInfo | None:
        """The networks of the worker that was heard last; all should have the same."""
        known = [worker for worker in self.workers.values() if worker.model is not None]
        return max(known, key=lambda worker: worker.heard_s).model if known else None

    def hello(self, worker: str, hello: Hello) -> None:
        """A heartbeat."""
        now_s = self.clock()
        infos = {info.stream: info for info in hello.streams}
        before = self.workers.get(worker)
        same = before is not None and before.session == hello.session
        ahead_s = before.ahead_s if before is not None and same else deque[float](maxlen=COMPARED)
        ahead_s.append(self.ahead_s(hello.clock))
        known = WorkerState(hello.session, ahead_s, now_s, infos, hello.server, hello.model)
        if before is not None:
            known.load, known.trouble = before.load, before.trouble
        self.workers[worker] = known
        for name, info in infos.items():
            state = self.streams.get(name)
            if state is None:
                self.streams[name] = StreamState(info, now_s, base=self._numbers.pop(name, 0))
                self.changed = True
                continue
            if state.worker not in ("", worker) and self._is_heard(state.worker, name):
                continue  # a worker that has not noticed yet that another took the stream over
            state.announced_s = now_s
            if state.gone or state.info != info:
                state.info, state.gone = info, False
                self.changed = True

    def health(self, worker: str, load: float, trouble: str | None) -> None:
        """What a worker says of itself with its heartbeat."""
        if (state := self.workers.get(worker)) is not None:
            state.load, state.trouble = load, trouble

    def bye(self, worker: str) -> None:
        """A worker has said goodbye; its streams wait for another."""
        if (state := self.workers.get(worker)) is not None:
            state.left = True

    def affect(self, subject: StreamSubject, message: RelayedAffect) -> RelayedAffect | None:
        """The message with its number and time for clients; None if it must not be sent."""
        state = self._owned(subject, message.seq)
        if state is None:
            return None
        if message.seq <= state.last_seq:
            state.repeated += 1
            return None
        state.missed += message.seq - state.last_seq - 1
        state.last_seq = message.seq
        state.messages += 1
        number = state.base + message.seq - state.first_seq
        state.last_s = self._here_s(subject.worker, message.t_capture_s)
        return message.moved(number, state.last_s)

    def status(self, subject: StreamSubject, message: StatusMessage) -> StatusMessage | None:
        """The state, if it is new."""
        state = self._owned(subject, None)
        if state is None or (state.status == message and not state.away):
            return None
        state.status, state.away = message, False
        return message

    def mark(self, subject: StreamSubject, message: MarkMessage) -> MarkMessage | None:
        """The mark at its time here."""
        if self._owned(subject, None) is None:
            return None
        return replace(message, t_s=self._here_s(subject.worker, message.t_s))

    def event(self, subject: StreamSubject, message: EventMessage) -> EventMessage | None:
        """The event at its time here."""
        if self._owned(subject, None) is None:
            return None
        return replace(message, t=self._here_s(subject.worker, message.t))

    def assigned(self, subject: StreamSubject, message: AssignedMessage) -> AssignedMessage | None:
        """The message, if it is the owner's."""
        return None if self._owned(subject, None) is None else message

    def subjects(self, subject: StreamSubject, message: SubjectsMessage) -> SubjectsMessage | None:
        """The support sets, from the message with its number here."""
        state = self._owned(subject, message.seq)
        if state is None:
            return None
        state.info = replace(state.info, subjects=message.subjects)
        return replace(message, seq=state.base + message.seq - state.first_seq)

    def tick(self) -> list[StatusMessage]:
        """Forgets who is silent; the states of the streams that wait for a worker now."""
        now_s = self.clock()
        waiting = []
        for name, state in list(self.streams.items()):
            silent_s = now_s - state.announced_s
            if silent_s > FORGOTTEN_S:
                del self.streams[name]
                self._numbers[name] = state.next_number
                if len(self._numbers) > NUMBERS_KEPT:
                    del self._numbers[next(iter(self._numbers))]
            elif silent_s > GONE_S and not state.gone:
                state.gone = True
                self.changed = True
            elif silent_s > SILENT_S and not state.away:
                state.away = True
                left = (worker := self.workers.get(state.worker)) is not None and worker.left
                reason = f"worker {state.worker} " + ("has ended" if left else "is silent")
                state.status = StatusMessage(name, "reconnecting", reason=reason)
                waiting.append(state.status)
        for worker_name, worker in list(self.workers.items()):
            if now_s - worker.heard_s > FORGOTTEN_S or (worker.left and now_s - worker.heard_s > SILENT_S):
                del self.workers[worker_name]
        return waiting

    def _owned(self, subject: StreamSubject, seq: int | None) -> StreamState | None:
        """The stream, if the message is of its present epoch or begins a new one; None for an older one."""
        state = self.streams.get(subject.stream)
        if state is None or subject.worker not in self.workers:
            self.early += 1
            return None
        if subject.epoch < state.epoch and self._is_heard(state.worker, subject.stream, GONE_S):
            state.outdated += 1
            return None
        # A smaller epoch: the wall clock of its owner was set back, and nobody else has the stream.
        if subject.epoch != state.epoch:
            state.base = state.next_number
            state.epoch, state.worker = subject.epoch, subject.worker
            state.first_seq = 0 if seq is None else seq
            state.last_seq = state.first_seq - 1
            state.epochs += 1
            worker = self.workers[subject.worker]
            if (info := worker.streams.get(subject.stream)) is not None and info != state.info:
                state.info = info
                self.changed = True
        elif state.last_seq < state.first_seq and seq is not None:  # a state came before the first number
            state.first_seq, state.last_seq = seq, seq - 1
        return state

    def _is_heard(self, worker: str, stream: str, within_s: float = SILENT_S) -> bool:
        """Whether this worker is there and still has the stream."""
        known = self.workers.get(worker)
        return (
            known is not None
            and not known.left
            and stream in known.streams
            and self.clock() - known.heard_s < within_s
        )

    def _here_s(self, worker: str, t_s: float) -> float:
        """A time of the worker's clock on this one."""
        return t_s + min(self.workers[worker].ahead_s)
