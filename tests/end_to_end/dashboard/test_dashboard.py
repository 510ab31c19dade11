"""The dashboard in a real browser against the real server: texts, charts and states."""

import math
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from support.browser.speaker import Speaker
from support.browser.watched_page import OpenPage, connected, gets, wait_for, wait_until

from mtclar.stream.protocol.messages import ByeMessage, ErrorMessage, MarkMessage, StatusMessage

StartSpeaker = Callable[..., Speaker]

DESKTOP = (1280, 800)
PHONE = (390, 844)
TOKEN = "a-token-of-this-test"
WRONG_TOKEN = "not-the-token-at-all"


def shown(page: Page, name: str) -> float:
    """The large value on the page, as it was sent."""
    return float(page.locator(f"#{name}").get_attribute("data-value") or "nan")


def has_drawn(page: Page, seq: int) -> None:
    """Waits until the page's texts are those of message `seq`."""
    expect(page.locator("#valence")).to_have_attribute("data-seq", str(seq))


def pixels(page: Page, canvas: str) -> str:
    return str(page.evaluate(f"document.getElementById('{canvas}').toDataURL()"))


# --- what a person sees ---------------------------------------------------------------------------------------------


def test_values_move_and_are_those_of_the_last_message(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url)
    connected(page)
    server.say(server.face(0.5, -0.25))
    expect(page.locator("#valence")).to_have_text("+0.50")
    expect(page.locator("#arousal")).to_have_text("−0.25")
    expect(page.locator("#valence-sd")).to_have_text("± 0.08")
    canvases = ("circumplex", "valence-strip", "arousal-strip")
    before = {canvas: pixels(page, canvas) for canvas in canvases}
    seen = set()
    for i in range(40):
        valence, arousal = 0.8 * math.sin(i / 8), 0.6 * math.cos(i / 8)
        last = server.say(server.face(valence, arousal))
        page.wait_for_timeout(30)
        seen.add(shown(page, "valence"))
    has_drawn(page, last)
    assert len(seen) > 3
    assert shown(page, "valence") == round(valence, 4)
    assert shown(page, "arousal") == round(arousal, 4)
    assert all(pixels(page, canvas) != before[canvas] for canvas in canvases)


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_the_person_is_told_of_being_analysed(
    speaker: StartSpeaker, open_page: OpenPage, size: tuple[int, int]
) -> None:
    page = open_page(speaker(live=True).url, size)
    banner = page.locator("#banner")
    connected(page)
    expect(banner).to_have_text(
        re.compile("You are being analysed: faces in this video are turned into valence and arousal")
    )
    expect(banner).to_be_in_viewport(ratio=1)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    expect(banner).to_be_in_viewport(ratio=1)


def test_who_is_seen_how_well_and_by_what(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url)
    gets(page, "sd")
    state, row = page.locator("#state"), page.locator(".face")
    expect(page.locator("#stream")).to_have_text("demo: a rendered face")
    expect(page.locator("#model")).to_have_text("encoder-1 (5c2e9f0a)")
    expect(page.locator("#backend")).to_have_text("onnxruntime (CPU)")
    expect(state).to_have_text("Waiting for the first frame")
    server.say(server.face(0.1, 0.1))
    expect(state).to_have_text("Seen clearly")
    expect(row).to_contain_text("anna")
    expect(row).to_contain_text("calibrated on 3 frames")
    server.say(server.face(0.1, 0.1, in_support=False))
    expect(state).to_have_text("Seen clearly, but unlike the support set")
    expect(state).to_have_attribute("data-state", "drift")  # amber
    server.say(server.face(0.1, 0.1, state="low_quality", faults=("turned away", "too dark")))
    expect(state).to_have_text("Low quality: turned away, too dark")
    server.say(server.face(0.1, 0.1, state="held"))
    expect(state).to_have_text("Out of sight, last value held")
    expect(page.locator(".reading").first).to_have_attribute("data-measured", "false")
    server.say(server.face(0.1, 0.1, state="lost"))
    expect(state).to_have_text("No face in view")
    server.say()
    expect(row).to_have_count(0)
    expect(page.locator("#valence")).to_have_text("–")
    server.say(server.face(0.2, 0.2, subject=None, track=4))
    expect(row).to_contain_text("Face 4")
    expect(row).to_contain_text("not calibrated")


