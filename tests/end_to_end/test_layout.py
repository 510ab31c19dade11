"""The layout of the pages in every language: nothing is cut or needs sideways scrolling, and nothing is heavy."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Response, expect
from support.browser.watched_page import OpenPage

WIDTHS = (390, 768, 1024, 1280, 1920, 2560)
HEIGHT = 844
LOCALES = ("en-GB", "de-DE")
MAX_BYTES = 120_000  # of a page with all that it loads, compressed

CUT = """() => {
  const width = document.documentElement.clientWidth, whole = document.documentElement.scrollWidth;
  const found = whole > width ? [`the page scrolls: ${whole}`] : [];
  const name = (node) => `${node.tagName}#${node.id} ${node.textContent.trim().slice(0, 40)}`;
  for (const node of document.querySelectorAll("body *")) {
    const box = node.getBoundingClientRect();
    if (!box.width || !box.height || node.closest(".unseen, svg, dialog:not([open])")) continue;
    if (box.right > width + 1 || box.left < -1) found.push(`outside: ${name(node)}`);
    const shut = node.matches("button, select, .button") || getComputedStyle(node).overflowX === "hidden";
    if (shut && node.scrollWidth > node.clientWidth + 1) found.push(`cut: ${name(node)}`);
  }
  return found;
}"""
OVERLAPS = """() => {
  const all = (what) => [...document.querySelectorAll(`#grid .${what}`)];
  const lettersOf = (node) => { // a line is higher than its letters
    const { left, right, top, bottom } = node.getBoundingClientRect(), space = 0.15 * (bottom - top);
    return { word: node.textContent, left, right, top: top + space, bottom: bottom - space };
  };
  const boxes = all("word").map(lettersOf), ground = all("ground")[0].getBoundingClientRect();
  const found = [], limit = (value, low, high) => Math.max(low, Math.min(value, high));
  boxes.forEach(({ word, left, right, top, bottom }, i) => {
    const inside = left >= ground.left && right <= ground.right && top >= ground.top && bottom <= ground.bottom;
    if (!inside) found.push(`${word} outside`);
    for (const other of boxes.slice(i + 1)) {
      const apart = left >= other.right || other.left >= right || top >= other.bottom || other.top >= bottom;
      if (!apart) found.push(`${word} on ${other.word}`);
    }
    for (const circle of all("region").map((node) => node.getBoundingClientRect())) {
      const x = (circle.left + circle.right) / 2, y = (circle.top + circle.bottom) / 2;
      const away = Math.hypot(limit(x, left, right) - x, limit(y, top, bottom) - y);
      if (away < circle.width / 2) found.push(`${word} on a region`);
    }
  });
  return found;
}"""


def check_at_every_width(page: Page, *also: str) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        for script in (CUT, *also):
            assert page.evaluate(script) == [], f"{width} pixels"


@pytest.fixture(params=LOCALES)
def locale(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def in_its_language(page: Page, locale: str) -> None:
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    assert page.evaluate("document.documentElement.lang") == locale[:2]


def test_calibration_and_camera(process: Callable[..., Any], open_page: OpenPage, locale: str) -> None:
    running = process("run", "--source", "browser", "--port", "0", "--no-live", "--calibrate")
    url = str(running.read_until("Dashboard").split()[-1])
    page = open_page(url + "camera", gone=True, locale=locale)
    in_its_language(page, locale)
    check_at_every_width(page)
    page.goto(url + "calibrate")
    in_its_language(page, locale)
    expect(page.locator("#grid .region")).to_have_count(9)
    expect(page.locator("#camera-start")).to_be_visible()
    check_at_every_width(page, OVERLAPS)


def test_rating(process: Callable[..., Any], open_page: OpenPage, locale: str, tmp_path: Path) -> None:
    running = process(
        "calibrate", "recording", "demo", "--port", 0, "--out", tmp_path / "anna.mtclar", "--every", "200"
    )
    found = re.search(r"http://\S+/rate", running.read_until("Open http"))
    assert found is not None
    page = open_page(found[0], gone=True, locale=locale)
    in_its_language(page, locale)
    expect(page.locator("#take")).to_be_visible()
    for mode in ("sliders", "sam", "words", "grid"):
        page.locator(f"#modes label:has(input[value={mode}])").click()
        check_at_every_width(page, *([OVERLAPS] if mode == "grid" else []))
    page.locator("#grid").press("ArrowRight")
    page.locator("#grid").press("Enter")
    expect(page.locator("#count")).to_have_text("1")
    page.locator("#ratings summary").click()
    check_at_every_width(page)
    page.locator("#save").click()
    expect(page.locator("#finished")).to_be_visible()
    check_at_every_width(page)


def test_a_first_page_is_small(process: Callable[..., Any], open_page: OpenPage, tmp_path: Path) -> None:
    running = process("studio", "--no-open", "--port", "0", "--folder", tmp_path)
    url = str(running.read_until("Studio ").split()[-1])
    page = open_page(url)
    loaded: dict[str, int] = {}

    def count(response: Response) -> None:
        loaded[response.url] = int(response.headers["content-length"])

    page.on("response", count)
    for path in ("", "live", "camera", "calibrate#subject=anna", "rate"):
        page.goto("about:blank")
        loaded.clear()
        page.goto(url + path)
        expect(page.locator("#connection")).to_have_attribute("data-state", "live")
        assert len(loaded) > 5
        assert sum(loaded.values()) < MAX_BYTES, path
