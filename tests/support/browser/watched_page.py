"""Pages that must stay free of errors and requests elsewhere, and what tests do on them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize, expect

from support.browser.chromium import WAIT_MS

DESKTOP = (1280, 800)
SUBSCRIBED = """{
  const Plain = window.WebSocket;
  window.WebSocket = class extends Plain {
    constructor(...options) {
      super(...options);
      this.addEventListener("message", ({ data }) => {
        if (typeof data === "string" && data.includes('"subscribed"')) window.subscribed = data;
      });
    }
  };
}"""
"""Keeps the server's last `subscribed`, for `connected` and `gets`."""


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


@contextmanager
def watching(browser: Browser) -> Iterator[OpenPage]:
    """Opens pages, and asserts at the end that none complained or asked anybody but its own server.

    `gone=True` allows what Chromium itself logs when a server cannot be reached; `own` names the server of a page that
    is opened empty.
    """
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
        for one in (SUBSCRIBED, script):
            if one:
                page.add_init_script(one)
        page.goto(url)
        opened.append((context, watched, own or url, gone))
        return page

    yield open_one
    for context, watched, url, gone in opened:
        context.close()
        unexpected = [text for text in watched.complaints if not (gone and "ERR_CONNECTION" in text)]
        assert unexpected == []
        asked = [request for request in watched.requests if not request.startswith("blob:")]  # its own memory
        assert {urlsplit(request).netloc for request in asked} == {urlsplit(url).netloc}
        assert not [request for request in watched.requests if urlsplit(request).query]


def wait_until(page: Page, script: str, argument: Any = None) -> None:
    """Waits until a function of the page returns true.

    Page.wait_for_function would let the page evaluate text, which its content security policy forbids.
    """
    for _ in range(WAIT_MS // 50):
        if page.evaluate(script, argument):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not true within {WAIT_MS} ms: {script}")


def wait_for(page: Page, condition: Callable[[], bool]) -> None:
    """Waits until the test's own condition holds, while the page goes on."""
    for _ in range(WAIT_MS // 50):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not true within {WAIT_MS} ms")


def connected(page: Page) -> None:
    """Waits until the dashboard has subscribed: before that, it ignores what the server publishes."""
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    wait_until(page, "() => window.subscribed !== undefined")


def gets(page: Page, field: str) -> None:
    """Waits until the server has heard that the dashboard wants this field."""
    wait_until(page, '(field) => window.subscribed?.includes(`"${field}"`)', field)


def save(page: Page) -> None:
    """Saves the labels, and answers that they are to be saved though they do not fit if the page asks."""
    page.locator("#save").click()
    if page.locator("#poor").is_visible():
        page.locator("#poor-save").click()


def save_and_end(page: Page) -> None:
    """Saves the labels, and ends the command that serves the page."""
    save(page)
    page.locator("#done").click()
    expect(page.locator("#finished")).to_contain_text("You can close this page")


def ready(page: Page) -> None:
    """The calibration page shows a face that can be used."""
    expect(page.locator("#advice")).to_have_text("Good image")


def take(page: Page, count: int) -> None:
    """Follows the calibration page's prompt as it stands; `count` labels are there then."""
    page.locator("#take").click()
    expect(page.locator("#count")).to_have_text(str(count))
