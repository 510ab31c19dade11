"""What the end-to-end tests share: Debian's Chromium, pages that must stay free of errors, and a speaking server."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser
from support.browser.chromium import launched
from support.browser.speaker import Speaker
from support.browser.watched_page import OpenPage, watching
from support.command_line import command, home, process
from support.pipeline_parts import make_message
from support.recordings import recording


@pytest.fixture(scope="module")  # not the session: while it runs, no other test could start an event loop
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


@pytest.fixture
def open_page(
    browser: Browser, speaker: Callable[..., Any], process: Callable[..., Any]
) -> Iterator[OpenPage]:
    """Pages are closed before their servers (`speaker`, `process`): one that loses its server logs an error."""
    with watching(browser) as open_one:
        yield open_one


@pytest.fixture
def speaker() -> Iterator[Callable[..., Speaker]]:
    """Starts servers, and closes them when the test is over."""
    started: list[Speaker] = []

    def start(**options: Any) -> Speaker:
        started.append(Speaker(**options))
        return started[-1]

    yield start
    for one in started:
        assert one.server.close()
