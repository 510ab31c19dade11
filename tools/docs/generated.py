"""Sections of Markdown pages that a tool writes: between `<!-- NAME -->` and `<!-- end of NAME -->`."""

import re
from pathlib import Path


def replace_section(page: Path, name: str, text: str) -> None:
    """Puts `text` between the two marks; ValueError when the page lacks them."""
    marks = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end of {re.escape(name)} -->)", re.DOTALL)
    before = page.read_text()
    if len(marks.findall(before)) != 1:
        raise ValueError(f"{page} has not exactly one section '{name}'")
    page.write_text(marks.sub(lambda found: f"{found[1]}\n{text.strip()}\n\n{found[2]}", before))
