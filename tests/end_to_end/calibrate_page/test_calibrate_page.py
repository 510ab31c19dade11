"""Calibration in a real browser with a camera that plays a face."""

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from support.browser.chromium import WAIT_MS
from support.browser.watched_page import OpenPage, ready, save, take

from mtclar.engine.files.encryption import is_sealed
from mtclar.engine.support_set import SupportSet, is_encrypted

PHONE = (390, 844)
DESKTOP = (1280, 800)


def test_from_the_first_label_to_values_that_move(
    open_page: OpenPage, server: Callable[..., Any], process: Callable[..., Any], tmp_path: Path
) -> None:
    running, url = server("--keep-crops")
    page = open_page(url, gone=True)
    expect(page.locator(".banner")).to_contain_text("You are being analysed")
    expect(page.locator("#kept")).to_contain_text("Face crops are kept")
    expect(page.locator("#advice")).to_have_text("Start the camera below")
    page.locator("#camera-start").click()
    ready(page)
    expect(page.locator("#step")).to_have_text("Next: neutral")
    take(page, 1)
    expect(page.locator("#step")).to_have_text("Next: pleasant")  # the region that is still uncovered
    take(page, 2)

    # With the mouse: another place than the one that was proposed.
    box = page.locator("#grid").bounding_box()
    assert box is not None
    page.locator("#grid").click(position={"x": box["width"] * 0.25, "y": box["height"] * 0.25})
    expect(page.locator("#place")).to_have_text(re.compile(r"Valence −0\.6\d, arousal \+0\.6\d"))
    take(page, 3)
    expect(page.locator("#labels li").nth(2)).to_contain_text("unpleasant, activated")
    expect(page.locator("#error")).to_have_text(re.compile(r"^\d\.\d\d$"))  # leave-one-out, from three on

    # Reload in the middle: nothing is lost.
    page.reload()  # the camera goes on by itself
    expect(page.locator("#count")).to_have_text("3")
    ready(page)

    # With the keyboard alone.
    page.locator("#grid").focus()
    before = page.locator("#place").inner_text()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(page.locator("#place")).not_to_have_text(before)
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text("4")

    # Delete a point, and take that back; move one.
    page.locator("#labels li").nth(1).get_by_role("button", name="Delete").click()
    expect(page.locator("#count")).to_have_text("3")
    page.locator("#undo").click()
    expect(page.locator("#count")).to_have_text("4")
    page.locator("#labels li").nth(0).get_by_role("button", name="Delete").click()
    expect(page.locator("#count")).to_have_text("3")
    page.locator("#labels .number").nth(0).click()
    expect(page.locator("#where-title")).to_have_text("Where does label 1 belong?")
    page.keyboard.press("ArrowRight")
    page.locator("#take").click()
    expect(page.locator("#labels li").nth(0)).to_contain_text("+0.70")

    # The face behind a point is seen when it is pointed at.
    page.locator("#grid .sample").nth(0).hover()
    expect(page.locator("#grid .thumbnail")).to_have_attribute("visibility", "visible")

    # Test on new frames; redo one label and test it again.
    page.locator("#check").click()
    expect(page.locator("#step")).to_have_text("Test 1 of 3")
    page.locator("#take").click()
    expect(page.locator("#step")).to_have_text("Test 2 of 3")
    expect(page.locator("#labels li").nth(0)).to_contain_text("on new frames")
    expect(page.locator("#check-error")).to_have_text(re.compile(r"^\d\.\d\d$"))
    page.locator("#labels li").nth(0).get_by_role("button", name="Redo").click()
    expect(page.locator("#labels li").nth(0)).not_to_contain_text("on new frames")
    expect(page.locator("#labels li").nth(0)).to_contain_text("on new frames")
    expect(page.locator("#step")).to_have_text("Test 2 of 3")

    # Saved: what the error means, the values at once, more labels, and the comparison with the set before.
    save(page)
    expect(page.locator("#saved")).to_contain_text("anna.mtclar")
    expect(page.locator("#finished-meaning")).to_contain_text("from the label that you would give")
    page.locator("#start").click()
    expect(page.locator(".face").first).to_contain_text("calibrated on 9 frames")
    page.go_back()
    page.locator("#more").click()
    ready(page)  # the camera was on before
    page.locator("#recalibrate").select_option("unpleasant, activated")
    expect(page.locator("#step")).to_have_text("Again: unpleasant, activated")
    expect(page.locator("#example")).to_have_attribute("alt", re.compile("unpleasant, activated, rendered"))
    page.locator("#take").click()
    expect(page.locator("#step")).not_to_contain_text("Again")
    expect(page.locator("#count")).to_have_text("3")  # the new label is there instead of the old one
    save(page)
    expect(page.locator("#comparison-verdict")).to_contain_text("Uncalibrated")
    expect(page.locator("#comparison-rows tr").first).to_have_text("Labels33")
    page.locator("#done").click()
    expect(page.locator("#finished")).to_contain_text("You can close this page")
    done = running.end()
    assert done.code == 0, done.out
    assert "9 frames of 'anna'" in done.out
    support = SupportSet.load(tmp_path / "anna.mtclar")
    assert len(support) == 9
    assert support.crops is not None
    names = sorted(entry.name for entry in tmp_path.iterdir())
    assert names[0] == "anna.mtclar"
    assert re.fullmatch(r"anna\.previous-\w+\.mtclar", names[1])
    assert len(names) == 2

    # And `run` uses it.
    run = process(
        "run", "--source", "browser", "--port", 0, "--support", tmp_path / "anna.mtclar", "--no-live"
    )
    found = re.search(r"http://\S+/", run.read_until("Dashboard "))
    assert found is not None
    camera = open_page(f"{found[0]}camera", own=found[0])
    camera.locator("#start").click()
    dashboard = open_page(found[0])
    expect(dashboard.locator(".face").first).to_contain_text("anna")
    seen = set()
    until_s = time.monotonic() + WAIT_MS / 1000
    while len(seen) < 4 and time.monotonic() < until_s:
        seen.add(dashboard.locator("#valence").inner_text())
        dashboard.wait_for_timeout(200)
    assert len(seen) >= 4