def test_a_face_outside_its_support_set_gets_advice(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url)
    connected(page)
    gets(page, "similarity")
    server.say(server.face(0.1, 0.1))
    expect(page.locator("#state")).to_have_text("Seen clearly")
    server.say(server.face(0.1, 0.1, drift=("darker",)))
    expect(page.locator(".face-note")).to_have_text("Darker than at calibration: more light, or add a frame")
    expect(page.locator("#state")).to_have_attribute("data-state", "drift")
    server.say(server.face(0.1, 0.1))
    expect(page.locator(".face-note")).to_have_text("Seen clearly")


def test_what_the_server_warns_of_is_shown_and_can_be_put_away(
    speaker: StartSpeaker, open_page: OpenPage
) -> None:
    server = speaker()
    page = open_page(server.url)
    connected(page)
    before = page.locator("#valence-strip").bounding_box()
    server.server.publish(ErrorMessage("tracker_failed", "the encoder is gone"))
    notices = page.locator(".notice")
    expect(notices).to_contain_text("Server: the encoder is gone (tracker_failed)")
    assert page.locator("#valence-strip").bounding_box() == before  # the charts stay where they are
    notices.get_by_role("button", name="Dismiss").click()
    expect(notices).to_have_count(0)


def test_numbers(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url)
    connected(page)
    for _ in range(10):
        server.say(server.face(0.1, 0.1))
        page.wait_for_timeout(30)
    server.seqs["demo"] += 3  # messages that this page does not get
    server.say(server.face(0.1, 0.1), dropped=7)
    expect(page.locator("#latency")).to_have_text("7.8")
    expect(page.locator("#dropped")).to_have_text("7")
    expect(page.locator("#missed")).to_have_text(
        re.compile(r"^([3-9]|1\d)$")
    )  # more, where the machine is slow
    expect(page.locator("#fps")).to_have_text(re.compile(r"^\d+\.\d$"))


