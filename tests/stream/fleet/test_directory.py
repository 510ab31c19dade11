"""What a gateway makes of heartbeats and messages: epochs, numbers, times, workers that come and go."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from mtclar.stream.bus.subjects import (
    StreamSubject,
    key,
    name_of,
    new_epoch,
    parse_stream_subject,
    stream_subject,
    token,
)
from mtclar.stream.fleet.directory import COMPARED, FORGOTTEN_S, GONE_S, SILENT_S, Directory
from mtclar.stream.protocol.messages import (
    AffectMessage,
    ClockReading,
    Hello,
    MarkMessage,
    StatusMessage,
    StreamInfo,
    SubjectsMessage,
)
from mtclar.stream.protocol.relayed import RelayedAffect

Make = Callable[..., AffectMessage]


@dataclass
class Bus:
    """A directory with a clock that tests set."""

    now_s: float = 50.0

    def __post_init__(self) -> None:
        self.directory = Directory(lambda: self.now_s, lambda worker: self.now_s - worker.monotonic_s)

    def beat(self, worker: str, *streams: str, behind_s: float = 0.0, session: str = "") -> None:
        """A heartbeat of a worker whose clock is so far behind, the time under way included."""
        infos = tuple(StreamInfo(name, "webcam:0", True, None, None, "latest") for name in streams)
        clock = ClockReading(0.0, self.now_s - behind_s)
        self.directory.hello(worker, Hello(infos, session=session or worker, clock=clock))

    def send(self, message: AffectMessage, worker: str = "a", epoch: int = 1) -> RelayedAffect | None:
        subject = StreamSubject(message.stream, worker, epoch, "affect")
        return self.directory.affect(subject, RelayedAffect.parse(message.stream, message.encode()))

    def names(self) -> list[str]:
        return [info.stream for info in self.directory.infos]


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.mark.parametrize("name", ["cam", "back door", "a.b", "ward/4 *>", "müde", "50%", "a~b=c"])
def test_every_name_survives_subjects_and_keys(name: str) -> None:
    subject = stream_subject("lab", name, name, 7, "affect")
    assert parse_stream_subject(subject) == StreamSubject(name, name, 7, "affect")
    assert not set(token(name)) & set(".*> ")
    assert name_of(key(name)) == name


@pytest.mark.parametrize(
    "subject", ["lab.stream.cam.a.7", "lab.worker.a.hello", "lab.stream.cam.a.x.affect", "a.b"]
)
def test_other_subjects_are_none_of_a_stream(subject: str) -> None:
    assert parse_stream_subject(subject) is None


def test_an_epoch_is_later_than_the_one_before() -> None:
    first = new_epoch()
    assert new_epoch(first + 10**9) == first + 10**9 + 1  # the wall clock was set back


def test_messages_get_numbers_and_times_of_the_gateway(bus: Bus, make_message: Make) -> None:
    bus.beat("a", "cam", behind_s=5)
    sent = bus.send(make_message(7, t_s=40.0))
    assert sent is not None
    assert (sent.seq, sent.t_capture_s) == (0, 45.0)
    assert b'"seq":0,"frame":7,"t_capture":45.0,' in sent.payload


def test_the_heartbeat_that_was_least_under_way_tells_the_time(bus: Bus, make_message: Make) -> None:
    for under_way_s in (0.25, 0.0, 0.5):
        bus.beat("a", "cam", behind_s=5 + under_way_s)
    assert (sent := bus.send(make_message(0, t_s=40.0))) is not None
    assert sent.t_capture_s == 45.0
    for _ in range(COMPARED):  # the clocks drift
        bus.beat("a", "cam", behind_s=5.125)
    assert (sent := bus.send(make_message(1, t_s=41.0))) is not None
    assert sent.t_capture_s == 46.125
    bus.beat("a", "cam", behind_s=70.0, session="another process, after a restart of the machine")
    assert (sent := bus.send(make_message(2, t_s=0.0))) is not None
    assert sent.t_capture_s == 70.0


def test_an_owner_whose_wall_clock_was_set_back_is_heard_when_nobody_else_has_the_stream(
    bus: Bus, make_message: Make
) -> None:
    bus.beat("a", "cam")
    assert bus.send(make_message(0), "a", 2000) is not None
    bus.beat("b", "cam")
    assert bus.send(make_message(0), "b", 1000) is None
    bus.now_s += GONE_S
    bus.beat("b", "cam")
    assert (sent := bus.send(make_message(1), "b", 1000)) is not None
    assert sent.seq == 1


def test_gaps_are_kept_and_counted(bus: Bus, make_message: Make) -> None:
    bus.beat("a", "cam")
    numbers = [sent.seq for seq in (0, 1, 5) if (sent := bus.send(make_message(seq))) is not None]
    assert numbers == [0, 1, 5]
    assert bus.directory.streams["cam"].missed == 3


def test_nothing_is_sent_twice_or_out_of_order(bus: Bus, make_message: Make) -> None:
    bus.beat("a", "cam")
    sent = [bus.send(make_message(seq)) is not None for seq in (0, 1, 1, 0, 2)]
    assert sent == [True, True, False, False, True]
    assert bus.directory.streams["cam"].repeated == 2


def test_another_owner_continues_the_numbers_and_the_one_before_is_dropped(
    bus: Bus, make_message: Make
) -> None:
    bus.beat("a", "cam")
    bus.beat("b", "cam")
    for seq in range(3):
        assert bus.send(make_message(seq), "a", 10) is not None
    sent = bus.send(make_message(0), "b", 20)
    assert sent is not None
    assert sent.seq == 3
    assert bus.send(make_message(3), "a", 10) is None
    state = bus.directory.streams["cam"]
    assert (state.outdated, state.epochs, state.missed, state.worker) == (1, 2, 0, "b")


def test_the_state_of_an_older_owner_is_dropped(bus: Bus, make_message: Make) -> None:
    bus.beat("a", "cam")
    bus.beat("b", "cam")
    assert bus.send(make_message(0), "b", 20) is not None
    live = StatusMessage("cam", "live")
    assert bus.directory.status(StreamSubject("cam", "a", 10, "status"), live) is None
    assert bus.directory.status(StreamSubject("cam", "b", 20, "status"), live) == live
    assert bus.directory.status(StreamSubject("cam", "b", 20, "status"), live) is None  # known already
    assert bus.directory.statuses == [live]


def test_marks_and_support_sets_are_translated(bus: Bus, make_message: Make) -> None:
    bus.beat("a", "cam", behind_s=-2)
    assert bus.send(make_message(100)) is not None
    mark = bus.directory.mark(StreamSubject("cam", "a", 1, "mark"), MarkMessage("go", 30.0, "cam"))
    assert mark == MarkMessage("go", 28.0, "cam")
    subjects = bus.directory.subjects(
        StreamSubject("cam", "a", 1, "subjects"), SubjectsMessage("cam", 101, ())
    )
    assert subjects == SubjectsMessage("cam", 1, ())


def test_a_message_of_an_unknown_worker_waits_for_its_heartbeat(bus: Bus, make_message: Make) -> None:
    assert bus.send(make_message(0)) is None
    bus.beat("a", "cam")
    assert bus.send(make_message(1)) is not None
    assert bus.directory.early == 1


def test_a_silent_worker_its_streams_and_their_return(bus: Bus, make_message: Make) -> None:
    bus.beat("a", "cam", "door")
    assert bus.send(make_message(0)) is not None
    bus.now_s += SILENT_S + 0.1
    assert {(one.stream, one.state) for one in bus.directory.tick()} == {
        ("cam", "reconnecting"),
        ("door", "reconnecting"),
    }
    assert bus.directory.tick() == []  # said once
    assert bus.directory.statuses[0].reason == "worker a is silent"
    bus.directory.changed = False
    bus.now_s += GONE_S
    bus.directory.tick()
    assert bus.directory.changed
    assert bus.names() == []
    bus.beat("b", "cam")
    assert bus.names() == ["cam"]
    assert bus.send(make_message(1), "a", 1) is not None  # of the epoch that is known
    assert bus.send(make_message(0), "b", 2) is not None
    assert bus.send(make_message(2), "a", 1) is None


def test_a_worker_that_has_said_goodbye(bus: Bus, make_message: Make) -> None:
    bus.beat("a", "cam")
    assert bus.send(make_message(0)) is not None
    bus.directory.bye("a")
    bus.now_s += SILENT_S + 0.1
    assert [one.reason for one in bus.directory.tick()] == ["worker a has ended"]
    assert "a" not in bus.directory.workers
    bus.now_s += FORGOTTEN_S
    bus.directory.tick()
    assert bus.directory.streams == {}
    bus.beat("b", "cam")
    assert (sent := bus.send(make_message(0), "b", 2)) is not None
    assert sent.seq == 1  # clients may have been there all the time


def test_a_worker_that_returns_does_not_take_its_stream_back(bus: Bus, make_message: Make) -> None:
    bus.beat("a", "cam")
    assert bus.send(make_message(0), "a", 1) is not None
    bus.now_s += SILENT_S + 1
    bus.beat("b", "cam")
    assert bus.send(make_message(0), "b", 2) is not None
    bus.beat("a", "cam")  # it has not noticed yet
    assert bus.send(make_message(1), "a", 1) is None
    assert bus.directory.streams["cam"].worker == "b"
