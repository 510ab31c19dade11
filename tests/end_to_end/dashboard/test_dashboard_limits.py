"""Limits of the dashboard: no injected markup, overflow, needless drawing, external request or memory growth."""

import re
from collections.abc import Callable
from importlib import resources

import pytest
from playwright.sync_api import Page, expect
from support.browser.speaker import Speaker
from support.browser.watched_page import OpenPage, connected

StartSpeaker = Callable[..., Speaker]

DESKTOP = (1280, 800)


def has_drawn(page: Page, seq: int) -> None:
    """Waits until the page's texts are those of message `seq`."""
    expect(page.locator("#valence")).to_have_attribute("data-seq", str(seq))


def test_names_are_text(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url)
    connected(page)
    name = "<img src=x onerror=\"document.title='run'\"><b>anna</b>"
    server.say(server.face(0.1, 0.1, subject=name))
    expect(page.locator(".face-name")).to_have_text(name)
    assert page.locator(".face img, .face-name b").count() == 0
    assert page.title() == "mtclar-stream"


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1280])
def test_nothing_is_wider_than_the_screen(speaker: StartSpeaker, open_page: OpenPage, width: int) -> None:
    server = speaker(truth=True)
    page = open_page(server.url, (width, 844))
    connected(page)
    faults = ("turned away from the camera", "too dark", "blurred")
    server.say(
        server.face(
            -0.123, -0.5, subject="someone with a rather long name", state="low_quality", faults=faults
        ),
        server.face(0.5, 0.5, track=1, subject="unbroken" * 12),
    )
    expect(page.locator(".face")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for canvas in ("circumplex", "valence-strip", "arousal-strip"):
        box = page.locator(f"#{canvas}").bounding_box()
        assert box is not None
        assert box["width"] > 200
        assert box["height"] > 100


def test_all_fits_on_a_laptop(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker(truth=True)
    page = open_page(server.url, DESKTOP)
    connected(page)
    server.say(server.face(0.1, 0.1), server.face(0.5, 0.5, track=1, subject="ben"))
    expect(page.locator(".face")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollHeight") <= DESKTOP[1]


def test_dark_screens_get_a_dark_page(speaker: StartSpeaker, open_page: OpenPage) -> None:
    url = speaker().url
    ground = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).reduce((sum, c) => sum + Number(c), 0)"
    assert open_page(url, color_scheme="light").evaluate(ground) > 600
    assert open_page(url, color_scheme="dark").evaluate(ground) < 150


COUNT_DRAWINGS = """
window.drawings = 0;
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...box) { window.drawings += 1; clear.apply(this, box); };
"""


def test_nothing_is_drawn_while_nothing_comes(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url, script=COUNT_DRAWINGS)
    connected(page)
    has_drawn(page, server.say(server.face(0.1, 0.1)))
    page.wait_for_timeout(300)
    before = page.evaluate("window.drawings")
    page.wait_for_timeout(1000)
    assert page.evaluate("window.drawings") == before


def test_less_motion_where_a_person_asked_for_it(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url, script=COUNT_DRAWINGS, reduced_motion="reduce")
    connected(page)
    has_drawn(page, server.say(server.face(0, 0)))
    before = page.evaluate("[window.drawings, performance.now()]")
    for i in range(50):
        last = server.say(server.face(i / 50, 0))
        page.wait_for_timeout(20)
    has_drawn(page, last)
    after = page.evaluate("[window.drawings, performance.now()]")
    cleared = 6  # four sheets, and the ends of the two that scroll
    assert after[0] - before[0] <= cleared * (4 * (after[1] - before[1]) / 1000 + 2)
    assert page.locator("#connection > .dot").evaluate("dot => getComputedStyle(dot).animationName") == "none"


def test_memory_is_that_of_the_window(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url)
    connected(page)
    page.evaluate(
        """async () => {
            const { History } = await import("./dashboard/data/history.js");
            const { View } = await import("./dashboard/data/view.js");
            const history = new History();
            const face = { id: 0, subject: "anna", state: "ok", valence: 0, arousal: 0, sd: [0.1, 0.1], raw: [0, 0] };
            for (let i = 0; i < 100_000; i += 1) {
                history.addAffect({ stream: "s", t_capture: i / 30, faces: [{ ...face, id: i >> 12 }], truth: [0, 0] });
            }
            const view = new View(history, () => {});
            view.pause();  // and what is paused holds no more than that
            for (let i = 100_000; i < 110_000; i += 1) history.addAffect({ stream: "s", t_capture: i / 30, faces: [] });
            window.still = view.viewport().faces.map((face) => face.samples.length);
            window.kept = [
                history.faces.size,
                ...[...history.faces.values(), ...history.scripts.values()].map((track) => track.samples.length),
            ];
        }"""
    )
    kept = page.evaluate("window.kept")
    kept_s = 300
    assert kept[0] <= 1  # of the last face, which was not said to be lost
    assert max(kept[1:]) <= kept_s * 30 + 1 + 1001
    assert sum(page.evaluate("window.still")) <= kept_s * 30 + 1


SCROLLED = """async ([seconds, span_s]) => {
    const { History } = await import("./dashboard/data/history.js");
    const { View } = await import("./dashboard/data/view.js");
    const { Strips } = await import("./dashboard/charts/strips.js");
    const { Surface, readTheme } = await import("./dashboard/charts/canvas.js");
    const history = new History();
    const view = new View(history, () => {});
    view.zoom(span_s / 30);
    const theme = readTheme();
    const surfaces = () => [0, 1].map(() => new Surface().resize(400, 120, 1));
    const scrolled = surfaces();
    const strips = new Strips(...scrolled);
    const start_s = 1234.5; // as of a server that has run for a while
    for (let i = 0; i < 25 * seconds; i += 1) {
        const t = start_s + i / 25 + 0.004 * Math.sin(7 * i);
        const wave = (speed) => 0.7 * Math.sin(speed * t);
        const face = (id, state, v, a) => ({ id, state, valence: v, arousal: a, sd: [0.1, 0.05], raw: [v + 0.1, a] });
        const one = face(0, i % 100 > 70 ? "held" : "ok", wave(1.3), wave(2));
        const faces = i % 150 > 130 ? [] : [one, face(1, "ok", wave(0.7), -0.2)];
        history.addAffect({ stream: "door", t_capture: t, faces, truth: [wave(0.3), 0.5] });
        // Another stream, whose messages come late and in bursts.
        if (i > 50 && i % 5 === 0) {
            for (let j = 0; j < 5; j += 1) {
                const late = face(0, "ok", wave(0.5) - 0.2, 0.8);
                history.addAffect({ stream: "desk", t_capture: t - 1 + j / 25, faces: [late] });
            }
        }
        const viewport = view.viewport();
        strips.draw(viewport, theme, viewport.faces[0]);
    }
    const whole = surfaces();
    const viewport = view.viewport();
    new Strips(...whole).draw(viewport, theme, viewport.faces[0]);
    const pixels = ({ context }) => context.getImageData(0, 0, 400, 120).data;
    return scrolled.map((surface, i) => {
        const [shown, wanted] = [pixels(surface), pixels(whole[i])];
        let differ = 0;
        let drawn = 0;
        for (let at = 3; at < shown.length; at += 4) {
            differ += Math.max(...[0, 1, 2, 3].map((back) => Math.abs(shown[at - back] - wanted[at - back]))) > 40;
            drawn += wanted[at] > 0;
        }
        return differ / drawn;
    });
}"""


@pytest.mark.parametrize(("seconds", "span_s"), [(45, 30), (12, 30), (20, 5), (70, 60)])
def test_a_chart_that_scrolls_is_the_one_that_is_drawn_whole(
    speaker: StartSpeaker, open_page: OpenPage, seconds: int, span_s: int
) -> None:
    page = open_page(speaker().url)
    assert max(page.evaluate(SCROLLED, [seconds, span_s])) < 0.03


def test_the_page_loads_nothing_from_elsewhere() -> None:
    texts = {
        f"{folder}/{file.name}": file.read_text()
        for folder in (
            "dashboard",
            "dashboard.charts",
            "dashboard.data",
            "dashboard.panels",
            "shared",
            "shared.texts",
        )
        for file in resources.files(f"mtclar.stream.web.{folder}").iterdir()
        if file.is_file() and not file.name.endswith(".py")
    }
    for name, text in texts.items():
        if name.endswith(".json"):  # words, among them the address of a camera
            continue
        assert not re.search(r"(https?:)?//[a-z]", text.replace("http://www.w3.org/2000/svg", "")), name
        assert "innerHTML" not in text, name
        assert "eval(" not in text, name
    page = texts["dashboard/index.html"]
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|<script(?![^>]*\ssrc=)", page)
    assert set(re.findall(r'(?:src|href)="([^"]+)"', page)) <= set(texts)


RECORD_WORDS = """
window.words = {};
const { clearRect, fillText } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.clearRect = function (...box) {
    if (this.canvas.id === "circumplex") window.words = {};
    clearRect.apply(this, box);
};
CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    const { width } = this.measureText(text);
    const left = this.textAlign === "center" ? x - width / 2 : this.textAlign === "right" ? x - width : x;
    if (this.canvas.id === "circumplex") window.words[text] = [left, y - 5, left + width, y + 5];
    fillText.call(this, text, x, y);
};
"""


def test_no_word_of_the_circumplex_is_over_another(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url, script=RECORD_WORDS)
    connected(page)
    people = ("anna", "ben", "chris", "someone with a rather long name")
    for shift in (0.0, 0.05, 0.3, 0.6):
        faces = [
            server.face(0.2 + shift + 0.05 * n, shift - 0.06 * n, track=n, subject=name)
            for n, name in enumerate(people)
        ]
        has_drawn(page, server.say(*faces))
        page.wait_for_timeout(200)
        words = list(page.evaluate("Object.entries(window.words)"))
        assert len(words) >= 10  # those of the emotions that are free, and names
        for i, (one, (left, top, right, bottom)) in enumerate(words):
            for other, box in words[:i]:
                apart = right <= box[0] or box[2] <= left or bottom <= box[1] or box[3] <= top
                assert apart, (one, other)
