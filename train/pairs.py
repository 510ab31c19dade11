"""Which pictures meet in a batch, and which of them are compared: index arithmetic only.

FER+ has one picture a person, so its pairs are of strangers: half of them of the same expression, as published.
Rendered people give pairs of the same person, which is what a support set is made of.
"""

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def epoch_batches(count: int, batch: int, random: Generator) -> Iterator[Indices]:
    """Every one of `count` pictures at most once in random order, in whole batches; fewer than a batch: one batch."""
    order = random.permutation(count)
    for start in range(0, max(count - batch, 0) + 1, batch):
        yield order[start : start + batch]


def stranger_pairs(label: Indices, pairs: int, random: Generator) -> tuple[Indices, Indices]:
    """label [n] -> two index arrays [pairs]: half of the pairs share the label, where the batch has such pairs.

    The first picture of a pair is drawn by class, not by picture, so that rare expressions are compared as often.
    """
    classes = np.unique(label)
    first = np.empty(pairs, np.int64)
    second = np.empty(pairs, np.int64)
    members = {name: np.flatnonzero(label == name) for name in classes}
    others = {name: np.flatnonzero(label != name) for name in classes}
    for i, name in enumerate(random.choice(classes, pairs)):
        first[i] = random.choice(members[name])
        similar = i % 2 == 0 or not len(others[name])
        pool = members[name][members[name] != first[i]] if similar else others[name]
        second[i] = random.choice(pool if len(pool) else np.arange(len(label)))
    return first, second


def same_person_pairs(person: Indices) -> tuple[Indices, Indices]:
    """person [n] -> every unordered pair of two pictures of one person, as two index arrays."""
    first, second = np.triu_indices(len(person), 1)
    same = person[first] == person[second]
    return first[same].astype(np.int64), second[same].astype(np.int64)


class PeopleSampler:
    """Batches of a few people with several pictures each, drawn from pictures with a person's number."""

    def __init__(self, person: Indices, people: int, pictures: int) -> None:
        self._members = [np.flatnonzero(person == name) for name in np.unique(person)]
        self._people = min(people, len(self._members))
        self._pictures = pictures

    def __call__(self, random: Generator) -> Indices:
        """Indices [people * pictures] of one batch; a person with too few pictures gives some twice."""
        chosen = random.choice(len(self._members), self._people, replace=False)
        drawn = [
            random.choice(self._members[i], self._pictures, replace=len(self._members[i]) < self._pictures)
            for i in chosen
        ]
        return np.concatenate(drawn)
