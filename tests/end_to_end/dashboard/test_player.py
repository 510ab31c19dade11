"""The player of a recording on the dashboard: what a person pauses, seeks and slows down is what every page shows."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from support.browser.speaker import LABELS, Speaker
from support.browser.tokens import VIEWER, token_options
from support.browser.watched_page import OpenPage

pytest.importorskip("pyarrow", reason="pyarrow is not installed; `make setup` brings it")

from mtclar.stream.protocol.messages import (
    AffectMessage,
    LatencyMs,
    MarkMessage,
    ModelInfo,
    StreamInfo,
    SubjectInfo,
)
from mtclar.stream.recordings.writer import RecordingWriter

LENGTH_S = 100
RATE = 10
MARKS = {300: "smile", 700: "end of trial"}  # by frame


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """The valence is the time, as a share of LENGTH_S."""
    writer = RecordingWriter(
        tmp_path,
        session="P07",
        streams=[
            StreamInfo("cam", "webcam:0", True, (640, 480), 10.0, "latest", (SubjectInfo("anna", 3, LABELS),))
        ],
        model=ModelInfo("encoder-1", "ab" * 32, "onnxruntime"),
        support_sets={},
        clock=(1_800_000_000.0, 1000.0),
    )
    for seq in range(LENGTH_S * RATE + 1):
        t_s = 1000.0 + seq / RATE
        face = Speaker.face(seq / RATE / LENGTH_S, 0.0)
        latency_ms = LatencyMs(0.5, 3.0, 4.0)
        message = AffectMessage(
            "cam", seq, seq, t_s, "arrival", seq / RATE, (640, 480), latency_ms, 0, (face,)
        )
        writer.affect(t_s, message)
        if seq in MARKS:
            writer.event(t_s, MarkMessage(MARKS[seq], t_s))
    writer.close()
    return writer.folder


@pytest.fixture
def replay(process: Callable[..., Any], recording: Path) -> Callable[..., str]:
    """Serves the recording, and returns the dashboard's address."""

    def start(*options: str | Path) -> str:
        running = process("replay", recording, "--port", "0", "--wait", "--stay", *options)
        return str(running.read_until("Dashboard").split()[-1])

    return start


def test_a_person_pauses_seeks_and_changes_the_speed(replay: Callable[..., str], open_page: OpenPage) -> None:
    url = replay()
    page, other = open_page(url), open_page(url)
    player, slider = page.locator("#player"), page.get_by_label("Position", exact=True)
    expect(player).to_contain_text("of 1:40")
    page.keyboard.press("k")
    for one in (page, other):
        expect(one.locator("#player").get_by_role("button", name="Play recording")).to_be_visible()
        expect(one.locator("#state")).to_have_text("The recording is paused")

    slider.fill("50")
    for one in (page, other):  # also paused: the values of that moment, and the curve before it
        expect(one.locator("#player")).to_contain_text("0:50 of 1:40")
        expect(one.locator("#valence")).to_have_text("+0.50")
        expect(one.locator("#valence-statistics")).to_contain_text("+0.20")
    page.keyboard.press("l")
    for one in (page, other):
        expect(one.locator("#valence")).to_have_text("+0.60")
    for reading in ("+0.50", "+0.40"):
        page.keyboard.press("j")
        for one in (page, other):
            expect(one.locator("#valence")).to_have_text(reading)
    for _ in range(3):  # faster than the answers
        page.keyboard.press("l")
    for one in (page, other):
        expect(one.locator("#valence")).to_have_text("+0.70")

    page.get_by_label("Speed").select_option("8")
    player.get_by_role("button", name="Play recording").click()
    expect(other.locator("#valence")).to_have_text(re.compile(r"\+(0\.[5-9]|1)"))
    slider.press("End")
    expect(player).to_contain_text("1:40 of 1:40")
    expect(player.get_by_role("button", name="Play recording")).to_be_visible()  # it waits at the end
    player.get_by_role("button", name="Play recording").click()  # and begins anew
    expect(player.get_by_role("button", name="Pause recording")).to_be_visible()
    expect(page.locator("#valence")).to_have_text(re.compile(r"\+0\.[0-5]"))


def test_marks_of_the_recording_are_reached_by_keyboard(
    replay: Callable[..., str], open_page: OpenPage
) -> None:
    page = open_page(replay())
    expect(page.locator("#player")).to_contain_text("of 1:40")
    page.keyboard.press("k")
    marks = page.get_by_role("toolbar", name="Marks of the recording")
    smile, end = (
        marks.get_by_role("button", name=f"{one}") for one in ("smile, at 0:30", "end of trial, at 1:10")
    )
    page.get_by_label("Position", exact=True).focus()
    page.keyboard.press("Tab")
    expect(smile).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(end).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#valence")).to_have_text("+0.70")
    expect(end).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.locator("#valence")).to_have_text("+0.30")
    page.keyboard.press("Tab")  # one stop for all of them
    expect(page.get_by_role("button", name="10 s on")).to_be_focused()


def test_a_page_that_looks_back_follows_a_jump(replay: Callable[..., str], open_page: OpenPage) -> None:
    page = open_page(replay("--start", "60"))
    expect(page.locator("#valence")).to_have_text(re.compile(r"\+0\.6"))
    page.locator("#valence-strip").press("ArrowLeft")
    expect(page.locator("#pause-text")).to_have_text("Back to live")
    page.locator("#player").get_by_role("button", name="10 s back").click()
    expect(page.locator("#pause-text")).to_have_text("Pause")
    expect(page.locator("#valence")).to_have_text(re.compile(r"\+0\.5"))


def test_a_viewer_sees_the_position_and_changes_nothing(
    replay: Callable[..., str], open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(replay(*token_options(tmp_path)))
    page.locator("#token").fill(VIEWER)
    page.locator("#token-send").click()
    expect(page.locator("#player")).to_contain_text("of 1:40")
    for control in page.locator("#player").locator("button, input, select").all():
        expect(control).to_be_disabled()
    page.keyboard.press("k")
    expect(page.locator("#valence")).to_have_text(re.compile(r"\+0\.0[1-9]"))


def test_no_player_where_nothing_is_played(speaker: Callable[..., Speaker], open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url)
    server.say(server.face(0.1, 0.1))
    expect(page.locator("#valence")).to_have_text("+0.10")
    expect(page.locator("#player")).to_be_hidden()
