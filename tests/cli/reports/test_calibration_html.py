"""The report as a page: everything in it, nothing asked for, nothing of a name becomes markup."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from support.media.calibration_faces import make_set

from mtclar.calibrate.core.evaluation.report import make_report
from mtclar.cli.reports.calibration_html import html


class Page(HTMLParser):
    """Counts tags and collects text and what could be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.text = ""
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_each_label_has_a_point_an_arrow_and_a_row() -> None:
    support = make_set(6, 3)
    report = make_report(support)
    page = Page(html(support, report))
    assert page.tags["circle"] == 6 + 1
    assert page.tags["line"] == 6
    assert page.tags["img"] == 6
    for point in report.labels:
        assert f"{point.valence:+.2f}" in page.text
    for advice in report.advice:
        assert advice in page.text


def test_it_asks_for_nothing_from_elsewhere() -> None:
    page = Page(html(make_set(3, 1), make_report(make_set(3, 1))))
    assert page.addresses
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert not Page(html(make_set(3, 1, crops=False), make_report(make_set(3, 1)))).addresses


def test_a_name_is_no_markup() -> None:
    support = make_set(3, 1, "<script>alert(1)</script>")
    page = Page(html(support, make_report(support), "<b>old</b>"))
    assert "script" not in page.tags
    assert "alert(1)" in page.text
    assert "<b>old</b>" in page.text


def test_frames_outside_the_gates_are_named() -> None:
    support = make_set(3, 1)
    good = np.tile(np.array([[110, 300, 3, -2]], np.float32), (3, 1))
    fine = replace(support, conditions=good)
    assert "Every frame is within" in html(fine, make_report(fine))
    dark = good.copy()
    dark[1, 0] = 20
    poor = replace(support, conditions=dark)
    assert "Outside: frame 2: brightness" in html(poor, make_report(poor))
    unknown = replace(support, conditions=None)
    assert "Unknown" in html(unknown, make_report(unknown))


@pytest.mark.parametrize("count", [1, 2])
def test_few_labels_say_that_they_are_few(count: int) -> None:
    support = make_set(count, 1)
    assert "mean little" in html(support, make_report(support))
