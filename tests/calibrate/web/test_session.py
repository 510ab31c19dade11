"""A session with a live feed: real frames, a real tracker, every message checked against the schema."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.calibration_page import SCHEMA, Page

from mtclar.calibrate.core.continuous_rating import Ratings
from mtclar.calibrate.core.coverage import REGIONS
from mtclar.calibrate.core.guided_session import LABEL_FRAMES
from mtclar.calibrate.core.journal import CalibrationJournal, UnfinishedCalibration, journal_path
from mtclar.calibrate.core.label_store import Snapshot
from mtclar.calibrate.web import messages
from mtclar.calibrate.web.live_feed import LiveFeed
from mtclar.calibrate.web.session import CalibrationSession, CalibrationStream
from mtclar.calibrate.web.surroundings import Surroundings
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import MtclarError, WriteError
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.protocol.messages import ProtocolError
from mtclar.stream.server.uploads import HEADER, read_header
from mtclar.stream.sources import open_source

FROM_PAGE = jsonschema.Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": "#/$defs/from_client"})


class Running:
    """A session, a client, and a camera that repeats its images."""

    def __init__(self, folder: Path, pictures: list[np.ndarray], **options: Any) -> None:
        self.target = folder / "me.mtclar"
        self.saved: list[SupportSet] = []
        self.page = Page()
        self.pictures = pictures
        self._stopped = threading.Event()
        self.session = CalibrationSession(
            Tracker.open,
            options.pop("save", self.save),
            target=self.target,
            subject=options.pop("subject", "me"),
            streams=[CalibrationStream("demo", "demo")],
            feed=LiveFeed,
            surroundings=Surroundings(on_saved=self.saved.append),
            **options,
        )
        self._camera = threading.Thread(target=self._play, daemon=True)

    def save(self, support: SupportSet) -> Path:
        support.save(self.target)
        return self.target

    def _play(self) -> None:
        began_s, seq = time.monotonic(), 0
        while not self._stopped.wait(0.02):
            now_s = time.monotonic()
            image = self.pictures[seq % len(self.pictures)]
            self.session.enqueue_frame(Frame(image, seq, now_s, "arrival", now_s - began_s, "demo"))
            seq += 1

    def __enter__(self) -> "Running":
        self.session.__enter__()
        self._camera.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._camera.join()
        self.session.__exit__()

    def ask(self, kind: str, **content: Any) -> int:
        """Sends a message; returns the position in `received` where its answers start."""
        at = len(self.page.received)
        message = {"type": f"calibrate.{kind}", **content}
        FROM_PAGE.validate(message)
        self.session.on_message(self.page, message)
        return at

    def do(self, kind: str, wanted: Callable[[dict[str, Any]], Any] = bool, **content: Any) -> dict[str, Any]:
        """Says something and waits for the state that is wanted."""
        return self.page.next("calibrate.state", self.ask(kind, **content), wanted)

    def take(self, valence: float, arousal: float, count: int) -> dict[str, Any]:
        return self.do("take", lambda s: len(s["samples"]) == count, valence=valence, arousal=arousal)


@pytest.fixture(scope="module")
def face() -> list[np.ndarray]:
    """A second of the demo's face."""
    return [frame.image for frame, _ in zip(open_source("demo").frames(), range(25), strict=False)]


@pytest.fixture
def session(tmp_path: Path, face: list[np.ndarray]) -> Iterator[Running]:
    with Running(tmp_path, face) as running:
        yield running


def test_clear_takes_the_ratings_of_a_recording_with_it_and_undo_brings_them_back(
    tmp_path: Path, face: list[np.ndarray]
) -> None:
    with Tracker.open() as tracker:
        model = tracker.model.sha256
    journal = CalibrationJournal(tmp_path / "me.mtclar", "me")
    rated = Ratings(9.0, 2.5, np.array([(1.0, 0.5, -0.5, 1.0)]))
    journal.write(UnfinishedCalibration(Snapshot(), rated), model)
    with Running(tmp_path, face) as session:
        assert "resumed" in session.do("join")["notice"]
        session.take(0.0, 0.0, 1)
        session.do("clear", lambda s: not s["samples"])
        assert not journal.path.exists()  # nothing to go on with
        session.do("undo", lambda s: s["samples"])
        unfinished = journal.read(model)
        assert unfinished is not None
        assert unfinished.ratings is not None
        np.testing.assert_array_equal(unfinished.ratings.trace, rated.trace)


