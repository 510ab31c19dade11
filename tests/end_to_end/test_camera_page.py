"""`run --source browser` with a real browser: its (fake) camera plays a face, and values come out."""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from support.browser.chromium import WAIT_MS
from support.browser.fake_camera import browser_with_camera, write_mjpeg
from support.browser.watched_page import OpenPage, watching

from mtclar.stream import demo_clip
from mtclar.stream.protocol.messages import Hello, StreamInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server
from mtclar.stream.server.uploads import UploadSlot
from mtclar.stream.sources import open_source
from mtclar.stream.sources.browser import BrowserSource

TOKEN = "a-token-of-this-test"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of the demo's face."""
    images = []
    for frame in open_source("demo").frames():
        images.append(frame.image)
        if len(images) == 50:
            break
    assert demo_clip.clip_path().exists()
    return write_mjpeg(tmp_path_factory.mktemp("camera") / "face.mjpeg", images)


@pytest.fixture(scope="module")
def browser(clip: Path) -> Iterator[Browser]:
    with browser_with_camera(clip) as running:
        yield running


@pytest.fixture
def served() -> Iterator[Callable[..., Server]]:
    """Servers with one stream that takes pictures, which nobody reads unless the test does."""
    started: list[Server] = []

    def start(source: BrowserSource, port: int = 0, token: str | None = None) -> Server:
        info = StreamInfo("browser", "browser", True, None, None, "latest")
        server = Server(ServerConfig(port=port, token=token), hello=lambda: Hello((info,)))
        server.accept_uploads({0: UploadSlot(source)})
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        assert server.close()


@pytest.fixture
def open_page(
    browser: Browser, served: Callable[..., Server], process: Callable[..., Any]
) -> Iterator[OpenPage]:
    """Pages are closed before their servers: a page that loses its server logs an error."""
    with watching(browser) as open_one:
        yield open_one


def test_a_browsers_camera_becomes_values(open_page: OpenPage, process: Callable[..., Any]) -> None:
    run = process("run", "--source", "browser", "--port", 0, "--support", "none", "--no-live")
    url = re.search(r"(http://\S+/)camera", run.read_until("Camera "))
    assert url is not None
    page = open_page(f"{url[1]}camera", own=url[1])
    expect(page.locator(".banner")).to_contain_text("You are being analysed")
    expect(page.locator("#camera-words")).to_contain_text("Nothing is sent before you press the button")
    page.locator("#start").click()
    expect(page.locator("#camera-state")).to_have_text("On")
    expect(page.locator("#sent")).to_have_text(re.compile(r"^[1-9]\d*\.\d$"))
    expect(page.locator("#round-trip")).to_have_text(re.compile(r"^\d+$"))
    dashboard = open_page(url[1])
    expect(dashboard.locator("#state")).to_have_text("Seen clearly")
    expect(dashboard.locator("#valence")).not_to_have_text("–")
    with urllib.request.urlopen(f"{url[1]}health", timeout=WAIT_MS / 1000) as answer:
        counts = json.load(answer)["pictures"]
    assert counts["streams"]["browser"]["sending"]
    assert counts["streams"]["browser"]["taken"] > 0
    assert counts["streams"]["browser"]["refused"] == 0
    page.locator("#stop").click()
    expect(page.locator("#camera-state")).to_have_text("Off")
    expect(dashboard.locator("#state")).to_contain_text("The camera has stopped sending frames")


def test_capture_times_are_on_the_servers_clock(open_page: OpenPage, served: Callable[..., Any]) -> None:
    """The clocks are one here, so a picture is captured before it arrives, and not long before."""
    source = BrowserSource()
    server = served(source)
    page = open_page(f"{server.url}camera", own=server.url)
    page.locator("#start").click()
    frames = source.frames()
    got = [next(frames) for _ in range(12)]
    ages_s = [later.t_capture_s - earlier.t_capture_s for earlier, later in pairwise(got)]
    assert all(frame.clock == "client" for frame in got)
    assert all(age_s > 0 for age_s in ages_s)
    assert got[0].image.shape[2] == 3


