"""Starts Chromium: for the end-to-end tests and for the picture of the dashboard."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

PATH = "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MS = 60_000  # for anything on a page, as WAIT_S of other tests: machines that test are busy


@contextmanager
def launched(*flags: str) -> Iterator[Browser]:
    """A browser, closed at the end; skips the test where none is installed (.ci/system installs it)."""
    if shutil.which(PATH) is None:
        pytest.skip(f"{PATH} is not installed")
    with sync_playwright() as playwright:
        expect.set_options(timeout=WAIT_MS)
        browser = playwright.chromium.launch(executable_path=PATH, args=[*FLAGS, *flags])
        yield browser
        browser.close()
