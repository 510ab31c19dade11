"""Fixtures of the sessions' tests: a face, and a session that sees it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.calibration.session import Running

from mtclar.stream.sources import open_source


@pytest.fixture(scope="module")
def face() -> list[np.ndarray]:
    """A second of the demo's face."""
    return [frame.image for frame, _ in zip(open_source("demo").frames(), range(25), strict=False)]


@pytest.fixture
def session(tmp_path: Path, face: list[np.ndarray]) -> Iterator[Running]:
    with Running(tmp_path, face) as running:
        yield running
