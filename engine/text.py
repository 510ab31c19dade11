"""Text from elsewhere (files, clients, servers) made harmless for terminals, logs and spreadsheets."""

import unicodedata

MAX_TEXT = 200  # characters of a name, label or note
FORMULA_STARTS = frozenset("=+-@\N{MINUS SIGN}")


def printable(text: str, most: int | None = MAX_TEXT) -> str:
    """One line of at most `most` characters: what moves a cursor, hides text or ends a line becomes a space."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return text if most is None or len(text) <= most else f"{text[: most - 1]}…"


def cell(text: str) -> str:
    """A text column's value that no spreadsheet evaluates or splits: `'` before what may start a formula.

    Full-width and small forms count as the sign they stand for. Semicolons become commas: they separate cells where a
    comma separates decimals.
    """
    line = printable(text).replace(";", ",")
    start = unicodedata.normalize("NFKC", line.lstrip()[:1])
    return f"'{line}" if start[:1] in FORMULA_STARTS else line


def uncell(text: str) -> str:
    """The text that `cell` made a value of, but for semicolons."""
    return text[1:] if text.startswith("'") and cell(text[1:]) == text else text
