"""Loads and encodes labelled faces of several people, for the tools that measure few-shot use.

FER+ has no person ids: its faces are divided into random groups of strangers. `styled` gives every person a random
labelling style. The tracker processes clips frame by frame.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Encoded
from mtclar.engine.estimate.class_centres import class_centres
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.sources import open_source
from mtclar.train.accuracy import answers
from mtclar.train.data import ferplus, real_people
from mtclar.train.data.labelled import UNKNOWN

Rows = NDArray[np.int64]

GROUP = 40  # faces in a group of strangers
STYLE_OFFSET_SD = 0.3
STYLE_GAIN = (0.5, 1.5)


@dataclass(frozen=True)
class People:
    """Labelled faces of several people, numbered from 0."""

    name: str
    embeddings: NDArray[np.float32]  # [n, D]
    absolute: NDArray[np.float32]  # [n, 2]
    va: NDArray[np.float32]  # [n, 2] in [-1, 1]
    person: Rows  # [n]
    frame: Rows | None = None  # [n] number in the clip

    def __len__(self) -> int:
        return len(self.va)

    def rows_of(self) -> list[Rows]:
        """The rows of each person."""
        return [np.flatnonzero(self.person == number) for number in range(self.person.max() + 1)]

    def styled(self, seed: int) -> "People":
        """Applies a random offset and gain per person to the labels, separately for valence and arousal."""
        rng, count = np.random.default_rng(seed), self.person.max() + 1
        gain = rng.uniform(*STYLE_GAIN, (count, 2))[self.person]
        offset = rng.normal(0, STYLE_OFFSET_SD, (count, 2))[self.person]
        va = np.clip(self.va * gain + offset, -1, 1).astype(np.float32)
        return replace(self, name=f"{self.name}, styled", va=va)

    def some(self, people: Rows) -> "People":
        """Selects these people."""
        kept = np.isin(self.person, people)
        return replace(
            self,
            embeddings=self.embeddings[kept],
            absolute=self.absolute[kept],
            va=self.va[kept],
            person=np.unique(self.person[kept], return_inverse=True)[1],
            frame=None if self.frame is None else self.frame[kept],
        )

    def encoded(self, rows: Rows) -> Encoded:
        return Encoded(self.embeddings[rows], self.absolute[rows])

    def support(self, rows: Rows, labels: NDArray[Any] | None = None) -> SupportSet:
        """The support set of these faces, with their labels or the given labels [K, 2]."""
        return SupportSet.from_encoded(
            self.encoded(rows),
            self.va[rows] if labels is None else np.clip(labels, -1, 1),
        )

    def draws(
        self, k: int, queries_after: int, draws: int, seed: int = 0, least: int = 5
    ) -> Iterator[tuple[Rows, Rows]]:
        """Support [k] and queries of each person and draw; the same queries for every k <= queries_after.

        People with fewer than `least` queries are skipped.
        """
        for number, rows in enumerate(self.rows_of()):
            if len(rows) < queries_after + least:
                continue
            for draw in range(draws):
                shuffled = np.random.default_rng((seed, number, draw)).permutation(rows)
                yield shuffled[:k], shuffled[queries_after:]


def encode(encoder: Encoder, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Embeddings and absolute values of the run-time crops in pictures [n, S, S]."""
    encoded = answers.encode(encoder, answers.middles(images))
    return encoded.embedding, encoded.absolute


def rendered(path: Path, encoder: Encoder, name: str = "rendered") -> People:
    """Loads a picture set (mtclar.train.rendered)."""
    with np.load(path, allow_pickle=False) as stored:
        images, va, person = stored["images"], stored["va"], stored["person"]
    embeddings, absolute = encode(encoder, images)
    va = np.clip(va, -1, 1).astype(np.float32)
    return People(name, embeddings, absolute, va, np.unique(person, return_inverse=True)[1])


def strangers(
    folder: Path, usage: Literal["PublicTest", "PrivateTest"], encoder: Encoder, name: str = "strangers"
) -> People:
    """FER+ faces in random groups."""
    photos = ferplus.load(folder).split(usage)
    embeddings, absolute = encode(encoder, photos.images)
    person = np.random.default_rng(0).permutation(len(photos)) // GROUP
    return People(name, embeddings, absolute, np.clip(photos.va, -1, 1), person)


def collected(
    folder: Path,
    usage: Literal["PublicTest", "PrivateTest"],
    encoder: Encoder,
    name: str = "strangers, as collected",
) -> People:
    """FER+ faces in random groups; V/A is the class centre of FER2013's own label."""
    photos = ferplus.load(folder).split(usage)
    known = np.flatnonzero(photos.collected != UNKNOWN)
    embeddings, absolute = encode(encoder, photos.images[known])
    person = np.random.default_rng(0).permutation(len(known)) // GROUP
    return People(name, embeddings, absolute, class_centres()[photos.collected[known]], person)


def real(path: Path, split: real_people.Split, encoder: Encoder, name: str = "real people") -> People:
    """Pictures of real people (mtclar.train.data.real_people); V/A is the centre of one rater's class."""
    people = real_people.load(path).split(split)
    size = encoder.size
    margin = (people.images.shape[1] - real_people.VIEW_SIDE) // 2
    views = people.images[:, margin : margin + real_people.VIEW_SIDE, margin : margin + real_people.VIEW_SIDE]
    crops = np.stack([cv2.resize(view, (size, size), interpolation=cv2.INTER_AREA) for view in views])
    encoded = answers.encode(encoder, crops)
    person = np.unique(people.person, return_inverse=True)[1]
    return People(name, encoded.embedding, encoded.absolute, class_centres()[people.expression], person)


def clips(folder: Path, name: str = "clips", encoder: Encoder | None = None) -> People:
    """A folder of clips (mtclar.train.rendered.clip_set): every frame in which the tracker finds the face.

    `encoder`: the tracker's own unless given.
    """
    embeddings, absolute, va, person, frames = [], [], [], [], []
    with Tracker.open(max_faces=1) as tracker:
        encode_crops = tracker.encoder if encoder is None else encoder
        for number, video in enumerate(sorted(folder.glob("*.mp4"))):
            truth = np.loadtxt(video.with_suffix(".csv"), delimiter=",", skiprows=1)
            tracker.reset()
            with closing(open_source(str(video))) as source:
                for index, frame in enumerate(source.frames()):
                    if crops := tracker.find(frame).crops:
                        encoded = encode_crops(crops[0].image[None])
                        embeddings.append(encoded.embedding[0])
                        absolute.append(encoded.absolute[0])
                        va.append(truth[index, 1:])
                        person.append(number)
                        frames.append(index)
    labels = np.clip(np.array(va), -1, 1).astype(np.float32)
    return People(name, np.array(embeddings), np.array(absolute), labels, np.array(person), np.array(frames))
