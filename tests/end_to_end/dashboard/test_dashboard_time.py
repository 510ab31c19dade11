"""Controls of the dashboard's charts: pause, zoom, scrolling to the past, export of the view."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
from playwright.sync_api import Page, expect
from support.browser.speaker import Speaker
from support.browser.watched_page import OpenPage, connected

from mtclar.stream.protocol.messages import ClockMessage, MarkMessage
from mtclar.stream.table.columns import NAMES

StartSpeaker = Callable[..., Speaker]

PHONE = (390, 844)
FRAME_S = 0.04  # conftest's
FRAMES = 200  # 8 s


def value(i: int) -> float:
    """The valence of frame i: no two of a test's frames share one."""
    return round(-0.9 + 1.8 * i / FRAMES, 4)


def shown(page: Page) -> float:
    return float(page.locator("#valence").get_attribute("data-value") or "nan")


def pixels(page: Page, canvas: str) -> str:
    return str(page.evaluate(f"document.getElementById('{canvas}').toDataURL()"))


def told(server: Any, page: Page, first: int = 0, count: int = FRAMES, **options: Any) -> None:
    """Says frames, none of which the page misses, and waits for the last."""
    for i in range(first, first + count):
        server.tell(server.face(value(i), -value(i), **options))
    expect(page.locator("#valence")).to_have_attribute("data-value", str(value(first + count - 1)))
    expect(page.locator("#missed")).to_have_text("0")


@pytest.fixture
def followed(speaker: StartSpeaker, open_page: OpenPage) -> tuple[Any, Page]:
    """A server, and a page that has seen eight seconds of it."""
    server = speaker()
    page = open_page(server.url)
    connected(page)
    told(server, page)
    return server, page


def test_pause_freezes_and_live_resumes(followed: tuple[Any, Page]) -> None:
    server, page = followed
    pause, state = page.locator("#pause"), page.locator("#state")
    pause.click()
    expect(pause).to_have_text("Back to live")
    expect(state).to_have_text("Paused, showing the last moment before the pause")
    page.wait_for_timeout(300)
    canvases = ("circumplex", "valence-strip", "arousal-strip", "similarity")
    before = {canvas: pixels(page, canvas) for canvas in canvases}
    for _ in range(20):
        server.say(server.face(0.99, 0.99, alike=(0.1, 0.1, 0.1)))
        page.wait_for_timeout(10)
    page.wait_for_timeout(300)
    assert {canvas: pixels(page, canvas) for canvas in canvases} == before
    assert shown(page) == value(FRAMES - 1)
    pause.click()
    expect(pause).to_have_text("Pause")
    expect(page.locator("#valence")).to_have_text("+0.99")
    assert pixels(page, "valence-strip") != before["valence-strip"]


def test_a_click_on_a_chart_shows_that_moment(followed: tuple[Any, Page]) -> None:
    _, page = followed
    page.locator("#zoom-in").click()
    page.locator("#zoom-in").click()
    expect(page.locator("#span")).to_have_text("5 s")
    strip = page.locator("#arousal-strip")
    box = strip.bounding_box()
    assert box is not None
    strip.click(position={"x": 34 + (box["width"] - 44) / 2, "y": 40})  # the middle of the plot: 2.5 s ago
    expect(page.locator("#state")).to_have_text(re.compile(r"Paused, showing 2\.[45] s before the pause"))
    expect(page.locator("#valence")).not_to_have_attribute("data-value", str(value(FRAMES - 1)))
    assert abs(shown(page) - value(FRAMES - 1 - round(2.5 / FRAME_S))) < 4 * (value(1) - value(0))
    expect(page.locator(".face-values b").first).to_have_text(page.locator("#valence").text_content() or "")
    expect(strip).to_have_attribute("aria-valuetext", re.compile("s before the pause, anna: arousal [+−]0"))


