"""Several people and streams behind one calibration page: each client chooses its person and stream."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.calibration.page import Page

from mtclar.calibrate.core.journal import journal_path
from mtclar.calibrate.web.feeds.live_feed import LiveFeed
from mtclar.calibrate.web.registry import CalibrationRegistry
from mtclar.calibrate.web.session import CalibrationSession, CalibrationStream
from mtclar.engine.data_types import Frame
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.protocol.messages import ProtocolError
from mtclar.stream.sources import open_source

DOOR, TABLE = (
    CalibrationStream("door", "rtsp://door"),
    CalibrationStream("table", "this browser's camera", "browser"),
)


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return next(iter(open_source("demo").frames())).image


class Running:
    """Anna and Ben at the door, Ben at the table too; nobody is in the picture at the door."""

    def __init__(self, folder: Path, face: np.ndarray) -> None:
        self.folder = folder
        self.pictures = {"door": np.full_like(face, 90), "table": face}
        self.registry = CalibrationRegistry(
            [
                CalibrationSession(
                    Tracker.open,
                    lambda support: self.save(support),
                    target=folder / f"{subject}.mtclar",
                    subject=subject,
                    streams=streams,
                    feed=LiveFeed,
                )
                for subject, streams in (("anna", [DOOR]), ("ben", [DOOR, TABLE]))
            ]
        )
        self.seq = 0

    def save(self, support: SupportSet) -> Path:
        path = self.folder / f"{support.subject}.mtclar"
        support.save(path)
        return path

    def do(
        self,
        page: Page,
        kind: str,
        wanted: Callable[[dict[str, Any]], Any] = bool,
        answer: str = "calibrate.state",
        **content: Any,
    ) -> dict[str, Any]:
        """Says something, plays both cameras, and waits for the answer that is wanted."""
        at = len(page.received)
        self.registry.on_message(page, {"type": f"calibrate.{kind}", **content})
        until_s = time.monotonic() + 30
        while time.monotonic() < until_s:
            for stream, image in self.pictures.items():
                now_s = time.monotonic()
                self.registry.enqueue_frame(Frame(image, self.seq, now_s, "arrival", now_s, stream))
            self.seq += 1
            found = next((m for m in page.received[at:] if m["type"] == answer and wanted(m)), None)
            if found is not None:
                return found
            time.sleep(0.02)
        raise AssertionError(page.received[at:])


@pytest.fixture
def running(tmp_path: Path, face: np.ndarray) -> Iterator[Running]:
    made = Running(tmp_path, face)
    with made.registry:
        yield made


def test_a_page_chooses_who_and_where_and_sees_that_alone(running: Running) -> None:
    page = Page()
    state = running.do(page, "join")
    assert (state["subject"], state["stream"], state["camera"]) == ("anna", "door", "server")
    assert page.received[0] == {
        "type": "calibrate.choices",
        "choices": [
            {"stream": "door", "label": "rtsp://door", "subject": "anna"},
            {"stream": "door", "label": "rtsp://door", "subject": "ben"},
            {"stream": "table", "label": "this browser's camera", "subject": "ben"},
        ],
    }
    nobody = running.do(page, "take", answer="calibrate.look", valence=0.5, arousal=0.5)
    assert "No face in view" in nobody["advice"][0]
    # The state after `take` may come later than the image.
    state = running.do(page, "join", lambda state: state["subject"] == "ben", subject="ben")
    assert state["stream"] == "door"
    running.do(page, "take", lambda look: look["capture"], "calibrate.look", valence=0.5, arousal=0.5)
    state = running.do(page, "join", stream="table", subject="ben")
    assert (state["stream"], state["camera"]) == ("table", "browser")
    look = running.do(page, "cancel", lambda look: look["usable"], "calibrate.look")
    assert look["capture"] is None  # what was being taken at the door
    state = running.do(page, "take", lambda state: state["samples"], valence=0.5, arousal=0.25)
    assert [sample["valence"] for sample in state["samples"]] == [0.5]
    assert journal_path(running.folder / "ben.mtclar").exists()
    assert not journal_path(running.folder / "anna.mtclar").exists()
    assert running.do(page, "join", stream="door", subject="anna")["samples"] == []
    state = running.do(page, "join", subject="ben")  # the stream that was chosen for him before
    assert (state["stream"], len(state["samples"])) == ("table", 1)
    running.do(page, "save", lambda state: state["saved"])
    saved = SupportSet.load(running.folder / "ben.mtclar")
    assert (saved.subject, saved.source, len(saved)) == ("ben", TABLE.label, 3)


def test_two_clients_join_two_sessions(running: Running) -> None:
    anna, ben = Page(), Page()
    running.do(anna, "join", subject="anna")
    running.do(ben, "join", subject="ben", stream="table")
    running.do(ben, "take", lambda state: state["samples"], valence=0.5, arousal=0.25)
    assert {m["subject"] for m in anna.received if m["type"] == "calibrate.state"} == {"anna"}
    assert not [m for m in anna.received if m["type"] == "calibrate.look" and m["usable"]]
    running.registry.on_disconnect(ben)
    running.do(Page(), "join", subject="ben")  # answered after the disconnect was handled
    count = len(ben.received)
    running.do(anna, "join")
    assert len(ben.received) == count


def test_who_or_what_is_not_there_is_refused_and_the_page_stays_where_it_is(running: Running) -> None:
    page = Page()
    running.do(page, "join", subject="ben")
    for wish in ({"subject": "cleo"}, {"stream": "garden"}, {"subject": "anna", "stream": "table"}):
        with pytest.raises(ProtocolError) as refused:
            running.registry.on_message(page, {"type": "calibrate.join", **wish})
        assert refused.value.code == "unknown_stream"
    assert running.do(page, "undo")["subject"] == "ben"


def test_one_person_on_one_stream_is_no_choice(tmp_path: Path) -> None:
    page = Page()
    session = CalibrationSession(
        Tracker.open,
        lambda _: tmp_path,
        target=tmp_path / "a.mtclar",
        subject="a",
        streams=[DOOR],
        feed=LiveFeed,
    )
    with CalibrationRegistry([session]) as registry:
        registry.on_message(page, {"type": "calibrate.join", "subject": "a"})
        page.next("calibrate.state", 0)
        with pytest.raises(ProtocolError, match="on other streams"):
            session.on_message(page, {"type": "calibrate.join", "stream": "garden"})
    assert "calibrate.choices" not in {m["type"] for m in page.received}
