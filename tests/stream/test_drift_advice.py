"""The dashboard and the terminal give the same advice on drift."""

import json
from importlib.resources import files

from mtclar.engine.estimate.drift import ADVICE


def test_the_dashboard_has_the_advice_of_the_terminal() -> None:
    texts = json.loads((files("mtclar.stream.web.shared") / "texts" / "en.json").read_text("utf-8"))
    assert {
        key.removeprefix("drift."): text for key, text in texts.items() if key.startswith("drift.")
    } == ADVICE
