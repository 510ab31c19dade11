"""The affect grid under a finger and a joystick.

The touches are real touch events of Chromium. No joystick is plugged in where tests run, so the page is given one by
script, in the shape of the Gamepad API: the browser's own reading of a device is not tested here.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page, expect
from support.browser.watched_page import OpenPage, save_and_end, wait_until
from support.media.video_clips import encode

from mtclar.stream.label_formats.label_file import read_labels
from mtclar.stream.sources import open_source

PHONE = (390, 844)
PAD = """
window.pad = { axes: [0.02, -0.05], buttons: [], connected: true, index: 1, mapping: "" };
navigator.getGamepads = () => [null, window.pad];
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of the demo's face, every second picture."""
    images = [frame.image for frame in open_source("demo").frames() if frame.seq % 2 == 0][:144]
    return encode(tmp_path_factory.mktemp("clip") / "face.mp4", images, fps=12)


@pytest.fixture
def rating(process: Callable[..., Any], clip: Path, tmp_path: Path) -> Callable[..., tuple[Any, str]]:
    def start(*arguments: str) -> tuple[Any, str]:
        running = process(
            "calibrate", "recording", clip, "--port", 0, "--out", tmp_path / "anna.mtclar", *arguments
        )
        found = re.search(r"http://\S+/rate", running.read_until("Open http"))
        assert found is not None
        return running, found[0]

    return start


class Finger:
    """One finger on the grid, at valence and arousal."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._events: CDPSession = page.context.new_cdp_session(page)

    def point(self, valence: float, arousal: float) -> dict[str, float]:
        box = self.page.locator("#grid").bounding_box()
        assert box is not None
        x = box["x"] + box["width"] * (1.32 + valence) / 2.64
        return {"x": x, "y": box["y"] + box["height"] * (1.32 - arousal) / 2.64}

    def tap(self, valence: float, arousal: float) -> None:
        self.page.touchscreen.tap(**self.point(valence, arousal))

    def _send(self, kind: str, *points: dict[str, float]) -> None:
        self._events.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    def down(self, valence: float, arousal: float) -> None:
        self._send("touchStart", self.point(valence, arousal))

    def move(self, valence: float, arousal: float) -> None:
        self._send("touchMove", self.point(valence, arousal))

    def up(self) -> None:
        self._send("touchEnd")


def at(page: Page, valence: float, arousal: float) -> None:
    """Waits until the mark is there, to what a fingertip can tell."""
    wait_until(
        page,
        """([v, a]) => {
          const place = document.querySelector("#grid .mark").getAttribute("transform");
          const [x, y] = place.match(/-?[\\d.]+/g).map(Number);
          return Math.hypot(x - v, -y - a) < 0.03;
        }""",
        [valence, arousal],
    )


def reached(page: Page, seconds: float) -> None:
    """Waits until the recording has played so far."""
    wait_until(page, "seconds => document.getElementById('position').value > seconds", seconds)


def test_a_finger_labels_drags_and_chooses(open_page: OpenPage, rating: Callable[..., Any]) -> None:
    _, url = rating("--every", "30")
    page = open_page(url, PHONE, has_touch=True, is_mobile=True)
    expect(page.locator("#step")).to_have_text("0 of 5 frames labelled")
    page.locator("#grid").scroll_into_view_if_needed()
    finger = Finger(page)
    finger.tap(-0.6, 0.5)
    at(page, -0.6, 0.5)
    expect(page.locator("#place")).to_have_text(re.compile(r"Valence −0\.[56]\d?, arousal \+0\.[45]"))
    page.locator("#take").tap()
    expect(page.locator("#count")).to_have_text("1")
    page.locator("#grid").scroll_into_view_if_needed()
    scrolled = page.evaluate("scrollY")
    finger.down(0.0, 0.8)  # a drag moves the mark, and not the page
    for step in range(1, 9):
        finger.move(0.0, 0.8 - 0.15 * step)
    at(page, 0.0, -0.4)
    finger.move(3.0, -0.4)  # past the edge of the grid
    at(page, 1.0, -0.4)
    finger.up()
    assert page.evaluate("scrollY") == scrolled
    page.locator("#take").tap()
    expect(page.locator("#count")).to_have_text("2")
    page.locator("#ratings summary").tap()
    page.locator("#labels .number").first.tap()
    expect(page.locator("#where-title")).to_have_text("Where does rating 1 belong?")
    expect(page.locator("#place")).to_have_text(re.compile("Valence −0"))
    page.locator("#grid").scroll_into_view_if_needed()
    finger.tap(0.2, 0.2)
    page.locator("#take").tap()
    expect(page.locator("#labels li").nth(0)).to_contain_text(
        re.compile(r"\(\+0\.(19|20|21), \+0\.(19|20|21)\)")
    )


def test_a_finger_rates_while_it_plays(
    open_page: OpenPage, rating: Callable[..., Any], tmp_path: Path
) -> None:
    running, url = rating("--continuous", "--lag", "0.5")
    page = open_page(url, PHONE, gone=True, has_touch=True, is_mobile=True)
    expect(page.locator("#step")).to_have_text("0 of 12 s rated")
    page.locator("#play").tap()
    expect(page.locator("#step")).to_have_text("Move the mark to begin")
    page.locator("#grid").scroll_into_view_if_needed()
    finger = Finger(page)
    finger.down(0.0, 0.0)
    finger.move(0.4, -0.4)
    at(page, 0.4, -0.4)
    reached(page, 4)
    finger.up()
    page.locator("#play").tap()
    expect(page.locator("#play")).to_have_text("Play")
    page.locator("#finish").tap()
    expect(page.locator("#where-title")).to_have_text("Your reaction time of 0.5 s (--lag) has been removed.")
    save_and_end(page)
    done = running.end()
    assert done.code == 0, done.out
    labels = read_labels(tmp_path / "anna.labels.csv")
    assert len(labels) >= 4
    assert (labels[-1].valence, labels[-1].arousal) == pytest.approx((0.4, -0.4), abs=0.03)


def test_a_joystick_sets_the_mark_until_a_hand_moves_it(
    open_page: OpenPage, rating: Callable[..., Any]
) -> None:
    _, url = rating("--continuous")
    page = open_page(url, script=PAD)
    expect(page.locator("#step")).to_have_text("0 of 12 s rated")
    page.locator("#play").click()
    reached(page, 0.5)
    expect(page.locator("#step")).to_have_text("Move the mark to begin")  # a stick at rest says nothing
    page.evaluate("pad.axes = [0.8, -0.6]")  # the stick's y axis points down
    at(page, 0.8, 0.6)
    expect(page.locator("#step")).to_have_text("Your ratings are recorded")
    page.evaluate("pad.axes = [0.05, 0.1]")  # let go: the middle
    at(page, 0.0, 0.0)
    page.evaluate("pad.axes = [-0.5, 0.25]")
    at(page, -0.5, -0.25)
    page.evaluate("pad.axes = [0.0, 0.0]")
    at(page, 0.0, 0.0)
    page.locator("#grid").focus()
    page.keyboard.press("ArrowUp")  # from here on the hand; a stick at rest does not pull the mark back
    at(page, 0.0, 0.1)
    reached(page, float(page.locator("#position").input_value()) + 0.5)
    at(page, 0.0, 0.1)
    page.evaluate("window.pad = null")  # unplugged
    page.locator("#play").click()
    expect(page.locator("#step")).to_have_text(re.compile(r"^[1-9]\d* of 12 s rated$"))
