"""Pictures of the rating pages (`calibrate recording`), by a person who knows the demo clip's script."""

import re
import subprocess
import sys
import tempfile
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from mtclar.stream import demo_clip
from mtclar.stream.label_formats.label_file import Label, read_labels

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

EVERY, LABELLED = 125, 5
RATED_S, LAG_S = 17.0, 1.2
STEP_MS = 40.0
GRID = 1.32  # half a side of the grid's drawing, where valence and arousal end at 1


def shots(browser: "Browser", wide: "ViewportSize", phone: "ViewportSize") -> dict[str, list[bytes]]:
    """Screenshots by the name of their picture in docs/images."""
    with _served("--every", str(EVERY)) as url:
        page = browser.new_page(viewport=wide, device_scale_factor=1)
        page.goto(url)
        _label(page)
        stills = _both(page, phone)
    with _served("--continuous") as url:
        page = browser.new_page(viewport=wide, device_scale_factor=1)
        page.goto(url)
        _rate(page)
        playing = _both(page, phone)
    return {
        "rating-wide": stills[:1],
        "continuous-wide": playing[:1],
        "rating-phone": [stills[1], playing[1]],
    }


@contextmanager
def _served(*arguments: str) -> Iterator[str]:
    """The address of a rating page for the demo clip."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mtclar.cli.main", "calibrate", "recording", "demo", "--port", "0"]
        command += ["--out", f"{folder}/anna.mtclar", *arguments]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as server:
            try:
                yield address_of(server, "rate")
            finally:
                server.terminate()


def address_of(server: "subprocess.Popen[str]", page: str) -> str:
    """The address that ends with this page's name, as a command prints it when it serves."""
    assert server.stdout is not None
    pattern = re.compile(rf"http://[\d.]+:\d+/{page}")
    return next(found[0] for line in server.stdout if (found := pattern.findall(line)))


@cache
def _script() -> tuple[list[float], Sequence[Label]]:
    """Times and labels of the clip."""
    labels = read_labels(demo_clip.script_path())
    return [one.time_s for one in labels], labels


def _place(page: "Page", time_s: float) -> tuple[float, float]:
    """Where the script's label of that moment lies on the screen."""
    times_s, labels = _script()
    label = labels[bisect_left(times_s, max(time_s, 0.0))]
    box = page.locator("#grid").bounding_box()
    assert box is not None
    x = box["x"] + box["width"] * (GRID + label.valence) / (2 * GRID)
    return x, box["y"] + box["height"] * (GRID - label.arousal) / (2 * GRID)


def _label(page: "Page") -> None:
    for count in range(1, LABELLED + 1):
        page.locator("#step", has_text=f"{count - 1} of").wait_for()
        found = re.search(r"at ([\d.]+) s", page.locator("#where-title").inner_text())
        assert found is not None
        page.mouse.click(*_place(page, float(found[1])))
        page.locator("#take").click()
        page.locator("#count", has_text=str(count)).wait_for()
    page.wait_for_timeout(500)


def _rate(page: "Page") -> None:
    page.locator("#play", has_text="Play").click()
    page.locator("#play", has_text="Pause").wait_for()
    while (shown_s := float(page.locator("#position").input_value())) < RATED_S:
        page.mouse.move(*_place(page, shown_s - LAG_S))
        page.wait_for_timeout(STEP_MS)
    page.locator("#play").click()
    page.locator("#finish").click()
    page.locator("#where-title", has_text="reaction time").wait_for()
    page.wait_for_timeout(500)


def _both(page: "Page", phone: "ViewportSize") -> list[bytes]:
    """As it is, and on a phone."""
    wide = page.screenshot()
    page.set_viewport_size(phone)
    page.wait_for_timeout(300)
    narrow = page.screenshot()
    page.close()
    return [wide, narrow]
