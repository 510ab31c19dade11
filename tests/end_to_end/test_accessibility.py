"""The pages as axe-core judges them, light and dark: no serious finding; and the order of the keyboard's focus."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from support.browser.watched_page import OpenPage

LOCALES = ("en-GB", "de-DE")
ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / "build" / "axe"

pytestmark = pytest.mark.timeout(600)  # the first run installs


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, as npm installs it."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm: `.ci/system` installs it")
    INSTALLED.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(__file__).parent / "axe" / "package.json", INSTALLED / "package.json")
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    done = subprocess.run(command, cwd=INSTALLED, capture_output=True, text=True, timeout=500)
    if done.returncode:
        pytest.skip(f"npm cannot install axe-core: {done.stderr.strip()[-300:]}")
    return (INSTALLED / "node_modules" / "axe-core" / "axe.min.js").read_text()


def serious(page: Page, axe: str) -> list[str]:
    """The serious and critical findings, in light and in dark."""
    found = []
    page.evaluate(f"() => {{ {axe} }}")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.wait_for_timeout(400)  # charts and transitions
        for finding in page.evaluate("axe.run(document)")["violations"]:
            if finding["impact"] in ("serious", "critical"):
                places = [node["failureSummary"] + node["html"] for node in finding["nodes"]]
                found.append(f"{scheme}: {finding['id']}: {places}")
    return found


def focus_order(page: Page, names: tuple[str, ...]) -> list[str]:
    """Those of the nodes that the Tab key reaches from the start of the page, in that order."""
    page.evaluate("document.activeElement.blur()")
    page.locator("h1").click()
    reached: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.id")
        if name in reached:
            break
        reached += [name] if name in names else []
    return reached


def test_the_dashboard(speaker: Callable[..., Any], open_page: OpenPage, axe: str) -> None:
    server = speaker(streams=("door", "desk"))
    page = open_page(server.url)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    faces = server.face(0.1, 0.1), server.face(0.5, 0.5, track=1, subject=None, in_support=False)
    server.say(*faces, stream="door")
    server.say(server.face(0.1, 0.1, state="low_quality", faults=("too dark",)), stream="desk")
    expect(page.locator(".face")).to_have_count(3)
    page.locator("#thresholds summary").click()
    assert serious(page, axe) == []
    page.locator("body").focus()
    order = []
    for _ in range(40):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
        if order[-1] == "similarity":
            break
    seen = [
        name
        for name in order
        if name in ("pause", "zoom-in", "fit", "mark-label", "valence-strip", "similarity")
    ]
    assert seen == [
        "pause",
        "zoom-in",
        "fit",
        "mark-label",
        "valence-strip",
        "similarity",
    ]  # as they are seen


@pytest.mark.parametrize("locale", LOCALES)
def test_calibration_and_camera(
    process: Callable[..., Any], open_page: OpenPage, axe: str, locale: str
) -> None:
    running = process("run", "--source", "browser", "--port", "0", "--no-live", "--calibrate")
    url = str(running.read_until("Dashboard").split()[-1])
    for name in ("camera", "calibrate"):
        page = open_page(url + name, gone=True, locale=locale)
        expect(page.locator("#connection")).to_have_attribute("data-state", "live")
        assert serious(page, axe) == []
    expect(page.locator("#take")).to_be_enabled()
    expect(page.locator("#camera-start")).to_be_visible()
    assert focus_order(page, ("camera-start", "grid", "take", "skip", "done")) == [
        "camera-start",
        "grid",
        "take",
        "skip",
    ]


@pytest.mark.parametrize("locale", LOCALES)
def test_the_player_of_a_recording(
    process: Callable[..., Any], recording: Path, open_page: OpenPage, axe: str, locale: str
) -> None:
    running = process("replay", recording, "--port", "0", "--wait", "--stay")
    page = open_page(str(running.read_until("Dashboard").split()[-1]), locale=locale)
    expect(page.locator(".slider-mark")).to_have_count(2)
    assert serious(page, axe) == []


@pytest.mark.parametrize("locale", LOCALES)
def test_rating(
    process: Callable[..., Any], open_page: OpenPage, axe: str, locale: str, tmp_path: Path
) -> None:
    running = process(
        "calibrate", "recording", "demo", "--port", 0, "--out", tmp_path / "anna.mtclar", "--every", "200"
    )
    found = re.search(r"http://\S+/rate", running.read_until("Open http"))
    assert found is not None
    page = open_page(found[0], gone=True, locale=locale)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    expect(page.locator("#step")).to_contain_text("5")
    page.locator("#ratings summary").click()
    for answer in ("sliders", "sam", "words", "grid"):
        page.locator(f"#modes label:has(input[value={answer}])").click()
        assert serious(page, axe) == []
    page.locator("#grid").press("ArrowRight")
    order = ("back", "forward", "grid", "note", "take", "skip", "unblind", "save")
    assert focus_order(page, order) == [name for name in order if name != "save"]  # nothing is rated yet


def test_the_studio(process: Callable[..., Any], open_page: OpenPage, axe: str, tmp_path: Path) -> None:
    people = tmp_path / "participants"
    people.mkdir()
    (people / "anna.mtclar").write_bytes(b"damaged")
    running = process("studio", "--no-open", "--port", "0", "--folder", tmp_path)
    page = open_page(str(running.read_until("Studio ").split()[-1]))
    expect(page.locator("#participant-list")).to_contain_text("damaged")
    assert serious(page, axe) == []
    page.get_by_role("button", name="Play: Demo").click()
    expect(page.locator("#now-state")).to_have_text("tracking")
    assert serious(page, axe) == []
    page.get_by_role("button", name="Delete: anna").click()
    assert serious(page, axe) == []
