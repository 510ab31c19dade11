"""Which face to label next: every strategy against its own words, and the expected error against explicit inverses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import UsageError
from mtclar.engine.estimate import active_learning
from mtclar.engine.estimate.active_learning import STRATEGIES, ExpectedError, propose
from mtclar.engine.estimate.class_centres import class_variance
from mtclar.engine.estimate.comparer import CompareParams, bundled_params
from mtclar.engine.estimate.residual_gp import KernelParams, MixtureComponent, ResidualPrior
from mtclar.engine.face.crop import Framing
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.support_set import SupportSet

PRIOR = ResidualPrior(
    (MixtureComponent(0.02, 0.05, 0.03, 0.02, 1.0),),
    length_power=0.5,
    class_spread=8.0,
    typical_variance=0.05,
    tail=1e9,  # no label is far off
    sd_scale=1.3,
)
KERNEL = KernelParams(tau=0.3, near_tau=0.1, near_share=0.7, typical_length=2.0)
ONE_COMPONENT = CompareParams("0" * 64, KERNEL, PRIOR, PRIOR, 2.0, 0.1, 0.3)


def faces(count: int, seed: int, dim: int = 5) -> Encoded:
    rng = np.random.default_rng(seed)
    embedding = rng.normal(0.2, 1.0, (count, dim)).astype(np.float32)
    absolute = rng.uniform(-0.7, 0.7, (count, 2)).astype(np.float32)
    return Encoded(embedding, absolute)


def support_set(what: Encoded, labels: np.ndarray | None = None) -> SupportSet:
    return SupportSet.from_encoded(
        what,
        np.clip(what.absolute if labels is None else labels, -1, 1),
        subject="anna",
        encoder=EncoderIdentity("tiny", "0" * 64, Framing(8, 1, 0)),
    )


def shared_covariance(what: Encoded, axis: int) -> np.ndarray:
    """Of the residuals of different pictures, word by word as residual_gp says."""
    (g,) = PRIOR.components
    length = np.linalg.norm(what.embedding.astype(float), axis=1)
    direction = what.embedding / length[:, None]
    h, a = noise_scale(what, axis), what.absolute[:, axis].astype(float)
    c = direction @ direction.T - 1
    alike = g.local * np.exp(c / 0.3) + 0.7 * g.noise * np.exp(c / 0.1)
    return g.offset + g.gain * np.outer(a, a) + np.outer(h, h) * alike


def noise_scale(what: Encoded, axis: int) -> np.ndarray:
    length = np.linalg.norm(what.embedding.astype(float), axis=1)
    between_classes = class_variance(what.absolute)[:, axis]
    return (length / KERNEL.typical_length) ** -0.5 * np.sqrt(1 + 8.0 * between_classes)


def own_noise(what: Encoded, axis: int) -> np.ndarray:
    return 0.3 * PRIOR.components[0].noise * noise_scale(what, axis) ** 2


def left_over(what: Encoded, labelled: list[int], axis: int) -> np.ndarray:
    """Variance of a label of every face, given those labelled, by one inverse."""
    cov, own = shared_covariance(what, axis), own_noise(what, axis)
    between = cov[:, labelled]
    inverse = np.linalg.inv(cov[np.ix_(labelled, labelled)] + np.diag(own[labelled]))
    explained = ((between @ inverse) * between).sum(1) if labelled else 0.0
    return PRIOR.sd_scale**2 * (np.diag(cov) + own - explained)


@given(seed=st.integers(0, 10_000), known=st.integers(0, 5), count=st.integers(2, 12))
@settings(max_examples=40)
def test_gains_are_what_an_explicit_posterior_loses(seed: int, known: int, count: int) -> None:
    everybody = faces(known + count, seed)
    support = support_set(everybody[np.arange(known)]) if known else None
    expected = ExpectedError(everybody[np.arange(known, known + count)], support, ONE_COMPONENT)
    pool = np.arange(known, known + count)
    before = [left_over(everybody, list(range(known)), axis) for axis in (0, 1)]
    np.testing.assert_allclose(expected.squared, [left[pool].mean() for left in before], rtol=1e-5)
    gains = expected.gains()
    for i in range(count):
        others = np.delete(pool, i)
        after = [left_over(everybody, [*range(known), known + i], axis) for axis in (0, 1)]
        lost = sum((b[others] - a[others]).sum() for b, a in zip(before, after, strict=True)) / count
        assert gains[i] == pytest.approx(lost, rel=1e-4, abs=1e-9)
    expected.label(1)
    after = [left_over(everybody, [*range(known), known + 1], axis) for axis in (0, 1)]
    np.testing.assert_allclose(
        expected.squared, [left[np.delete(pool, 1)].mean() for left in after], rtol=1e-5
    )


@given(
    seed=st.integers(0, 10_000),
    size=st.integers(1, 30),
    count=st.integers(0, 35),
    known=st.integers(0, 4),
    strategy=st.sampled_from(sorted(STRATEGIES)),
)
@settings(max_examples=80)
def test_proposals_are_allowed_and_distinct(
    seed: int, size: int, count: int, known: int, strategy: str
) -> None:
    allowed = np.random.default_rng(seed).random(size) < 0.7
    support = support_set(faces(known, seed + 1)) if known else None
    proposals = propose(faces(size, seed), support, count, strategy=strategy, allowed=allowed, seed=seed)
    chosen = [proposal.index for proposal in proposals]
    assert len(chosen) == min(count, allowed.sum())
    assert len(set(chosen)) == len(chosen)
    assert allowed[chosen].all()
    assert all(0 <= proposal.gain <= 1 for proposal in proposals)
    assert proposals == propose(
        faces(size, seed), support, count, strategy=strategy, allowed=allowed, seed=seed
    )


@given(seed=st.integers(0, 10_000), known=st.integers(0, 4))
@settings(max_examples=25)
def test_expected_error_ignores_the_order_of_faces(seed: int, known: int) -> None:
    pool, support = faces(20, seed), support_set(faces(known, seed + 1)) if known else None
    order = np.random.default_rng(seed).permutation(20)
    straight = [proposal.index for proposal in propose(pool, support, 5)]
    mixed = [int(order[proposal.index]) for proposal in propose(pool[order], support, 5)]
    assert straight == mixed


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25)
def test_one_by_one_equals_at_once_for_labels_without_news(seed: int) -> None:
    pool = faces(15, seed)
    at_once = [p.index for p in propose(pool, None, 4, params=ONE_COMPONENT)]
    one_by_one: list[int] = []
    for _ in range(4):
        support = support_set(pool[np.array(one_by_one)]) if one_by_one else None
        rest = np.setdiff1d(np.arange(15), one_by_one)
        (next_one,) = propose(pool[rest], support, params=ONE_COMPONENT)
        one_by_one.append(int(rest[next_one.index]))
    assert at_once == one_by_one


def test_a_crowd_is_asked_about_before_one_odd_face() -> None:
    rng = np.random.default_rng(0)
    crowd, odd = np.array([1.0, 0, 0, 0]), np.array([0, 0, 0, 1.0])
    embedding = np.concatenate([crowd + rng.normal(0, 0.02, (30, 4)), odd[None]]).astype(np.float32)
    pool = Encoded(embedding, np.zeros((31, 2), np.float32))
    (by_error,) = propose(pool)
    assert by_error.index < 30
    elsewhere = support_set(pool[0])
    assert propose(pool, elsewhere, strategy="farthest")[0].index == 30


def test_near_copies_of_labelled_faces_gain_little() -> None:
    rng = np.random.default_rng(3)
    middles = np.repeat(np.eye(4), 8, axis=0)  # four kinds of faces, eight pictures of each
    embedding = (middles + rng.normal(0, 0.02, middles.shape)).astype(np.float32)
    pool = Encoded(embedding, np.zeros((32, 2), np.float32))
    proposals = propose(pool, count=5)
    assert sorted(proposal.index // 8 for proposal in proposals[:4]) == [0, 1, 2, 3]
    assert proposals[4].gain < 0.5 * proposals[3].gain


def test_the_last_face_is_worth_nothing_to_others() -> None:
    assert propose(faces(1, 0))[0].gain == 0.0
    assert [proposal.gain for proposal in propose(faces(3, 0), count=3)][-1] == 0.0


def test_contradictions_raise_the_gain_of_a_label() -> None:
    pool, known = faces(20, seed=4), faces(4, seed=5)
    as_said = ExpectedError(pool, support_set(known), bundled_params())
    off = ExpectedError(pool, support_set(known, known.absolute + 0.4), bundled_params())
    assert off.gains().max() > 2 * as_said.gains().max()
    assert sum(off.squared) > sum(as_said.squared)


@given(seed=st.integers(0, 10_000), known=st.integers(0, 3))
@settings(max_examples=25)
def test_farthest_point_by_its_definition(seed: int, known: int) -> None:
    pool = faces(12, seed)
    direction = pool.embedding / np.linalg.norm(pool.embedding, axis=1, keepdims=True)
    support = support_set(faces(known, seed + 1)) if known else None
    chosen = [proposal.index for proposal in propose(pool, support, 5, strategy="farthest")]
    at = [direction[i] for i in chosen]
    if support is None:
        centre = direction.mean(0)
        assert chosen[0] == int((direction @ centre).argmax())
        start, taken = 1, at[:1]
    else:
        labelled = support.embeddings
        start, taken = 0, list(labelled / np.linalg.norm(labelled, axis=1, keepdims=True))
    for step in range(start, 5):
        nearest = (direction @ np.array(taken).T).max(1)
        nearest[chosen[:step]] = np.inf
        assert nearest[chosen[step]] == pytest.approx(nearest.min())
        taken.append(at[step])


def test_evenly_is_every_twentieth_of_a_clip() -> None:
    chosen = [proposal.index for proposal in propose(faces(200, 0), None, 10, strategy="evenly")]
    assert chosen == list(range(10, 200, 20))


def test_a_long_clip_is_summed_over_a_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(active_learning, "MAX_REFERENCES", 10)
    expected = ExpectedError(faces(35, 0), None, ONE_COMPONENT)
    assert expected.gains().shape == (35,)
    middles = ((np.arange(10) + 0.5) * 3.5).astype(int)
    part = ExpectedError(faces(35, 0)[middles], None, ONE_COMPONENT)
    np.testing.assert_allclose(expected.squared, part.squared)


def test_an_unknown_strategy_is_refused_with_the_names() -> None:
    with pytest.raises(UsageError, match="called 'best'") as error:
        propose(faces(3, 0), strategy="best")
    assert "farthest" in str(error.value.hint)
