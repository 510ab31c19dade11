"""Each preset trains, exports and has the properties of its configuration."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")

from support.media import ferplus_folder

from mtclar.engine.backends.session import open_session
from mtclar.train.data import ferplus
from mtclar.train.data.rendered_people import People
from mtclar.train.network import export
from mtclar.train.network.architecture import PublishedPairHead, Siamese
from mtclar.train.network.checkpoint import Plateau, load_checkpoint
from mtclar.train.run import loop
from mtclar.train.run.config import TrainConfig, TrainData
from mtclar.train.run.presets import PRESETS


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainData:
    photos = ferplus.load(ferplus_folder.write(tmp_path_factory.mktemp("data") / "ferplus", 120))
    random = np.random.default_rng(8)
    crops = random.integers(0, 256, (30, 56, 56), dtype=np.uint8)
    va = random.uniform(-1, 1, (30, 2)).astype(np.float32)
    people = People(crops, va, np.repeat(np.arange(6), 5))
    return TrainData(photos.split("Training"), photos.split("PublicTest"), people)


def small(preset: TrainConfig) -> TrainConfig:
    """Trains one epoch of a preset with a small network of the same kind."""
    network = replace(preset.network, stem=8, stages=((8, 1), (16, 1)), embedding=32, pair_hidden=(64, 32))
    if network.absolute_hidden:
        network = replace(network, absolute_hidden=(32, 16))
    return replace(preset, network=network, epochs=1, batch=32)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_train_and_export(data: TrainData, tmp_path: Path, name: str) -> None:
    config = small(PRESETS[name])
    torch.manual_seed(config.seed)
    untrained = Siamese(config.network)
    trained = loop.train(data, config, tmp_path / "run", say=lambda _: None)
    assert isinstance(trained.network.pair, PublishedPairHead) == (config.network.fusion == "published")
    for part in ("encoder.features", "encoder.absolute", "encoder.expression", "pair"):
        before, after = (
            torch.cat([p.flatten() for p in network.get_submodule(part).parameters()])
            for network in (untrained, trained.network)
        )
        assert torch.isfinite(after).all()
        assert not torch.equal(before, after), part
    stored = load_checkpoint(tmp_path / "run" / "mtclar.pt")
    assert stored.network.config == config.network
    _, graph = export.export(stored, tmp_path / "graphs")
    random = np.random.default_rng(0)
    query = random.normal(size=(3, 32)).astype(np.float32)
    support = random.normal(size=(5, 32)).astype(np.float32)
    with torch.inference_mode():
        similarity, delta = stored.network.pair(torch.from_numpy(query), torch.from_numpy(support))
    with open_session(graph) as session:
        out = session.run({"embedding": query, "support": support})
    np.testing.assert_allclose(out["similarity"], similarity.numpy(), atol=1e-4)
    np.testing.assert_allclose(out["delta"], delta.numpy(), atol=1e-4)


def test_the_second_stage_changes_nothing_in_the_embedding() -> None:
    paper = replace(PRESETS["paper"].network, stem=8, stages=((8, 1),), embedding=16, absolute_hidden=(8,))
    network = Siamese(paper)
    _, absolute, expression = network.encoder(torch.randint(0, 256, (4, 48, 48), dtype=torch.uint8))
    (absolute.sum() + expression.sum()).backward()
    assert all(p.grad is None for p in network.encoder.features.parameters())
    assert any(p.grad is not None for p in network.encoder.absolute.parameters())


@pytest.mark.parametrize("fusion", ["both and difference", "both and product"])
def test_every_fusion_of_our_head_is_antisymmetric(fusion: str) -> None:
    torch.manual_seed(0)
    head = Siamese(replace(PRESETS["best"].network, fusion=fusion)).pair  # type: ignore[arg-type]
    a, b = torch.randn(4, 128), torch.randn(6, 128)
    _, delta = head(a, b)
    _, back = head(b, a)
    torch.testing.assert_close(delta, -back.transpose(0, 1))


def test_a_plateau_lowers_the_rate_after_its_patience() -> None:
    plateau = Plateau()
    for loss in (1.0, 0.9, *[0.95] * 5):
        plateau.saw(loss)
    assert plateau.factor == 1.0
    plateau.saw(0.95)
    assert plateau.factor == pytest.approx(0.1)
    plateau.saw(0.5)
    assert plateau.best == 0.5
