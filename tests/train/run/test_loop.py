"""The training loop: learning, resuming, settings and checkpoints."""

import copy
import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")

from support.media import ferplus_folder

from mtclar.engine.errors import MtclarError, UsageError
from mtclar.train.data import ferplus
from mtclar.train.data.augmentation import UNCHANGED
from mtclar.train.data.batches import Batches
from mtclar.train.data.real_people import RealPeople
from mtclar.train.data.rendered_people import People
from mtclar.train.losses.batch_losses import batch_losses
from mtclar.train.network import checkpoint, evaluation
from mtclar.train.network.architecture import NetworkConfig, Siamese
from mtclar.train.network.checkpoint import LATEST, WEIGHTS, Checkpoint, RunState
from mtclar.train.run import loop
from mtclar.train.run.config import TrainConfig, TrainData
from mtclar.train.run.presets import PRESETS

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
    return TrainData(
        photos.split("Training"), photos.split("PublicTest"), People(crops, va, person), real_people()
    )


def real_people() -> RealPeople:
    """Ten people with three pictures each, of two expressions."""
    images = np.random.default_rng(9).integers(0, 256, (30, 112, 112), dtype=np.uint8)
    names = np.array([f"p{i // 3}" for i in range(30)])
    return RealPeople(images, np.tile([0, 1, 1], 10), names)


def silent(_: str) -> None:
    """Discards progress lines."""


def weights(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    return checkpoint.network.state_dict()


def assert_same(a: Checkpoint, b: Checkpoint) -> None:
    for name, tensor in weights(a).items():
        assert torch.equal(tensor, weights(b)[name]), name


def test_training_learns_expressions(data: TrainData, tmp_path: Path) -> None:
    photos_only = replace(data, rendered=None, people=None)
    config = replace(CONFIG, epochs=25, camera=UNCHANGED)
    message: list[str] = []
    trained = loop.train(photos_only, config, tmp_path, say=message.append)
    curves = [json.loads(line) for line in (tmp_path / loop.CURVES).read_text().splitlines()]
    assert [curve["epoch"] for curve in curves] == list(range(1, 26))
    assert curves[-1]["expression"] < 0.7 * curves[0]["expression"]
    figures = evaluation.evaluate_photos(trained.network, data.validation)
    assert figures.accuracy > 0.5  # chance: 1/8
    assert figures.proxy_va.ccc[0] > 0.5
    assert len(message) == 26


class Interrupted(Exception):
    """The run was stopped."""


def interrupt_after(epoch: int) -> Callable[[str], None]:
    """Stops a run when it reports an epoch."""

    def interrupt(line: str) -> None:
        if line.startswith(f"epoch {epoch} "):
            raise Interrupted

    return interrupt


def epochs_in(folder: Path) -> list[int]:
    """The epochs in curves.jsonl."""
    return [json.loads(line)["epoch"] for line in (folder / loop.CURVES).read_text().splitlines()]


def test_resumed_run_equals_uninterrupted_run(data: TrainData, tmp_path: Path) -> None:
    whole = loop.train(data, CONFIG, tmp_path / "whole", say=silent)
    with pytest.raises(Interrupted):
        loop.train(data, CONFIG, tmp_path / "parts", say=interrupt_after(2))
    resumed = loop.train(data, CONFIG, tmp_path / "parts", resume=True, say=silent)
    assert_same(resumed, whole)
    assert epochs_in(tmp_path / "parts") == [1, 2, 3]
    assert resumed.stages[0].startswith(
        "144 FER+ Training photos, 30 pictures of 10 real people and 30 pictures of 6 rendered people: 3 epochs"
    )


def test_killed_run_has_no_duplicate_epoch(
    data: TrainData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, state: RunState, settings: dict[str, Any]) -> None:
        if state.epoch == 2:
            raise Interrupted
        checkpoint.save_state(path, state, settings)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "save_state", killed)
        with pytest.raises(Interrupted):
            loop.train(data, CONFIG, tmp_path, say=silent)
    assert epochs_in(tmp_path) == [1, 2]
    loop.train(data, CONFIG, tmp_path, resume=True, say=silent)
    assert epochs_in(tmp_path) == [1, 2, 3]


