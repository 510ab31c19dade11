"""Fixtures of the engine's tests: tiny graphs with known answers, and a real face from a package."""

from collections.abc import Iterator

import numpy as np
import pytest

from mtclar.engine import models
from mtclar.engine.encode import Encoder
from mtclar.engine.session import Session, open_session

from .tiny_graphs import write_encoder, write_pair


@pytest.fixture(scope="session")
def tiny_encoder_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with open_session(write_encoder(tmp_path_factory.mktemp("tiny") / "encoder.onnx")) as session:
        yield session


@pytest.fixture(scope="session")
def tiny_encoder(tiny_encoder_session: Session) -> Encoder:
    return Encoder(tiny_encoder_session)


@pytest.fixture(scope="session")
def tiny_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with open_session(write_pair(tmp_path_factory.mktemp("tiny") / "pair.onnx")) as session:
        yield session


@pytest.fixture(scope="session")
def tiny_card() -> models.Card:
    return models.Card("tiny", sha256="a" * 64, licence="", source="", inputs={}, outputs={})


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """Eileen Collins smiling, [512, 512, 3] BGR (NASA, public domain; ships with scikit-image)."""
    from skimage import data

    return np.ascontiguousarray(data.astronaut()[:, :, ::-1])
