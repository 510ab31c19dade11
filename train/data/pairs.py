"""Which pictures meet in a batch, and which of them are compared: index arithmetic only.

FER+ has one picture a person, so its pairs are of strangers: half of them of the same expression, as published.
Rendered people, and real people with several pictures, give pairs of the same person, which a support set is made of.
"""

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def epoch_batches(
    count: int, batch: int, random: Generator, odds: NDArray[np.float64] | None = None
) -> Iterator[Indices]:
    """As many whole batches as go once over `count` pictures; fewer pictures than a batch: one batch.

    Every picture at most once an epoch, in random order; with `odds` [count] at most once a batch, drawn by them.
    """
    order = random.permutation(count)
    for start in range(0, max(count - batch, 0) + 1, batch):
        if odds is None or count <= batch:
            yield order[start : start + batch]
        else:
            yield random.choice(count, batch, replace=False, p=odds)


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


class RealPeopleSampler:
    """Batches of single pictures and of small groups of one person's, at most half of a batch.

    Singles are drawn by `odds`. Groups are of people who have two expressions and more, those with more of them and
    with rare ones more often.
    """

    def __init__(
        self,
        person: NDArray[np.str_],
        expression: Indices,
        odds: NDArray[np.float64],
        pictures: int,
        group: int = 4,
    ) -> None:
        _, self.person = np.unique(person, return_inverse=True)  # [n] numbers from 0
        self._odds = odds
        members = [np.flatnonzero(self.person == number) for number in range(self.person.max() + 1)]
        classes = np.array([len(np.unique(expression[rows])) for rows in members])
        self._members = [rows for rows, count in zip(members, classes, strict=True) if count > 1]
        rarity = np.array([odds[rows].max() / odds.max() for rows in self._members])
        worth = classes[classes > 1] - 1 + rarity
        self._worth = worth / worth.sum() if len(worth) else worth
        self._groups = min(pictures // (2 * group), len(self._members))
        self._size = group
        self.singles = pictures - self._groups * group

    def __call__(self, random: Generator) -> Indices:
        """Indices [pictures] of one batch: the singles, then the groups."""
        drawn = [random.choice(len(self._odds), self.singles, p=self._odds)]
        if self._groups:
            for number in random.choice(len(self._members), self._groups, replace=False, p=self._worth):
                rows = self._members[number]
                drawn.append(random.choice(rows, self._size, replace=len(rows) < self._size))
        return np.concatenate(drawn)

    def frequency(self) -> NDArray[np.float64]:
        """[n] how often each picture is in a batch, groups taken as if drawn one by one; sums to 1."""
        expected = self.singles * self._odds
        for rows, worth in zip(self._members, self._worth, strict=True):
            expected[rows] += self._groups * self._size * worth / len(rows)
        return np.asarray(expected / expected.sum())
