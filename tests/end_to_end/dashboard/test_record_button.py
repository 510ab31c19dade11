"""The dashboard's record button: an operator records a named session, a viewer sees that, and the folder has it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from playwright.sync_api import Page, expect
from support.browser.tokens import OPERATOR, VIEWER, token_options
from support.browser.watched_page import OpenPage

pytest.importorskip("pyarrow", reason="pyarrow is not installed; `make setup` brings it")

from mtclar.stream.recordings.reader import Recording


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "recordings"


@pytest.fixture
def running(process: Callable[..., Any], tmp_path: Path, folder: Path) -> Any:
    """A run that waits for the button, with tokens for operators and viewers."""
    return process(
        "run",
        *(
            "--source",
            "synthetic",
            "--freshness",
            "paced",
            "--port",
            "0",
            "--no-live",
            *token_options(tmp_path),
        ),
        *("--record", folder, "--record-on-request"),
    )


def enter(page: Page, token: str) -> None:
    page.locator("#token").fill(token)
    page.locator("#token-send").click()
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")


def test_an_operator_records_a_session_and_a_viewer_sees_it(
    running: Any, folder: Path, open_page: OpenPage
) -> None:
    url = str(running.read_until("Dashboard").split()[-1])
    operator, viewer = open_page(url), open_page(url)
    enter(operator, OPERATOR)
    enter(viewer, VIEWER)
    expect(viewer.locator("#recording")).to_be_hidden()
    assert not folder.exists()

    operator.get_by_role("button", name="Record").click()
    operator.get_by_label("Name of the session").fill("P07 / first")
    operator.get_by_role("button", name="Start").click()
    for page in (operator, viewer):
        expect(page.locator("#recording-what")).to_have_text("Recording P07 / first")
        expect(page.locator("#banner")).to_contain_text("The values are stored; pictures are not.")
        expect(page.locator("#recording-time")).to_have_text(re.compile(r"^\d+:\d\d$"))
    expect(viewer.get_by_role("button", name="Stop")).to_be_hidden()
    late = open_page(url)
    enter(late, VIEWER)
    expect(late.locator("#recording-what")).to_have_text("Recording P07 / first")

    operator.get_by_role("button", name="Stop").click()
    for page in (operator, viewer, late):
        expect(page.locator("#recording-what")).to_have_text("")
        expect(page.locator("#banner")).not_to_contain_text("stored")
    expect(viewer.locator("#recording")).to_be_hidden()
    recording = Recording(folder)
    assert recording.session == "P07 / first"
    assert recording.folder.name.endswith("Z_P07-first")
    assert recording.ended is not None
    assert next(recording.frames())[1].stream == "synthetic"


def test_a_server_without_a_folder_has_no_button(speaker: Callable[..., Any], open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    server.say(server.face(0.5, 0.5))
    expect(page.locator(".face").first).to_be_visible()
    expect(page.locator("#recording")).to_be_hidden()


def test_the_name_can_be_left_out_and_the_form_be_cancelled(
    process: Callable[..., Any], folder: Path, open_page: OpenPage
) -> None:
    running = process(
        "run",
        *("--source", "synthetic", "--freshness", "paced", "--port", "0", "--no-live"),
        *("--record", folder),
    )
    page = open_page(str(running.read_until("Dashboard").split()[-1]))
    expect(page.locator("#recording-what")).to_have_text("Recording")  # from the start
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Record").click()
    page.get_by_label("Name of the session").press("Escape")
    expect(page.get_by_label("Name of the session")).to_be_hidden()
    page.get_by_role("button", name="Record").click()
    page.get_by_label("Name of the session").press("Enter")
    expect(page.locator("#recording-what")).to_have_text("Recording")
    assert len(list(folder.iterdir())) == 2


def test_the_banner_says_that_faces_are_filmed(
    process: Callable[..., Any], folder: Path, open_page: OpenPage
) -> None:
    running = process(
        "run",
        *("--source", "synthetic", "--freshness", "paced", "--port", "0", "--no-live"),
        *("--record", folder, "--record-video"),
    )
    page = open_page(str(running.read_until("Dashboard").split()[-1]))
    expect(page.locator("#banner")).to_contain_text(
        "Your face is filmed: the video and the values are stored."
    )
    expect(page.locator(".face").first).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#banner")).not_to_contain_text("filmed")
    (path,) = folder.glob("*/video-synthetic-1.mkv")
    with av.open(str(path)) as video:
        assert next(video.decode(video=0)).width > 0
