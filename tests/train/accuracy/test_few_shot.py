"""Few labels: disjoint draws, grouping by person, and correction of a known bias per person."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.estimate import metrics
from mtclar.engine.estimate.comparer import Comparer
from mtclar.train.accuracy import few_shot
from mtclar.train.accuracy.methods import METHODS, Engine

from . import synthetic

ALONE = Engine()  # without a pair graph


@given(st.integers(2, 60), st.integers(1, 20), st.integers(0, 1000), st.integers(0, 50))
def test_draws_are_disjoint_and_nested(count: int, k: int, seed: int, person: int) -> None:
    rows = np.arange(100, 100 + count)
    support, queries = few_shot.draw(rows, k, 10**6, seed, person)
    assert sorted([*support, *queries]) == rows.tolist()
    more, _ = few_shot.draw(rows, k + 1, 10**6, seed, person)
    assert more[:k].tolist() == support.tolist()
    assert few_shot.draw(rows, k, 3, seed, person)[1].tolist() == queries[:3].tolist()


def test_draws_differ_between_seeds_and_people_and_repeat() -> None:
    rows = np.arange(50)
    drawn = [tuple(few_shot.draw(rows, 5, 99, seed, person)[0]) for seed in (0, 1) for person in (0, 1)]
    assert len(set(drawn)) == 4
    assert tuple(few_shot.draw(rows, 5, 99, 0, 0)[0]) == drawn[0]


def test_people_with_too_few_photos_are_counted() -> None:
    by_k = {s.k: s for s in few_shot.score(synthetic.answers([4, 9, 9]), ALONE, [0, 1, 4, 8, 9], seeds=3)}
    assert (by_k[1].subjects, by_k[1].left_out, by_k[1].queries) == (3, 0, 3 * (3 + 8 + 8))
    assert (by_k[4].subjects, by_k[4].left_out, by_k[4].queries) == (2, 1, 3 * (5 + 5))
    assert (by_k[8].subjects, by_k[8].left_out, by_k[8].queries) == (2, 1, 3 * 2)
    assert by_k[0].queries == 22
    assert (by_k[9].subjects, by_k[9].left_out, by_k[9].figures) == (0, 3, {}), "no person has ten"


def test_unknown_people_are_scored_without_labels() -> None:
    answers = synthetic.answers([5, 5], subject=np.array(["a"] * 5 + [""] * 5))
    none, one = few_shot.score(answers, ALONE, [0, 1], seeds=1)
    assert none.queries == 10
    assert (one.subjects, one.queries) == (1, 4)


def test_labels_help_their_own_person_only() -> None:
    answers = synthetic.answers([30] * 6, offset=0.3)
    (five,) = few_shot.score(answers, ALONE, [5], seeds=4)
    rmse = {name: figures[0].rmse for name, figures in five.figures.items()}
    assert rmse["absolute"] == pytest.approx(0.3, abs=0.01)
    assert rmse["mean-residual"] < 0.03
    assert rmse["paper"] == pytest.approx(rmse["mean-residual"], abs=1e-6), "without a pair graph the same"
    assert rmse["mtclar"] < 0.5 * rmse["absolute"]
    assert rmse["nearest"] > 0.2
    strangers = synthetic.answers([30] * 6, offset=0.3, known=False)
    (mixed,) = few_shot.score(strangers, ALONE, [5], seeds=4)
    assert mixed.subjects is None
    assert mixed.figures["mean-residual"][0].rmse > 0.25, "the labels of others say little"


def test_kernel_weights_near_labels_more() -> None:
    answers = synthetic.answers([12])
    answers.encoded.embedding[:] = 0
    answers.encoded.embedding[np.arange(12), np.arange(12) % 2] = 1
    answers.va[:] = np.where(np.arange(12) % 2 == 0, 0.5, -0.5)[:, None]
    support = few_shot.support_of(answers, np.arange(4))
    for name in ("nearest", "kernel-weighted"):
        value = METHODS[name](ALONE, support, answers.encoded[np.arange(4, 12)]).value
        np.testing.assert_allclose(value, answers.va[4:], atol=0.01)


def test_pooled_figures_use_concatenated_predictions() -> None:
    answers = synthetic.answers([7, 12], offset=0.2)
    (shots,) = few_shot.score(answers, ALONE, [2], seeds=3)
    values, sds, truths = [], [], []
    for seed in range(3):
        for person, rows in enumerate(few_shot.subjects_of(answers)):
            support, queries = few_shot.draw(rows, 2, 10**6, seed, person)
            estimates = Comparer(None, few_shot.support_of(answers, support))(answers.encoded[queries])
            values += [estimate.arousal for estimate in estimates]
            sds += [estimate.arousal_sd for estimate in estimates]
            truths += answers.va[queries, 1].tolist()
    arousal = shots.figures["mtclar"][1]
    assert arousal.ccc == pytest.approx(metrics.ccc(values, truths))
    assert arousal.rmse == pytest.approx(metrics.rmse(values, truths))
    inside = np.abs(np.array(values) - truths) <= metrics.Z_90 * np.array(sds)
    assert arousal.coverage == pytest.approx(inside.mean())
    assert arousal.rmse_sd > 0


def test_without_labels_every_face_is_scored_once() -> None:
    answers = synthetic.answers([3, 4])
    steps: list[int] = []

    def progress(stage: str, total: int):
        assert (stage, total) == ("few labels", 10)
        return steps.append

    none, one = few_shot.score(answers, ALONE, [0, 1], seeds=5, progress=progress)
    assert sum(steps) == 10
    assert none.figures["absolute"] == none.figures["mtclar"]
    expected = metrics.ccc(answers.encoded.absolute[:, 0], answers.va[:, 0])
    assert none.figures["absolute"][0].ccc == pytest.approx(expected)
    assert set(none.figures) == {"absolute", "mtclar"}
    assert set(one.figures) == set(METHODS)


def test_no_faces_give_no_figures() -> None:
    scored = few_shot.score(synthetic.answers([]), ALONE, [0, 1], seeds=2)
    assert [(shots.queries, shots.figures) for shots in scored] == [(0, {}), (0, {})]