def test_the_script_is_shown_beside_the_estimate(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker(truth=True)
    page = open_page(server.url)
    expect(page.locator("#legend-script")).to_be_visible()
    has_drawn(page, server.say(server.face(0.1, 0.1)))
    page.wait_for_timeout(200)
    without = pixels(page, "circumplex")
    has_drawn(page, server.say(server.face(0.1, 0.1), truth=(-0.5, 0.5)))
    wait_for(page, lambda: pixels(page, "circumplex") != without)


def test_without_a_script_its_legend_is_hidden(speaker: StartSpeaker, open_page: OpenPage) -> None:
    page = open_page(speaker().url)
    connected(page)
    expect(page.locator("#legend-script")).to_be_hidden()


def test_two_faces_have_their_own_rows_and_colours(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url)
    connected(page)
    both = (server.face(0.5, 0.5), server.face(-0.5, -0.25, track=1, subject="ben"))
    server.say(*both)
    rows = page.locator(".face")
    expect(rows).to_have_count(2)
    expect(page.locator("#state")).to_have_text("2 faces, 2 seen clearly")
    expect(page.locator("#valence")).to_have_text("+0.50")
    colours = [
        row.evaluate("row => getComputedStyle(row.querySelector('.swatch')).borderColor")
        for row in rows.all()
    ]
    assert len(set(colours)) == 2
    page.locator("[data-face='1']").focus()  # the keyboard brings the other one to the front
    page.keyboard.press("Enter")
    expect(page.locator("#valence")).to_have_text("−0.50")
    expect(page.locator("[data-face='1']")).to_have_attribute("aria-pressed", "true")
    has_drawn(page, server.say(both[0]))
    expect(rows).to_have_count(1)
    expect(page.locator("#valence")).to_have_text("+0.50")
    server.say(both[0], server.face(0, 0, track=2, subject="ben"))  # a new track of the same person
    expect(rows).to_have_count(2)
    again = page.locator("[data-face='2'] .swatch").evaluate("node => getComputedStyle(node).borderColor")
    assert again == colours[1]


# --- when something goes ---------------------------------------------------------------------------------------------


def test_server_goes_and_comes_back(speaker: StartSpeaker, open_page: OpenPage) -> None:
    first = speaker()
    page = open_page(first.url, gone=True)
    connected(page)
    first.say(first.face(0.5, 0.5))
    expect(page.locator("#valence")).to_have_text("+0.50")
    first.server.close(ByeMessage("shutdown", "someone pressed Ctrl-C"))
    expect(page.locator("#connection")).to_have_attribute("data-state", "waiting")
    expect(page.locator("#connection")).to_contain_text("Connection lost")
    expect(page.locator("#state")).to_have_text("Server closed: someone pressed Ctrl-C")
    expect(page.locator(".face-note")).to_have_text("Last known value")
    expect(page.locator("#banner")).to_be_visible()
    second = speaker(port=first.server.port)
    connected(page)
    expect(page.locator(".face")).to_have_count(0)  # another session: nothing of the old one is shown as new
    second.say(second.face(-0.5, 0.25))
    expect(page.locator("#valence")).to_have_text("−0.50")
    expect(page.locator("#state")).to_have_text("Seen clearly")


def test_a_person_need_not_wait_for_the_next_try(speaker: StartSpeaker, open_page: OpenPage) -> None:
    first = speaker()
    page = open_page(first.url, gone=True)
    connected(page)
    first.server.close()
    retry = page.locator("#retry")
    expect(retry).to_be_visible()
    expect(page.locator("#connection")).to_contain_text(re.compile("in [3-5] s"))
    speaker(port=first.server.port)
    retry.click()
    connected(page)
    expect(retry).to_be_hidden()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            StatusMessage("demo", "stalled", reason="no picture for 2.0 s"),
            "The camera has stopped sending frames",
        ),
        (StatusMessage("demo", "reconnecting", retry_s=2.1), "Camera lost, next try in 3 s"),
        (StatusMessage("demo", "ended"), "The stream has ended"),
    ],
)
def test_source_that_is_not_live_is_told(
    speaker: StartSpeaker, open_page: OpenPage, status: StatusMessage, words: str
) -> None:
    server = speaker()
    page = open_page(server.url)
    connected(page)
    server.say(server.face(0.1, 0.1))
    server.server.publish(status)
    expect(page.locator("#state")).to_contain_text(words)
    server.server.publish(StatusMessage("demo", "live"))
    server.say(server.face(0.1, 0.1))
    expect(page.locator("#state")).to_have_text("Seen clearly")


def test_silence_is_told(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url)
    connected(page)
    server.say(server.face(0.1, 0.1))
    expect(page.locator("#state")).to_have_text(re.compile(r"No message for \d+ s"))
    expect(page.locator("#fps")).to_have_text("0.0")


