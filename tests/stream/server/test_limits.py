"""docs/server/security.md lists every limit with the value that it has."""

import re
from dataclasses import fields
from pathlib import Path

from mtclar.stream.server.limits import KIB, MIB, Limits

PAGE = Path(__file__).parents[3] / "docs" / "server" / "security.md"
UNITS = {"KiB": KIB, "MiB": MIB, "s": 1, "": 1}


def test_the_table_of_limits_is_complete_and_true() -> None:
    listed = {
        name: float(number.replace(",", "")) * UNITS[unit]
        for number, unit, name in re.findall(r"\| ([\d,.]+) ?(KiB|MiB|s|) \| `(\w+)` \|", PAGE.read_text())
    }
    assert listed == {field.name: field.default for field in fields(Limits)}
