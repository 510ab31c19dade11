"""Export: torch and ONNX agree, cards fit their graphs, and the shipped graphs are those of the shipped checkpoint."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")
pytest.importorskip("onnx", reason="the [train] extra is not installed")

from mtclar.engine import models
from mtclar.engine.backends.session import InferenceSession, open_session
from mtclar.engine.errors import MtclarError
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.face.crop import FRAMING
from mtclar.train.network import checkpoint as checkpoints
from mtclar.train.network import evaluation, export
from mtclar.train.network.architecture import NetworkConfig, Siamese
from mtclar.train.network.checkpoint import Checkpoint

SHIPPED = Path(__file__).parents[3] / "train" / "checkpoints" / checkpoints.WEIGHTS
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def untrained() -> Checkpoint:
    torch.manual_seed(4)
    network = Siamese(NetworkConfig())
    network.train()
    with torch.no_grad():  # running statistics other than 0 and 1, so that folding batch norm matters
        for _ in range(3):
            network.encoder(torch.randint(0, 256, (32, 48, 48), dtype=torch.uint8))
    return Checkpoint(network.eval(), ("nothing",), {"accuracy": 0.125})


def faces(count: int, seed: int) -> NDArray[np.uint8]:
    """Noise and smooth patches with the brightness and contrast of faces; the last image is uniform grey."""
    random = np.random.default_rng(seed)
    pictures = random.integers(0, 256, (count, 48, 48), dtype=np.uint8)
    ramp = np.linspace(40, 190, 48)[None, :] + np.linspace(-20, 20, 48)[:, None]
    pictures[::2] = np.clip(ramp + random.normal(0, 4, (48, 48)), 0, 255)
    if count > 2:
        pictures[-1] = 128
    return pictures


def assert_parity(
    checkpoint: Checkpoint, encoder: InferenceSession, pair: InferenceSession, batch: int, support: int
) -> None:
    run = Encoder(encoder)
    query, known = run(faces(batch, 1)), run(faces(support, 2))
    reference = evaluation.encode(checkpoint.network, faces(batch, 1), core=1.0)
    np.testing.assert_allclose(query.embedding, reference.embedding, atol=TOLERANCE)
    np.testing.assert_allclose(query.absolute, reference.absolute.clip(-1, 1), atol=TOLERANCE)
    np.testing.assert_allclose(query.expression, reference.expression, atol=TOLERANCE)
    compared = pair.run({"embedding": query.embedding, "support": known.embedding})
    with torch.inference_mode():
        similarity, delta = checkpoint.network.pair(
            torch.from_numpy(query.embedding), torch.from_numpy(known.embedding)
        )
    np.testing.assert_allclose(compared["similarity"], similarity.numpy(), atol=TOLERANCE)
    np.testing.assert_allclose(compared["delta"], delta.numpy(), atol=TOLERANCE)
    assert compared["similarity"].shape == (batch, support)
    assert compared["delta"].shape == (batch, support, 2)


@pytest.mark.parametrize(("batch", "support"), [(1, 1), (1, 16), (3, 1), (3, 16)])
def test_torch_and_onnx_agree(untrained: Checkpoint, tmp_path: Path, batch: int, support: int) -> None:
    encoder, pair = export.export(untrained, tmp_path)
    with open_session(encoder) as encoder_session, open_session(pair) as pair_session:
        assert_parity(untrained, encoder_session, pair_session, batch, support)


def test_cards_fit_their_graphs(untrained: Checkpoint, tmp_path: Path) -> None:
    for graph in export.export(untrained, tmp_path):
        card = models.Card.read(graph.with_suffix(".json"))
        assert card.name == graph.stem
        assert card.sha256 == models.sha256(graph)
        assert card.embedding_dim == 128
        assert card.data == "nothing"
    encoder, pair = (models.Card.read(tmp_path / f"{name}.json") for name in ("encoder", "pair"))
    assert encoder.figures == {"accuracy": 0.125}
    assert (encoder.encoder_sha256, pair.encoder_sha256) == (None, encoder.sha256)
    assert len(list(tmp_path.iterdir())) == 4


def test_batch_norm_is_folded_into_the_convolutions(untrained: Checkpoint, tmp_path: Path) -> None:
    import onnx

    encoder, _ = export.export(untrained, tmp_path)
    operators = [node.op_type for node in onnx.load(encoder).graph.node]
    assert operators.count("Conv") > 10
    assert operators.count("BatchNormalization") == 1  # that of the embedding follows no convolution


def test_exporting_twice_gives_the_same_bytes(untrained: Checkpoint, tmp_path: Path) -> None:
    first, second = export.export(untrained, tmp_path / "a"), export.export(untrained, tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_network_of_another_input_size_is_refused(tmp_path: Path) -> None:
    checkpoint = Checkpoint(Siamese(NetworkConfig(input_size=64)).eval(), (), {})
    with pytest.raises(MtclarError, match=f"64 pixels, and the engine cuts {FRAMING.size}"):
        export.export(checkpoint, tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.fixture(scope="module")
def shipped() -> Checkpoint:
    return checkpoints.load_checkpoint(SHIPPED)


@pytest.mark.parametrize(("batch", "support"), [(1, 1), (3, 16)])
def test_shipped_graphs_are_those_of_the_shipped_checkpoint(
    shipped: Checkpoint, batch: int, support: int
) -> None:
    onnxruntime = "onnxruntime"  # in fp32: what `auto` takes is an int8 copy
    with (
        open_session(models.path("encoder"), onnxruntime) as encoder,
        open_session(models.path("pair")) as pair,
    ):
        assert_parity(shipped, encoder, pair, batch, support)


def weights(graph: bytes) -> list[NDArray[np.float32]]:
    import onnx

    return [onnx.numpy_helper.to_array(one) for one in onnx.load_from_string(graph).graph.initializer]


@pytest.mark.parametrize(("name", "draw"), [("encoder", export.encoder_graph), ("pair", export.pair_graph)])
def test_shipped_graphs_are_exported_from_the_shipped_checkpoint(
    shipped: Checkpoint, name: str, draw: Callable[[Siamese], bytes]
) -> None:
    """To the last digits: the export folds normalisation into the weights, and processors round that differently."""
    drawn, bundled = weights(draw(shipped.network)), weights(models.path(name).read_bytes())
    assert len(drawn) == len(bundled)
    for ours, theirs in zip(drawn, bundled, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_shipped_graphs_are_small() -> None:
    assert sum(models.path(name).stat().st_size for name in (export.ENCODER, export.PAIR)) <= 12e6


def test_shipped_cards_match_the_checkpoint(shipped: Checkpoint) -> None:
    encoder, pair = models.card("encoder"), models.card("pair")
    assert encoder.figures == shipped.figures
    assert pair.encoder_sha256 == encoder.sha256
    assert encoder.data == pair.data == "; then ".join(shipped.stages)
    assert encoder.framing is not None
    assert encoder.framing["size"] == FRAMING.size
    assert encoder.framing["scale"] == FRAMING.scale
    assert encoder.figures["ferplus_test_accuracy_majority"] > 0.75
    assert encoder.figures["rendered_test_valence_ccc"] > 0.8


def test_shipped_deltas_are_antisymmetric(shipped: Checkpoint) -> None:
    with open_session(models.path("encoder")) as session, open_session(models.path("pair")) as pair:
        embedding = Encoder(session)(faces(6, 3)).embedding
        delta = pair.run({"embedding": embedding, "support": embedding})["delta"]
    np.testing.assert_allclose(delta, -delta.transpose(1, 0, 2), atol=1e-6)
    assert shipped.network.config.embedding == embedding.shape[1]