def test_zoom_by_buttons_and_wheel_and_drag_moves(followed: tuple[Any, Page]) -> None:
    _, page = followed
    span, strip = page.locator("#span"), page.locator("#valence-strip")
    for text in ("1 min", "2 min", "5 min"):
        page.locator("#zoom-out").click()
        expect(span).to_have_text(text)
    expect(page.locator("#zoom-out")).to_have_attribute("aria-disabled", "true")
    page.locator("#zoom-out").click(force=True)  # it says that it is disabled, and keeps the focus
    expect(span).to_have_text("5 min")
    for _ in range(5):
        page.locator("#zoom-in").click()
    expect(span).to_have_text("5 s")
    strip.hover()
    page.mouse.wheel(0, 100)  # scrolls the page, as everywhere
    page.wait_for_timeout(200)
    expect(span).to_have_text("5 s")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    expect(span).to_have_text(re.compile(r"^3(\.\d)? s$"))
    assert page.locator("body[data-paused]").count() == 0
    box = strip.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 450, box["y"] + 50, steps=5)  # pulls the past into view
    page.mouse.up()
    expect(page.locator("#state")).to_have_text(re.compile("Paused, showing [12]"))
    assert shown(page) < value(FRAMES - 1)


def test_two_fingers_zoom_on_a_phone(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url, PHONE, has_touch=True, is_mobile=True)
    connected(page)
    told(server, page, count=50)
    strip = page.locator("#valence-strip")
    strip.scroll_into_view_if_needed()
    box = strip.bounding_box()
    assert box is not None
    fingers = page.context.new_cdp_session(page)
    y = box["y"] + 60
    for kind, apart in (("touchStart", 60), ("touchMove", 120), ("touchMove", 180), ("touchEnd", None)):
        points = [] if apart is None else [{"x": 195 - apart / 2, "y": y}, {"x": 195 + apart / 2, "y": y}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    expect(page.locator("#span")).to_have_text("10 s")  # 30 s, three times as wide
    strip.tap(position={"x": 300, "y": 60})
    expect(page.locator("#pause")).to_have_text("Back to live")
    page.locator("#pause").tap()
    expect(page.locator("#state")).to_have_text("Seen clearly")


def test_everything_by_keyboard(followed: tuple[Any, Page]) -> None:
    _, page = followed
    state, strip = page.locator("#state"), page.locator("#valence-strip")
    strip.focus()
    page.keyboard.press("Space")
    expect(state).to_have_text("Paused, showing the last moment before the pause")
    for back in (1, 2, 3):
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#valence")).to_have_attribute("data-value", str(value(FRAMES - 1 - back)))
    page.keyboard.press("ArrowRight")
    expect(page.locator("#valence")).to_have_attribute("data-value", str(value(FRAMES - 3)))
    page.keyboard.press("Shift+ArrowLeft")
    expect(strip).to_have_attribute("aria-valuenow", "-1.1")
    page.keyboard.press("Home")
    expect(page.locator("#valence")).to_have_attribute("data-value", str(value(0)))
    page.keyboard.press("+")
    expect(page.locator("#span")).to_have_text("10 s")
    page.keyboard.press("-")
    expect(page.locator("#span")).to_have_text("30 s")
    page.keyboard.press("End")
    expect(page.locator("#valence")).to_have_attribute("data-value", str(value(FRAMES - 1)))
    expect(page.locator("#pause")).to_have_text("Back to live")
    page.keyboard.press("PageUp")
    page.keyboard.press("Escape")
    expect(page.locator("#pause")).to_have_text("Pause")
    expect(strip).to_be_focused()


def test_a_pause_outlives_the_server(speaker: StartSpeaker, open_page: OpenPage) -> None:
    first = speaker()
    page = open_page(first.url, gone=True)
    connected(page)
    told(first, page, count=20)
    page.locator("#pause").click()
    first.server.close()
    expect(page.locator("#connection")).to_have_attribute("data-state", "waiting")
    expect(page.locator("#state")).to_contain_text("Paused")
    second = speaker(port=first.server.port)
    connected(page)
    second.say(second.face(0.77, 0))
    page.locator("#valence-strip").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#valence")).to_have_attribute("data-value", str(value(18)))
    page.keyboard.press("Escape")
    expect(page.locator("#valence")).to_have_text("+0.77")


# --- files -----------------------------------------------------------------------------------------------------------


def downloaded(page: Page, button: str, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.locator(button).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_csv_is_what_is_in_view(speaker: StartSpeaker, open_page: OpenPage, tmp_path: Path) -> None:
    server = speaker()
    page = open_page(server.url)
    connected(page)
    name = 'anna, called "the first"'
    told(server, page, subject=name)
    marked = FRAMES - 50
    for label, frame in (("=1+1", marked), ("early", 2)):
        server.server.publish(MarkMessage(label, 100.0 + frame * FRAME_S - 0.01))
    page.wait_for_timeout(500)
    page.locator("#zoom-in").click()
    page.locator("#zoom-in").click()  # 5 of the 8 seconds
    page.locator("#pause").click()
    path = downloaded(page, "#export-csv", tmp_path)
    assert re.fullmatch(r"mtclar_\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.csv", path.name)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    first = FRAMES - 1 - round(5 / FRAME_S)
    assert [int(row["frame"]) for row in rows] == list(range(first, FRAMES))
    for row in rows:
        i = int(row["frame"])
        assert row["subject"] == name
        assert (row["stream"], row["track"], row["state"], row["calibrated"]) == ("demo", "0", "ok", "1")
        assert float(row["time"]) == pytest.approx(i * FRAME_S)
        assert float(row["valence"]) == value(i)
        assert float(row["arousal"]) == -value(i)
        assert float(row["raw_valence"]) == pytest.approx(value(i) + 0.03)
        assert float(row["absolute_valence"]) == value(i)
        assert row["mark"] == ("'=1+1" if i == marked else "")
        assert float(row["valence_sd"]) == 0.08
        assert float(row["nearest_similarity"]) == pytest.approx(0.9)
        assert [row[name] for name in ("x", "y", "width", "height")] == ["100.0", "80.0", "200.0", "240.0"]
        assert [row[name] for name in ("yaw", "pitch", "roll")] == ["1.0", "2.0", "3.0"]
    assert tuple(rows[0]) == NAMES
    seconds = [float(row["t_unix"]) for row in rows]
    assert seconds[-1] - seconds[0] == pytest.approx(5, abs=0.002)


def test_csv_has_the_time_of_the_newest_pair_of_clocks(
    speaker: StartSpeaker, open_page: OpenPage, tmp_path: Path
) -> None:
    server = speaker()
    page = open_page(server.url)
    connected(page)
    server.server.publish(ClockMessage(1_800_000_000.0, 100.0))
    told(server, page)
    page.locator("#pause").click()
    with downloaded(page, "#export-csv", tmp_path).open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert float(last["t_unix"]) == pytest.approx(1_800_000_000.0 + (FRAMES - 1) * FRAME_S, abs=0.002)


def test_csv_cells_that_have_no_value_are_empty(
    speaker: StartSpeaker, open_page: OpenPage, tmp_path: Path
) -> None:
    server = speaker()
    page = open_page(server.url)
    connected(page)
    server.tell(server.face(None, None, state="low_quality"))  # never measured: no sample
    server.tell(server.face(0.5, 0.5, subject=None))
    server.tell(server.face(0.5, 0.5, subject=None, state="held"))
    expect(page.locator("#state")).to_have_text("Out of sight, last value held")
    with downloaded(page, "#export-csv", tmp_path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["ok", "held"]
    assert rows[1]["subject"] == rows[1]["raw_valence"] == rows[1]["nearest_similarity"] == ""
    assert rows[1]["calibrated"] == "0"


def test_png_shows_the_charts(followed: tuple[Any, Page], tmp_path: Path) -> None:
    _, page = followed
    path = downloaded(page, "#export-png", tmp_path)
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape == (1440, 2560, 3)
    plane, strips = picture[200:1400, :1000], picture[200:1400, 1000:]
    assert plane.std() > 5
    assert strips.std() > 5
