"""A session with a live feed: real frames, a real tracker, every message checked against the schema."""

import logging
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from support.calibration.page import Page
from support.calibration.session import Running

from mtclar.calibrate.core.evaluation.coverage import REGIONS
from mtclar.calibrate.core.guided_session import LABEL_FRAMES
from mtclar.calibrate.core.journal import journal_path
from mtclar.calibrate.web.feeds.live_feed import LiveFeed
from mtclar.calibrate.web.session import CalibrationSession, CalibrationStream
from mtclar.engine.errors import MtclarError, WriteError
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.server.uploads import HEADER, read_header


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


def test_crops_are_kept_and_shown_only_where_asked_for(tmp_path: Path, face: list[np.ndarray]) -> None:
    with Running(tmp_path, face, keep_crops=True) as session:
        session.do("join")
        state = session.take(0.5, 0.5, 1)
        assert state["keep_crops"]
        assert state["samples"][0]["thumbnail"].startswith("data:image/jpeg;base64,")
        session.do("save")
        assert SupportSet.load(session.target).crops is not None


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
