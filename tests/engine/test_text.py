"""Foreign text: one printable line, and in tables no formula; the dashboard's JavaScript agrees."""

import json
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.text import MAX_TEXT, cell, printable

TEXT_CELL_JS = Path(__file__).parents[2] / "stream" / "web" / "shared" / "text-cell.js"
HOSTILE = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\N{MINUS SIGN}1",
    "＝HYPERLINK(1)",
    "＋1",
    "－1",
    "＠x",
    "﹦1",
    "  =1",
    "\t=1",
    "\r\n=1",
    "\N{NO-BREAK SPACE}=1",
    "\N{ZERO WIDTH SPACE}=1",
    "anna;=1",
    "\x1b]0;title\x07\x1b[31mred",
    "\x9b2J",
    "\N{RIGHT-TO-LEFT OVERRIDE}txt.exe",
    "two\nlines\N{LINE SEPARATOR}three",
    "x" * 500,
    "=" * 500,
    "\ud800",
    "",
    "Ana María 安娜 (pilot)",
    "😀" * 300,
)


def is_harmless(text: str) -> bool:
    parts = text.split(";")  # as a spreadsheet reads it where a comma separates decimals
    starts = [unicodedata.normalize("NFKC", part.lstrip()[:1])[:1] for part in parts]
    return (
        text.isprintable()
        and len(text) <= MAX_TEXT + 1
        and not any(start in tuple("=+-@") for start in starts)
    )


@given(
    st.text(st.characters())
    | st.sampled_from(HOSTILE)
    | st.builds("".join, st.lists(st.sampled_from(HOSTILE)))
)
def test_any_text_is_harmless_in_a_table(text: str) -> None:
    assert is_harmless(cell(text))
    assert printable(cell(text), None) == cell(text)


def test_ordinary_text_is_unchanged() -> None:
    for text in ("Ana María 安娜 (pilot)", "a-b", "1 = 1", "x" * MAX_TEXT, ""):
        assert printable(text) == cell(text) == text
    assert printable("x" * 201) == "x" * 199 + "…"
    assert printable("x" * 500, None) == "x" * 500


def test_the_dashboard_makes_the_same_cells() -> None:
    if (node := shutil.which("node")) is None:
        pytest.skip("there is no node: `.ci/system` installs it")
    program = (
        f"import {{ textCell }} from {json.dumps(TEXT_CELL_JS.as_uri())};"
        "let all = ''; for await (const part of process.stdin) all += part;"
        "console.log(JSON.stringify(JSON.parse(all).map(textCell)));"
    )
    done = subprocess.run(
        [node, "--input-type=module", "-e", program],
        input=json.dumps(HOSTILE),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [cell(text) for text in HOSTILE]
