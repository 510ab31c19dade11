"""Pages of viewers, and of a person who is calibrated on another page already."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from support.browser.tokens import OPERATOR, VIEWER, token_options
from support.browser.watched_page import OpenPage


@pytest.fixture
def url(process: Callable[..., Any], tmp_path: Path) -> str:
    """A run with both tokens and the calibration page."""
    running = process(
        "run",
        "--source",
        "synthetic",
        "--port",
        0,
        "--calibrate",
        "--freshness",
        "paced",
        "--no-live",
        *token_options(tmp_path),
    )
    return str(running.read_until("Dashboard").split()[-1])


def enter(page: Page, token: str) -> None:
    page.locator("#token").fill(token)
    page.locator("#token-send").click()
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")


def test_a_viewer_watches_and_is_told_that_calibrating_is_for_operators(
    url: str, open_page: OpenPage
) -> None:
    page = open_page(url)
    enter(page, VIEWER)
    expect(page.locator(".face").first).to_be_visible()
    expect(page.get_by_role("link", name="Calibrate")).to_have_count(0)
    page.goto(f"{url}calibrate")
    enter(page, VIEWER)
    expect(page.locator("#notice")).to_contain_text("You may only watch")
    expect(page.locator("#take")).to_be_disabled()


def test_a_second_calibration_page_can_take_over(url: str, open_page: OpenPage) -> None:
    first, second = (open_page(f"{url}calibrate") for _ in range(2))
    for page in (first, second):
        enter(page, OPERATOR)
    expect(first.locator("#subject")).to_have_text("me")
    expect(second.locator("#where-title")).to_have_text("Another page calibrates")
    expect(second.locator("#notice")).to_contain_text("at 127.0.0.1")
    expect(second.locator("#take")).to_be_disabled()
    second.get_by_role("button", name="Calibrate here").click()
    expect(second.locator("#subject")).to_have_text("me")
    expect(second.get_by_role("button", name="Calibrate here")).to_be_hidden()
    expect(second.locator("#notice")).to_be_hidden()
    expect(first.locator("#where-title")).to_have_text("Another page calibrates")
    second.close()
    first.get_by_role("button", name="Calibrate here").click()
    expect(first.locator("#subject")).to_have_text("me")