def test_the_next_picture_comes_when_the_last_was_taken(
    open_page: OpenPage, served: Callable[..., Any]
) -> None:
    source = BrowserSource()
    server = served(source)
    page = open_page(f"{server.url}camera", own=server.url)
    page.locator("#start").click()
    expect(page.locator("#camera-state")).to_have_text("On")
    page.wait_for_timeout(1000)  # nobody takes pictures: one waits, and it is the first
    assert source.replaced == 0
    frames = source.frames()
    assert [next(frames).seq for _ in range(3)] == [0, 1, 2]


def test_a_lost_connection_is_shown_and_the_camera_resumes(
    open_page: OpenPage, served: Callable[..., Any]
) -> None:
    first = served(BrowserSource())
    page = open_page(f"{first.url}camera", own=first.url, gone=True)
    page.locator("#start").click()
    expect(page.locator("#camera-state")).to_have_text("On")
    port = first.port
    first.close()
    expect(page.locator("#camera-words")).to_have_text(
        "Connection lost. The camera resumes when the server is back."
    )
    source = BrowserSource()
    served(source, port)
    expect(page.locator("#camera-state")).to_have_text("On")
    assert next(source.frames()).image.shape[2] == 3


def test_a_second_page_is_told_to_wait_for_the_first(open_page: OpenPage, served: Callable[..., Any]) -> None:
    source = BrowserSource()
    server = served(source)
    first = open_page(f"{server.url}camera", own=server.url)
    first.locator("#start").click()
    expect(first.locator("#camera-state")).to_have_text("On")
    frames = source.frames()
    next(frames)
    second = open_page(f"{server.url}camera", own=server.url)
    second.locator("#start").click()
    expect(second.locator("#camera-words")).to_contain_text("Another page is the camera already")


def test_the_token_is_asked_for(open_page: OpenPage, served: Callable[..., Any]) -> None:
    server = served(BrowserSource(), token=TOKEN)
    page = open_page(f"{server.url}camera", own=server.url)
    expect(page.locator("#token-dialog")).to_be_visible()
    page.locator("#token").fill(TOKEN)
    page.locator("#token-send").click()
    page.locator("#start").click()
    expect(page.locator("#camera-state")).to_have_text("On")


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_screen(
    open_page: OpenPage, served: Callable[..., Any], width: int
) -> None:
    server = served(BrowserSource())
    page = open_page(f"{server.url}camera", (width, 844), own=server.url)
    expect(page.locator("#start")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


REFUSE = """navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', '%s'));"""


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (REFUSE % "NotAllowedError", "was not allowed to use the camera"),
        (REFUSE % "NotFoundError", "has no camera"),
        (REFUSE % "NotReadableError", "another program may be using it"),
        ("Object.defineProperty(navigator, 'mediaDevices', { value: undefined });", "over https"),
    ],
)
def test_no_camera_is_told_in_plain_words(
    open_page: OpenPage, served: Callable[..., Any], script: str, words: str
) -> None:
    server = served(BrowserSource())
    page = open_page(f"{server.url}camera", own=server.url, script=script)
    page.locator("#start").click()
    expect(page.locator("#camera-words")).to_contain_text(words)
    expect(page.locator("#start")).to_be_visible()  # to try again


def test_why_a_camera_failed_stays_when_the_server_comes_back(
    open_page: OpenPage, served: Callable[..., Any]
) -> None:
    first = served(BrowserSource())
    script = REFUSE % "NotFoundError"
    page = open_page(f"{first.url}camera", own=first.url, gone=True, script=script)
    page.locator("#start").click()
    expect(page.locator("#camera-words")).to_contain_text("has no camera")
    first.close()
    expect(page.locator("#connection")).not_to_have_attribute("data-state", "live")
    served(BrowserSource(), first.port)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    expect(page.locator("#camera-words")).to_contain_text("has no camera")
