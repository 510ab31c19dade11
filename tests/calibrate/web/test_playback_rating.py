"""A desk that plays a recording: rated as it plays, again from a chosen moment, finished and saved."""

from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from support.calibration_page import Page

from mtclar.calibrate.core.journal import journal_path
from mtclar.calibrate.web.playback_rating import ReplayDesk
from mtclar.calibrate.web.session import View
from mtclar.calibrate.web.still_rating import Still, apart, look_through
from mtclar.engine.data_types import Frame
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.server.uploads import read_header
from mtclar.stream.sources import open_source

LENGTH_S = 6.0


def frames() -> Iterator[Frame]:
    yield from takewhile(lambda frame: frame.pts_s <= LENGTH_S, open_source("demo").frames())


@pytest.fixture(scope="module")
def stills() -> tuple[Still, ...]:
    with Tracker.open() as tracker:
        return look_through(frames(), tracker, apart()).stills


class Rater(Page):
    """A page whose mark is at (valence, -valence) when a picture comes."""

    def __init__(self) -> None:
        super().__init__()
        self.desk: ReplayDesk | None = None
        self.valence = 0.0

    def send_binary(self, picture: bytes) -> None:
        super().send_binary(picture)
        if self.desk is not None:
            self.say("rate", seq=read_header(picture)[1], valence=self.valence, arousal=-self.valence)

    def say(self, kind: str, **content: Any) -> None:
        assert self.desk is not None
        self.desk.on_message(self, {"type": f"calibrate.{kind}", **content})

    def do(self, kind: str, until: Callable[[dict[str, Any]], Any] = lambda _: True, **content: Any) -> Any:
        """What the desk answers: the first state that fulfils `until`, or an error."""
        at = len(self.told)
        self.say(kind, **content)

        def answer() -> dict[str, Any] | None:
            answers = (m for m in self.told[at:] if m["type"] in ("calibrate.state", "error"))
            return next((m for m in answers if m["type"] == "error" or until(m["replay"])), None)

        return self.wait(answer)

    def until(self, wanted: Callable[[dict[str, Any]], Any], at: int) -> None:
        """Waits for a message, from position `at` on."""
        self.wait(lambda: any(map(wanted, self.told[at:])))


@pytest.mark.parametrize("lag_s", [0.5, None])
def test_ratings_become_labels_and_a_support_set(
    stills: tuple[Still, ...], tmp_path: Path, lag_s: float | None
) -> None:
    saved: list[SupportSet] = []
    rater = Rater()
    rater.desk = desk = ReplayDesk(
        Tracker.open,
        lambda _: tmp_path / "anna.mtclar",
        target=tmp_path / "anna.mtclar",
        subject="anna",
        views=[View("demo", "clip.mp4")],
        on_saved=saved.append,
        frames=frames,
        stills=stills,
        length_s=LENGTH_S,
        lag_s=lag_s,
    )
    with desk:
        replay = rater.do("join")["replay"]
        assert replay == {
            "time": 0,
            "length": LENGTH_S,
            "playing": False,
            "rated": 0,
            "labels": 0,
            "lag": None,
        }
        assert len(rater.pictures) == 1  # something to see before it plays
        assert "nothing was rated" in rater.do("finish")["message"]
        assert "as a whole" in rater.do("take", valence=0.0, arousal=0.0)["message"]
        rater.valence = 0.5
        replay = rater.do("play", lambda replay: not replay["playing"], time=0.0)["replay"]  # to its end
        assert replay["rated"] == pytest.approx(LENGTH_S, abs=2.0)
        rater.valence = -0.5
        rater.do("play", lambda replay: not replay["playing"], time=3.0 if lag_s else 5.5)  # a part again
        state = rater.do("finish")
        assert len(saved) == 0
        if lag_s is None:
            assert state["replay"]["lag"] == {"seconds": 2.0, "from": "not clear", "correlation": None}
            assert all(label.valence == 0.5 for label in desk.labels)
        else:
            assert state["replay"]["lag"]["from"] == "given"
            assert {label.valence for label in desk.labels} == {0.5, -0.5}
            assert {label.time_s for label in desk.labels if label.valence < 0} <= {
                3.0,
                3.5,
                4.0,
                4.5,
                5.0,
                5.5,
            }
        assert state["replay"]["labels"] == len(desk.labels) >= 2
        assert all(label.arousal == -label.valence for label in desk.labels)
        rater.do("save")
        assert 0 < len(saved[0]) <= 20
        assert set(saved[0].times_s.tolist()) <= {still.time_s for still in stills}
        rater.do("clear", lambda replay: replay["rated"] == 0)


def make_desk(stills: tuple[Still, ...], folder: Path, **options: Any) -> ReplayDesk:
    return ReplayDesk(
        Tracker.open,
        lambda _: folder / "a.mtclar",
        target=folder / "a.mtclar",
        subject="a",
        views=[View("demo", "clip.mp4")],
        frames=frames,
        stills=stills,
        length_s=options.pop("length_s", LENGTH_S),
        **options,
    )


def rated(rater: Rater, seconds: float) -> None:
    """Plays and rates from the beginning until so many seconds are on the disk."""
    rater.valence = 0.5
    at = len(rater.told)
    rater.say("play", time=0.0)
    rater.until(lambda m: m["type"] == "calibrate.look" and m["time"] > seconds, at)


