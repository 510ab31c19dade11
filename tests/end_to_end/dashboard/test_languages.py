"""A further language is one file more: a table beside the others is found, chosen and remembered."""

import json
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from support.browser.speaker import Speaker
from support.browser.watched_page import OpenPage, connected

from mtclar.stream.server.http import pages

TEXTS = "mtclar.stream.web.shared.texts"
FRENCH = {
    "language.name": "Français",
    "plane.title": "L’affect en ce moment",
    "axis.valence": "Valence",
    "time.pause": "Suspendre",
    "face.count": {"one": "{n} visage", "other": "{n} visages"},
    "state.faces": "{count}, {clear} bien visibles",
}


@pytest.fixture
def french(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts fr.json beside the tables of the package, which another installation would have as a file."""
    found = resources.files
    tables = tmp_path / "texts"
    shutil.copytree(str(found(TEXTS)), tables, ignore=shutil.ignore_patterns("__pycache__"))
    table = json.loads((tables / "en.json").read_text()) | FRENCH
    (tables / "fr.json").write_text(json.dumps(table))

    def files(package: str) -> Any:
        return tables if package == TEXTS else found(package)

    monkeypatch.setattr(pages.resources, "files", files)


@pytest.mark.usefixtures("french")
def test_a_third_language_is_one_file(speaker: Callable[..., Speaker], open_page: OpenPage) -> None:
    server = speaker()
    page = open_page(server.url, locale="fr-FR")
    connected(page)
    server.say(server.face(0.1, 0.1), server.face(-0.5, 0.2, track=1, subject="ben"))
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    expect(page.locator("#plane-title")).to_have_text("L’affect en ce moment")
    expect(page.locator("#state")).to_have_text("2 visages, 2 bien visibles")
    expect(page.locator("#valence")).to_have_text("+0,10")  # with the language's comma
    choice = page.locator("select[data-languages]")
    assert sorted(choice.locator("option").all_inner_texts()) == ["Deutsch", "English", "Français"]

    choice.select_option("de")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator("#pause-text")).to_have_text("Anhalten")
    page.locator("select[data-languages]").select_option("fr")
    expect(page.locator("#pause-text")).to_have_text("Suspendre")
    page.reload()
    expect(page.locator("#pause-text")).to_have_text("Suspendre")
