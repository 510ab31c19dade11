"""Thresholds on the dashboard of a real run: an operator adds one, every page shows it and who has reached it."""

import signal
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect
from support.browser.watched_page import OpenPage


def test_a_threshold_is_added_reached_and_removed(
    process: Callable[..., Any], tmp_path: Any, open_page: OpenPage
) -> None:
    running = process(
        "run",
        *(
            "--source",
            "synthetic",
            "--freshness",
            "paced",
            "--port",
            "0",
            "--no-live",
            "--csv",
            tmp_path / "run.csv",
        ),
    )
    url = str(running.read_until("Dashboard").split()[-1])
    page, other = open_page(url, gone=True), open_page(url, gone=True)
    page.get_by_role("heading", name="Thresholds").click()
    page.get_by_label("Value, from -1 to 1").fill("-1")
    page.get_by_label("Seconds", exact=True).fill("0.1")
    page.get_by_role("button", name="Add").click()
    for one in (page, other):
        expect(one.locator("#threshold-list")).to_contain_text("valence above −1.00 for 0.1 s")
        expect(one.locator("#thresholds-now")).to_have_text("reached now: Face 0")
    page.get_by_role("button", name="Remove: valence above −1.00 for 0.1 s").click()
    for one in (page, other):
        expect(one.locator(".threshold")).to_have_count(0)
    running.send(signal.SIGINT)
    running.end()
    assert "valence above -1 for 0.1 s: face 0" in (tmp_path / "run.csv").read_text()