def test_a_killed_process_costs_a_second_at_most(stills: tuple[Still, ...], tmp_path: Path) -> None:
    """What is on the disk while it plays is read by the next process, which goes on there."""
    first, second = Rater(), Rater()
    first.desk = desk = make_desk(stills, tmp_path)
    written = journal_path(tmp_path / "a.mtclar")
    copy = tmp_path / "killed" / written.name
    copy.parent.mkdir()
    with desk:
        first.do("join")
        rated(first, 3.0)
        copy.write_bytes(written.read_bytes())  # as a kill would leave it
    killed, closed = copy.stat().st_size, written.stat().st_size
    assert closed > killed  # who ends it in good order loses nothing
    second.desk = again = make_desk(stills, copy.parent, lag_s=0.5)
    with again:
        state = second.do("join")
        assert "left unfinished" in state["notice"]
        assert 3.0 - 1.5 <= state["replay"]["rated"] <= 3.5
        assert state["replay"]["time"] == pytest.approx(state["replay"]["rated"], abs=0.3)
        second.valence = -0.5
        second.do("play", lambda replay: not replay["playing"], time=state["replay"]["time"])
        second.do("finish")
        assert {label.valence for label in again.labels} >= {0.5, -0.5}


def test_what_was_finished_goes_on_and_its_labels_follow_deleting_and_moving(
    stills: tuple[Still, ...], tmp_path: Path
) -> None:
    saved: list[SupportSet] = []
    first, second = Rater(), Rater()
    first.desk = desk = make_desk(stills, tmp_path, lag_s=0.5)
    with desk:
        first.do("join")
        first.valence = 0.5
        first.do("play", lambda replay: not replay["playing"], time=0.0)
        samples = first.do("finish")["samples"]
        labels = desk.labels
        first.do("relabel", number=samples[0]["number"], valence=-0.75, arousal=0.25)
        assert {(one.valence, one.arousal) for one in desk.labels} == {(0.5, -0.5), (-0.75, 0.25)}
        for sample in samples[1:-1]:
            first.do("delete", number=sample["number"])
        assert len(desk.labels) < len(labels) / 2
        for _ in samples[2:-1]:
            first.do("undo")
        first.do("delete", number=samples[2]["number"])
        corrected = desk.labels
        assert len(corrected) >= len(labels) - 2
    second.desk = again = make_desk(stills, tmp_path, lag_s=0.5, on_saved=saved.append)
    with again:
        state = second.do("join")
        assert state["replay"]["lag"] == {"seconds": 0.5, "from": "given", "correlation": None}
        assert state["replay"]["labels"] == len(corrected)
        assert again.labels == corrected
        emptied = second.do("clear")
        assert (emptied["samples"], emptied["replay"]["rated"], emptied["replay"]["labels"]) == ([], 0, 0)
        back = second.do("undo")
        assert (back["samples"], back["replay"]) == (state["samples"], state["replay"])
        second.do("save")
        assert len(saved[0]) == len(samples) - 2
        assert again.labels == corrected
    assert [entry.name for entry in tmp_path.iterdir()] == []


def test_undo_takes_a_whole_finish_back_and_what_was_made_of_it(
    stills: tuple[Still, ...], tmp_path: Path
) -> None:
    rater = Rater()
    rater.desk = desk = make_desk(stills, tmp_path, lag_s=0.5)
    with desk:
        rater.do("join")
        rater.valence = 0.5
        rater.do("play", lambda replay: not replay["playing"], time=0.0)
        first, labels = rater.do("finish"), desk.labels
        assert len(first["samples"]) > 1
        rater.valence = -0.5
        rater.do("play", lambda replay: not replay["playing"], time=3.0)
        second = rater.do("finish")
        assert desk.labels != labels
        rater.do("clear")
        back = rater.do("undo")
        assert (back["samples"], back["replay"]) == (second["samples"], second["replay"])
        back = rater.do("undo")
        assert back["samples"] == first["samples"]
        assert desk.labels == labels  # none is taken for deleted
        rater.do("delete", number=first["samples"][0]["number"])
        assert rater.do("undo")["samples"] == first["samples"]
        assert desk.labels == labels
        back = rater.do("undo")
        assert (back["samples"], back["can_undo"], back["replay"]["lag"]) == ([], False, None)
        assert back["replay"]["rated"] == second["replay"]["rated"]  # what was said is not lost
        assert desk.labels == ()


def test_ratings_of_another_recording_are_put_aside(stills: tuple[Still, ...], tmp_path: Path) -> None:
    first, second = Rater(), Rater()
    first.desk = desk = make_desk(stills, tmp_path)
    with desk:
        first.do("join")
        rated(first, 1.5)
    second.desk = other = make_desk(stills, tmp_path, length_s=40.0)
    with other:
        state = second.do("join")
    assert "is of another recording" in state["notice"]
    assert state["replay"]["rated"] == 0
    assert journal_path(tmp_path / "a.mtclar").with_suffix(".set-aside.json").exists()


def test_a_page_that_leaves_stops_it(stills: tuple[Still, ...], tmp_path: Path) -> None:
    rater = Rater()
    rater.desk = desk = make_desk(stills, tmp_path)
    with desk:
        rater.do("join")
        assert rater.do("play", time=0.0)["replay"]["playing"]
        desk.on_disconnect(rater)
        assert not rater.do("join")["replay"]["playing"]
