"""Frames of a recording labelled afterwards, in a real browser: by keyboard and mouse, interrupted, saved."""

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mtclar.engine.support import SupportSet
from mtclar.stream.labels import read_labels

OpenPage = Callable[..., Page]
PHONE = (390, 844)


@pytest.fixture
def rating(process: Callable[..., Any], tmp_path: Path) -> Callable[..., tuple[Any, str]]:
    def start(*arguments: str) -> tuple[Any, str]:
        running = process(
            "calibrate", "--source", "demo", "--port", 0, "--out", tmp_path / "anna.mtclar", *arguments
        )
        found = re.search(r"http://\S+/calibrate", running.read_until("Open http"))
        assert found is not None
        return running, found[0]

    return start


def test_every_nth_frame_is_labelled_and_saved(
    open_page: OpenPage, rating: Callable[..., Any], tmp_path: Path
) -> None:
    running, url = rating("--every", "200")
    page = open_page(url, gone=True)
    expect(page.locator("#step")).to_have_text("0 of 5 pictures have a label")
    expect(page.locator("#where-title")).to_have_text("Where is this face, at 4.00 s?")
    page.wait_for_timeout(500)
    before = page.evaluate("document.getElementById('picture').toDataURL()")
    page.locator("#grid").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#step")).to_have_text("1 of 5 pictures have a label")
    page.wait_for_timeout(500)
    assert page.evaluate("document.getElementById('picture').toDataURL()") != before  # the next one
    page.locator("#skip").click()
    expect(page.locator("#where-title")).to_have_text("Where is this face, at 20.00 s?")
    running.send(signal.SIGTERM)
    done = running.end()
    assert done.code == 1
    assert "what was labelled is kept" in done.out

    running, url = rating("--every", "200")
    page = open_page(url, gone=True)
    for count in range(2, 6):
        page.locator("#take").click()
        expect(page.locator("#count")).to_have_text(str(count))
    expect(page.locator("#where-title")).to_have_text("Every picture has a label")
    expect(page.locator("#take")).to_be_disabled()
    page.locator("#labels .number").nth(2).click()  # moved afterwards
    page.keyboard.press("ArrowUp")
    page.locator("#take").click()
    expect(page.locator("#labels li").nth(2)).to_contain_text("+0.10")
    expect(page.locator("#labels").get_by_role("button", name="anew")).to_have_count(0)
    page.locator("#save").click()
    done = running.end()
    assert done.code == 0, done.out
    assert len(SupportSet.load(tmp_path / "anna.mtclar")) == 5
    labels = read_labels(tmp_path / "anna.labels.csv")
    assert [label.time_s for label in labels] == pytest.approx([4.0, 12.0, 20.0, 28.0, 36.0])


def test_the_most_helpful_ones_are_picked_on_a_phone(open_page: OpenPage, rating: Callable[..., Any]) -> None:
    _, url = rating("--pick", "3")
    page = open_page(url, PHONE)
    expect(page.locator("#step")).to_have_text("0 of 3 pictures have a label")
    page.locator("#take").click()
    expect(page.locator("#count")).to_have_text("1")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--every", "5", "--pick", "5"), "exclude each other"),
        (("--every", "5", "--ui"), "mean nothing"),
        (("--pick", "5", "--source", "webcam"), "is live"),
        (("--every", "5", "--source", "synthetic"), "is live"),
    ],
)
def test_what_cannot_be_is_refused(
    process: Callable[..., Any], arguments: tuple[str, ...], words: str
) -> None:
    source = () if "--source" in arguments else ("--source", "demo")
    done = process("calibrate", *source, *arguments).end()
    assert done.code == 2
    assert words in done.out