@pytest.mark.parametrize("damaged", [b'{"epoch": 1, "st', b"[]", b"\xff\xfe", b'{"epoch": 1}'])
def test_damaged_curve_line_is_named_on_resume(data: TrainData, tmp_path: Path, damaged: bytes) -> None:
    once, path = replace(CONFIG, epochs=1), tmp_path / loop.CURVES
    loop.train(data, once, tmp_path, say=silent)
    path.write_bytes(path.read_bytes() + damaged + b"\n")
    with pytest.raises(MtclarError, match=rf"^{path}, line 2 is not an epoch"):
        loop.train(data, CONFIG, tmp_path, resume=True, say=silent)
    assert path.read_bytes().endswith(damaged + b"\n")
    loop.train(data, once, tmp_path, say=silent)
    assert epochs_in(tmp_path) == [1]


def test_resume_requires_the_same_settings(data: TrainData, tmp_path: Path) -> None:
    once = replace(CONFIG, epochs=1)
    loop.train(data, once, tmp_path, say=silent)
    other = replace(once, seed=9, label_smoothing=replace(once.label_smoothing, distil=0.4))
    with pytest.raises(
        UsageError, match=r"(?m)another run: label_smoothing\.distil was 0\.0, is 0\.4; seed was 1, is 9$"
    ):
        loop.train(data, other, tmp_path, resume=True, say=silent)
    with pytest.raises(UsageError, match=r"(?m)another run: data\.rendered was 30, is 0$"):
        loop.train(replace(data, rendered=None), once, tmp_path, resume=True, say=silent)
    with pytest.raises(UsageError, match=r"(?m)network\.fusion was both, is published.*; and \d+ more$"):
        loop.train(data, PRESETS["paper"], tmp_path, resume=True, say=silent)
    assert epochs_in(tmp_path) == [1]
    loop.train(data, replace(once, epochs=2), tmp_path, resume=True, say=silent)  # its length may change
    assert epochs_in(tmp_path) == [1, 2]


def test_missing_settings_of_older_runs_have_defaults(data: TrainData, tmp_path: Path) -> None:
    standard = replace(CONFIG, network=replace(SMALL, pair_hidden=NetworkConfig().pair_hidden), epochs=1)
    loop.train(data, standard, tmp_path, say=silent)
    stored = torch.load(tmp_path / LATEST, weights_only=True)
    for missing in ("data", "label_smoothing", "clip_norm"):
        del stored["config"][missing]
    del stored["config"]["network"]["pair_hidden"]
    torch.save(stored, tmp_path / LATEST)
    with pytest.raises(UsageError, match=r"(?m)another run: clip_norm was 5\.0, is 1\.0$"):
        loop.train(data, replace(standard, clip_norm=1.0), tmp_path, resume=True, say=silent)
    loop.train(data, replace(standard, epochs=2), tmp_path, resume=True, say=silent)
    assert epochs_in(tmp_path) == [1, 2]


def test_seed_determines_the_weights(data: TrainData, tmp_path: Path) -> None:
    once = replace(CONFIG, epochs=1)
    first = loop.train(data, once, tmp_path / "a", say=silent)
    assert_same(first, loop.train(data, once, tmp_path / "b", say=silent))
    other = loop.train(data, replace(once, seed=once.seed + 1), tmp_path / "c", say=silent)
    assert not torch.equal(
        weights(first)["encoder.absolute.weight"], weights(other)["encoder.absolute.weight"]
    )


def test_time_limit_ends_a_run_within_an_epoch(data: TrainData, tmp_path: Path) -> None:
    seconds = iter(range(10_000))  # a clock that gains a second at each look: a step takes one
    config = replace(CONFIG, minutes=5 / 60)
    loop.train(data, config, tmp_path, clock=lambda: float(next(seconds)), say=silent)
    last = json.loads((tmp_path / loop.CURVES).read_text().splitlines()[-1])
    assert last["step"] == 5


