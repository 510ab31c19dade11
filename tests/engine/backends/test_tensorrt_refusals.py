"""What a TensorRT session refuses, on a strict fake driver: a sentence each, and nothing left on the card."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.networks.fake_cuda import CUresult, FakeDriver
from support.networks.fake_tensorrt import FakeTensorRt
from support.networks.random_inputs import embeddings, faces

from mtclar.engine import models
from mtclar.engine.backends.tensorrt import distribution
from mtclar.engine.backends.tensorrt.cache import EngineCache
from mtclar.engine.backends.tensorrt.device_cuda_bindings import CudaBindingsDevice
from mtclar.engine.backends.tensorrt.distribution import TrtDistribution
from mtclar.engine.backends.tensorrt_session import TensorRtSession, open_distribution
from mtclar.engine.errors import BackendError, ModelError, UsageError

Open = Callable[..., TensorRtSession]
OUT_OF_MEMORY = CUresult.CUDA_ERROR_OUT_OF_MEMORY


def test_a_run_that_tensorrt_refuses_says_why(opened: Open, api: FakeTensorRt) -> None:
    session = opened(models.path("encoder"))
    api.refuses_to_run = "the kernel needs more shared memory"
    with pytest.raises(BackendError, match="could not run: the kernel needs more shared memory"):
        session.run({"face": faces(1)})


def test_a_broken_tensorrt_is_not_reported_as_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(name: str) -> None:
        missing = name == "tensorrt_rtx"
        raise ModuleNotFoundError(name) if missing else ImportError("libnvinfer.so.10: cannot open")

    monkeypatch.setattr(distribution, "import_module", load)
    with pytest.raises(BackendError, match=r"tensorrt cannot be loaded: libnvinfer\.so\.10"):
        open_distribution("tensorrt")


@pytest.mark.parametrize(
    "feeds",
    [
        {"face": np.zeros((1, 3, 48), np.uint8)},
        {"face": np.zeros((0, 48, 48), np.uint8)},
        {"face": np.zeros((1, 48, 48), np.float32)},
        {"picture": np.zeros((1, 48, 48), np.uint8)},
        {},
    ],
    ids=["shape", "empty", "type", "name", "nothing"],
)
def test_what_does_not_fit_is_refused(opened: Open, feeds: dict) -> None:
    session = opened(models.path("encoder"))
    with pytest.raises(BackendError) as caught:
        session.run(feeds)
    assert "face tensor(uint8)" in caught.value.hint


def test_too_large_a_support_set_is_refused(opened: Open) -> None:
    with pytest.raises(BackendError, match="1024 support frames") as caught:
        opened(models.path("pair")).bind({"support": embeddings(1025)})
    assert "onnxruntime" in caught.value.hint


def test_a_closed_session_does_not_run(opened: Open) -> None:
    session = opened(models.path("pair"))
    bound = session.bind({"support": embeddings(2)})
    session.close()
    session.close()
    for call in (
        lambda: session.run({"embedding": embeddings(1), "support": embeddings(1)}),
        lambda: bound.run({"embedding": embeddings(1)}),
        lambda: session.bind({"support": embeddings(2)}),
    ):
        with pytest.raises(BackendError, match="closed"):
            call()


@pytest.mark.parametrize("call", ["cuMemAlloc", "cuMemHostAlloc", "cuStreamCreate"])
@pytest.mark.parametrize("nth", [0, 1, 2])
def test_out_of_memory_leaks_nothing(opened: Open, driver: FakeDriver, call: str, nth: int) -> None:
    """The fixture sees what is left on the card."""
    pair = opened(models.path("pair"))
    driver.fail[call] = [CUresult.CUDA_SUCCESS] * nth + [OUT_OF_MEMORY]

    def use() -> None:
        for seed in range(4):
            pair.bind({"support": embeddings(3, seed)}).run({"embedding": embeddings(1)})

    with pytest.raises(BackendError, match="OUT_OF_MEMORY") as caught:
        use()
    assert "free memory" in caught.value.hint
    pair.bind({"support": embeddings(3)}).run({"embedding": embeddings(1)})  # and it goes on afterwards


def test_an_unsupported_card_is_refused_with_alternatives(api: FakeTensorRt, tmp_path: Path) -> None:
    driver = FakeDriver(capability=(9, 0))
    api.ComputeCapability = type("Known", (), {"__members__": {"CURRENT": 0, "SM86": 1, "SM120": 2}})
    with pytest.raises(BackendError, match=r"compute capability 9\.0 \(it does: 8\.6, 12\.0\)") as caught:
        TensorRtSession(
            models.path("encoder"),
            distribution=TrtDistribution("tensorrt-rtx", api),
            device=CudaBindingsDevice(driver),
            cache=EngineCache(tmp_path),
        )
    assert "--backend tensorrt," in caught.value.hint


def test_no_card_and_no_driver_are_sentences(driver: FakeDriver) -> None:
    driver.cards = 0
    with pytest.raises(BackendError, match="no CUDA device 0") as caught:
        CudaBindingsDevice(driver)
    assert "onnxruntime" in caught.value.hint


def test_unknown_precision(opened: Open) -> None:
    with pytest.raises(UsageError, match="tensorrt:fp7") as caught:
        opened(models.path("encoder"), variant="fp7")
    assert "fp16" in caught.value.hint


def test_a_missing_or_damaged_graph_is_a_model_error(opened: Open, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such network"):
        opened(tmp_path / "nothing.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ModelError, match=r"text\.onnx"):
        opened(tmp_path / "text.onnx")


def test_an_engine_that_is_never_taken_is_an_error(opened: Open, api: FakeTensorRt) -> None:
    api.takes_plans_of = "another"
    with pytest.raises(BackendError, match="cannot load the engine that it compiled") as caught:
        opened(models.path("encoder"))
    assert "driver" in caught.value.hint
    assert api.builds == 2
