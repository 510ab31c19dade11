"""The loop: it learns, a resumed run equals one that ran through, and checkpoints that do not fit are refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")

from mtclar.engine.errors import MtclarError  # noqa: E402
from mtclar.train import checkpoint, evaluate, ferplus, loop  # noqa: E402
from mtclar.train.checkpoint import LATEST, WEIGHTS, Checkpoint  # noqa: E402
from mtclar.train.loop import TrainConfig, TrainData  # noqa: E402
from mtclar.train.network import NetworkConfig  # noqa: E402
from mtclar.train.people import People  # noqa: E402

from . import ferplus_folder  # noqa: E402

SMALL = NetworkConfig(stem=8, stages=((8, 1), (16, 1)), embedding=16, dropout=0.2, pair_hidden=(16, 8))
CONFIG = TrainConfig(
    network=SMALL, epochs=3, batch=32, pictures_a_person=4, average=0.9, bfloat16=False, learning_rate=5e-3
)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainData:
    photos = ferplus.load(ferplus_folder.write(tmp_path_factory.mktemp("data") / "ferplus", 240))
    random = np.random.default_rng(8)
    person = np.repeat(np.arange(6), 5)
    crops = random.integers(0, 256, (len(person), 56, 56), dtype=np.uint8)
    va = random.uniform(-1, 1, (len(person), 2)).astype(np.float32)
    return TrainData(photos.split("Training"), photos.split("PublicTest"), People(crops, va, person))


def silent(_: str) -> None:
    """Swallows progress lines."""


def weights(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    return checkpoint.network.state_dict()


def assert_same(a: Checkpoint, b: Checkpoint) -> None:
    for name, tensor in weights(a).items():
        assert torch.equal(tensor, weights(b)[name]), name


def test_it_learns_which_expression_a_face_shows(data: TrainData, tmp_path: Path) -> None:
    photos_only = replace(data, people=None)
    config = replace(CONFIG, epochs=25, augment=replace(CONFIG.augment, rotate_deg=0, blur_share=0))
    said: list[str] = []
    trained = loop.train(photos_only, config, tmp_path, say=said.append)
    curves = [json.loads(line) for line in (tmp_path / loop.CURVES).read_text().splitlines()]
    assert [curve["epoch"] for curve in curves] == list(range(1, 26))
    assert curves[-1]["expression"] < 0.7 * curves[0]["expression"]
    figures = evaluate.evaluate_photos(trained.network, data.validation)
    assert figures.accuracy > 0.5  # chance: 1/8
    assert figures.proxy_va.ccc[0] > 0.5
    assert len(said) == 26


def test_a_resumed_run_equals_one_that_ran_through(data: TrainData, tmp_path: Path) -> None:
    whole = loop.train(data, CONFIG, tmp_path / "whole", say=silent)

    class Interrupted(Exception):
        pass

    def interrupt(line: str) -> None:
        if line.startswith("epoch 2"):
            raise Interrupted

    with pytest.raises(Interrupted):
        loop.train(data, CONFIG, tmp_path / "parts", say=interrupt)
    resumed = loop.train(data, CONFIG, tmp_path / "parts", resume=True, say=silent)
    assert_same(resumed, whole)
    assert len((tmp_path / "parts" / loop.CURVES).read_text().splitlines()) == CONFIG.epochs
    assert resumed.stages[0].startswith(
        "144 FER+ Training photos and 30 pictures of 6 rendered people: 3 epochs"
    )


def test_the_seed_decides(data: TrainData, tmp_path: Path) -> None:
    once = replace(CONFIG, epochs=1)
    first = loop.train(data, once, tmp_path / "a", say=silent)
    assert_same(first, loop.train(data, once, tmp_path / "b", say=silent))
    other = loop.train(data, replace(once, seed=once.seed + 1), tmp_path / "c", say=silent)
    assert not torch.equal(
        weights(first)["encoder.absolute.weight"], weights(other)["encoder.absolute.weight"]
    )


def test_minutes_end_a_run_within_an_epoch(data: TrainData, tmp_path: Path) -> None:
    seconds = iter(range(10_000))  # a clock that gains a second at each look: a step takes one
    config = replace(CONFIG, minutes=5 / 60)
    loop.train(data, config, tmp_path, clock=lambda: float(next(seconds)), say=silent)
    last = json.loads((tmp_path / loop.CURVES).read_text().splitlines()[-1])
    assert last["step"] == 5


def test_a_second_stage_starts_from_the_first_and_remembers_it(data: TrainData, tmp_path: Path) -> None:
    once = replace(CONFIG, epochs=1)
    loop.train(replace(data, people=None), once, tmp_path / "photos", say=silent)
    first = checkpoint.load_checkpoint(tmp_path / "photos" / WEIGHTS)
    start = {name: tensor.clone() for name, tensor in weights(first).items()}
    second = loop.train(data, replace(once, learning_rate=0.0), tmp_path / "mixed", initial=first, say=silent)
    assert [("rendered" in stage) for stage in second.stages] == [False, True]
    moved = (weights(second)["encoder.absolute.weight"] - start["encoder.absolute.weight"]).abs().max()
    assert moved < 1e-3  # a learning rate of almost zero leaves it where the first stage ended
    for name, tensor in weights(first).items():  # and the first checkpoint itself is untouched
        assert torch.equal(tensor, start[name])


def test_a_second_stage_may_look_at_larger_pictures(data: TrainData, tmp_path: Path) -> None:
    first = loop.train(data, CONFIG, tmp_path / "plain", say=silent)
    larger = replace(CONFIG, network=replace(SMALL, enlarged_size=64), epochs=1, learning_rate=0.0)
    second = loop.train(data, larger, tmp_path / "larger", initial=first, say=silent)
    assert second.network.config == replace(first.network.config, enlarged_size=64)
    kept = checkpoint.load_checkpoint(tmp_path / "larger" / checkpoint.WEIGHTS)
    assert kept.network.config == second.network.config
    third = loop.train(data, replace(larger, network=SMALL), tmp_path / "third", initial=kept, say=silent)
    assert third.network.config == kept.network.config  # and goes on so unless told otherwise
    for name, weight in first.network.named_parameters():
        torch.testing.assert_close(second.network.get_parameter(name), weight, atol=1e-4, rtol=1e-3)


def test_checkpoint_round_trip(data: TrainData, tmp_path: Path) -> None:
    trained = loop.train(data, replace(CONFIG, epochs=1), tmp_path, say=silent)
    checkpoint.save_checkpoint(tmp_path / WEIGHTS, replace(trained, figures={"accuracy": 0.5}))
    stored = checkpoint.load_checkpoint(tmp_path / WEIGHTS)
    assert_same(stored, trained)
    assert stored.network.config == SMALL
    assert stored.figures == {"accuracy": 0.5}
    assert not stored.network.training
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [WEIGHTS, LATEST, loop.CURVES, "curves.png"]
    )


def test_checkpoints_that_do_not_fit(data: TrainData, tmp_path: Path) -> None:
    with pytest.raises(MtclarError, match=r"latest\.pt does not exist"):
        loop.train(data, CONFIG, tmp_path / "new", resume=True, say=silent)
    (tmp_path / "text.pt").write_text("no checkpoint")
    with pytest.raises(MtclarError, match="no checkpoint, or a damaged one"):
        checkpoint.load_checkpoint(tmp_path / "text.pt")
    torch.save({"version": checkpoint.VERSION + 1}, tmp_path / "old.pt")
    with pytest.raises(MtclarError, match="no checkpoint of version"):
        checkpoint.load_checkpoint(tmp_path / "old.pt")
    loop.train(data, replace(CONFIG, epochs=1), tmp_path / "run", say=silent)
    with pytest.raises(MtclarError, match="holds no network of this kind"):
        checkpoint.load_checkpoint(tmp_path / "run" / LATEST)
    wider = replace(CONFIG, network=replace(SMALL, embedding=24))
    with pytest.raises(MtclarError, match="does not fit this run"):
        loop.train(data, wider, tmp_path / "run", resume=True, say=silent)
    whole = (tmp_path / "run" / WEIGHTS).read_bytes()
    (tmp_path / "short.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MtclarError, match="damaged"):
        checkpoint.load_checkpoint(tmp_path / "short.pt")


def test_a_loss_that_is_no_number_ends_the_run(data: TrainData, tmp_path: Path) -> None:
    broken = replace(data.photos, va=np.full_like(data.photos.va, np.nan))
    with pytest.raises(MtclarError, match="the loss became nan"):
        loop.train(replace(data, photos=broken), CONFIG, tmp_path, say=silent)


def test_learning_rate_rises_and_falls() -> None:
    rates = [loop.learning_rate(progress, CONFIG) for progress in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(CONFIG.learning_rate, rel=0.02)
    assert np.argmax(rates) == pytest.approx(100 * CONFIG.warm_up, abs=1)
    assert rates[-1] == pytest.approx(CONFIG.final_learning_rate)