def test_run_offers_it_and_uses_the_new_set_at_once(
    open_page: OpenPage, process: Callable[..., Any], home: Path
) -> None:
    run = process("run", "--source", "browser", "--port", 0, "--no-live")
    found = re.search(r"http://\S+/", run.read_until("Dashboard "))
    assert found is not None
    dashboard = open_page(found[0])
    dashboard.get_by_role("link", name="Calibrate").click()
    dashboard.locator("#camera-start").click()
    ready(dashboard)
    values = open_page(found[0])
    expect(values.locator(".face").first).to_contain_text("not calibrated")
    take(dashboard, 1)
    take(dashboard, 2)
    save(dashboard)
    expect(dashboard.locator("#saved")).to_contain_text("default.mtclar")
    expect(values.locator(".face").first).to_contain_text("me")
    expect(values.locator(".face").first).not_to_contain_text("not calibrated")
    assert len(SupportSet.load(home / "mtclar-stream" / "default.mtclar")) == 6
    hint = values.locator("#why-hint")  # a dashboard that was open before shows the new labels
    expect(hint).to_have_text("similarity of me to the 6 calibration frames")
    dashboard.locator("#more").click()
    take(dashboard, 3)
    save(dashboard)
    expect(hint).to_have_text("similarity of me to the 9 calibration frames")
    expect(values.locator(".face").first).to_contain_text("calibrated on 9 frames")


