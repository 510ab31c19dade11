"""Where `run` offers the calibration page, and how a page saves."""

from pathlib import Path

import numpy as np
import pytest

from mtclar.cli.calibrating import writing_to
from mtclar.cli.run import _offers_calibration
from mtclar.engine.crop import FRAMING
from mtclar.engine.errors import CalibrationError, UsageError
from mtclar.engine.handover import Encoded
from mtclar.engine.support import SupportSet, is_encrypted
from mtclar.stream.sources import open_source


def support(subject: str = "anna", frames: int = 2) -> SupportSet:
    encoded = Encoded(
        np.ones((frames, 4), np.float32), np.zeros((frames, 2), np.float32), np.zeros((frames, 8), np.float32)
    )
    return SupportSet.from_encoded(
        encoded,
        np.zeros((frames, 2), np.float32),
        subject=subject,
        model_name="encoder",
        model_sha256="ab" * 32,
        framing=FRAMING,
    )


@pytest.mark.parametrize(
    ("wish", "host", "source", "supports", "offered"),
    [
        (None, "127.0.0.1", "browser", 0, True),
        (None, "localhost", "synthetic", 1, True),
        (None, "0.0.0.0", "browser", 0, False),  # the picture of the camera stays here unless somebody asks
        (True, "0.0.0.0", "browser", 0, True),
        (False, "127.0.0.1", "browser", 0, False),
        (None, "127.0.0.1", "demo", 0, False),  # a file has an end
        (True, "127.0.0.1", "demo", 0, True),
        (None, "127.0.0.1", "browser", 2, False),
    ],
)
def test_run_offers_the_page_where_only_this_machine_can_reach_it(
    wish: bool | None, host: str, source: str, supports: int, offered: bool
) -> None:
    assert _offers_calibration(wish, host, open_source(source), [support()] * supports) is offered


def test_which_of_two_support_sets_would_be_written_is_asked() -> None:
    with pytest.raises(UsageError, match="which one would be written"):
        _offers_calibration(True, "127.0.0.1", open_source("browser"), [support("anna"), support("ben")])


def test_what_was_there_is_kept_and_an_encrypted_one_is_not_replaced_by_an_open_one(tmp_path: Path) -> None:
    target = tmp_path / "anna.mtclar"
    writing_to(target, None)(support(frames=2))
    writing_to(target, None)(support(frames=3))
    assert len(SupportSet.load(target)) == 3
    assert len(SupportSet.load(tmp_path / "anna.previous.mtclar")) == 2
    writing_to(target, "correct horse battery")(support(frames=4))
    assert is_encrypted(target)
    with pytest.raises(CalibrationError, match="is encrypted"):
        writing_to(target, None)(support(frames=5))
    assert is_encrypted(target)
