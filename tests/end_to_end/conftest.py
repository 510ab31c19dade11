"""What the end-to-end tests share: Debian's Chromium, pages that must stay free of errors, and a speaking server."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize, expect, sync_playwright
from support.command_line import command, home, process
from support.peers import chromium

from mtclar.engine.data_types import Affect, Estimate, FaceState
from mtclar.stream.protocol.client_messages import Assign
from mtclar.stream.protocol.messages import (
    AffectMessage,
    Hello,
    LatencyMs,
    ModelInfo,
    StreamInfo,
    SubjectInfo,
)
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.extension import ClientHandle
from mtclar.stream.server.server import Server

WAIT_MS = 30_000  # for anything on a page; generous, because machines that test are busy
DESKTOP = (1280, 800)


def wait_until(page: Page, script: str, argument: Any = None) -> None:
    """Waits until a function of the page returns true.

    Page.wait_for_function would let the page evaluate text, which its content security policy forbids.
    """
    for _ in range(WAIT_MS // 50):
        if page.evaluate(script, argument):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not true within {WAIT_MS} ms: {script}")


@pytest.fixture(scope="module")  # not the session: while it runs, no other test could start an event loop
def browser() -> Iterator[Browser]:
    if shutil.which(chromium.PATH) is None:
        pytest.skip(f"{chromium.PATH} is not installed")
    with sync_playwright() as playwright:
        expect.set_options(timeout=WAIT_MS)
        running = playwright.chromium.launch(executable_path=chromium.PATH, args=chromium.FLAGS)
        yield running
        running.close()


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
def open_page(
    browser: Browser, speaker: Callable[..., Any], process: Callable[..., Any]
) -> Iterator[OpenPage]:
    """Opens pages, and at the end of the test asserts that none complained or asked anybody but its own server.

    It asks for `speaker` and `process` so that pages are closed before the servers: a page that loses its server logs
    an error. `gone=True` allows what Chromium itself logs when a server cannot be reached; `own` names the server of a
    page that is opened empty.
    """
    with watching(browser) as open_one:
        yield open_one


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


STREAM = "demo"
FRAME_S = 0.04
LABELS = ((0.75, 0.5), (-0.5, 0.25), (0.0, -0.5))  # of every support set


class Speaker:
    """The real server, with a test in the place of the tracker."""

    def __init__(
        self,
        *,
        port: int = 0,
        token: str | None = None,
        truth: bool = False,
        live: bool = False,
        streams: tuple[str, ...] = (STREAM,),
        on_assign: Callable[[Assign, ClientHandle], None] | None = None,
    ) -> None:
        self.seqs = dict.fromkeys(streams, 0)
        infos = tuple(
            StreamInfo(
                stream=stream,
                label=f"{stream}: a rendered face",
                live=live,
                size=(640, 480),
                fps=25.0,
                freshness="paced",
                subjects=(SubjectInfo("anna", 3, LABELS), SubjectInfo("ben", 3, LABELS)),
                truth=truth,
            )
            for stream in streams
        )
        model = ModelInfo("encoder-1", "5c2e9f0a" * 8, "onnxruntime (CPU)")
        self.server = Server(
            ServerConfig(port=port, token=token), hello=lambda: Hello(infos, model), on_assign=on_assign
        )
        self.server.start()

    @property
    def url(self) -> str:
        return self.server.url

    @staticmethod
    def face(
        valence: float | None,
        arousal: float | None,
        *,
        track: int = 0,
        subject: str | None = "anna",
        state: FaceState = "ok",
        faults: tuple[str, ...] = (),
        in_support: bool = True,
        alike: tuple[float, ...] = (0.9, 0.2, 0.4),
        drift: tuple[str, ...] = (),
    ) -> Affect:
        """One face as the engine hands it over."""
        raw = None
        if state == "ok" and valence is not None and arousal is not None:
            similarity = np.array(alike, np.float32)
            raw = Estimate(
                valence + 0.03, arousal - 0.03, 0.08, 0.06, similarity, 0, in_support, (valence, arousal)
            )
        sd = None if valence is None else 0.08
        box = (100.0, 80.0, 300.0, 320.0)
        return Affect(
            track, subject, state, box, (1.0, 2.0, 3.0), valence, arousal, sd, sd, raw, faults, drift
        )

    def say(
        self,
        *faces: Affect,
        stream: str = STREAM,
        truth: tuple[float, float] | None = None,
        dropped: int = 0,
    ) -> int:
        """Publishes the answer to a stream's next frame and returns its seq."""
        seq = self.seqs[stream]
        self.seqs[stream] += 1
        latency_ms = LatencyMs(queue=0.5, track=3.0, estimate=4.25)
        times_s = seq * FRAME_S
        self.server.publish(
            AffectMessage(
                stream,
                seq,
                seq,
                100.0 + times_s,
                "file",
                times_s,
                (640, 480),
                latency_ms,
                dropped,
                faces,
                truth,
            )
        )
        return seq

    def tell(self, *faces: Affect) -> int:
        """Says it and waits until the one page that is connected has it: with `latest` it could be replaced."""
        written = self.server.written
        seq = self.say(*faces)
        until_s = time.monotonic() + WAIT_MS / 1e3
        while self.server.written == written:
            assert time.monotonic() < until_s
            time.sleep(0.001)
        return seq


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
