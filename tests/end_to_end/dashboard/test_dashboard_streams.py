"""The dashboard with several streams, and its explanation of a value."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocket, expect
from support.browser.speaker import Speaker
from support.browser.watched_page import OpenPage, connected, gets, wait_for

from mtclar.stream.protocol.messages import StatusMessage, SubjectInfo, SubjectsMessage

StartSpeaker = Callable[..., Speaker]


@pytest.fixture
def two(speaker: StartSpeaker, open_page: OpenPage) -> tuple[Any, Page]:
    """A server of two streams with a face each, whose tracks have the same number, and its page."""
    server = speaker(streams=("door", "desk"))
    page = open_page(server.url)
    connected(page)
    say_both(server)
    expect(page.locator(".face")).to_have_count(2)
    return server, page


def say_both(server: Any, **at_the_door: Any) -> None:
    server.say(server.face(0.5, 0.25, **at_the_door), stream="door")
    server.say(server.face(-0.5, -0.25, subject="ben"), stream="desk")


def test_each_stream_has_a_lane(two: tuple[Any, Page]) -> None:
    _, page = two
    lanes = page.locator(".lane")
    expect(lanes).to_have_count(2)
    expect(lanes.nth(0)).to_contain_text("door: a rendered face")
    expect(lanes.nth(0).locator(".face")).to_contain_text("anna")
    expect(lanes.nth(1).locator(".face")).to_contain_text("ben")
    expect(page.locator("#state")).to_have_text("2 of 2 streams, 2 faces")
    expect(page.locator("#valence-whose")).to_have_text("anna")
    assert page.evaluate("document.documentElement.scrollHeight") <= 800


def test_one_stream_is_chosen_by_keyboard(two: tuple[Any, Page]) -> None:
    server, page = two
    chooser = page.get_by_role("group", name="Streams shown")
    expect(chooser.get_by_role("radio")).to_have_count(3)
    chooser.get_by_role("radio", name="All").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(chooser.get_by_role("radio", name="desk")).to_be_checked()
    expect(page.locator(".face")).to_have_count(1)
    expect(page.locator("#valence")).to_have_text("−0.50")
    expect(page.locator("#state")).to_have_text("Seen clearly")
    for _ in range(3):
        say_both(server)
        page.wait_for_timeout(20)
    server.say(server.face(0.9, 0.9), stream="door", dropped=9)
    expect(page.locator("#valence")).to_have_text("−0.50")
    expect(page.locator("#dropped")).to_have_text("0")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#valence")).to_have_text("+0.90")
    expect(page.locator("#dropped")).to_have_text("9")


def test_a_stalled_stream_is_shown_and_the_other_continues(two: tuple[Any, Page]) -> None:
    server, page = two
    server.server.publish(StatusMessage("desk", "reconnecting", retry_s=2.1))
    server.server.publish(StatusMessage("door", "live"))
    lanes = page.locator(".lane")
    expect(lanes.nth(1).locator(".state").first).to_have_text("Camera lost, next try in 3 s")
    expect(page.locator("#state")).to_have_text("1 of 2 streams, 2 faces")
    server.say(server.face(0.75, 0.25), stream="door")
    expect(page.locator("#valence")).to_have_text("+0.75")
    expect(lanes.nth(0).locator(".state").first).to_have_text("Seen clearly")


def test_one_stream_alone_needs_no_choice(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url)
    expect(page.locator("#stream")).to_have_text("demo: a rendered face")
    expect(page.locator("#streams")).to_be_hidden()
    server.say(server.face(0.1, 0.1))
    expect(page.locator(".face")).to_have_count(1)
    expect(page.locator(".lane-head")).to_be_hidden()


def test_a_stream_may_lag_behind_another(two: tuple[Any, Page]) -> None:
    server, page = two
    server.seqs["door"] += 100  # its pictures are four seconds younger
    server.say(server.face(0.6, 0.1), stream="door")
    for _ in range(3):
        server.say(server.face(-0.6, 0.1, subject="ben"), stream="desk")
    expect(page.locator(".face")).to_have_count(2)
    expect(page.locator(".lane").nth(1).locator(".face-values")).to_contain_text("−0.60")


# --- why this value --------------------------------------------------------------------------------------------------


def test_the_most_similar_support_frame_and_the_others(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url)
    text, bars = page.locator("#why-text"), page.locator("#similarity")
    expect(text).to_have_text("No face in view.")
    gets(page, "similarity")
    server.say(server.face(0.5, 0.25))
    expect(text).to_have_text("Most similar: frame 1, labelled valence +0.75, arousal +0.50: 90 % similar.")
    expect(page.locator("#why-hint")).to_have_text("similarity of anna to the 3 calibration frames")
    server.say(server.face(0.5, 0.25, alike=(0.1, 0.8, 0.3)))
    expect(text).to_have_text("Most similar: frame 2, labelled valence −0.50, arousal +0.25: 80 % similar.")
    bars.focus()
    page.keyboard.press("ArrowRight")  # in order of valence: frames 2, 3, 1
    expect(text).to_have_text("Selected: frame 3, labelled valence 0.00, arousal −0.50: 30 % similar.")
    expect(bars).to_have_attribute("aria-valuenow", "2")
    box = bars.bounding_box()
    assert box is not None
    bars.click(position={"x": box["width"] - 20, "y": 40})
    expect(text).to_contain_text("Selected: frame 1")
    page.keyboard.press("Escape")
    expect(text).to_contain_text("Most similar: frame 2")
    server.say(server.face(0.5, 0.25, state="held"))
    expect(text).to_have_text("Not measured at this moment: the last value is held.")
    server.say(server.face(0.5, 0.25, subject=None))
    expect(text).to_contain_text("Not calibrated")
    expect(bars).to_be_hidden()


def test_a_moment_of_the_past_has_its_own_reasons(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url)
    gets(page, "similarity")
    text = page.locator("#why-text")
    for alike, frame in (((0.9, 0.1, 0.1), 1), ((0.1, 0.9, 0.1), 2), ((0.1, 0.1, 0.9), 3)):
        server.say(server.face(0.5, 0.25, alike=alike))
        expect(text).to_contain_text(f"frame {frame},")
    page.locator("#valence-strip").focus()
    page.keyboard.press("ArrowLeft")
    expect(text).to_contain_text("frame 2,")
    page.keyboard.press("ArrowLeft")
    expect(text).to_contain_text("frame 1,")


def test_changed_labels_are_shown(speaker: StartSpeaker, open_page: OpenPage) -> None:
    """Somebody is calibrated anew: bars and labels follow, also for `assign`, and the past keeps its own."""
    server = speaker()
    page = open_page(server.url)
    gets(page, "similarity")
    text, face = page.locator("#why-text"), page.locator(".face").first
    seq = server.say(server.face(0.5, 0.25))
    expect(text).to_have_text("Most similar: frame 1, labelled valence +0.75, arousal +0.50: 90 % similar.")
    expect(face).to_contain_text("calibrated on 3 frames")
    page.locator("#similarity").focus()
    page.keyboard.press("ArrowLeft")
    expect(text).to_contain_text("Selected: frame 3")
    labels = ((0.75, 0.5), (-0.5, 0.25), (0.0, -0.5), (-0.25, 0.75))
    server.server.publish(
        SubjectsMessage("demo", seq + 1, (SubjectInfo("anna", 4, labels), SubjectInfo("cleo", 1, ((0, 0),))))
    )
    server.say(server.face(0.5, 0.25, alike=(0.1, 0.2, 0.4, 0.8)))
    expect(text).to_have_text("Most similar: frame 4, labelled valence −0.25, arousal +0.75: 80 % similar.")
    expect(page.locator("#why-hint")).to_have_text("similarity of anna to the 4 calibration frames")
    expect(page.locator("#similarity")).to_have_attribute("aria-valuemax", "4")
    expect(face).to_contain_text("calibrated on 4 frames")
    expect(page.locator(".who option")).to_have_text(["none of these", "anna", "cleo"])
    page.locator("#valence-strip").focus()
    page.keyboard.press("ArrowLeft")
    expect(text).to_have_text("Most similar: frame 1, labelled valence +0.75, arousal +0.50: 90 % similar.")


def test_similarity_is_subscribed_to_only_while_it_is_shown(
    speaker: StartSpeaker, open_page: OpenPage
) -> None:
    server = speaker()
    got: list[dict[str, Any]] = []

    def note(payload: str | bytes) -> None:
        got.append(json.loads(payload))

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", note)

    page = open_page("about:blank", own=server.url)
    page.on("websocket", listen)
    page.goto(server.url)
    connected(page)

    def asked(wanted: bool) -> None:
        """Waits until the server has said that it sends similarities, or that it does not."""

        def told() -> bool:
            fields = [message["fields"] for message in got if message["type"] == "subscribed"]
            return bool(fields) and ("similarity" in fields[-1]) == wanted

        wait_for(page, told)

    asked(True)
    page.locator("#why summary").focus()
    page.keyboard.press("Enter")
    asked(False)
    server.say(server.face(0.5, 0.25))
    expect(page.locator("#valence")).to_have_text("+0.50")
    assert "similarity" not in [message for message in got if message["type"] == "affect"][-1]["faces"][0]


def test_a_wall_of_all_faces_and_one_of_them_selected(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker(streams=("door", "desk", "hall"))
    page = open_page(server.url)
    connected(page)
    server.say(server.face(0.1, 0.1), server.face(0.5, 0.5, track=1, subject="ben"), stream="door")
    server.say(
        server.face(-0.25, 0.1, track=7, subject=None, state="low_quality", faults=("too dark",)),
        stream="desk",
    )
    page.get_by_role("button", name="Wall").click()
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(4)  # and the stream without a face
    expect(page.locator("#circumplex")).to_be_hidden()
    expect(tiles.nth(2)).to_contain_text("Low quality: too dark")
    expect(tiles.nth(3)).to_contain_text("Waiting for the first frame")
    page.get_by_role("button", name="Face 7").click()
    expect(tiles.first).to_be_hidden()
    expect(page.locator("#valence")).to_have_text("−0.25")
    expect(page.locator(".face")).to_have_count(1)  # of its stream alone


def test_the_wall_marks_what_is_not_calibrated(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker(streams=("door", "desk"), subjects=())
    page = open_page(server.url)
    connected(page)
    server.say(server.face(0.1, 0.1), server.face(0.5, 0.5, track=1, subject=None), stream="door")
    page.get_by_role("button", name="Wall").click()
    tiles = page.locator(".tile:visible")
    expect(tiles).to_have_count(3)
    badges = page.get_by_text("not calibrated")
    for name, marked in (("anna", False), ("Face 1", True), ("desk: a rendered face", True)):
        badge = tiles.filter(has=page.get_by_text(name, exact=True)).locator(badges)
        expect(badge).to_be_visible() if marked else expect(badge).to_be_hidden()
    page.get_by_label("Order").select_option(label="Doubtful first")
    expect(page.locator(".tile:visible .face-name").last).to_have_text("anna")


def test_the_wall_is_searched_and_ordered(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker(streams=("door", "desk"))
    page = open_page(server.url)

    def say() -> None:
        """Once more where states are read: after three silent seconds a face is stale."""
        server.say(
            server.face(0.1, -0.4, subject="anna"),
            server.face(0.1, 0.2, track=1, subject="ben", state="low_quality", faults=("too dark",)),
            stream="door",
        )
        server.say(server.face(0.1, 0.8, subject="cleo"), stream="desk")

    say()
    page.locator("#wall-button").click()
    names = page.locator(".tile:visible .face-name")
    expect(names).to_have_text(["anna", "ben", "cleo"])
    order = page.get_by_label("Order")
    order.select_option(label="Doubtful first")
    say()
    expect(names).to_have_text(["ben", "anna", "cleo"])
    order.select_option(label="Highest arousal first")
    expect(names).to_have_text(["cleo", "ben", "anna"])
    search = page.get_by_label("Search names and streams")
    search.fill("DOOR")
    expect(names).to_have_text(["ben", "anna"])
    search.fill("dana")
    expect(page.get_by_text("No tile has this name")).to_be_visible()
    search.fill("")
    expect(names).to_have_count(3)
    say()
    expect(page.locator(".tile-health").first).to_contain_text("8 ms")
