"""Batches and pairs: each picture once, half of the stranger pairs similar, pairs of one person."""

import numpy as np

from mtclar.train.data.pairs import PeopleSampler, epoch_batches, same_person_pairs, stranger_pairs


def test_epoch_has_each_picture_at_most_once() -> None:
    batches = list(epoch_batches(103, 20, np.random.default_rng(0)))
    assert [len(batch) for batch in batches] == [20] * 5
    assert len(np.unique(np.concatenate(batches))) == 100


def test_fewer_pictures_than_a_batch_are_one_batch() -> None:
    assert [sorted(batch) for batch in epoch_batches(3, 20, np.random.default_rng(0))] == [[0, 1, 2]]


def test_half_of_the_stranger_pairs_share_an_expression() -> None:
    label = np.array([0] * 90 + [1] * 8 + [2] * 2)
    first, second = stranger_pairs(label, 600, np.random.default_rng(0))
    assert np.mean(label[first] == label[second]) == 0.5
    assert np.all(first != second)
    assert np.all(np.bincount(label[first]) > 150)


def test_single_expression_gives_similar_pairs() -> None:
    first, second = stranger_pairs(np.zeros(5, np.int64), 20, np.random.default_rng(0))
    assert np.all(first != second)


def test_same_person_pairs() -> None:
    first, second = same_person_pairs(np.array([7, 7, 3, 7, 3]))
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 1), (0, 3), (1, 3), (2, 4)]


def test_sampler_draws_pictures_by_person() -> None:
    person = np.repeat([5, 6, 8], [10, 10, 2])
    drawn = PeopleSampler(person, people=2, pictures=4)(np.random.default_rng(1))
    assert len(drawn) == 8
    assert [len(np.unique(person[drawn[i : i + 4]])) for i in (0, 4)] == [1, 1]
    assert len(PeopleSampler(person, people=9, pictures=4)(np.random.default_rng(1))) == 12
