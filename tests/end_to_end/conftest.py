"""What the end-to-end tests share: Debian's Chromium, and pages that must stay free of errors."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize, sync_playwright

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 15_000  # for anything on a page; generous, because machines that test are busy
DESKTOP = (1280, 800)


@pytest.fixture(scope="module")  # not the session: while it runs, no other test could start an event loop
def browser() -> Iterator[Browser]:
    if shutil.which(CHROMIUM) is None:
        pytest.skip(f"{CHROMIUM} is not installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@dataclass
class Watched:
    """What a page did besides showing itself."""

    complaints: list[str] = field(default_factory=list)  # console errors and uncaught exceptions
    requests: list[str] = field(default_factory=list)

    def console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def request(self, request: Request) -> None:
        self.requests.append(request.url)


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens pages, and at the end of the test asserts that none complained or asked anybody but its own server.

    `gone=True` allows what Chromium itself logs when a server cannot be reached; `own` names the server of a page that
    is opened empty.
    """
    with watching(browser) as open_one:
        yield open_one


@contextmanager
def watching(browser: Browser) -> Iterator[OpenPage]:
    opened = []

    def open_one(
        url: str,
        size: tuple[int, int] = DESKTOP,
        *,
        own: str | None = None,
        gone: bool = False,
        script: str = "",
        **options: Any,
    ) -> Page:
        viewport = ViewportSize(width=size[0], height=size[1])
        context = browser.new_context(viewport=viewport, **options)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        watched = Watched()
        page.on("console", watched.console)
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on("request", watched.request)
        page.on("websocket", lambda socket: watched.requests.append(socket.url))
        if script:
            page.add_init_script(script)
        page.goto(url)
        opened.append((context, watched, own or url, gone))
        return page

    yield open_one
    for context, watched, url, gone in opened:
        context.close()
        unexpected = [text for text in watched.complaints if not (gone and "ERR_CONNECTION" in text)]
        assert unexpected == []
        assert {urlsplit(request).netloc for request in watched.requests} == {urlsplit(url).netloc}
        assert not [request for request in watched.requests if urlsplit(request).query]
