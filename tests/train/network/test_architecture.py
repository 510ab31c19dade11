"""The Siamese network: shapes, invariance to exposure and contrast, symmetries of the pair head."""

import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")

from mtclar.engine.errors import UsageError
from mtclar.engine.estimate.class_centres import class_centres
from mtclar.train.network.architecture import Enlarge, NetworkConfig, Siamese, standardise


@pytest.fixture(scope="module")
def network() -> Siamese:
    torch.manual_seed(2)
    return Siamese(NetworkConfig()).eval()


def embeddings(count: int) -> torch.Tensor:
    return torch.randn(count, NetworkConfig().embedding, generator=torch.Generator().manual_seed(count))


def test_shapes_and_size(network: Siamese) -> None:
    face = torch.randint(0, 256, (3, 48, 48), dtype=torch.uint8)
    with torch.inference_mode():
        shapes = [tuple(output.shape) for output in network.encoder(face)]
    assert shapes == [(3, 128), (3, 2), (3, 8)]
    assert 1.3e6 < network.parameter_count() < 2.5e6


@pytest.mark.parametrize(("size", "seen_size"), [(48, 64), (48, 96), (5, 7)])
def test_enlarging_is_bilinear(size: int, seen_size: int) -> None:
    face = torch.randn(3, 1, size, size, generator=torch.Generator().manual_seed(size))
    expected = torch.nn.functional.interpolate(face, size=seen_size, mode="bilinear")
    torch.testing.assert_close(Enlarge(size, seen_size)(face), expected)


def test_enlarged_pictures_use_the_same_weights(network: Siamese) -> None:
    larger = Siamese(NetworkConfig(enlarged_size=64)).eval()
    larger.load_state_dict(network.state_dict())
    seen: list[tuple[int, ...]] = []
    larger.encoder.features.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape)))
    face = torch.randint(0, 256, (2, 48, 48), dtype=torch.uint8)
    with torch.inference_mode():
        embedding, _, _ = larger.encoder(face)
        plain, _, _ = network.encoder(face)
    assert seen == [(2, 1, 64, 64)]
    assert embedding.shape == plain.shape
    assert not torch.allclose(embedding, plain, atol=1e-3)


def test_exposure_and_contrast_hardly_matter() -> None:
    face = torch.randint(60, 180, (2, 48, 48), dtype=torch.uint8).float()
    assert torch.allclose(standardise(face), standardise(face + 40), atol=1e-4)
    assert (standardise(face) - standardise(face * 1.4)).abs().max() < 0.25
    assert torch.equal(standardise(torch.full((1, 48, 48), 7)), torch.zeros(1, 1, 48, 48))


def test_delta_is_antisymmetric_and_similarity_symmetric(network: Siamese) -> None:
    a, b = embeddings(5), embeddings(7)
    with torch.inference_mode():
        similarity, delta = network.pair(a, b)
        similarity_back, delta_back = network.pair(b, a)
    assert similarity.shape == (5, 7)
    assert delta.shape == (5, 7, 2)
    assert torch.allclose(delta, -delta_back.transpose(0, 1), atol=1e-6)
    assert torch.allclose(similarity, similarity_back.T, atol=1e-6)
    assert delta.abs().max() > 1e-3  # not trivially zero


def test_delta_of_a_face_to_itself_is_zero(network: Siamese) -> None:
    a = embeddings(6)
    with torch.inference_mode():
        _, delta = network.pair(a, a)
    assert delta.diagonal().abs().max() <= 1e-6


def test_outputs_stay_in_range(network: Siamese) -> None:
    a = 1e4 * embeddings(8)
    with torch.inference_mode():
        similarity, delta = network.pair(a, -a)
    assert delta.abs().max() <= 2
    assert similarity.min() >= 0
    assert similarity.max() <= 1


def test_indivisible_size_is_refused() -> None:
    with pytest.raises(UsageError, match="36 pixels cannot be halved 4 times"):
        NetworkConfig(input_size=36)
    with pytest.raises(UsageError, match="60 pixels cannot be halved 4 times"):
        NetworkConfig(enlarged_size=60)


def test_valence_and_arousal_are_the_mean_of_the_class_centres() -> None:
    torch.manual_seed(5)
    encoder = Siamese(NetworkConfig(temperature=0.5)).encoder.eval()
    face = torch.randint(0, 256, (6, 48, 48), dtype=torch.uint8)
    centres = torch.from_numpy(class_centres())
    with torch.inference_mode():
        encoder.expression.weight.mul_(40)  # an untrained network is sure of nothing
        encoder.log_odds.copy_(torch.linspace(-1, 1, 8))
        embedding, absolute, logits = encoder(face)
        shares = ((logits + encoder.log_odds) / 0.5).softmax(1)
        torch.testing.assert_close(absolute, shares @ centres + encoder.shift(embedding))
        for expression in range(8):  # an unmistakable expression reaches its centre
            encoder.expression.bias.copy_(100.0 * torch.eye(8)[expression])
            embedding, absolute, _ = encoder(face)
            expected = centres[expression].expand(6, 2) + encoder.shift(embedding)
            torch.testing.assert_close(absolute, expected, atol=1e-4, rtol=0)


def test_start_from_removes_prior_and_linear_head() -> None:
    torch.manual_seed(6)
    before = Siamese(NetworkConfig()).eval()
    after = Siamese(NetworkConfig(temperature=0.7, enlarged_size=64)).eval()
    prior = [0.3, 0.3, 0.1, 0.1, 0.1, 0.05, 0.03, 0.02]
    after.start_from(before, prior)
    again = Siamese(after.config).eval()
    again.start_from(after, prior)  # which has lost it already
    face = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        bias = before.encoder.expression.bias - torch.tensor(prior).log()
        torch.testing.assert_close(after.encoder.expression.bias, bias)
        torch.testing.assert_close(again.encoder.expression.bias, bias)
        assert not after.encoder.shift(torch.randn(4, 128)).any()
        torch.testing.assert_close(
            after.encoder.features(face.unsqueeze(1) / 255), before.encoder.features(face.unsqueeze(1) / 255)
        )
