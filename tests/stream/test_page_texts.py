"""The words of the pages: every key that a page uses is in every table, and no table has one that no page uses."""

import json
import re
from pathlib import Path

import pytest

from mtclar.calibrate.core import frame_check
from mtclar.calibrate.core.evaluation import report
from mtclar.calibrate.core.evaluation.coverage import REGIONS, check_stopping
from mtclar.engine.estimate.drift import ADVICE

ROOT = Path(__file__).parents[2]
TABLES = {
    path.stem: json.loads(path.read_text())
    for path in sorted((ROOT / "stream/web/shared/texts").glob("*.json"))
}
PACKAGES = ("stream", "calibrate", "label", "studio", "cli")
SOURCES = [
    path
    for package in PACKAGES
    for path in (ROOT / package).rglob("web/**/*")
    if path.suffix in (".html", ".js")
]
IN_SCRIPTS = re.compile(
    r"""\b(?:text|words|optionalText)\(\s*(?:[^"'`(),]*\?\s*)?["'`](.*?)["'`]""", re.DOTALL
)
CHOSEN = re.compile(r"""\?\s*"([\w-]+(?:\.[\w-]+)+)"\s*:\s*"([\w-]+(?:\.[\w-]+)+)\"""")
IN_PAGES = re.compile(r'data-(?:text|label|hint|placeholder)="([^"]*)"')
SHOWN = re.compile(
    r"""(?:setText\([^,()\n]*(?:\([^()]*\))?,|\.(?:textContent|title|alt|placeholder) =|"aria-label","""
    r"""|\.append\(|new Option\()\s*["'`]([^"'`]*)"""
)
SENTENCE = re.compile(r"[A-Z][a-z]+ [a-z]+")
PLACES = re.compile(r"\{(\w+)\}")


def used() -> tuple[set[str], set[str]]:
    """The keys that pages name, and patterns of those that scripts put together: `drift.${reason}`."""
    keys = set[str]()
    for path in SOURCES:
        source = path.read_text()
        if path.suffix == ".html":
            keys |= set(IN_PAGES.findall(source))
        else:
            keys |= set(IN_SCRIPTS.findall(source))
            keys |= {key for pair in CHOSEN.findall(source) for key in pair}
    made = {key for key in keys if "${" in key}
    return keys - made, {re.sub(r"\\\$\\\{.*?\\\}", ".+", re.escape(key)) for key in made}


def wordings(entry: object) -> list[str]:
    return [entry] if isinstance(entry, str) else list(entry.values())  # type: ignore[attr-defined]


def test_every_key_is_in_the_table_and_used() -> None:
    keys, patterns = used()
    table = TABLES["en"]
    assert len(keys) > 50
    assert keys - table.keys() == set()
    for pattern in patterns:
        assert any(re.fullmatch(pattern, key) for key in table), pattern
    unused = {
        key
        for key in table.keys() - keys
        if not key.startswith("language.") and not any(re.fullmatch(pattern, key) for pattern in patterns)
    }
    assert unused == set()


@pytest.mark.parametrize("language", sorted(TABLES.keys() - {"en"}))
def test_every_language_says_the_same(language: str) -> None:
    english, table = TABLES["en"], TABLES[language]
    assert list(table) == list(english)
    for key, entry in table.items():
        assert type(entry) is type(english[key]), key
        for wording in wordings(entry):
            assert wording.strip() == wording != "", key
            assert set(PLACES.findall(wording)) == set(PLACES.findall(wordings(english[key])[-1])), key
        if isinstance(entry, dict):
            assert "other" in entry, key


def test_drift_has_the_sentences_of_the_terminal() -> None:
    assert {reason: TABLES["en"][f"drift.{reason}"] for reason in ADVICE} == ADVICE


def test_sentences_of_the_server_are_in_the_table() -> None:
    """What a calibration says, as tests read it in English, and the pages in any language."""
    english = TABLES["en"]
    assert {issue: english[f"advice.{issue}"] for issue in frame_check.ADVICE} == frame_check.ADVICE
    for region in REGIONS:
        assert english[f"region.{region.title}"] == region.title
        assert english[f"prompt.{region.title}"] == region.instruction
    assert english["warning.contradiction"] == report.CONTRADICTING
    assert english["warning.no-better"] == report.NO_BETTER
    grid, one = [(region.valence, region.arousal) for region in REGIONS], [(0.0, 0.0)]
    verdicts = [
        check_stopping(one, None, None, 0),
        check_stopping(one * 6, 0.1, 0.01, 9),
        check_stopping(grid, 0.1, 0.01, 1),
        check_stopping(grid, 0.5, 0.01, 9),
        check_stopping(grid, 0.1, 0.01, 9),
        check_stopping(grid, 0.1, 0.5, 9),
        check_stopping(one * 20, None, None, 0),
    ]
    assert len({verdict.why.key for verdict in verdicts}) == len(verdicts)
    for verdict in verdicts:
        assert english[f"enough.{verdict.why.key}"].format(**verdict.why.values) == verdict.why.text


def test_pages_have_their_words_from_the_table() -> None:
    """What stands between their tags is a name or a sign, and each offers the choice of the language."""
    pages = [path for path in SOURCES if path.suffix == ".html"]
    assert {path.parent.name for path in pages} == {"dashboard", "camera", "page", "rate", "web"}
    for path in pages:
        page = path.read_text()
        assert "data-languages" in page, path
        page = re.sub(r"<!--.*?-->|<noscript>.*?</noscript>|<title.*?</title>", "", page, flags=re.DOTALL)
        words = re.findall(r"[A-Za-z]{3,}", " ".join(re.findall(r">([^<]*)<", page)))
        assert set(words) <= {"mtclar", "stream", "CSV", "PNG"}, path
        assert not re.search(r'\s(?:aria-label|title|placeholder|alt)="[^"]', page), path


def test_scripts_show_words_of_the_table_only() -> None:
    """No text of a node, no aria-label and no sentence anywhere in a script is written there."""
    for path in SOURCES:
        if path.suffix != ".js" or path.parent.name == "client":  # which programs of others use, too
            continue
        script = re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        script = re.sub(r"(?:throw new Error|console\.\w+)\([^\n]*", "", script)  # for programmers
        while script != (script := re.sub(r"\$\{[^{}]*\}|\{[^{}$`]*\}(?=[^`\n]*\}`)", "", script)):
            pass  # from the inside outwards
        shown = re.findall(SHOWN, script)
        sentences = [one for one in re.findall(r"[\"'`]([^\"'`\n]*)[\"'`]", script) if SENTENCE.match(one)]
        assert [one for one in shown if re.search("[A-Za-z]{3,}", one)] == [], path
        assert sentences == [], path
