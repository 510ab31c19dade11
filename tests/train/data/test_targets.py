"""Targets: the two label views of FER+, drawing odds, and logits without a prior."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")

from mtclar.engine.data_types import EXPRESSIONS
from mtclar.engine.estimate.class_centres import class_centres
from mtclar.train.data.ferplus import Photos
from mtclar.train.data.labelled import UNKNOWN
from mtclar.train.data.targets import TargetConfig, one_hot, people_targets, photo_targets

CONFIG = TargetConfig(vote_power=2.0, collected_share=0.5, balance=0.5, adjust_logits=True)
NEUTRAL, HAPPY, ANGER = (EXPRESSIONS.index(name) for name in ("neutral", "happiness", "anger"))


def photos(votes: list[list[float]], collected: list[int]) -> Photos:
    shares = np.array(votes, np.float32) / np.sum(votes, axis=1, keepdims=True, dtype=np.float32)
    count = len(shares)
    return Photos(
        images=np.zeros((count, 48, 48), np.uint8),
        expression=shares.astype(np.float32),
        va=shares @ class_centres(),
        label=shares.argmax(1),
        majority=np.ones(count, bool),
        collected=np.array(collected),
    )


def votes_of(**counts: int) -> list[float]:
    return [float(counts.get(name, 0)) for name in EXPRESSIONS]


SOME = photos(
    [votes_of(neutral=6, anger=3), votes_of(neutral=9), votes_of(neutral=9), votes_of(happiness=9)],
    [ANGER, NEUTRAL, UNKNOWN, HAPPY],
)


def test_default_targets_are_the_votes() -> None:
    plain = photo_targets(SOME, TargetConfig())
    (view,) = plain.views
    np.testing.assert_allclose(plain.shares, SOME.expression, atol=1e-6)
    np.testing.assert_allclose(plain.va, SOME.va, atol=1e-6)
    np.testing.assert_allclose(plain.odds, 0.25)
    assert not view.log_prior.any()


def test_votes_are_sharpened_and_mixed_with_own_labels() -> None:
    targets = photo_targets(SOME, CONFIG)
    votes, collected = targets.views
    np.testing.assert_allclose(votes.shares[0, [NEUTRAL, ANGER]], [0.8, 0.2], atol=1e-6)
    assert collected.weight.tolist() == [0.5, 0.5, 0.0, 0.5]
    assert (votes.weight + collected.weight).tolist() == [1.0] * 4
    contempt = EXPRESSIONS.index("contempt")
    assert collected.shares[0, contempt] == 0  # FER2013 has no such class
    assert collected.shares[0, ANGER] == pytest.approx(0.9 + 0.1 / 7)
    np.testing.assert_allclose(targets.shares[0, ANGER], (0.2 + collected.shares[0, ANGER]) / 2)
    np.testing.assert_allclose(targets.shares.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(targets.va, targets.shares @ class_centres(), atol=1e-6)


def test_rare_classes_are_drawn_more_often() -> None:
    assert photo_targets(SOME, CONFIG).odds.argmax() in (0, 3)
    label = np.array([NEUTRAL] * 90 + [ANGER] * 10)
    odds = people_targets(label, TargetConfig(people_balance=0.5)).odds
    assert odds.sum() == pytest.approx(1)
    assert odds[label == ANGER].sum() == pytest.approx(1 / 4)  # sqrt(10) against sqrt(90)
    np.testing.assert_allclose(people_targets(label, TargetConfig(people_balance=0.0)).odds, 0.01)


def test_prior_is_the_class_frequency_of_the_draws() -> None:
    label = np.array([NEUTRAL] * 90 + [ANGER] * 10)
    targets = people_targets(label, TargetConfig(spread=0.0, people_balance=0.0, adjust_logits=True))
    prior = np.exp(targets.views[0].log_prior)
    assert prior[[NEUTRAL, ANGER]] == pytest.approx([0.9, 0.1])
    assert 0 < prior[HAPPY] < 1e-3  # a class that is never met has a prior all the same
    frequency = np.where(label == ANGER, 0.05, 0.5 / 90)
    drawn = people_targets(label, TargetConfig(spread=0.0, adjust_logits=True), frequency)
    assert np.exp(drawn.views[0].log_prior[ANGER]) == pytest.approx(0.5)


def test_adjusted_logits_match_balanced_training() -> None:
    """Two classes that one noisy feature separates; one is nine times as common."""
    rng = np.random.default_rng(0)
    label = np.repeat([NEUTRAL, ANGER], [1800, 200])
    feature = np.where(rng.random(len(label)) < 0.8, label, ANGER + NEUTRAL - label)  # right in four of five
    learnt = {}
    for adjusted in (False, True):
        config = TargetConfig(spread=0.0, people_balance=0.0, adjust_logits=adjusted)
        view = people_targets(label, config).views[0]
        table = torch.zeros(len(EXPRESSIONS), len(EXPRESSIONS), requires_grad=True)  # logits of each feature
        optimiser = torch.optim.Adam([table], 0.3)
        for _ in range(60):
            optimiser.zero_grad()
            view.loss(table[feature], np.arange(len(label))).mean().backward()
            optimiser.step()
        learnt[adjusted] = table.detach().softmax(1)[ANGER, ANGER].item()  # the feature says anger
    assert learnt[False] == pytest.approx(0.08 / (0.08 + 0.18), abs=0.05)  # the prior of 1:9 wins
    assert learnt[True] == pytest.approx(0.8, abs=0.06)


def test_the_loss_is_the_weighted_cross_entropy() -> None:
    targets = photo_targets(SOME, replace(CONFIG, adjust_logits=False))
    rows = np.array([2, 0])
    logits = torch.randn(2, 8, generator=torch.Generator().manual_seed(1))
    losses = sum(view.loss(logits, rows) for view in targets.views)
    expected = -(torch.from_numpy(targets.shares[rows]) * logits.log_softmax(1)).sum(1)
    torch.testing.assert_close(losses, expected)


def test_one_hot_spreads_over_the_classes_of_its_source() -> None:
    shares = one_hot(np.array([1]), 0.2, 4)
    np.testing.assert_allclose(shares[0], [0.05, 0.85, 0.05, 0.05, 0, 0, 0, 0], atol=1e-6)