def test_second_stage_starts_from_the_first(data: TrainData, tmp_path: Path) -> None:
    once = replace(CONFIG, epochs=1)
    loop.train(replace(data, rendered=None, people=None), once, tmp_path / "photos", say=silent)
    first = checkpoint.load_checkpoint(tmp_path / "photos" / WEIGHTS)
    start = {name: tensor.clone() for name, tensor in weights(first).items()}
    second = loop.train(data, replace(once, learning_rate=0.0), tmp_path / "mixed", initial=first, say=silent)
    assert [("rendered" in stage) for stage in second.stages] == [False, True]
    moved = (weights(second)["encoder.absolute.weight"] - start["encoder.absolute.weight"]).abs().max()
    assert moved < 1e-3  # a learning rate of almost zero leaves it where the first stage ended
    for name, tensor in weights(first).items():  # and the first checkpoint itself is untouched
        assert torch.equal(tensor, start[name])


def test_second_stage_with_larger_pictures(data: TrainData, tmp_path: Path) -> None:
    first = loop.train(data, CONFIG, tmp_path / "plain", say=silent)
    larger = replace(CONFIG, network=replace(SMALL, enlarged_size=64), epochs=1, learning_rate=0.0)
    second = loop.train(data, larger, tmp_path / "larger", initial=first, say=silent)
    assert second.network.config == replace(first.network.config, enlarged_size=64)
    kept = checkpoint.load_checkpoint(tmp_path / "larger" / checkpoint.WEIGHTS)
    assert kept.network.config == second.network.config
    third = loop.train(data, replace(larger, network=SMALL), tmp_path / "third", initial=kept, say=silent)
    assert third.network.config == kept.network.config  # and keeps it by default
    more = replace(larger, network=SMALL, epochs=2)
    resumed = loop.train(data, more, tmp_path / "third", resume=True, say=silent)
    assert resumed.network.config == kept.network.config
    for name, weight in first.network.named_parameters():
        torch.testing.assert_close(second.network.get_parameter(name), weight, atol=1e-4, rtol=1e-3)


def test_a_second_stage_of_another_network_is_refused(data: TrainData, tmp_path: Path) -> None:
    first = loop.train(data, replace(CONFIG, epochs=1), tmp_path / "first", say=silent)
    other = replace(CONFIG, network=replace(SMALL, enlarged_size=64, fusion="both and product"))
    message = r"(?m)start from differs from the network of this run: fusion was both, is both and product$"
    with pytest.raises(UsageError, match=message):
        loop.train(data, other, tmp_path / "second", initial=first, say=silent)
    assert not (tmp_path / "second").exists()


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


def test_invalid_checkpoints_are_refused(data: TrainData, tmp_path: Path) -> None:
    with pytest.raises(MtclarError, match=r"latest\.pt does not exist"):
        loop.train(data, CONFIG, tmp_path / "new", resume=True, say=silent)
    (tmp_path / "text.pt").write_text("no checkpoint")
    with pytest.raises(MtclarError, match="is not a checkpoint, or it is damaged"):
        checkpoint.load_checkpoint(tmp_path / "text.pt")
    torch.save({"version": checkpoint.VERSION + 1}, tmp_path / "old.pt")
    with pytest.raises(MtclarError, match="is not a checkpoint of version"):
        checkpoint.load_checkpoint(tmp_path / "old.pt")
    loop.train(data, replace(CONFIG, epochs=1), tmp_path / "run", say=silent)
    with pytest.raises(MtclarError, match="holds no network of this kind"):
        checkpoint.load_checkpoint(tmp_path / "run" / LATEST)
    wider = replace(CONFIG, network=replace(SMALL, embedding=24))
    with pytest.raises(UsageError, match=r"(?m)another run: network\.embedding was 16, is 24$"):
        loop.train(data, wider, tmp_path / "run", resume=True, say=silent)
    stored = torch.load(tmp_path / "run" / LATEST, weights_only=True)
    del stored["optimiser"]
    torch.save(stored, tmp_path / "run" / LATEST)
    with pytest.raises(MtclarError, match=r"latest\.pt does not fit this run: 'optimiser'"):
        loop.train(data, CONFIG, tmp_path / "run", resume=True, say=silent)
    whole = (tmp_path / "run" / WEIGHTS).read_bytes()
    (tmp_path / "run" / LATEST).write_bytes(whole)
    with pytest.raises(MtclarError, match=r"latest\.pt holds no run"):
        loop.train(data, CONFIG, tmp_path / "run", resume=True, say=silent)
    (tmp_path / "short.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MtclarError, match="damaged"):
        checkpoint.load_checkpoint(tmp_path / "short.pt")


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        (("photos",), "30 pictures of 10 real people and 30 pictures of 6 rendered people: 2 epochs"),
        (("photos", "rendered"), "30 pictures of 10 real people: 2 epochs"),
        (("photos", "people"), "30 pictures of 6 rendered people: 2 epochs"),
        (("people",), "144 FER+ Training photos and 30 pictures of 6 rendered people: 2 epochs"),
    ],
)
def test_a_source_can_be_left_out_and_every_run_makes_as_many_steps(
    data: TrainData, tmp_path: Path, left_out: tuple[str, ...], said: str
) -> None:
    config = replace(CONFIG, epochs=2, epoch_steps=7)
    given = replace(data, **dict.fromkeys(left_out))
    trained = loop.train(given, config, tmp_path, say=silent)
    assert trained.stages[0].startswith(said)
    curves = [json.loads(line) for line in (tmp_path / loop.CURVES).read_text().splitlines()]
    assert [curve["step"] for curve in curves] == [7, 14]
    rows, fresh = Batches(given, config, loop.ALONE, "cpu"), np.random.default_rng(0)
    batch = rows.take(next(rows.photos(fresh)), fresh)
    assert sum(map(len, batch.views)) == pytest.approx(config.batch, abs=8)  # whole people alone