def test_who_and_where_is_chosen_and_a_reload_remembers_it(
    open_page: OpenPage, process: Callable[..., Any], command: Callable[..., Any], tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("time,valence,arousal\n0.2,0.7,0.1\n0.8,0.6,0.2\n")
    paths = [tmp_path / "anna.mtclar", tmp_path / "ben.mtclar"]
    for path in paths:
        assert command("calibrate", "--source", "demo", "--labels", labels, "--out", path).code == 0
    twice = [argument for path in paths for argument in ("--source", "synthetic", "--support", path)]
    run = process("run", *twice, "--port", 0, "--no-live")
    found = re.search(r"http://\S+/", run.read_until("Dashboard "))
    assert found is not None
    values = open_page(found[0])
    page = open_page(f"{found[0]}calibrate", PHONE)
    expect(page.locator("#subject-words")).to_have_text("Person")
    people = ["anna · synthetic:640x480@30 (synthetic)", "ben · synthetic:640x480@30 (synthetic-2)"]
    expect(page.locator("#subject-select option")).to_have_text(people)
    expect(page.locator("#where-title")).to_have_text("Who are you?")  # nobody is taken for the first one
    expect(page.locator("#subject-select")).to_have_value("")
    for button in ("take", "undo", "clear", "check", "save"):
        expect(page.locator(f"#{button}")).to_be_disabled()
    expect(page.locator("#subject")).to_have_text("")
    page.locator("#subject-select").select_option(people[0])
    expect(page.locator("#subject")).to_have_text("anna")
    ready(page)
    take(page, 1)
    page.locator("#subject-select").select_option(people[1])
    expect(page.locator("#subject")).to_have_text("ben")
    expect(page.locator("#count")).to_have_text("0")
    ready(page)
    take(page, 1)
    page.reload()
    expect(page.locator("#subject")).to_have_text("ben")
    expect(page.locator("#count")).to_have_text("1")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    ready(page)
    take(page, 2)
    save(page)
    expect(page.locator("#saved")).to_contain_text("ben.mtclar")
    row = values.locator("[data-stream='synthetic-2'] .face").first
    expect(row).to_contain_text("ben")
    expect(row).to_contain_text("calibrated on 6 frames")
    expect(values.locator("[data-stream='synthetic'] .face").first).to_contain_text("calibrated on 2 frames")
    assert [len(SupportSet.load(path)) for path in paths] == [2, 6]
    page.locator("#more").click()
    page.locator("#subject-select").select_option(people[0])
    expect(page.locator("#count")).to_have_text("1")


def test_a_choice_that_another_server_offered_is_forgotten(
    open_page: OpenPage, server: Callable[..., Any]
) -> None:
    _, url = server(source="synthetic")
    kept = 'sessionStorage.setItem("mtclar-calibrate", \'{"stream":"garden","subject":"cleo"}\');'
    page = open_page(url, script=kept)
    ready(page)
    expect(page.locator("#subject")).to_have_text("anna")
    expect(page.locator("#subject-line")).to_be_hidden()
    expect(page.locator("#notice")).to_be_hidden()


def test_a_restart_with_other_people_and_streams_is_joined(
    open_page: OpenPage, process: Callable[..., Any], server: Callable[..., Any]
) -> None:
    run = process("run", "--source", "synthetic", "--source", "synthetic", "--port", 0, "--no-live")
    found = re.search(r"http://\S+:(\d+)/", run.read_until("Dashboard "))
    assert found is not None
    page = open_page(f"{found[0]}calibrate", gone=True)
    expect(page.locator("#subject")).to_have_text("me")
    page.locator("#subject-select").select_option(index=1)
    ready(page)
    run.send(signal.SIGKILL)
    run.end()
    expect(page.locator("#connection")).to_contain_text("Connection lost")
    server(source="synthetic", port=int(found[1]))
    expect(page.locator("#subject")).to_have_text("anna")
    expect(page.locator("#subject-line")).to_be_hidden()
    ready(page)
    take(page, 1)


def test_an_encrypted_set_is_saved_encrypted(
    open_page: OpenPage, process: Callable[..., Any], home: Path, tmp_path: Path
) -> None:
    secret, target = "correct horse battery", home / "mtclar-stream" / "default.mtclar"
    word = tmp_path / "word.txt"
    word.write_text(secret + "\n")
    labels = tmp_path / "labels.csv"
    labels.write_text("time,valence,arousal\n0.2,0.7,0.1\n")
    made = process(
        "calibrate", "--source", "demo", "--labels", labels, "--encrypt", "--passphrase-file", word
    ).end()
    assert made.code == 0, made.out
    run = process("run", "--source", "synthetic", "--port", 0, "--no-live", "--passphrase-file", word)
    found = re.search(r"http://\S+/", run.read_until("Dashboard "))
    assert found is not None
    page = open_page(f"{found[0]}calibrate")
    ready(page)
    take(page, 1)
    unfinished = target.with_name("default.unfinished.json")
    assert is_sealed(unfinished.read_bytes())
    save(page)
    expect(page.locator("#saved")).to_contain_text("default.mtclar")
    assert is_encrypted(target)
    assert len(SupportSet.load(target, lambda: secret)) == 3
    assert not unfinished.exists()


def test_a_calibration_continues_after_its_server_was_killed(
    open_page: OpenPage, server: Callable[..., Any], tmp_path: Path
) -> None:
    running, url = server(source="synthetic")
    page = open_page(url, gone=True)
    ready(page)
    take(page, 1)
    take(page, 2)
    port = int(url.split(":")[2].split("/")[0])
    running.send(signal.SIGKILL)
    running.end()
    expect(page.locator("#connection")).to_contain_text("Connection lost")
    assert not (tmp_path / "anna.mtclar").exists()
    again, _ = server(source="synthetic", port=port)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    expect(page.locator("#count")).to_have_text("2")
    expect(page.locator("#notice")).to_contain_text("unfinished calibration was resumed")
    again.send(signal.SIGTERM)
    done = again.end()
    assert done.code == 1
    assert "the labels are kept" in done.out


@pytest.mark.parametrize("size", [DESKTOP, PHONE, (320, 640)])
def test_it_fits_the_screen(open_page: OpenPage, server: Callable[..., Any], size: tuple[int, int]) -> None:
    _, url = server(source="synthetic")
    page = open_page(url, size)
    ready(page)
    take(page, 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    if size == DESKTOP:
        assert page.evaluate("document.documentElement.scrollHeight") <= size[1]
    if size == PHONE:  # who presses the button sees the face and the grid
        page.locator("#take").scroll_into_view_if_needed()
        expect(page.locator("#take")).to_be_in_viewport(ratio=1)
        expect(page.locator("#grid")).to_be_in_viewport(ratio=1)
        expect(page.locator("#picture")).to_be_in_viewport(ratio=0.5)