def test_from_the_first_label_to_a_saved_set(session: Running) -> None:
    state = session.do("join")
    assert state["samples"] == []
    assert state["ask"]["title"] == "neutral"
    look = session.page.next("calibrate.look", 0)
    assert look["usable"]
    assert look["advice"] == []
    assert all(0 <= share <= 1 for line in look["outline"] for share in line)
    for n, (valence, arousal) in enumerate([(0.0, 0.0), (0.6, 0.1), (-0.5, -0.5), (0.123456, -0.0)], 1):
        state = session.take(valence, arousal, n)
    assert [s["number"] for s in state["samples"]] == [1, 2, 3, 4]
    assert state["samples"][3]["valence"] == 0.12
    assert all(s["frames"] == LABEL_FRAMES and s["thumbnail"] is None for s in state["samples"])
    assert state["error"] is not None
    assert len(state["errors"]) == 4
    assert sum(region["covered"] for region in state["regions"]) >= 3

    state = session.do("relabel", number=4, valence=0.9, arousal=0.9)
    assert state["samples"][3]["valence"] == 0.9
    state = session.do("delete", number=1)
    assert [s["number"] for s in state["samples"]] == [2, 3, 4]
    state = session.do("undo")
    assert [s["number"] for s in state["samples"]] == [1, 2, 3, 4]
    assert session.do("clear")["samples"] == []
    assert len(session.do("undo")["samples"]) == 4

    checked = session.do("check", lambda s: s["samples"][1]["check"], number=2)
    check = checked["samples"][1]["check"]
    assert check["error"] == pytest.approx(np.hypot(check["valence"] - 0.6, check["arousal"] - 0.1), abs=1e-3)
    assert checked["check_error"] == check["error"]
    redone = session.do("redo", lambda s: s["samples"][1]["check"] is None, number=2)
    assert redone["samples"][1]["number"] == 2

    journalled = journal_path(session.target)
    assert journalled.stat().st_mode & 0o777 == 0o600
    error = session.page.next("error", session.ask("save"))
    assert error["message"].startswith("not saved: labels contradict each other")
    assert not session.target.exists()
    state = session.do("save", accept_poor=True)
    assert state["saved"] == str(session.target)
    assert not journalled.exists()
    saved = SupportSet.load(session.target)
    assert saved.warning == state["warning"]
    assert saved.subject == "me"
    assert len(saved) == 4 * LABEL_FRAMES
    assert {tuple(np.round(label, 2)) for label in saved.labels.astype(np.float64)} == {
        (0.0, 0.0),
        (0.6, 0.1),
        (-0.5, -0.5),
        (0.9, 0.9),
    }
    assert [len(s) for s in session.saved] == [4 * LABEL_FRAMES]


def test_pictures_are_small_and_come_only_to_who_joined(session: Running) -> None:
    time.sleep(0.2)
    assert session.page.images == []
    session.do("join")
    first = session.page.next("calibrate.look", 0)["seq"]
    session.page.next(
        "calibrate.look", 0, lambda m: m["seq"] != first
    )  # so the first one's picture was shown
    at = session.ask("leave")
    number, _, t_s = read_header(session.page.images[0])
    assert number == 0
    assert t_s > 0
    assert session.page.images[0][HEADER.size :][:2] == b"\xff\xd8"
    assert len(session.page.images[0]) < 60_000
    time.sleep(0.3)
    count = len(session.page.received)
    time.sleep(0.3)
    assert len(session.page.received) == count >= at


