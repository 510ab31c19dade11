"""A program in a checkout knows its commit, without running git."""

import re
from pathlib import Path

from mtclar.engine.installation.build_info import CHECKOUT, UNKNOWN, commit

ROOT = Path(__file__).parents[3]


def test_a_checkout_is_known_with_its_commit() -> None:
    assert CHECKOUT.resolve() == ROOT.resolve()
    if (ROOT / ".git").is_dir():
        assert re.fullmatch(r"[0-9a-f]{40} \(checkout\)", commit())
    else:  # of unpacked sources
        assert commit() == UNKNOWN
