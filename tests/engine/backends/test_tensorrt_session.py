"""The TensorRT session's logic on a strict fake driver: results, residency, replay, order of freeing, engines."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.networks.fake_cuda import CUresult, FakeDriver
from support.networks.fake_tensorrt import FakeTensorRt
from support.networks.random_inputs import embeddings, faces

from mtclar.engine import models
from mtclar.engine.backends.session import open_session
from mtclar.engine.backends.tensorrt.cache import EngineCache
from mtclar.engine.backends.tensorrt.device_cuda_bindings import CudaBindingsDevice
from mtclar.engine.backends.tensorrt.distribution import TrtDistribution
from mtclar.engine.backends.tensorrt.network import MAX_SLOTS
from mtclar.engine.backends.tensorrt_session import TensorRtSession
from mtclar.engine.data_types import Encoded, Faces, Frame
from mtclar.engine.errors import BackendError
from mtclar.engine.estimate.comparer import Comparer
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker


class NoFaces:
    """A face tracker that finds nothing."""

    framing = models.card("encoder").identity.framing

    def __call__(self, _: Frame) -> Faces:
        return Faces(())

    def reset(self) -> None:
        pass


Open = Callable[..., TensorRtSession]


@pytest.mark.parametrize("count", [1, 2, 3, 8, 64, 65, 130])
def test_the_encoder_answers_as_onnxruntime_does(opened: Open, count: int) -> None:
    crops = faces(count)
    with open_session(models.path("encoder"), "onnxruntime") as reference:
        expected = reference.run({"face": crops})
    session = opened(models.path("encoder"), variant="fp32")
    for _ in range(4):  # queued, queued, recorded and replayed, replayed
        outputs = session.run({"face": crops})
        assert set(outputs) == set(expected)
        for name, array in expected.items():
            np.testing.assert_allclose(outputs[name], array, atol=1e-5)


def test_fp16_is_the_default_and_close_to_fp32(opened: Open) -> None:
    crops = faces(16)
    with open_session(models.path("encoder"), "onnxruntime") as reference:
        expected = reference.run({"face": crops})
    session = opened(models.path("encoder"))
    assert "(fp16) on NVIDIA Imaginary 3090" in session.backend
    outputs = session.run({"face": crops})
    assert 0 < np.abs(outputs["absolute"] - expected["absolute"]).max() <= 0.01


def test_landmarks_stay_exact_whatever_was_asked(opened: Open) -> None:
    assert "(fp32)" in opened(models.path("face_mesh"), variant="fp16").backend


def test_a_run_is_replayed_from_the_third_on(opened: Open, driver: FakeDriver) -> None:
    session = opened(models.path("encoder"))
    for seed in range(5):
        session.run({"face": faces(1, seed)})
    assert driver.recorded("cuGraphLaunch") == 3
    assert driver.recorded("cuStreamBeginCapture") == 1
    before = len(driver.calls)
    session.run({"face": faces(1)})
    assert driver.calls[before:] == ["cuCtxSetCurrent", "cuGraphLaunch", "cuStreamSynchronize"]


def test_replays_do_not_mix_up_frames(opened: Open) -> None:
    with open_session(models.path("encoder"), "onnxruntime") as reference:
        session = opened(models.path("encoder"), variant="fp32")
        answers = []
        for seed in range(6):
            answers.append(session.run({"face": faces(1, seed)})["embedding"])  # kept: not a view of a buffer
        for seed, answer in enumerate(answers):
            expected = reference.run({"face": faces(1, seed)})["embedding"]
            np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_what_cannot_be_recorded_still_runs(opened: Open, api: FakeTensorRt, driver: FakeDriver) -> None:
    api.capturable = False
    session = opened(models.path("encoder"))
    for _ in range(4):
        session.run({"face": faces(1)})
    assert driver.recorded("cuStreamBeginCapture") == 0


def test_a_recording_that_fails_is_not_tried_again(opened: Open, driver: FakeDriver) -> None:
    session = opened(models.path("encoder"))
    driver.fail["cuGraphInstantiate"] = [CUresult.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED]
    answers = [session.run({"face": faces(1)})["absolute"] for _ in range(5)]
    assert driver.recorded("cuStreamBeginCapture") == 1
    assert all((answer == answers[0]).all() for answer in answers)


@pytest.mark.parametrize("support", [1, 5, 16, 300])
def test_bound_support_is_uploaded_and_projected_once(opened: Open, driver: FakeDriver, support: int) -> None:
    queries, frames = embeddings(3), embeddings(support, seed=1)
    with open_session(models.path("pair"), "onnxruntime") as reference:
        expected = reference.run({"embedding": queries, "support": frames})
    session = opened(models.path("pair"), variant="fp32")
    bound = session.bind({"support": frames})
    assert set(bound.inputs) == {"embedding"}
    uploads = driver.recorded("cuMemcpyHtoDAsync")
    for _ in range(5):
        outputs = bound.run({"embedding": queries})
        for name, array in expected.items():
            np.testing.assert_allclose(outputs[name], array, atol=1e-5)
    # Two queued runs and the recording each upload the query; the support set never again.
    assert driver.recorded("cuMemcpyHtoDAsync") - uploads == 3
    bound.close()
    bound.close()


def test_two_bound_support_sets_are_independent(opened: Open) -> None:
    query = embeddings(1)
    session = opened(models.path("pair"), variant="fp32")
    one, other = (session.bind({"support": embeddings(4, seed)}) for seed in (1, 2))
    first = one.run({"embedding": query})["delta"]
    assert (first != other.run({"embedding": query})["delta"]).any()
    np.testing.assert_array_equal(first, one.run({"embedding": query})["delta"])


def test_support_need_not_be_bound(opened: Open) -> None:
    feeds = {"embedding": embeddings(2), "support": embeddings(7, seed=1)}
    with open_session(models.path("pair"), "onnxruntime") as reference:
        expected = reference.run(feeds)
    outputs = opened(models.path("pair"), variant="fp32").run(feeds)
    np.testing.assert_allclose(outputs["delta"], expected["delta"], atol=1e-5)


@pytest.fixture
def support() -> SupportSet:
    encoded = Encoded(embeddings(6), np.zeros((6, 2), np.float32))
    labels = np.linspace(-1, 1, 12).reshape(6, 2)
    return SupportSet.from_encoded(encoded, labels, subject="anna", encoder=models.card("encoder").identity)


def test_a_closed_comparer_frees_its_support_set(
    opened: Open, driver: FakeDriver, support: SupportSet
) -> None:
    pair = opened(models.path("pair"))
    before = driver.live
    for other in (support, support.without(0), support):
        with Comparer(pair, other) as comparer:
            comparer(support.encoded)
            assert driver.live["memory"] > before["memory"]
    assert driver.live == before


def test_recalibrations_leak_no_device_memory(opened: Open, driver: FakeDriver, support: SupportSet) -> None:
    """Replacing a support set while the session stays open frees what the old one took on the card."""
    pair, nobody = opened(models.path("pair")), Faces(())
    frame = Frame(np.zeros((4, 4, 3), np.uint8), 0, 0.0, "file", 0.0, "s")
    before = driver.live
    with open_session(models.path("encoder"), "onnxruntime") as session:
        with Tracker(NoFaces(), Encoder(session), pair, [support], model=models.card("encoder")) as tracker:
            one_support = driver.live
            assert one_support["memory"] > before["memory"]
            for _ in range(3):
                tracker.replace_support(support.without(0))
                tracker.estimate(frame, nobody)
                assert driver.live == one_support
            tracker.replace_support(replace(support, subject="ben"))
            tracker.estimate(frame, nobody)
            assert driver.live["memory"] == 2 * one_support["memory"] - before["memory"]
        assert driver.live == before


def test_execution_slots_are_bounded(opened: Open, driver: FakeDriver) -> None:
    """Fed, not bound: each size has buffers of its own, and the least recently used ones are freed."""
    pair = opened(models.path("pair"))
    with open_session(models.path("pair"), "onnxruntime") as reference:
        for support in (*range(1, 30), 1, 29):
            feeds = {"embedding": embeddings(1), "support": embeddings(support)}
            found, expected = pair.run(feeds)["delta"], reference.run(feeds)["delta"]
            np.testing.assert_allclose(found, expected, atol=0.01)
    assert driver.live["streams"] == MAX_SLOTS


def test_a_failing_free_does_not_stop_the_others(
    driver: FakeDriver, api: FakeTensorRt, tmp_path: Path
) -> None:
    session = TensorRtSession(
        models.path("encoder"),
        distribution=TrtDistribution("tensorrt", api),
        device=CudaBindingsDevice(driver),
        cache=EngineCache(tmp_path),
    )
    for batch in (1, 1, 1, 2, 4):
        session.run({"face": faces(batch)})
    driver.fail["cuGraphExecDestroy"] = [CUresult.CUDA_ERROR_NO_DEVICE]
    with pytest.raises(BackendError, match="cuGraphExecDestroy failed"):
        session.close()
    assert driver.live == {"memory": 0, "pinned": 0, "streams": 0, "graphs": 1, "contexts": 1}
    session.close()


def test_a_session_knows_whether_it_is_replayed(opened: Open, api: FakeTensorRt) -> None:
    pair = opened(models.path("pair"))
    bound = pair.bind({"support": embeddings(3)})
    seen = []
    for _ in range(4):
        bound.run({"embedding": embeddings(1)})
        seen.append(bound.replayed)
    assert seen == [False, False, True, True]
    api.capturable = False
    encoder = opened(models.path("encoder"))
    for _ in range(4):
        encoder.run({"face": faces(1)})
    assert not encoder.replayed


def test_runs_in_another_thread(opened: Open) -> None:
    session = opened(models.path("encoder"))
    answers: list[np.ndarray] = []
    thread = threading.Thread(target=lambda: answers.append(session.run({"face": faces(1)})["absolute"]))
    thread.start()
    thread.join(60)
    np.testing.assert_array_equal(answers[0], session.run({"face": faces(1)})["absolute"])


def test_a_kept_engine_is_not_compiled_again(opened: Open, api: FakeTensorRt) -> None:
    opened(models.path("encoder"))
    opened(models.path("encoder"))
    assert api.builds == 1


def test_a_refused_engine_is_compiled_again(opened: Open, api: FakeTensorRt) -> None:
    """The file is whole and its key is right, but a changed driver refuses it."""
    opened(models.path("encoder"))
    api.takes_plans_of = "10.99, patched"

    def patched() -> None:
        api.takes_plans_of = api.__version__

    api.on_build = patched
    said: list[str] = []
    session = opened(models.path("encoder"), progress=said.append)
    assert api.builds == 2
    assert any("does not fit this machine: the plan is of another version" in text for text in said)
    session.run({"face": faces(1)})


def test_compiling_is_announced(opened: Open) -> None:
    said: list[str] = []
    opened(models.path("encoder"), progress=said.append)
    assert said == ["Compiling encoder fp16 for NVIDIA Imaginary 3090: this is done once and takes a while."]


def test_the_whole_tracker_runs_on_it(
    driver: FakeDriver, api: FakeTensorRt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the names that the command line uses, with the demo's clip, against ONNX Runtime."""
    from contextlib import closing
    from itertools import islice

    from mtclar.engine.backends import tensorrt_session
    from mtclar.stream.sources import open_source

    monkeypatch.setattr(tensorrt_session, "open_distribution", lambda name: TrtDistribution(name, api))
    monkeypatch.setattr(tensorrt_session, "open_device", lambda: CudaBindingsDevice(driver))
    monkeypatch.setattr(tensorrt_session, "default_folder", lambda: tmp_path)
    with closing(open_source("demo")) as source:
        frames = list(islice(source.frames(), 6))
    values = {}
    for backend in ("tensorrt", "onnxruntime"):
        with Tracker.open(backend=backend) as tracker:
            values[backend] = [face.valence for frame in frames for face in tracker(frame)]
    assert len(values["tensorrt"]) == len(frames)
    np.testing.assert_allclose(values["tensorrt"], values["onnxruntime"], atol=0.01)
    assert not any(driver.live.values())
