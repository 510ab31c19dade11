"""Labels on the charts: none lies over another or over the edge, wherever faces, support frames and marks are."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page
from support.browser.speaker import Speaker
from support.browser.watched_page import OpenPage

DRAW = """async ([seed, width, height, kind]) => {
    const { History } = await import("./dashboard/data/history.js");
    const { View } = await import("./dashboard/data/view.js");
    const { Surface, readTheme } = await import("./dashboard/charts/canvas.js");
    const { drawCircumplex } = await import("./dashboard/charts/circumplex.js");
    const { Strips } = await import("./dashboard/charts/strips.js");
    let state = seed;
    const random = () => ((state = (state * 16807) % 2147483647) - 1) / 2147483646;
    const among = (items) => items[Math.floor(random() * items.length)];
    const names = ["anna", "ben", "Maximiliane-Sophie von und zu Beispielhausen", "赵", "P07", null];

    // Where each word is drawn, also one that is turned.
    const words = [];
    const { fillText } = CanvasRenderingContext2D.prototype;
    CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
        const metrics = this.measureText(text);
        if (text) {
            const [left, right] = [x - metrics.actualBoundingBoxLeft, x + metrics.actualBoundingBoxRight];
            const [top, bottom] = [y - metrics.actualBoundingBoxAscent, y + metrics.actualBoundingBoxDescent];
            const turn = this.getTransform();
            const corners = [[left, top], [right, bottom]].map(([x, y]) => turn.transformPoint({ x, y }));
            words.push({ text, alpha: this.globalAlpha,
                left: Math.min(...corners.map(({ x }) => x)), right: Math.max(...corners.map(({ x }) => x)),
                top: Math.min(...corners.map(({ y }) => y)), bottom: Math.max(...corners.map(({ y }) => y)) });
        }
        fillText.call(this, text, x, y);
    };

    const history = new History();
    const view = new View(history, () => {});
    const count = 1 + Math.floor(6 * random());
    const around = random() < 0.5 ? [2 * random() - 1, 2 * random() - 1, 0.2] : [0, 0, 1]; // in a heap, or anywhere
    for (let i = 0; i < 60; i += 1) {
        const faces = Array.from({ length: count }, (_, id) => {
            const place = (middle) => Math.max(-1, Math.min(1, middle + around[2] * (2 * random() - 1)));
            const [valence, arousal] = [place(around[0]), place(around[1])];
            return { id, subject: names[id], state: "ok", valence, arousal, sd: [0.1, 0.1], raw: [valence, arousal] };
        });
        const truth = seed % 2 ? [2 * random() - 1, 2 * random() - 1] : undefined;
        history.addAffect({ stream: "s", t_capture: 100 + i / 2, faces, truth });
    }
    const marks = Math.floor(12 * random());
    const label = () => among(["m", "trial 7", "valence above 0.50 for 2 s: anna", "x".repeat(300)]);
    for (let i = 0; i < marks; i += 1) history.addMark({ t: 100 + 30 * random(), label: label(), stream: null });
    const viewport = view.viewport();
    const focus = viewport.faces[0];
    const labels = Array.from({ length: 15 }, () => [2 * random() - 1, 2 * random() - 1]);
    const support = { labels, similarity: Array(15).fill(0.5), selected: 3 };
    const surface = new Surface().resize(width, height, 1);
    if (kind === "plane") drawCircumplex(surface, viewport, readTheme(), focus, support);
    else new Strips(surface, new Surface().resize(width, 0, 1)).draw(viewport, readTheme(), focus);
    CanvasRenderingContext2D.prototype.fillText = fillText;

    const slack = 1; // pixels of antialiasing
    const apart = (one, other) => one.right <= other.left + slack || one.bottom <= other.top + slack;
    const faults = [];
    words.forEach((one, i) => {
        const cut = Math.max(-one.left, one.right - width, -one.top, one.bottom - height) > slack;
        if (cut) faults.push(`${one.text} is cut off`);
        for (const other of words.slice(0, i)) {
            if (!apart(one, other) && !apart(other, one)) faults.push(`${one.text} lies over ${other.text}`);
        }
    });
    return { faults, words: words.length };
}"""


@pytest.fixture
def page(speaker: Callable[..., Speaker], open_page: OpenPage) -> Page:
    return open_page(speaker().url)


@pytest.mark.parametrize("size", [(300, 300), (540, 420), (900, 700)], ids=str)
def test_no_word_of_the_circumplex_lies_over_another_or_the_edge(page: Page, size: tuple[int, int]) -> None:
    for seed in range(1, 121):
        drawn = page.evaluate(DRAW, [seed * 7919, *size, "plane"])
        assert drawn["faults"] == [], seed
        assert drawn["words"] >= 4  # the ends of the axes


@pytest.mark.parametrize("size", [(300, 110), (800, 160)], ids=str)
def test_no_label_of_a_mark_lies_over_another_or_the_edge(page: Page, size: tuple[int, int]) -> None:
    for seed in range(1, 121):
        drawn = page.evaluate(DRAW, [seed * 7919, *size, "strips"])
        assert drawn["faults"] == [], seed
