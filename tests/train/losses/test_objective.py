"""The losses: compared with the metrics, on known targets, and minimised by training."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")

from mtclar.engine.estimate.metrics import ccc
from mtclar.train.losses import objective
from mtclar.train.losses.objective import ObjectiveConfig
from mtclar.train.network.architecture import NetworkConfig, PairHead

CONFIG = ObjectiveConfig()


def test_ccc_loss_equals_the_metric() -> None:
    random = torch.Generator().manual_seed(0)
    predicted, truth = torch.rand(40, 2, generator=random), torch.rand(40, 2, generator=random)
    expected = np.mean([1 - ccc(predicted[:, i].numpy(), truth[:, i].numpy()) for i in (0, 1)])
    assert objective.ccc_loss(predicted, truth).item() == pytest.approx(expected, abs=1e-4)


def test_perfect_predictions_have_zero_loss() -> None:
    truth = torch.rand(20, 2, generator=torch.Generator().manual_seed(0)) - 0.5
    assert objective.absolute_loss(truth, truth, CONFIG).item() == pytest.approx(0, abs=1e-4)
    assert objective.delta_loss(truth, truth, CONFIG).item() == pytest.approx(0, abs=1e-4)


def test_delta_loss_is_independent_of_pair_order() -> None:
    random = torch.Generator().manual_seed(1)
    predicted, truth = torch.randn(30, 2, generator=random), torch.randn(30, 2, generator=random)
    sign = torch.where(torch.rand(30, 1, generator=random) < 0.5, -1.0, 1.0)
    flipped = objective.delta_loss(sign * predicted, sign * truth, CONFIG)
    assert flipped.item() == pytest.approx(objective.delta_loss(predicted, truth, CONFIG).item(), abs=1e-5)


def test_similarity_of_strangers_follows_their_votes() -> None:
    shares = torch.tensor([[0.8, 0.2, 0.0], [0.8, 0.2, 0.0], [0.0, 0.0, 1.0], [0.2, 0.8, 0.0]])
    va = torch.tensor([[0.1, 0.0], [0.5, 0.2], [0.0, 0.0], [0.0, 0.0]])
    targets = objective.stranger_targets(shares, va, torch.tensor([0, 0, 0]), torch.tensor([1, 2, 3]), CONFIG)
    assert targets.similarity[0].item() == pytest.approx(1)
    assert targets.similarity[1].item() == 0
    assert 0 < targets.similarity[2].item() < 1
    torch.testing.assert_close(targets.delta[0], torch.tensor([-0.4, -0.2]))


def test_similarity_within_a_person_follows_va() -> None:
    va = torch.tensor([[0.0, 0.0], [0.0, 0.0], [CONFIG.alike_distance, 0.0], [-1.0, 1.0]])
    targets = objective.same_person_targets(
        va, torch.zeros(3, dtype=torch.long), torch.tensor([1, 2, 3]), CONFIG
    )
    assert targets.similarity.tolist() == pytest.approx([1, np.exp(-0.5), 0], abs=1e-3)


def test_published_delta_schedule() -> None:
    random = torch.Generator().manual_seed(2)
    predicted, truth = torch.randn(30, 2, generator=random), torch.randn(30, 2, generator=random)
    config = replace(CONFIG, delta_mse=2.0, delta_ccc=3.0, delta_schedule=True)
    both, both_true = (torch.cat([part, -part]) for part in (predicted, truth))
    mse = (predicted - truth).square().mean().item()
    apart = np.mean([1 - ccc(both[:, i].numpy(), both_true[:, i].numpy()) for i in (0, 1)])
    for progress, share in ((0.0, 0.0), (0.5, 0.25), (1.0, 1.0)):  # share = progress squared
        loss = objective.delta_loss(predicted, truth, config, progress).item()
        assert loss == pytest.approx(2 * share * mse + 3 * (1 - share) * apart, abs=1e-4)
    unscheduled = objective.delta_loss(predicted, truth, replace(config, delta_schedule=False), 0.5).item()
    assert unscheduled == pytest.approx(2 * mse + 3 * apart, abs=1e-4)


def test_published_similarity_of_strangers() -> None:
    shares = torch.tensor([[0.6, 0.4, 0.0], [0.6, 0.0, 0.4], [0.4, 0.6, 0.0]])
    va = torch.tensor([[0.1, 0.0], [0.5, 0.2], [0.0, 0.0]])
    pairs = torch.tensor([0, 0]), torch.tensor([1, 2])
    published = objective.stranger_targets(shares, va, *pairs, replace(CONFIG, alike_by_class=True))
    assert published.similarity.tolist() == [1.0, 0.0]
    ours = objective.stranger_targets(shares, va, *pairs, CONFIG)
    assert (
        ours.similarity[0] < ours.similarity[1] < 1
    )  # the unscaled agreement of votes has the opposite order
    torch.testing.assert_close(published.delta, ours.delta)


def test_published_random_weights() -> None:
    terms = {"expression": 2.0, "absolute": 3.0, "delta": 5.0, "similarity": 7.0, "cosine": 11.0}
    losses = objective.Losses(**{name: torch.tensor(value) for name, value in terms.items()})
    assert losses.total().item() == pytest.approx(28)
    numbers = np.random.default_rng(4)
    drawn = []
    for _ in range(200):
        weighted = objective.randomly_weighted(losses, numbers)
        assert (weighted.expression.item(), weighted.absolute.item()) == (2.0, 3.0)
        drawn.append(
            [getattr(weighted, name).item() / terms[name] for name in ("delta", "similarity", "cosine")]
        )
    np.testing.assert_allclose(np.sum(drawn, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.mean(drawn, axis=0), 1 / 3, atol=0.05)
    assert np.min(drawn) > 0
    assert np.all(np.std(drawn, axis=0) > 0.1)


def test_cosine_loss_pulls_and_pushes() -> None:
    a = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    b = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    alike, apart = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert objective.cosine_loss(a, b, alike, 0.25).item() == 0
    assert objective.cosine_loss(a, b, apart, 0.25).item() == pytest.approx((0.75 + 1) / 2)


def test_pair_losses_can_be_minimised() -> None:
    torch.manual_seed(0)
    head = PairHead(NetworkConfig(embedding=8, pair_hidden=(16, 8)))
    embedding = torch.randn(64, 8)
    va = embedding[:, :2].tanh()  # what a delta has to find
    first, second = torch.randint(0, 64, (2, 200))
    truth = objective.same_person_targets(va, first, second, CONFIG)
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-2)
    history = []
    for _ in range(150):
        logit, delta = head.compare(embedding[first], embedding[second])
        similarity = objective.similarity_loss(logit, truth.similarity)
        loss = objective.delta_loss(delta, truth.delta, CONFIG) + similarity
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(loss.item())
    assert history[-1] < 0.5 * history[0]
    assert ccc(delta[:, 0].detach().numpy(), truth.delta[:, 0].numpy()) > 0.9
