"""The pages in examples/, opened as files in a browser, against a server that admits such pages."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from support.browser.chromium import launched
from support.peers.websocket_client import WAIT_S, Make
from support.pipeline_parts import CAM, make_message

from mtclar.stream.protocol.messages import Hello
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server

EXAMPLES = Path(__file__).parents[2] / "examples"
TOKEN = "a-token-of-this-test"

__all__ = ["make_message"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


@contextmanager
def publishing(make_message: Make, **options: object) -> Iterator[Server]:
    """A server that publishes a face 50 times a second."""
    config = ServerConfig(**{"port": 0, "origins": ("null",)} | options)
    with Server(config, hello=lambda: Hello((CAM,))) as server:
        over = threading.Event()

        def publish() -> None:
            seq = 0
            while not over.wait(0.02):
                server.publish(make_message(seq))
                seq += 1

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            yield server
        finally:
            over.set()
            thread.join(WAIT_S)


def opened(tmp_path: Path, server: Server) -> str:
    """The web page with the port of this server, as the address of a file."""
    copy = tmp_path / "web_page.html"
    copy.write_text((EXAMPLES / copy.name).read_text().replace("127.0.0.1:8765", f"127.0.0.1:{server.port}"))
    return copy.as_uri()


def test_the_web_page_shows_values(page: Page, make_message: Make, tmp_path: Path) -> None:
    with publishing(make_message) as server:
        page.goto(opened(tmp_path, server))
        expect(page.locator("#words")).to_have_text("Valence 0.25, arousal -0.50")
        assert page.locator("#face").get_attribute("style") == "left: 62.5%; top: 75%;"


def test_a_page_from_a_file_reads_nothing_of_a_server_that_does_not_admit_it(
    page: Page, make_message: Make, tmp_path: Path
) -> None:
    with publishing(make_message, origins=()) as server:
        with page.expect_event("console", lambda said: "CORS" in said.text):
            page.goto(opened(tmp_path, server))
        assert "--origin null" in page.locator("#words").inner_text()
        assert server.clients == 0


def test_the_overlay_shows_values_and_survives_a_restart(page: Page, make_message: Make) -> None:
    with publishing(make_message, token=TOKEN) as server:
        port = server.port
        page.goto(f"{(EXAMPLES / 'obs_overlay.html').as_uri()}#server=127.0.0.1:{port}&token={TOKEN}")
        expect(page.locator("#faces")).to_have_text("anna valence +0.25 arousal −0.50")
        expect(page.locator("body")).to_have_attribute("data-state", "live")
    expect(page.locator("body")).not_to_have_attribute("data-state", "live")
    with publishing(make_message, token=TOKEN, port=port):
        expect(page.locator("body")).to_have_attribute("data-state", "live")


def test_the_overlay_waits_for_a_server_that_starts_later(page: Page, make_message: Make) -> None:
    with publishing(make_message) as server:
        port = server.port
    page.goto(f"{(EXAMPLES / 'obs_overlay.html').as_uri()}#server=127.0.0.1:{port}")
    with publishing(make_message, port=port):
        expect(page.locator("#faces")).to_have_text("anna valence +0.25 arousal −0.50")
