"""Playback: a recording is rated as it plays, again from a chosen time, finished and saved."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from support.calibration.page import Page

from mtclar.calibrate.core.journal import journal_path
from mtclar.calibrate.web.feeds.playback_feed import PlaybackFeed
from mtclar.calibrate.web.feeds.recording_scan import Still, scan_recording, spaced
from mtclar.calibrate.web.session import CalibrationSession, CalibrationStream
from mtclar.calibrate.web.surroundings import Surroundings
from mtclar.engine.data_types import Frame
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.label_formats.label_file import Label
from mtclar.stream.server.uploads import read_header
from mtclar.stream.sources import open_source

LENGTH_S = 6.0


def frames() -> Iterator[Frame]:
    yield from takewhile(lambda frame: frame.pts_s <= LENGTH_S, open_source("demo").frames())


@pytest.fixture(scope="module")
def stills() -> tuple[Still, ...]:
    with Tracker.open() as tracker:
        return scan_recording(frames(), tracker, spaced()).stills


class Rater(Page):
    """A page whose mark is at (valence, -valence) when a picture comes."""

    def __init__(self) -> None:
        super().__init__()
        self.session: CalibrationSession | None = None
        self.valence = 0.0

    def send_binary(self, data: bytes) -> None:
        super().send_binary(data)
        if self.session is not None:
            self.say("rate", seq=read_header(data)[1], valence=self.valence, arousal=-self.valence)

    def say(self, kind: str, **content: Any) -> None:
        assert self.session is not None
        self.session.on_message(self, {"type": f"calibrate.{kind}", **content})

    def do(self, kind: str, until: Callable[[dict[str, Any]], Any] = lambda _: True, **content: Any) -> Any:
        """Returns the first state that fulfils `until`, or an error."""
        at = len(self.received)
        self.say(kind, **content)

        def answer() -> dict[str, Any] | None:
            answers = (m for m in self.received[at:] if m["type"] in ("calibrate.state", "error"))
            return next((m for m in answers if m["type"] == "error" or until(m["replay"])), None)

        return self.wait(answer)

    def until(self, wanted: Callable[[dict[str, Any]], Any], at: int) -> None:
        """Waits for a message, from position `at` on."""
        self.wait(lambda: any(map(wanted, self.received[at:])))


@pytest.mark.parametrize("lag_s", [0.5, None])
def test_ratings_become_labels_and_a_support_set(
    stills: tuple[Still, ...], tmp_path: Path, lag_s: float | None
) -> None:
    saved: list[SupportSet] = []
    rater = Rater()
    rater.session = session = make_session(
        stills, tmp_path, lag_s=lag_s, surroundings=Surroundings(on_saved=saved.append)
    )
    with session:
        replay = rater.do("join")["replay"]
        assert replay == {
            "time": 0,
            "length": LENGTH_S,
            "playing": False,
            "rated": 0,
            "labels": 0,
            "notes": [],
            "lag": None,
        }
        rater.wait(lambda: rater.images)
        assert len(rater.images) == 1  # something to see before it plays
        assert "nothing was rated" in rater.do("finish")["message"]
        assert "while it plays" in rater.do("take", valence=0.0, arousal=0.0)["message"]
        rater.valence = 0.5
        replay = rater.do("play", lambda replay: not replay["playing"], time=0.0)["replay"]  # to its end
        assert replay["rated"] == pytest.approx(LENGTH_S, abs=2.0)
        rater.valence = -0.5
        rater.do("play", lambda replay: not replay["playing"], time=3.0 if lag_s else 5.5)  # a part again
        state = rater.do("finish")
        assert len(saved) == 0
        if lag_s is None:
            assert state["replay"]["lag"] == {"seconds": 2.0, "from": "not clear", "correlation": None}
            assert all(label.valence == 0.5 for label in labels_of(session))
        else:
            assert state["replay"]["lag"]["from"] == "given"
            assert {label.valence for label in labels_of(session)} == {0.5, -0.5}
            assert {label.time_s for label in labels_of(session) if label.valence < 0} <= {
                3.0,
                3.5,
                4.0,
                4.5,
                5.0,
                5.5,
            }
        assert state["replay"]["labels"] == len(labels_of(session)) >= 2
        assert all(label.arousal == -label.valence for label in labels_of(session))
        rater.do("save", accept_poor=True)
        assert 0 < len(saved[0]) <= 20
        assert set(saved[0].times_s.tolist()) <= {still.time_s for still in stills}
        rater.do("clear", lambda replay: replay["rated"] == 0)


def make_session(stills: tuple[Still, ...], folder: Path, **options: Any) -> CalibrationSession:
    playback = {"length_s": LENGTH_S, "lag_s": None}
    playback |= {name: options.pop(name) for name in playback if name in options}
    return CalibrationSession(
        Tracker.open,
        lambda _: folder / "a.mtclar",
        target=folder / "a.mtclar",
        subject="a",
        streams=[CalibrationStream("demo", "clip.mp4")],
        feed=partial(PlaybackFeed, frames=frames, stills=stills, **playback),
        **options,
    )


def labels_of(session: CalibrationSession) -> tuple[Label, ...]:
    assert isinstance(session.feed, PlaybackFeed)
    return session.feed.labels


def rated(rater: Rater, seconds: float) -> None:
    """Plays and rates from the beginning until so many seconds are on the disk."""
    rater.valence = 0.5
    at = len(rater.received)
    rater.say("play", time=0.0)
    rater.until(lambda m: m["type"] == "calibrate.look" and m["time"] > seconds, at)


def test_a_killed_process_costs_a_second_at_most(stills: tuple[Still, ...], tmp_path: Path) -> None:
    """What is on the disk while it plays is read by the next process, which goes on there."""
    first, second = Rater(), Rater()
    first.session = session = make_session(stills, tmp_path)
    written = journal_path(tmp_path / "a.mtclar")
    copy = tmp_path / "killed" / written.name
    copy.parent.mkdir()
    with session:
        first.do("join")
        rated(first, 3.0)
        copy.write_bytes(written.read_bytes())  # as a kill would leave it
    killed, closed = copy.stat().st_size, written.stat().st_size
    assert closed > killed  # who ends it in good order loses nothing
    second.session = again = make_session(stills, copy.parent, lag_s=0.5)
    with again:
        state = second.do("join")
        assert "resumed" in state["notice"]
        assert 3.0 - 1.5 <= state["replay"]["rated"] <= 3.5
        assert state["replay"]["time"] == pytest.approx(state["replay"]["rated"], abs=0.3)
        second.valence = -0.5
        second.do("play", lambda replay: not replay["playing"], time=state["replay"]["time"])
        second.do("finish")
        assert {label.valence for label in labels_of(again)} >= {0.5, -0.5}


def test_a_finished_rating_can_be_continued_and_its_labels_edited(
    stills: tuple[Still, ...], tmp_path: Path
) -> None:
    saved: list[SupportSet] = []
    first, second = Rater(), Rater()
    first.session = session = make_session(stills, tmp_path, lag_s=0.5)
    with session:
        first.do("join")
        first.valence = 0.5
        first.do("play", lambda replay: not replay["playing"], time=0.0)
        samples = first.do("finish")["samples"]
        labels = labels_of(session)
        first.do("relabel", number=samples[0]["number"], valence=-0.75, arousal=0.25)
        assert {(one.valence, one.arousal) for one in labels_of(session)} == {(0.5, -0.5), (-0.75, 0.25)}
        for sample in samples[1:-1]:
            first.do("delete", number=sample["number"])
        assert len(labels_of(session)) < len(labels) / 2
        for _ in samples[2:-1]:
            first.do("undo")
        first.do("delete", number=samples[2]["number"])
        corrected = labels_of(session)
        assert len(corrected) >= len(labels) - 2
    second.session = again = make_session(
        stills, tmp_path, lag_s=0.5, surroundings=Surroundings(on_saved=saved.append)
    )
    with again:
        state = second.do("join")
        assert state["replay"]["lag"] == {"seconds": 0.5, "from": "given", "correlation": None}
        assert state["replay"]["labels"] == len(corrected)
        assert labels_of(again) == corrected
        emptied = second.do("clear")
        assert (emptied["samples"], emptied["replay"]["rated"], emptied["replay"]["labels"]) == ([], 0, 0)
        back = second.do("undo")
        assert (back["samples"], back["replay"]) == (state["samples"], state["replay"])
        second.do("save", accept_poor=True)
        assert len(saved[0]) == len(samples) - 2
        assert labels_of(again) == corrected
    assert [entry.name for entry in tmp_path.iterdir()] == []


def test_undo_takes_a_whole_finish_back_and_what_was_made_of_it(
    stills: tuple[Still, ...], tmp_path: Path
) -> None:
    rater = Rater()
    rater.session = session = make_session(stills, tmp_path, lag_s=0.5)
    with session:
        rater.do("join")
        rater.valence = 0.5
        rater.do("play", lambda replay: not replay["playing"], time=0.0)
        first, labels = rater.do("finish"), labels_of(session)
        assert len(first["samples"]) > 1
        rater.valence = -0.5
        rater.do("play", lambda replay: not replay["playing"], time=3.0)
        second = rater.do("finish")
        assert labels_of(session) != labels
        rater.do("clear")
        back = rater.do("undo")
        assert (back["samples"], back["replay"]) == (second["samples"], second["replay"])
        back = rater.do("undo")
        assert back["samples"] == first["samples"]
        assert labels_of(session) == labels  # none is taken for deleted
        rater.do("delete", number=first["samples"][0]["number"])
        assert rater.do("undo")["samples"] == first["samples"]
        assert labels_of(session) == labels
        back = rater.do("undo")
        assert (back["samples"], back["can_undo"], back["replay"]["lag"]) == ([], False, None)
        assert back["replay"]["rated"] == second["replay"]["rated"]  # what was said is not lost
        assert labels_of(session) == ()


def test_ratings_of_another_recording_are_put_aside(stills: tuple[Still, ...], tmp_path: Path) -> None:
    first, second = Rater(), Rater()
    first.session = session = make_session(stills, tmp_path)
    with session:
        first.do("join")
        rated(first, 1.5)
    second.session = other = make_session(stills, tmp_path, length_s=40.0)
    with other:
        state = second.do("join")
    assert "is of another recording" in state["notice"]
    assert state["replay"]["rated"] == 0
    assert journal_path(tmp_path / "a.mtclar").with_suffix(".set-aside.json").exists()


def test_a_page_that_leaves_stops_it(stills: tuple[Still, ...], tmp_path: Path) -> None:
    rater = Rater()
    rater.session = session = make_session(stills, tmp_path)
    with session:
        rater.do("join")
        assert rater.do("play", time=0.0)["replay"]["playing"]
        session.on_disconnect(rater)
        assert not rater.do("join")["replay"]["playing"]
