"""Draws the indices of the pictures of each batch and of the pairs that are compared.

FER+ has one picture per person, so its pairs show strangers; half of them have the same expression, as published.
Rendered people, and real people with several pictures, give pairs of one person, as in a support set.
"""

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def epoch_batches(
    count: int, batch: int, random: Generator, odds: NDArray[np.float64] | None = None
) -> Iterator[Indices]:
    """Yields the whole batches of one epoch over `count` pictures; one batch when there are fewer pictures.

    Each picture occurs at most once per epoch, in random order. With `odds` [count] pictures are drawn with these
    probabilities, and each occurs at most once per batch.
    """
    order = random.permutation(count)
    for start in range(0, max(count - batch, 0) + 1, batch):
        if odds is None or count <= batch:
            yield order[start : start + batch]
        else:
            yield random.choice(count, batch, replace=False, p=odds)


def stranger_pairs(label: Indices, pairs: int, random: Generator) -> tuple[Indices, Indices]:
    """label [n] -> two index arrays [pairs]: half of the pairs share the label if the batch has such pairs.

    The first picture of a pair is drawn by class, not by picture, so that all classes are compared equally often.
    """
    classes = np.unique(label)
    first = np.empty(pairs, np.int64)
    second = np.empty(pairs, np.int64)
    members = {name: np.flatnonzero(label == name) for name in classes}
    non_members = {name: np.flatnonzero(label != name) for name in classes}
    for i, name in enumerate(random.choice(classes, pairs)):
        first[i] = random.choice(members[name])
        similar = i % 2 == 0 or not len(non_members[name])
        pool = members[name][members[name] != first[i]] if similar else non_members[name]
        second[i] = random.choice(pool if len(pool) else np.arange(len(label)))
    return first, second


def same_person_pairs(person: Indices) -> tuple[Indices, Indices]:
    """person [n] -> every unordered pair of two pictures of one person, as two index arrays."""
    first, second = np.triu_indices(len(person), 1)
    same = person[first] == person[second]
    return first[same].astype(np.int64), second[same].astype(np.int64)


class PeopleSampler:
    """Draws batches of a few people with several pictures each."""

    def __init__(self, person: Indices, people: int, pictures: int) -> None:
        self._members = [np.flatnonzero(person == name) for name in np.unique(person)]
        self._people = min(people, len(self._members))
        self._pictures = pictures

    def __call__(self, random: Generator) -> Indices:
        """Indices [people * pictures] of one batch; pictures of a person with too few are repeated."""
        chosen = random.choice(len(self._members), self._people, replace=False)
        drawn = [
            random.choice(self._members[i], self._pictures, replace=len(self._members[i]) < self._pictures)
            for i in chosen
        ]
        return np.concatenate(drawn)


class RealPeopleSampler:
    """Draws batches of single pictures and of groups that show one person; groups fill at most half of a batch.

    Single pictures are drawn by `odds`. Groups show people with at least two expressions; people with more expressions
    or rarer ones are drawn more often.
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
        """[n] expected share of each picture in the batches, over single pictures and groups; sums to 1."""
        expected = self.singles * self._odds
        for rows, worth in zip(self._members, self._worth, strict=True):
            expected[rows] += self._groups * self._size * worth / len(rows)
        return np.asarray(expected / expected.sum())
