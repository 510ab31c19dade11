"""Every rule against its own words, and whose constants are used."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtclar.engine import models
from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import ModelError, UsageError
from mtclar.engine.estimate.comparer import (
    LABEL_SHARE,
    RULES,
    CompareParams,
    Comparer,
    GpRule,
    Query,
    bundled_params,
    make_query,
    mean_reading,
    merging,
    params_for,
)
from mtclar.engine.estimate.residual_gp import LabelledFaces
from mtclar.engine.face.crop import Framing
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.support_set import SupportSet

EYE = np.eye(24, dtype=np.float32) * 3.0
"""Embeddings of 24 faces, each unlike all others."""


def encoded(count: int, seed: int, dim: int = 4) -> Encoded:
    rng = np.random.default_rng(seed)
    embedding = rng.normal(0.3, 1.0, (count, dim)).astype(np.float32)
    return Encoded(embedding, np.tanh(embedding[:, :2]) * 0.5)


def support_set(what: Encoded, labels: np.ndarray) -> SupportSet:
    return SupportSet.from_encoded(
        what,
        np.clip(labels, -1, 1),
        subject="anna",
        encoder=EncoderIdentity("tiny", "0" * 64, Framing(8, 1, 0)),
    )


def values(estimates) -> np.ndarray:
    return np.array([(e.valence, e.arousal) for e in estimates])


@pytest.fixture
def anna() -> SupportSet:
    what = encoded(7, seed=0)
    return support_set(what, what.absolute + np.random.default_rng(1).normal(0.1, 0.2, (7, 2)))


def test_without_support_it_is_the_absolute_head(tiny_pair) -> None:
    query = encoded(3, seed=5)
    estimates = Comparer(tiny_pair, None)(query)
    np.testing.assert_allclose(values(estimates), query.absolute, rtol=1e-6)
    for estimate in estimates:
        assert estimate.similarity.shape == (0,)
        assert estimate.nearest is None
        assert not estimate.in_support
    sd = [(estimate.valence_sd, estimate.arousal_sd) for estimate in estimates]
    np.testing.assert_allclose(sd, bundled_params().prior_sd(query))


@pytest.mark.parametrize("rule", sorted(RULES))
def test_no_crop_gives_no_estimate(tiny_pair, anna, rule) -> None:
    assert Comparer(tiny_pair, anna, rule)(encoded(0, seed=0)) == []


@pytest.mark.parametrize("rule", sorted(RULES))
def test_crops_do_not_influence_each_other(tiny_pair, anna, rule) -> None:
    query, comparer = encoded(5, seed=5), Comparer(tiny_pair, anna, rule)
    one_by_one = [comparer(query[i])[0] for i in range(5)]
    np.testing.assert_allclose(values(comparer(query)), values(one_by_one), atol=1e-6)


def test_similarity_and_nearest(tiny_pair, anna) -> None:
    itself = anna.encoded
    estimates = Comparer(tiny_pair, anna)(itself)
    assert [estimate.nearest for estimate in estimates] == list(range(7))
    for i, estimate in enumerate(estimates):
        assert estimate.similarity[i] == pytest.approx(1.0, abs=1e-4)
        assert estimate.in_support
    opposite = Encoded(-anna.embeddings.mean(0, keepdims=True), anna.absolute[:1])
    assert not Comparer(tiny_pair, anna)(opposite)[0].in_support


def test_similarity_without_a_pair_graph(tiny_pair, anna) -> None:
    query = encoded(3, seed=5)
    for one, other in zip(Comparer(tiny_pair, anna)(query), Comparer(None, anna)(query), strict=True):
        np.testing.assert_allclose(one.similarity, other.similarity, atol=1e-5)


def test_the_baselines_are_as_documented(tiny_pair, anna) -> None:
    query = encoded(3, seed=5)
    nearest = Comparer(tiny_pair, anna, "nearest")(query)
    np.testing.assert_allclose(values(nearest), anna.labels[[estimate.nearest for estimate in nearest]])
    np.testing.assert_allclose(
        values(Comparer(tiny_pair, anna, "absolute")(query)), query.absolute, rtol=1e-6
    )
    delta = (query.embedding[:, None, :2] - anna.embeddings[None, :, :2]) / 255
    expected = np.clip((anna.labels + delta).mean(1), -1, 1)
    np.testing.assert_allclose(values(Comparer(tiny_pair, anna, "paper")(query)), expected, atol=1e-5)


@settings(max_examples=100, deadline=None)
@given(
    rule=st.sampled_from(sorted(RULES)),
    count=st.integers(1, 6),
    seed=st.integers(0, 999),
    scale=st.floats(0, 100),
)
def test_values_are_affect_whatever_comes_in(rule, count, seed, scale) -> None:
    what = encoded(count, seed)
    anna = support_set(what, np.random.default_rng(seed).uniform(-1, 1, (count, 2)))
    query = encoded(3, seed + 1)
    query = Encoded(query.embedding * np.float32(scale), query.absolute * np.float32(scale), query.expression)
    estimates = Comparer(None, anna, rule)(query)
    assert (np.abs(values(estimates)) <= 1).all()
    for estimate in estimates:
        assert estimate.valence_sd > 0
        assert estimate.arousal_sd > 0
        assert ((estimate.similarity >= 0) & (estimate.similarity <= 1)).all()


def compared(query: Encoded, support: SupportSet, off: float) -> Query:
    """The query, with a pair graph that says `off` more than the difference of absolute values between two faces."""
    plain = make_query(None, query, support)
    same = np.isclose(plain.cosine, 1.0)[..., None]  # a face does not differ from itself
    return replace(plain, delta=plain.delta + np.where(same, 0.0, off))


def test_the_mean_reading_is_as_documented() -> None:
    rng = np.random.default_rng(3)
    faces, labels, delta = encoded(4, seed=0), rng.uniform(-1, 1, (4, 2)), rng.normal(0, 0.2, (3, 4, 2))
    absolute = rng.uniform(-0.5, 0.5, (3, 2))
    share = LABEL_SHARE * 3 / 4
    for b, value in enumerate(
        mean_reading(absolute, LabelledFaces.of(faces.embedding, faces.absolute, labels), delta)
    ):
        readings = [
            faces.absolute[i] + share * (labels[i] - faces.absolute[i]) + delta[b, i] for i in range(4)
        ]
        np.testing.assert_allclose(value, np.mean([absolute[b], *readings], axis=0), rtol=1e-5)


@pytest.mark.parametrize("count", [1, 5, 20])
def test_labelled_faces_read_a_face_unlike_them_even_where_their_labels_say_nothing_new(count) -> None:
    """Each of K as much as the absolute head does."""
    known = Encoded(*(part[:count] for part in (EYE, np.zeros((24, 2), np.float32))))
    query = Encoded(EYE[20:], np.zeros((4, 2), np.float32))
    support = support_set(known, known.absolute)
    value, sd = GpRule(support, bundled_params())(compared(query, support, 0.2))
    np.testing.assert_allclose(value, 0.2 * count / (count + 1), atol=0.05)
    assert (sd > 0).all()


@pytest.mark.parametrize("off", [0.0, 0.3, -0.3])
def test_labelled_faces_get_their_labels_back_whatever_others_read(off) -> None:
    what = encoded(8, seed=0, dim=24)
    labels = what.absolute + np.linspace(-0.2, 0.2, 8)[:, None]
    support = support_set(what, labels)
    value, _ = GpRule(support, bundled_params())(compared(what, support, off))
    before = np.abs(what.absolute - labels).mean()
    assert np.abs(value - labels).mean() < 0.35 * before


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 8), seed=st.integers(0, 999), off=st.floats(-1, 1))
def test_the_order_of_labels_does_not_matter(count, seed, off) -> None:
    what, rng = encoded(count, seed), np.random.default_rng(seed)
    labels, order = rng.uniform(-1, 1, (count, 2)), rng.permutation(count)
    query = encoded(3, seed + 1)
    one, other = support_set(what, labels), support_set(what[order], labels[order])
    (value, sd), (again, sd_again) = (
        GpRule(support, bundled_params())(compared(query, support, off)) for support in (one, other)
    )
    np.testing.assert_allclose(again, value, atol=1e-5)
    np.testing.assert_allclose(sd_again, sd, rtol=1e-4)
    assert np.isfinite(value).all()


def test_one_label_moves_similar_faces_partly() -> None:
    what = encoded(1, seed=0)
    anna = support_set(what, what.absolute + 0.2)
    moved = values(Comparer(None, anna)(what))[0] - what.absolute[0]
    assert ((moved > 0.01) & (moved < 0.2)).all()


def test_an_outlier_is_reproduced_and_hardly_moves_others() -> None:
    what = encoded(1, seed=0)
    anna = support_set(what, what.absolute - [[0.9, 0.0]])
    (itself,) = Comparer(None, anna)(what)
    assert itself.valence - what.absolute[0, 0] < -0.6
    other = Encoded(-what.embedding, what.absolute, what.expression)
    assert abs(Comparer(None, anna)(other)[0].valence - what.absolute[0, 0]) < 0.3


def test_frames_of_one_prompt_count_as_one_label() -> None:
    """The same picture under the same label five times says no more than once; under five labels it does."""
    once = encoded(1, seed=0)
    again = once[np.repeat(np.arange(len(once)), 5)]
    query = encoded(6, seed=3)
    alone = Comparer(None, support_set(once, once.absolute + 0.3))(query)
    repeated = Comparer(None, support_set(again, again.absolute + 0.3))(query)
    np.testing.assert_allclose(values(repeated), values(alone), atol=1e-6)
    assert [e.valence_sd for e in repeated] == pytest.approx([e.valence_sd for e in alone])
    graded = support_set(again, again.absolute + np.linspace(0.28, 0.32, 5)[:, None])
    assert merging(graded, bundled_params().same_cosine).shape == (5, 5)
    assert merging(support_set(again, again.absolute), bundled_params().same_cosine).shape == (1, 5)


def test_faces_that_differ_count_apart_under_one_label() -> None:
    what = encoded(4, seed=0)
    np.testing.assert_array_equal(
        merging(support_set(what, np.zeros((4, 2))), bundled_params().same_cosine), np.eye(4)
    )


def test_the_constants_belong_to_the_bundled_encoder() -> None:
    """When this fails, the encoder was exchanged: run tools/fit/fit_fewshot.py."""
    assert bundled_params().encoder_sha256 == models.card("encoder").sha256


def test_constants_are_read_as_they_were_written(tmp_path) -> None:
    bundled_params().write(tmp_path / "compare.json")
    assert CompareParams.read(tmp_path / "compare.json") == bundled_params()


def test_constants_of_another_folder(tmp_path) -> None:
    assert params_for("1" * 64, tmp_path) is bundled_params(), "there are none"
    own = replace(bundled_params(), encoder_sha256="1" * 64, same_cosine=0.5)
    own.write(tmp_path / "compare.json")
    assert params_for("1" * 64, tmp_path) == own
    assert params_for("2" * 64, tmp_path) is bundled_params(), "the encoder was exchanged since"


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"kernel": 3}'])
def test_broken_constants_name_their_file(tmp_path, text) -> None:
    path = tmp_path / "compare.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ModelError, match=r"compare\.json"):
        CompareParams.read(path)


@pytest.mark.parametrize("offset", [0.4, -0.3])
def test_labels_of_another_meaning_are_learnt(offset) -> None:
    """Labels that lie off the encoder's values everywhere: a few frames say so, for faces of any kind."""
    what = encoded(8, seed=0)
    comparer = Comparer(None, support_set(what, what.absolute + offset))
    query = encoded(50, seed=7)
    error = values(comparer(query)) - np.clip(query.absolute + offset, -1, 1)
    assert np.abs(error).mean() < 0.3 * abs(offset)


def test_unknown_rules_and_other_graphs_are_refused(tiny_pair, tiny_encoder_session, anna) -> None:
    with pytest.raises(UsageError) as raised:
        Comparer(tiny_pair, anna, "median")
    assert "gp" in raised.value.hint
    with pytest.raises(ModelError, match="not a pair graph"):
        Comparer(tiny_encoder_session, anna)