def test_a_client_that_goes_at_once_is_forgotten(session: Running) -> None:
    passer_by = Page()
    session.session.on_message(passer_by, {"type": "calibrate.join"})
    session.session.on_disconnect(passer_by)
    session.do("join")
    session.page.next("calibrate.look", 0)
    assert [m for m in passer_by.received if m["type"] == "calibrate.look"] == []
    assert passer_by.images == []


def test_what_was_left_unfinished_is_known_before_the_first_change(
    tmp_path: Path, face: list[np.ndarray]
) -> None:
    with Running(tmp_path, face) as first:
        first.do("join")
        first.take(0.5, 0.5, 1)
    with Running(tmp_path, face) as second:
        second.ask("join")
        assert second.do("clear", lambda state: not state["samples"])["samples"] == []
        assert len(second.do("undo")["samples"]) == 1


def test_one_page_at_a_time_calibrates_a_person_until_another_takes_over(
    session: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first, second = session.page, Page("192.0.2.7")
    session.ask("undo")
    assert first.next("error", 0)["code"] == "join_expected"
    session.do("join")
    session.take(0.5, 0.5, 1)
    for kind in ("join", "clear", "save"):  # by whom it may not
        session.session.on_message(second, {"type": f"calibrate.{kind}"})
    assert "127.0.0.1" in second.next("error", 0, lambda error: error["code"] == "page_taken")["message"]
    second.next("error", 1, lambda error: error["code"] == "join_expected")
    assert not second.images
    session.session.on_message(second, {"type": "calibrate.join", "take_over": True})
    assert len(second.next("calibrate.state", 0)["samples"]) == 1
    lost = first.next("error", 1)
    assert (lost["code"], "192.0.2.7" in lost["message"]) == ("page_taken", True)
    session.session.on_message(second, {"type": "calibrate.save"})
    second.next("calibrate.state", 0, lambda state: state["saved"])
    session.session.on_disconnect(second)
    session.do("join")  # free again
    done = [
        (record.fields["action"], record.fields["address"])
        for record in caplog.records
        if getattr(record, "fields", {}).get("event") == "action"
    ]
    assert done[-2:] == [("saved", "192.0.2.7"), ("calibrate.join", "127.0.0.1")]


def test_an_unfinished_calibration_is_continued(tmp_path: Path, face: list[np.ndarray]) -> None:
    with Running(tmp_path, face) as first:
        first.do("join")
        first.take(0.5, 0.5, 1)
        before = first.take(-0.5, 0.5, 2)
    with Running(tmp_path, face) as second:
        state = second.do("join")
        assert state["samples"] == before["samples"]
        assert state["errors"] == before["errors"]
        assert "resumed" in state["notice"]
        assert second.take(0.0, 0.0, 3)["notice"] == ""


def test_crops_are_kept_and_shown_only_where_asked_for(tmp_path: Path, face: list[np.ndarray]) -> None:
    with Running(tmp_path, face, keep_crops=True) as session:
        session.do("join")
        state = session.take(0.5, 0.5, 1)
        assert state["keep_crops"]
        assert state["samples"][0]["thumbnail"].startswith("data:image/jpeg;base64,")
        session.do("save")
        assert SupportSet.load(session.target).crops is not None


def test_another_persons_unfinished_calibration_is_put_aside_and_said(
    tmp_path: Path, face: list[np.ndarray]
) -> None:
    with Running(tmp_path, face, subject="anna") as first:
        first.do("join")
        first.take(0.5, 0.5, 1)
    with Running(tmp_path, face, subject="ben") as second:
        state = second.do("join")
        assert state["samples"] == []
        assert "is of 'anna', not of 'ben'" in state["notice"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [("nobody", "No face in view"), ("two", "Two people in view"), ("dark", "More light")],
)
def test_what_cannot_be_used_is_said_in_plain_words(
    tmp_path: Path, face: list[np.ndarray], kind: str, words: str
) -> None:
    picture = {
        "nobody": np.full_like(face[0], 90),
        "two": np.concatenate([face[0], face[0]], axis=1),
        "dark": (face[0] * 0.12).astype(np.uint8),
    }[kind]
    with Running(tmp_path, [picture]) as session:
        session.do("join")
        look = session.page.next("calibrate.look", 0, lambda m: m["advice"])
        assert words in " ".join(look["advice"])
        assert not look["usable"]
        at = session.ask("take", valence=0.5, arousal=0.5)
        error = session.page.next("error", at)
        assert error["code"] == "no_usable_frame"
        assert words in error["message"]
        assert session.do("undo")["samples"] == []


def test_what_goes_wrong_is_told_and_nothing_is_lost(tmp_path: Path, face: list[np.ndarray]) -> None:
    def refuse(_: SupportSet) -> Path:
        raise WriteError("cannot write there: no space left on device", "make room")

    with Running(tmp_path, face, save=refuse) as session:
        session.do("join")
        error = session.page.next("error", session.ask("save"))
        assert "no labels yet" in error["message"]
        session.take(0.5, 0.5, 1)
        error = session.page.next("error", session.ask("save"))
        assert "no space left" in error["message"]
        for kind in ("delete", "redo", "check"):
            assert (
                "label 7 no longer exists"
                in session.page.next("error", session.ask(kind, number=7))["message"]
            )
        state = session.do("join")
        assert len(state["samples"]) == 1
        assert state["saved"] is None


def test_another_region_is_asked_for_when_a_person_is_elsewhere(session: Running) -> None:
    first = session.do("join")["ask"]["title"]
    second = session.do("skip")["ask"]["title"]
    assert second != first
    asked = session.take(0.0, 0.7, 1)["ask"]["title"]  # "activated", when "pleasant" was asked for
    assert asked not in (first, second, "activated")
    seen = [asked] + [session.do("skip")["ask"]["title"] for _ in range(8)]
    assert set(seen) == {region.title for region in REGIONS} - {"activated"}


def test_taking_can_be_stopped(session: Running) -> None:
    session.do("join")
    at = session.ask("take", valence=0.5, arousal=0.5)
    session.page.next("calibrate.look", at, lambda m: m["capture"])
    session.do("cancel")
    time.sleep(0.3)
    at = len(session.page.received)
    assert session.page.next("calibrate.look", at)["capture"] is None
    assert session.do("join")["samples"] == []


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from(["type", "valence", "arousal", "number", "more"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()),
    )
    | st.fixed_dictionaries(
        {
            "type": st.sampled_from(
                ["calibrate.take", "calibrate.relabel", "calibrate.delete", "calibrate.no"]
            )
        },
        optional={"valence": st.floats(), "arousal": st.floats(), "number": st.integers()},
    )
)
def test_parser_and_schema_agree(message: dict[str, Any]) -> None:
    try:
        messages.parse(message)
    except ProtocolError:
        parsed = False
    else:
        parsed = True
    finite = all(np.isfinite(v) for v in message.values() if isinstance(v, float))
    numbers = all(not isinstance(message.get(key), float) for key in ("number",))
    assert parsed == (finite and numbers and FROM_PAGE.is_valid(message))


def test_closing_does_not_wait_for_ever_for_what_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("mtclar.calibrate.web.session.CLOSE_S", 0.1)
    hangs, released = threading.Event(), threading.Event()

    def open_tracker() -> Tracker:
        hangs.set()
        released.wait(60)
        raise MtclarError("no tracker")

    client = Page()
    session = CalibrationSession(
        open_tracker,
        lambda _: tmp_path,
        target=tmp_path / "me.mtclar",
        subject="me",
        streams=[CalibrationStream("demo", "demo")],
        feed=LiveFeed,
    )
    try:
        with session:
            session.on_message(client, {"type": "calibrate.join"})
            assert hangs.wait(60)
        assert "left behind" in caplog.text
    finally:
        released.set()
        session._thread.join(60)
    assert not session._thread.is_alive()
