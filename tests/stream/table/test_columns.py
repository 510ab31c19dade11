"""The columns: how cells are written, what pandas-like readers need, and the page that lists them."""

import re
from pathlib import Path

import pytest

from mtclar.engine.data_types import BLENDSHAPES
from mtclar.stream.table.columns import COLUMNS, NAMES, Value, chosen_columns, csv_cells, read_types

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "columns.md"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("valence", -0.20000000298, "-0.2000"),
        ("valence", -0.00001, "0.0000"),
        ("valence", None, ""),
        ("x", 12.34, "12.3"),
        ("frame", 7, "7"),
        ("calibrated", True, "1"),
        ("calibrated", False, "0"),
        ("subject", "=1+1", "'=1+1"),
        ("faults", ("turned", "too dark"), "turned; too dark"),
        ("faults", (), ""),
        ("t_unix", 1795976989.09264, "1795976989.0926"),
    ],
)
def test_a_cell_is_written(name: str, value: Value, text: str) -> None:
    assert COLUMNS[NAMES.index(name)].text(value) == text


def test_a_row_has_a_cell_for_every_column() -> None:
    cells = csv_cells({"frame": 3, "state": "ok"})
    assert len(cells) == len(NAMES)
    assert {name: cell for name, cell in zip(NAMES, cells, strict=True) if cell} == {
        "frame": "3",
        "state": "ok",
    }


def test_blendshapes_follow_the_other_columns() -> None:
    names = [column.name for column in chosen_columns(blendshapes=True)]
    assert names == [*NAMES, *BLENDSHAPES[1:]]
    assert len(set(names)) == len(names)


def test_readers_are_told_which_columns_are_text() -> None:
    assert set(read_types()) == {
        "participant",
        "session",
        "stream",
        "subject",
        "state",
        "faults",
        "caveats",
        "drift",
        "mark",
    }


def test_the_page_lists_the_columns_as_they_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", PAGE.read_text(), re.MULTILINE)
    assert [(name, meaning, unit) for name, meaning, unit in rows if name in NAMES] == [
        (column.name, column.meaning, column.unit or "-") for column in COLUMNS
    ]
