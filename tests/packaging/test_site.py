"""The documentation as a site: it builds without a warning, and a browser opens it from a folder without a request."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("mkdocs", reason="mkdocs is missing: make setup-all")
pytest.importorskip("material", reason="mkdocs-material is missing: make setup-all")

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
SHOWN = (
    "index.html",
    "tutorial.html",
    "reference/commands.html",
    "reference/python.html",
    "live/dashboard.html",
)
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, by `make site`'s command; strict, so that a broken link or anchor ends it."""
    out = tmp_path_factory.mktemp("site")
    subprocess.run(["make", "build/typing/mtclar"], cwd=ROOT, check=True, capture_output=True)
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    pytest.importorskip("playwright.sync_api", reason="playwright is missing")
    from support.browser.chromium import launched

    with launched() as running:
        yield running


def test_the_reference_has_what_the_code_has(site: Path) -> None:
    from mtclar.cli.main import COMMANDS

    commands = (site / "reference" / "commands.html").read_text()
    assert [name for name in COMMANDS if f">mtclar-stream {name}<" not in commands] == []
    assert "--record-on-request" in commands
    schema = json.loads((ROOT / "stream/protocol/mtclar.v1.schema.json").read_text())["$defs"]
    messages = (site / "reference" / "messages.html").read_text()
    assert [name for name in schema["face"]["properties"] if f"<code>{name}</code>" not in messages] == []
    assert "replace_support" in (site / "reference" / "python.html").read_text()


def test_pages_open_from_a_folder_fit_a_phone_and_ask_no_other_host(site: Path, browser: "Browser") -> None:
    page = browser.new_page(viewport=PHONE)
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    for name in SHOWN:
        page.goto(f"file://{site}/{name}")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"], name
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:", "about:"))] == []
    assert wrong == []
    page.close()


def test_the_search_works_without_a_server(site: Path, browser: "Browser") -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"file://{site}/index.html")
    page.fill("input[name=query]", "circumplex")
    page.wait_for_selector(".md-search-result__item a[href*='dashboard.html']", timeout=60_000)
    page.close()
