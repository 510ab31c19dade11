"""Calibration in a browser with faces and labels that cannot be used, without a camera, and with junk on the socket."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import expect
from support.browser.chromium import WAIT_MS
from support.browser.watched_page import OpenPage, ready, take
from websockets.sync.client import connect

from mtclar.engine.support_set import SupportSet
from mtclar.stream.sources import open_source


def test_labels_that_do_not_fit_are_saved_only_after_a_question(
    open_page: OpenPage,
    server: Callable[..., Any],
    camera_of: Callable[[NDArray[np.uint8]], str],
    tmp_path: Path,
) -> None:
    _, url = server(source=camera_of(next(iter(open_source("demo").frames())).image))
    page = open_page(url, gone=True)
    ready(page)
    for count, share in ((1, 0.2), (2, 0.8)):  # of one picture
        box = page.locator("#grid").bounding_box()
        assert box is not None
        page.locator("#grid").click(position={"x": box["width"] * share, "y": box["height"] * 0.5})
        take(page, count)
    page.locator("#save").click()
    dialog = page.locator("#poor")
    expect(dialog).to_contain_text("labels contradict each other")
    dialog.get_by_role("button", name="Go on labelling").click()
    expect(dialog).to_be_hidden()
    assert not (tmp_path / "anna.mtclar").exists()
    page.locator("#save").click()
    dialog.get_by_role("button", name="Save anyway").click()
    expect(page.locator("#saved")).to_contain_text("anna.mtclar")
    assert "labels contradict" in SupportSet.load(tmp_path / "anna.mtclar").warning


@pytest.mark.parametrize(
    ("kind", "words"),
    [("two", "Two people in view: only one, please"), ("nobody", "No face in view")],
)
def test_two_people_or_nobody(
    open_page: OpenPage,
    server: Callable[..., Any],
    camera_of: Callable[[NDArray[np.uint8]], str],
    kind: str,
    words: str,
) -> None:
    face = next(iter(open_source("demo").frames())).image
    picture = np.concatenate([face, face], axis=1) if kind == "two" else np.full_like(face, 90)
    _, url = server(source=camera_of(picture))
    page = open_page(url)
    expect(page.locator("#advice")).to_contain_text(words)
    page.locator("#take").click()
    expect(page.locator("#notice")).to_contain_text("No usable frame was captured")
    expect(page.locator("#notice")).to_contain_text(words)
    expect(page.locator("#take")).to_be_enabled()
    expect(page.locator("#count")).to_have_text("0")


def test_a_denied_camera_is_told_in_plain_words(open_page: OpenPage, server: Callable[..., Any]) -> None:
    _, url = server()
    deny = (
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'));"
    )
    page = open_page(url, script=deny)
    page.locator("#camera-start").click()
    expect(page.locator("#camera-words")).to_contain_text("was not allowed to use the camera")
    expect(page.locator("#advice")).to_have_text("Start the camera below")


def test_junk_on_the_socket_disturbs_nobody(open_page: OpenPage, server: Callable[..., Any]) -> None:
    _, url = server(source="synthetic")
    page = open_page(url)
    ready(page)
    with connect(url.replace("http", "ws").replace("calibrate", "ws"), proxy=None) as hostile:
        for text in (
            "calibrate.",
            '{"type":"calibrate.take"}',
            '{"type":"calibrate.take","valence":9,"arousal":0}',
        ):
            hostile.send(text)
        hostile.send(b"\xff" * 3000)
        codes = []
        while len(codes) < 4:
            message = json.loads(hostile.recv(WAIT_MS / 1000))
            if message["type"] == "error":
                codes.append(message["code"])
    assert codes == ["bad_json", "bad_message", "bad_message", "binary_not_expected"]
    take(page, 1)
