"""Frames of a recording labelled afterwards, in a real browser: by keyboard and mouse, interrupted, saved."""

import re
import signal
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from support.browser.watched_page import OpenPage, save, save_and_end, wait_until

from mtclar.engine.support_set import SupportSet
from mtclar.stream import demo_clip
from mtclar.stream.label_formats.label_file import read_labels

PHONE = (390, 844)


@pytest.fixture
def rating(process: Callable[..., Any], tmp_path: Path) -> Callable[..., tuple[Any, str]]:
    def start(*arguments: str) -> tuple[Any, str]:
        running = process(
            "calibrate", "recording", "demo", "--port", 0, "--out", tmp_path / "anna.mtclar", *arguments
        )
        found = re.search(r"http://\S+/rate", running.read_until("Open http"))
        assert found is not None
        return running, found[0]

    return start


def test_every_nth_frame_is_labelled_and_saved(
    open_page: OpenPage, rating: Callable[..., Any], tmp_path: Path
) -> None:
    running, url = rating("--every", "200")
    page = open_page(url, gone=True)
    expect(page.locator("#step")).to_have_text("0 of 5 frames labelled")
    expect(page.locator("#where-title")).to_have_text("Rate the face at 4.00 s")
    page.wait_for_timeout(500)
    before = page.evaluate("document.getElementById('picture').toDataURL()")
    expect(page.locator("#grid")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#place")).to_have_text("Move the mark first.")
    expect(page.locator("#take")).to_be_disabled()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("n")
    page.keyboard.type("looks =up")
    page.keyboard.press("Enter")
    expect(page.locator("#step")).to_have_text("1 of 5 frames labelled")
    expect(page.locator("#place")).to_have_text("Not rated yet")  # the next frame has no answer
    wait_until(
        page, "(before) => document.getElementById('picture').toDataURL() !== before", before
    )  # the next one
    page.locator("#skip").click()
    expect(page.locator("#where-title")).to_have_text("Rate the face at 20.00 s")
    running.send(signal.SIGTERM)
    done = running.end()
    assert done.code == 1
    assert "the labels are kept" in done.out

    running, url = rating("--every", "200")
    page = open_page(url, gone=True)
    expect(page.locator("#step")).to_have_text("1 of 5 frames labelled")
    page.locator("#modes label", has_text="Words").click()
    page.locator("#words .word", has_text="happy").click()
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text("2")
    page.locator("#modes label", has_text="SAM").click()
    page.get_by_role("radio", name="valence 3 of 9").check(force=True)
    expect(page.locator("#take")).to_be_disabled()  # arousal is missing
    page.get_by_role("radio", name="arousal 7 of 9").check(force=True)
    expect(page.locator("#place")).to_have_text("Valence −0.50, arousal +0.50")
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text("3")
    page.locator("#modes label", has_text="Sliders").click()
    page.get_by_role("slider", name="valence, unpleasant to pleasant").fill("0.25")
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text("4")
    page.locator("#modes label", has_text="Grid").click()
    page.locator("#grid").press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text("5")
    expect(page.locator("#where-title")).to_have_text("Every frame is labelled")
    expect(page.locator("#take")).to_be_disabled()
    page.locator("#ratings summary").click()
    expect(page.locator("#labels")).not_to_contain_text("error")  # blind
    page.locator("#unblind").check()
    expect(page.locator("#labels")).to_contain_text("error")
    page.locator("#labels .number").nth(3).click()  # changed afterwards; its frame is shown
    expect(page.locator("#where-title")).to_have_text("Where does rating 4 belong?")
    expect(page.locator("#place")).to_have_text("Valence +0.25, arousal 0.00")
    page.keyboard.press("ArrowUp")
    page.locator("#take").click()
    expect(page.locator("#labels li").nth(3)).to_contain_text("+0.10")
    expect(page.locator("#labels").get_by_role("button", name="Redo")).to_have_count(0)
    save_and_end(page)
    done = running.end()
    assert done.code == 0, done.out
    assert len(SupportSet.load(tmp_path / "anna.mtclar")) == 5
    labels = read_labels(tmp_path / "anna.labels.csv")
    assert [label.time_s for label in labels] == pytest.approx([4.0, 12.0, 20.0, 28.0, 36.0])
    text = (tmp_path / "anna.labels.csv").read_text()
    assert "looks =up" in text
    assert "happy" in text


def test_the_most_helpful_ones_are_picked_on_a_phone(open_page: OpenPage, rating: Callable[..., Any]) -> None:
    _, url = rating("--pick", "3")
    page = open_page(url, PHONE)
    expect(page.locator("#step")).to_have_text("0 of 3 frames labelled")
    page.locator("#grid").click(position={"x": 60, "y": 60})
    page.locator("#take").click()
    expect(page.locator("#count")).to_have_text("1")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


LAG_S = 1.2
RATED_S = 17.0


def test_a_person_rates_while_it_plays(
    open_page: OpenPage, rating: Callable[..., Any], tmp_path: Path
) -> None:
    """A mouse that follows the clip's own script, LAG_S behind it."""
    script = read_labels(demo_clip.script_path())
    times_s = [label.time_s for label in script]
    running, url = rating("--continuous")
    page = open_page(url, gone=True)
    expect(page.locator("#step")).to_have_text("0 of 40 s rated")
    expect(page.locator("#take")).to_be_hidden()
    box = page.locator("#grid").bounding_box()
    assert box is not None
    page.locator("#play").click()
    expect(page.locator("#step")).to_have_text("Move the mark to begin")
    for _ in range(2000):  # bounded by the clip
        shown_s = float(page.locator("#position").input_value())
        if shown_s > RATED_S:
            break
        label = script[max(0, bisect_left(times_s, shown_s - LAG_S))]
        x = box["x"] + box["width"] * (label.valence + 1.32) / 2.64
        y = box["y"] + box["height"] * (1.32 - label.arousal) / 2.64
        page.mouse.move(x, y)
        page.wait_for_timeout(40)
    page.locator("body").press("Space")
    expect(page.locator("#play")).to_have_text("Play")
    page.locator("#finish").click()
    expect(page.locator("#where-title")).to_have_text(
        re.compile(r"^Your reaction time of \d\.\d s \(r = \.\d\d\) has been removed\.$")
    )
    expect(page.locator("#ask")).to_contain_text(
        re.compile(r"writes \d+ labels, two a second, and a support set")
    )
    expect(page.locator("#count-words")).to_have_text("Frames in the support set")
    save_and_end(page)
    done = running.end()
    assert done.code == 0, done.out
    found = re.search(r"reaction time of (\d\.\d) s \(r = ", done.out)
    assert found is not None, done.out
    assert float(found[1]) == pytest.approx(LAG_S, abs=0.6)
    labels = read_labels(tmp_path / "anna.labels.csv")
    assert 20 < len(labels) <= 2 * RATED_S + 4
    off = [abs(label.valence - script[bisect_left(times_s, label.time_s)].valence) for label in labels]
    assert sum(off) / len(off) < 0.2
    assert 5 <= len(SupportSet.load(tmp_path / "anna.mtclar")) <= 20


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("demo", "--every", "5", "--pick", "5"), "exclude each other"),
        (("demo", "--every", "5", "--continuous"), "exclude each other"),
        (("demo",), "--every N, --pick N and --continuous"),
        (("demo", "--every", "5", "--lag", "1"), "add --continuous"),
        (("demo", "--continuous", "--labels", "labels.csv"), "use --every or --pick"),
        (("demo", "--every", "5", "--labels", "missing.csv"), "there is no label file missing.csv"),
        (("demo", "--continuous", "--lag", "nan"), "Invalid value for '--lag'"),
        (("demo", "--pick", "5", "--fps", "inf"), "--fps inf is not a frame rate"),
        (("webcam", "--pick", "5"), "is live"),
        (("synthetic", "--every", "5"), "is live"),
    ],
)
def test_what_cannot_be_is_refused(
    process: Callable[..., Any], arguments: tuple[str, ...], words: str
) -> None:
    done = process("calibrate", "recording", *arguments).end()
    assert done.code == 2
    assert words in done.out


