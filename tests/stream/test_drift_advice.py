"""The dashboard and the terminal give the same advice on drift."""

import re
from importlib.resources import files

from mtclar.engine.estimate.drift import ADVICE


def test_the_dashboard_has_the_advice_of_the_terminal() -> None:
    script = (files("mtclar.stream.web.dashboard") / "words.js").read_text("utf-8")
    table = re.search(r"^const DRIFT = \{(.*?)^\};", script, re.MULTILINE | re.DOTALL)
    assert table
    assert dict(re.findall(r'^  (\w+): "(.*)",$', table[1], re.MULTILINE)) == ADVICE