def test_token_is_asked_for(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker(token=TOKEN)
    sent: list[str] = []
    page = open_page("about:blank", own=server.url)
    page.on("websocket", lambda web: web.on("framesent", lambda frame: sent.append(str(frame))))
    page.goto(server.url)
    dialog = page.locator("#token-dialog")
    expect(dialog).to_be_visible()
    expect(page.locator("#banner")).to_be_visible()
    expect(page.locator("#token")).to_be_focused()
    page.keyboard.type(WRONG_TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("#token-message")).to_have_text("That was not this server's token.")
    expect(page.locator("#token")).to_have_value("")
    page.locator("#token").fill(TOKEN)
    page.locator("#token-send").click()
    connected(page)
    expect(dialog).to_be_hidden()
    server.say(server.face(0.25, 0.25))
    expect(page.locator("#valence")).to_have_text("+0.25")
    assert any(TOKEN in frame for frame in sent)  # in a message; that no URL has it, open_page asserts of all
    assert page.evaluate("JSON.stringify(localStorage) + document.cookie") == "{}"
    assert page.evaluate("({ ...sessionStorage })") == {"mtclar.token": TOKEN}  # until the tab is closed


def test_the_page_speaks_the_browsers_language_or_the_chosen_one(
    speaker: StartSpeaker, open_page: OpenPage
) -> None:
    server = speaker()
    page = open_page(server.url, locale="de-AT")
    connected(page)
    server.say(server.face(0.5, -0.25, state="low_quality", faults=("too dark",)))
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator("#state")).to_have_text("Schlechte Qualität: zu dunkel")
    expect(page.locator("#valence")).to_have_text("+0,50")
    expect(page.get_by_role("button", name="Anhalten")).to_be_visible()
    page.get_by_label("Sprache").select_option("English")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.get_by_label("Language")).to_have_value("en")


def test_a_page_that_is_opened_late_shows_the_last_half_minute(
    speaker: StartSpeaker, open_page: OpenPage
) -> None:
    server = speaker()
    for i in range(500):
        server.say(server.face(0.5 * (-1) ** (i // 250), 0.0), dropped=i // 10)
    server.server.publish(MarkMessage("trial 1", 110.0))
    page = open_page(server.url)
    expect(page.locator("#banner")).to_contain_text("A recording is analysed")
    expect(page.locator("#valence-statistics")).to_have_text("mean 0.00, −0.50 to +0.50")
    has_drawn(page, server.say(server.face(0.3, 0.1)))
    page.locator("#valence-strip").focus()
    page.keyboard.press("Home")  # the oldest moment
    expect(page.locator("#state")).to_have_text(re.compile(r"Paused, showing (19|20)\.\d s before the pause"))
    expect(page.locator("#valence")).to_have_text("+0.50")


LISTEN = """() => new Promise((resolve) => {
    window.marks = [];
    const socket = new WebSocket(new URL("ws", location.href.replace("http", "ws")));
    socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        if (message.type === "mark") window.marks.push(message.label);
        else resolve();
    };
})"""


def test_marks_are_set_by_key_and_button_and_come_to_every_page(
    speaker: StartSpeaker, open_page: OpenPage
) -> None:
    server = speaker()
    page, other = open_page(server.url), open_page(server.url)
    for one in (page, other):
        connected(one)
    has_drawn(page, server.say(server.face(0.3, 0.1)))
    other.evaluate(LISTEN)
    other.wait_for_timeout(500)
    before = pixels(other, "valence-strip")
    page.keyboard.press("m")
    page.get_by_label("Label of the mark").fill("smile m")
    page.get_by_label("Label of the mark").press("Enter")
    page.get_by_role("button", name="Mark M").click()
    wait_until(other, "() => window.marks.length === 3")
    assert other.evaluate("window.marks") == ["mark 1", "smile m", "smile m"]
    server.server.publish(MarkMessage("trial 1", 100.0))  # marks of clients have the real time
    wait_for(other, lambda: pixels(other, "valence-strip") != before)


def test_the_vertical_axes_can_be_fitted(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url)
    connected(page)
    for i in range(20):
        last = server.say(server.face(0.1 + i / 200, 0.1))
    has_drawn(page, last)
    page.wait_for_timeout(300)
    whole = pixels(page, "valence-strip")
    page.get_by_role("button", name="Fit").click()
    expect(page.get_by_role("button", name="Fit")).to_have_attribute("aria-pressed", "true")
    wait_for(page, lambda: pixels(page, "valence-strip") != whole)