def test_raters_see_their_agreement_once_two_have_saved(
    open_page: OpenPage, rating: Callable[..., Any], command: Callable[..., Any], tmp_path: Path
) -> None:
    elan = tmp_path / "ben.eaf"
    for rater, figures, more in (("ben", (2, 5, 8), ("--labels-out", elan)), ("cleo", (3, 5, 7), ())):
        running, url = rating("--every", "300", "--rater", rater, *more)
        page = open_page(url, gone=True)
        expect(page.locator("#subject")).to_have_text(f"anna, by {rater}")
        page.locator("#modes label", has_text="SAM").click()
        for count, figure in enumerate(figures, 1):
            for axis in ("valence", "arousal"):
                page.get_by_role("radio", name=f"{axis} {figure} of 9").check(force=True)
            page.locator("#take").click()
            expect(page.locator("#count")).to_have_text(str(count))
        save(page)
        expect(page.locator("#saved")).to_contain_text(f"anna.{rater}.labels.csv")
        if rater == "ben":
            expect(page.locator("#agreement")).to_be_hidden()
        else:
            expect(page.locator("#agreement-text")).to_have_text("Agreement of ben, cleo over 3 moments:")
            expect(page.locator("#agreement-rows tr").first).to_have_text("Valence0.920.950.97")
        page.locator("#done").click()
        assert running.end().code == 0
    running, url = rating(
        "--every", "200", "--rater", "dora", "--labels", elan
    )  # beside the frames of --every
    page = open_page(url, gone=True)
    expect(page.locator("#step")).to_have_text("3 of 8 frames labelled")
    expect(page.locator("#notice")).to_contain_text("Begins with the labels of the file")
    save_and_end(page)
    assert running.end().code == 0
    begun, given = (
        read_labels(tmp_path / "anna.dora.labels.csv"),
        read_labels(tmp_path / "anna.ben.labels.csv"),
    )
    assert [(one.time_s, one.valence) for one in begun] == [(one.time_s, one.valence) for one in given]
    mean = tmp_path / "mean.csv"
    done = command("calibrate", "raters", elan, tmp_path / "anna.cleo.labels.csv", "--out", mean)
    assert done.code == 0, done.out + done.err
    assert [label.valence for label in read_labels(mean)] == pytest.approx([-0.625, 0.0, 0.625])
