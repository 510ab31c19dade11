"""The picture on the dashboard: opened by an operator of a run with --preview, with points; others are told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect
from support.browser.tokens import OPERATOR, VIEWER, token_options
from support.browser.watched_page import OpenPage, wait_until

SUM = """() => {
    const { width, height } = document.getElementById("picture");
    const { data } = document.getElementById("picture").getContext("2d").getImageData(0, 0, width, height);
    return data.reduce((sum, value) => sum + value, 0);
}"""


def test_the_picture_is_opened_by_an_operator_and_moves(
    process: Callable[..., Any], tmp_path: Path, open_page: OpenPage
) -> None:
    running = process(
        "run",
        *("--source", "demo", "--freshness", "paced", "--port", "0", "--no-live", "--preview"),
        *token_options(tmp_path),
    )
    url = str(running.read_until("Dashboard").split()[-1])
    page, viewer = open_page(url, gone=True), open_page(url, gone=True)
    for one, token in ((page, OPERATOR), (viewer, VIEWER)):
        one.locator("#token").fill(token)
        one.locator("#token-send").click()
        expect(one.locator("#banner")).to_contain_text("Operators can see the picture.")
    expect(viewer.locator("#picture-card")).to_be_hidden()
    expect(page.locator(".face")).to_have_count(1)
    page.locator("#picture-card summary").click()
    expect(page.locator("#picture-words")).to_contain_text("Face 0: ")
    before = page.evaluate(SUM)
    wait_until(page, f"before => ({SUM})() !== before", before)
    page.locator("#picture-card summary").click()
    wait_until(page, f"() => ({SUM})() === 0")  # nothing of it stays