def test_a_run_without_photos_needs_other_pictures_and_the_length_of_an_epoch(
    data: TrainData, tmp_path: Path
) -> None:
    no_photos = replace(data, photos=None)
    with pytest.raises(UsageError, match="without photos needs other pictures and a number of steps"):
        loop.train(no_photos, CONFIG, tmp_path, say=silent)
    nothing = replace(no_photos, rendered=None, people=None)
    with pytest.raises(UsageError, match="without photos needs other pictures"):
        loop.train(nothing, replace(CONFIG, epoch_steps=2), tmp_path, say=silent)


def test_nan_loss_ends_the_run(data: TrainData, tmp_path: Path) -> None:
    broken = replace(data.photos, expression=np.full_like(data.photos.expression, np.nan))
    with pytest.raises(MtclarError, match="the loss became nan"):
        loop.train(replace(data, photos=broken), CONFIG, tmp_path, say=silent)


def test_the_published_settings_reach_the_losses_of_a_batch(data: TrainData) -> None:
    def losses(epoch: int = 0, **changed: bool) -> dict[str, float]:
        torch.manual_seed(3)
        network = Siamese(SMALL)
        state = RunState(network, copy.deepcopy(network), torch.optim.Adam(network.parameters()), ())
        state.epoch = epoch
        config = replace(CONFIG, objective=replace(CONFIG.objective, **changed))
        numbers = np.random.default_rng(1)
        batch = Batches(data, config, loop.ALONE, "cpu").take(np.arange(16), numbers)
        terms = batch_losses(state, batch, config, epoch / config.epochs, numbers)
        return {term.name: getattr(terms, term.name).item() for term in fields(terms)}

    def others(some: dict[str, float]) -> list[str]:
        return [name for name, value in some.items() if value != fixed[name]]

    fixed = losses()
    assert others(losses(epoch=1)) == []
    assert others(losses(epoch=1, delta_schedule=True)) == ["delta"]
    assert others(losses(alike_by_class=True)) == ["similarity", "cosine"]
    weighted = losses(random_weights=True)
    assert others(weighted) == ["delta", "similarity", "cosine"]
    assert sum(weighted[name] / fixed[name] for name in others(weighted)) == pytest.approx(1, abs=1e-5)


def test_learning_rate_rises_and_falls() -> None:
    rates = [loop.learning_rate(progress, CONFIG) for progress in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(CONFIG.learning_rate, rel=0.02)
    assert np.argmax(rates) == pytest.approx(100 * CONFIG.warm_up, abs=1)
    assert rates[-1] == pytest.approx(CONFIG.final_learning_rate)
