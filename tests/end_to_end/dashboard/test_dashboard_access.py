"""Accessibility of the dashboard: contrast, names, keyboard order, faces assigned by hand."""

import itertools
from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import expect
from support.browser.speaker import Speaker
from support.browser.watched_page import OpenPage, connected, gets, wait_for

from mtclar.stream.protocol.client_messages import Assign

StartSpeaker = Callable[..., Speaker]

TEXT, GRAPHICS = 4.5, 3.0  # WCAG 2.2: success criteria 1.4.3 and 1.4.11
TEXTS = ("ink", "muted", "good", "warn", "bad")
SLOTS = tuple(f"slot-{i}" for i in range(8))


def luminance(colour: str) -> float:
    """Of #rrggbb, as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mixed(over: str, under: str, share: float) -> str:
    parts = [
        round(share * int(over[i : i + 2], 16) + (1 - share) * int(under[i : i + 2], 16)) for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{part:02x}" for part in parts)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read(
    speaker: StartSpeaker, open_page: OpenPage, scheme: Literal["light", "dark"]
) -> None:
    page = open_page(speaker().url, color_scheme=scheme)
    style = "getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()"
    colour = {
        name: str(page.evaluate(f"name => {style}", name))
        for name in (*TEXTS, *SLOTS, "page", "card", "faint", "focus", "banner-page", "banner-ink", "script")
    }
    strength = float(page.evaluate(f"name => {style}", "tint-strength"))
    tints = [
        str(page.evaluate(f"name => {style}", f"tint-{name}")) for name in ("joy", "anger", "sadness", "calm")
    ]
    for text, ground in itertools.product(TEXTS, ("page", "card")):
        assert contrast(colour[text], colour[ground]) >= TEXT, (text, ground)
    for slot in SLOTS:  # they colour names as well as lines
        assert contrast(colour[slot], colour["card"]) >= TEXT, slot
    assert contrast(colour["banner-ink"], colour["banner-page"]) >= TEXT
    for tint in tints:  # the words on the circumplex
        assert contrast(colour["muted"], mixed(tint, colour["card"], strength)) >= TEXT, tint
    for edge, ground in itertools.product(("faint", "focus", "script"), ("page", "card")):
        assert contrast(colour[edge], colour[ground]) >= GRAPHICS, (edge, ground)
    assert contrast(colour["card"], colour["ink"]) >= TEXT  # the button of a pause


def test_the_keyboard_goes_through_the_page_as_the_eye_does(
    speaker: StartSpeaker, open_page: OpenPage
) -> None:
    server = speaker(streams=("door", "desk"))
    page = open_page(server.url)
    gets(page, "similarity")
    server.say(server.face(0.5, 0.5), stream="door")
    server.say(server.face(0.5, 0.5, subject="ben"), stream="desk")
    expect(page.locator(".face")).to_have_count(2)
    expect(page.locator("#similarity")).to_be_visible()
    way = []
    for _ in range(19):
        page.keyboard.press("Tab")
        node = page.locator(":focus")
        way.append(
            str(node.evaluate("node => node.id || node.name || node.className || node.tagName.toLowerCase()"))
        )
        ring = node.evaluate(
            "node => { const box = node.type === 'radio' ? node.parentElement : node;"
            " const style = getComputedStyle(box); return style.outlineStyle + style.outlineWidth; }"
        )
        assert ring == "solid2px", way[-1]
    assert way == [
        "stream",
        "wall-button",
        "face",
        "select",  # who it is
        "face",
        "select",
        "pause",
        "zoom-out",
        "zoom-in",
        "fit",
        "mark-label",
        "quiet",  # Mark
        "export-csv",
        "export-png",
        "valence-strip",
        "arousal-strip",
        "summary",
        "similarity",
        "summary",  # thresholds
    ]


def test_everything_has_a_name_and_a_role(speaker: StartSpeaker, open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url)
    gets(page, "similarity")
    server.say(server.face(0.5, 0.25))
    expect(page.locator("#similarity")).to_be_visible()
    for role, name in (
        ("button", "Pause"),
        ("button", "Show a longer time"),
        ("button", "Show a shorter time"),
        ("button", "Export the values in view as CSV"),
        ("button", "Export the charts as PNG"),
        ("slider", "Moment in the valence chart"),
        ("slider", "Moment in the arousal chart"),
        ("slider", "Support frame, by its label from unpleasant to pleasant"),
        ("img", "Affect circumplex: valence to the right, arousal upwards"),
        ("toolbar", "Time and export"),
        ("list", "Faces"),
        ("note", None),
        ("banner", None),
        ("main", None),
        ("contentinfo", None),
    ):
        expect(
            page.get_by_role(role, name=name, exact=True) if name else page.get_by_role(role)
        ).to_have_count(1)  # type: ignore[arg-type]
    expect(page.get_by_role("button", name="anna")).to_have_attribute("aria-pressed", "true")
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, input, select, canvas, [tabindex]")]
            .filter((node) => !node.closest("dialog"))
            .filter((node) => !node.textContent.trim() && !node.ariaLabel && !node.labels?.length)
            .map((node) => node.outerHTML)"""
    )
    assert nameless == []


def test_who_is_who_is_put_right_by_hand(speaker: StartSpeaker, open_page: OpenPage) -> None:
    said: list[Assign] = []
    server = speaker(on_assign=lambda assign, _: said.append(assign))
    page = open_page(server.url)
    connected(page)
    server.say(server.face(0.5, 0.5, track=4))
    choice = page.locator("#faces").get_by_label("This is")
    expect(choice).to_have_value("anna")
    choice.select_option("ben")
    choice.select_option("none of these")
    wait_for(page, lambda: len(said) == 2)
    assert [(one.face, one.subject) for one in said] == [(4, "ben"), (4, None)]
    choice.blur()
    server.say(server.face(0.5, 0.5, track=4, subject="ben"))
    expect(choice).to_have_value("ben")
