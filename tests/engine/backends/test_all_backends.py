"""One suite for every backend that runs here: the results of ONNX Runtime on the CPU, the same errors.

On a machine with a card its backends join by themselves (`make gpu-check` runs this there). TensorRT is here in any
case, on the stand-in of a card.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from support.networks.fake_cuda import FakeDriver
from support.networks.fake_tensorrt import FakeTensorRt

from mtclar.engine import models
from mtclar.engine.backends import tensorrt_session
from mtclar.engine.backends.session import InferenceSession, open_session
from mtclar.engine.backends.tensorrt.device_cuda_bindings import CudaBindingsDevice
from mtclar.engine.backends.tensorrt.distribution import TrtDistribution
from mtclar.engine.errors import BackendError, ModelError, MtclarError

REFERENCE = "onnxruntime"
ON_A_STAND_IN = "tensorrt (stand-in)"
REAL = (
    "onnxruntime",
    "onnxruntime:int8",
    "torch:cpu",
    "torch:cuda",
    "onnxruntime:cuda",
    "onnxruntime:tensorrt",
    "tensorrt",
    "tensorrt-rtx",
)
TOLERANCE = {
    "tensorrt": 0.01,
    "tensorrt-rtx": 0.01,
    "onnxruntime:int8": 0.2,  # random pixels are no face; tools/convert/quantize.py measures it on faces
    "onnxruntime:cuda": 2e-3,
    "onnxruntime:tensorrt": 2e-3,
    "torch:cuda": 2e-3,
}


def _runs_here(backend: str) -> bool:
    try:
        open_session(models.path("pair"), backend).close()
    except MtclarError:
        return False
    return True


HERE = [backend for backend in REAL if _runs_here(backend)]
Open = Callable[[str], InferenceSession]


@pytest.fixture(params=[*HERE, ON_A_STAND_IN])
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A backend's name on the command line."""
    if request.param != ON_A_STAND_IN:
        yield request.param
        return
    driver = FakeDriver()
    api = FakeTensorRt(driver)
    monkeypatch.setattr(tensorrt_session, "open_distribution", lambda name: TrtDistribution(name, api))
    monkeypatch.setattr(tensorrt_session, "open_device", lambda: CudaBindingsDevice(driver))
    monkeypatch.setattr(tensorrt_session, "default_folder", lambda: tmp_path)
    yield "tensorrt"
    assert not any(driver.live.values()), "something was left on the card"


def feeds_of(name: str, batch: int = 3, support: int = 9) -> dict[str, np.ndarray]:
    """Something of the right types and shapes for a bundled graph."""
    rng = np.random.default_rng(batch)
    with open_session(models.path(name), REFERENCE) as session:
        shapes = {
            n: tuple((support if n == "support" else batch) if axis is None else axis for axis in shape)
            for n, shape in session.inputs.items()
        }
    return {
        n: rng.integers(0, 256, shape).astype(np.uint8)
        if n == "face"
        else rng.random(shape).astype(np.float32)
        for n, shape in shapes.items()
    }


def test_the_backends_that_need_no_card_run_here() -> None:
    pytest.importorskip("torch", reason="torch is not installed; `make setup-train` brings it")
    assert {"onnxruntime", "onnxruntime:int8", "torch:cpu"} <= set(HERE)


@pytest.mark.parametrize("name", models.NAMES)
def test_it_answers_as_the_reference_does(backend: str, name: str) -> None:
    tolerance = TOLERANCE.get(backend, 1e-3)
    for batch in (1, 5) if name in ("encoder", "pair") else (1,):
        feeds = feeds_of(name, batch)
        with (
            open_session(models.path(name), REFERENCE) as reference,
            open_session(models.path(name), backend) as one,
        ):
            expected, found = reference.run(feeds), one.run(feeds)
            assert dict(one.inputs) == dict(reference.inputs)
            assert dict(one.outputs) == dict(reference.outputs)
        assert list(found) == list(expected)
        for output, array in expected.items():
            assert found[output].dtype == array.dtype
            assert found[output].shape == array.shape
            scale = max(1.0, float(np.abs(array).max()))
            assert np.abs(found[output] - array).max() <= tolerance * scale, output


@pytest.mark.parametrize("support", [1, 16, 200])
def test_bound_equals_fed_support(backend: str, support: int) -> None:
    feeds = feeds_of("pair", 2, support)
    with (
        open_session(models.path("pair"), REFERENCE) as reference,
        open_session(models.path("pair"), backend) as one,
    ):
        expected = reference.run(feeds)
        bound = one.bind({"support": feeds["support"]})
        assert set(bound.inputs) == {"embedding"}
        for _ in range(4):
            found = bound.run({"embedding": feeds["embedding"]})
            for output, array in expected.items():
                assert np.abs(found[output] - array).max() <= TOLERANCE.get(backend, 1e-3)


def test_bound_support_can_be_freed(backend: str) -> None:
    """The session goes on, and holds the next one."""
    feeds = feeds_of("pair", 2, 5)
    with open_session(models.path("pair"), backend) as session:
        for _ in range(2):
            bound = session.bind({"support": feeds["support"]})
            found = bound.run({"embedding": feeds["embedding"]})["delta"]
            bound.close()
            bound.close()
        again = session.run(feeds)["delta"]
    assert np.abs(found - again).max() <= TOLERANCE.get(backend, 1e-3)


def test_answers_are_the_callers_own(backend: str) -> None:
    """A later run does not change what an earlier one gave."""
    with open_session(models.path("encoder"), backend) as session:
        first = session.run(feeds_of("encoder", 1))["embedding"]
        copy = first.copy()
        for batch in (1, 2, 1, 1):
            session.run({"face": 255 - feeds_of("encoder", batch)["face"]})
        np.testing.assert_array_equal(first, copy)


@pytest.mark.parametrize("what", ["shape", "type", "name", "nothing"])
def test_bad_feeds_are_refused(backend: str, what: str) -> None:
    face = feeds_of("encoder", 1)["face"]
    feeds = {
        "shape": {"face": face[:, 1:]},
        "type": {"face": face.astype(np.float32)},
        "name": {"picture": face},
        "nothing": {},
    }[what]
    with open_session(models.path("encoder"), backend) as session, pytest.raises(BackendError) as caught:
        session.run(feeds)
    assert "face tensor(uint8)" in caught.value.hint


def test_a_closed_session_does_not_run(backend: str) -> None:
    session = open_session(models.path("encoder"), backend)
    session.close()
    session.close()
    with pytest.raises(BackendError, match="closed"):
        session.run(feeds_of("encoder", 1))


def test_a_damaged_graph_is_a_model_error(backend: str, tmp_path: Path) -> None:
    whole = models.path("encoder").read_bytes()
    for name, content in (("cut.onnx", whole[: len(whole) // 2]), ("text.onnx", b"hello")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=name):
            open_session(tmp_path / name, backend)
    with pytest.raises(ModelError, match="no such network"):
        open_session(tmp_path / "nothing.onnx", backend)
