"""A desk that plays a recording: rated as it plays, again from a chosen moment, finished and saved."""

import json
import threading
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mtclar.calibrate import messages
from mtclar.calibrate.desk import View
from mtclar.calibrate.rating import Still, apart, look_through
from mtclar.calibrate.replay import ReplayDesk
from mtclar.engine.handover import Frame
from mtclar.engine.support import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.sources import open_source
from mtclar.stream.uploads import read_header

WAIT_S = 30.0
LENGTH_S = 6.0
FROM_DESK = jsonschema.Draft202012Validator(json.loads(messages.schema()))


def frames() -> Iterator[Frame]:
    yield from takewhile(lambda frame: frame.pts_s <= LENGTH_S, open_source("demo").frames())


@pytest.fixture(scope="module")
def stills() -> tuple[Still, ...]:
    with Tracker.open() as tracker:
        return look_through(frames(), tracker, apart()).stills


class Rater:
    """A page whose mark is at (valence, -valence) when a picture comes."""

    def __init__(self) -> None:
        self.desk: ReplayDesk | None = None
        self.valence = 0.0
        self.told: list[dict[str, Any]] = []
        self.pictures = 0
        self._changed = threading.Condition()

    def tell(self, message: bytes) -> None:
        said = json.loads(message)
        if said["type"] != "error":
            FROM_DESK.validate(said)
        with self._changed:
            self.told.append(said)
            self._changed.notify_all()

    def show(self, picture: bytes) -> None:
        self.pictures += 1
        if self.desk is not None:
            self.say("rate", seq=read_header(picture)[1], valence=self.valence, arousal=-self.valence)

    def say(self, kind: str, **content: Any) -> None:
        assert self.desk is not None
        self.desk.said(self, {"type": f"calibrate.{kind}", **content})

    def do(self, kind: str, until: Callable[[dict[str, Any]], Any] = lambda _: True, **content: Any) -> Any:
        """What the desk answers: the first state that fulfils `until`, or an error."""
        at = len(self.told)
        self.say(kind, **content)

        def answer() -> dict[str, Any] | None:
            answers = (m for m in self.told[at:] if m["type"] in ("calibrate.state", "error"))
            return next((m for m in answers if m["type"] == "error" or until(m["replay"])), None)

        with self._changed:
            assert self._changed.wait_for(lambda: answer() is not None, WAIT_S)
            return answer()


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
        assert rater.pictures == 1  # something to see before it plays
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


def test_a_page_that_leaves_stops_it(stills: tuple[Still, ...], tmp_path: Path) -> None:
    rater = Rater()
    rater.desk = desk = ReplayDesk(
        Tracker.open,
        lambda _: tmp_path / "a.mtclar",
        target=tmp_path / "a.mtclar",
        subject="a",
        views=[View("demo", "clip.mp4")],
        frames=frames,
        stills=stills,
        length_s=LENGTH_S,
    )
    with desk:
        rater.do("join")
        assert rater.do("play", time=0.0)["replay"]["playing"]
        desk.left(rater)
        assert not rater.do("join")["replay"]["playing"]
