"""Label smoothing: mixed pictures and targets are consistent; the share of the teacher follows its schedule."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")

from mtclar.train.losses.label_smoothing import LabelSmoothingConfig, SoftTargets, distilled, mixed
from mtclar.train.network.architecture import NetworkConfig, Siamese

CONFIG = LabelSmoothingConfig(mixup_share=0.5, distil=0.4)
NO_PRIOR = torch.zeros(8)


def targets(count: int) -> SoftTargets:
    shares = torch.rand(count, 8, generator=torch.Generator().manual_seed(1))
    shares = shares / shares.sum(1, keepdim=True)
    return SoftTargets(shares, shares @ torch.linspace(-1, 1, 16).view(8, 2))


def test_targets_are_mixed_like_pictures() -> None:
    count = 64
    views = torch.arange(count, dtype=torch.float32).view(-1, 1, 1).expand(-1, 4, 4)
    shares = torch.arange(count, dtype=torch.float32).view(-1, 1).expand(-1, 8)
    view, target = mixed(views, SoftTargets(shares, shares[:, :2]), CONFIG, np.random.default_rng(3))
    torch.testing.assert_close(view[:, 0, 0], target.shares[:, 0])
    torch.testing.assert_close(view[:, 0, 0], target.va[:, 1])
    changed = (view[:, 0, 0] - views[:, 0, 0]).abs() > 1e-6
    assert 0.2 < changed.float().mean() < 0.7  # the share that is mixed, less draws of almost nothing


def test_mixup_weight_is_at_most_half() -> None:
    views = torch.zeros(200, 2, 2)
    views[0] = 1.0
    truth = targets(200)
    for seed in range(20):
        view, target = mixed(views, truth, LabelSmoothingConfig(mixup_share=1.0), np.random.default_rng(seed))
        assert view[0, 0, 0] >= 0.5
        assert view[1:].max() <= 0.5
        torch.testing.assert_close(target.shares.sum(1), torch.ones(200))


def test_disabled_mixup_changes_nothing() -> None:
    views, truth = torch.rand(10, 3, 3), targets(10)
    view, target = mixed(views, truth, LabelSmoothingConfig(), np.random.default_rng(0))
    assert torch.equal(view, views)
    assert torch.equal(target.shares, truth.shares)


def test_share_of_the_teacher_grows() -> None:
    network, images, truth = tiny_network(), torch.randint(0, 256, (5, 48, 48)).float(), targets(5)
    images = (images + images.flip(2)) / 2  # the same when mirrored
    with torch.no_grad():
        _, absolute, logits = network.encoder(images)
    early = distilled(truth, images, network, NO_PRIOR, CONFIG.distil_from, CONFIG, np.random.default_rng(4))
    assert torch.equal(early.va, truth.va)
    late = distilled(truth, images, network, NO_PRIOR, 1.0, CONFIG, np.random.default_rng(4))
    torch.testing.assert_close(late.va, truth.va.lerp(absolute, CONFIG.distil))
    torch.testing.assert_close(late.shares, truth.shares.lerp(logits.softmax(1), CONFIG.distil))
    torch.testing.assert_close(late.shares.sum(1), torch.ones(5))


def test_prior_is_added_to_the_teacher() -> None:
    network, images, truth = tiny_network(), torch.randint(0, 256, (5, 48, 48)).float(), targets(5)
    images = (images + images.flip(2)) / 2
    prior = torch.linspace(0, -3, 8)
    with torch.no_grad():
        _, _, logits = network.encoder(images)
    message = distilled(truth, images, network, prior, 1.0, CONFIG, np.random.default_rng(4))
    torch.testing.assert_close(message.shares, truth.shares.lerp((logits + prior).softmax(1), CONFIG.distil))


def test_teacher_uses_both_views() -> None:
    network, images, truth = tiny_network(), torch.randint(0, 256, (40, 48, 48)).float(), targets(40)
    with torch.no_grad():
        views = [network.encoder(view)[1] for view in (images, images.flip(2))]
    message = distilled(
        truth, images, network, NO_PRIOR, 1.0, LabelSmoothingConfig(distil=1.0), np.random.default_rng(4)
    ).va
    seen = [torch.isclose(message, view, atol=1e-5).all(1) for view in views]
    assert (seen[0] ^ seen[1]).all()
    assert 10 < seen[1].sum() < 30


def tiny_network() -> Siamese:
    return Siamese(NetworkConfig(stem=8, stages=((8, 1),), embedding=8, pair_hidden=(8, 8))).eval()
