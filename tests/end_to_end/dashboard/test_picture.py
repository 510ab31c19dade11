"""The picture on the dashboard: opened by an operator of a run with --preview, with points; others are told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect
from support.browser.watched_page import OpenPage, wait_until

SUM = """() => {
    const { width, height } = document.getElementById("picture");
    const { data } = document.getElementById("picture").getContext("2d").getImageData(0, 0, width, height);
    return data.reduce((sum, value) => sum + value, 0);
}"""


def test_the_picture_is_opened_by_an_operator_and_moves(
    process: Callable[..., Any], tmp_path: Path, open_page: OpenPage
) -> None:
    files: list[str | Path] = []
    for name, token in (
        ("--token-file", "the-operators-token"),
        ("--view-token-file", "the-audiences-token"),
    ):
        file = tmp_path / name.strip("-")
        file.write_text(token)
        file.chmod(0o600)
        files += [name, file]
    running = process(
        "run", *("--source", "demo", "--freshness", "paced", "--port", "0", "--no-live", "--preview"), *files
    )
    url = str(running.read_until("Dashboard").split()[-1])
    page, viewer = open_page(url, gone=True), open_page(url, gone=True)
    for one, token in ((page, "the-operators-token"), (viewer, "the-audiences-token")):
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
