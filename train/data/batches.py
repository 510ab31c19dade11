"""The images of each training step: augmented crops of photos, real people and rendered people."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, repeat

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from mtclar.engine.errors import UsageError
from mtclar.train.data.augmentation import photograph
from mtclar.train.data.pairs import Indices, PeopleSampler, RealPeopleSampler, epoch_batches
from mtclar.train.data.targets import Targets, people_targets, photo_targets
from mtclar.train.run.config import TrainConfig, TrainData
from mtclar.train.run.distributed import DistributedGroup


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The pictures of one step of one process: their indices in each source, and the augmented views."""

    data: TrainData
    photos: Indices  # [P]; empty without photos
    people: Indices  # [Q]; empty without real people
    grouped: slice  # the part of `people` that is grouped by person
    rendered: Indices  # [R]; empty without rendered people
    targets: Targets | None  # of all photos
    people_targets: Targets | None  # of all pictures of real people
    views: tuple[Tensor, ...]  # float32 [P, S, S], [Q, S, S], [R, S, S]; absent sources have none
    device: str


class Batches:
    """Draws the pictures of each step of one process."""

    def __init__(self, data: TrainData, config: TrainConfig, group: DistributedGroup, device: str) -> None:
        """Raises UsageError without photos when the length of an epoch is not set, or when nothing else is given."""
        self._data, self._config, self._group, self._device = data, config, group, device
        rendered_share = config.rendered_share if data.rendered else 0.0
        people_share = config.people_share if data.people else 0.0
        if not data.photos:
            if not rendered_share + people_share or config.epoch_steps is None:
                raise UsageError(
                    "a run without photos needs other pictures and a number of steps for an epoch",
                    "set TrainConfig.epoch_steps and give people or rendered people",
                )
            # The other sources fill the batch.
            whole = rendered_share + people_share
            rendered_share, people_share = rendered_share / whole, people_share / whole
        rendered, people = (round(config.batch * share) for share in (rendered_share, people_share))
        self._photo_count = config.batch - rendered - people
        self._targets = photo_targets(data.photos, config.targets) if data.photos else None
        self._rendered = self._people = self._people_targets = None
        if data.rendered:
            size = config.pictures_a_person
            count = max(rendered // (group.size * size), 1)
            self._rendered = PeopleSampler(data.rendered.person, count, size)
        if data.people:
            odds = people_targets(data.people.expression, config.targets).odds
            own_count = max(people // group.size, 1)
            self._people = RealPeopleSampler(data.people.person, data.people.expression, odds, own_count)
            frequency = self._people.frequency()
            self._people_targets = people_targets(data.people.expression, config.targets, frequency)

    def photos(self, order: Generator) -> Iterator[Indices]:
        """The photos of the batches of one epoch for this process; `order` must be the same in every process."""
        steps = self._config.epoch_steps
        if self._targets is None:
            yield from repeat(np.zeros(0, np.int64), steps or 0)
            return
        count = len(self._targets.odds)
        odds = self._targets.odds if self._config.targets.balance else None

        def one_pass() -> Iterator[Indices]:
            return epoch_batches(count, self._photo_count, order, odds)

        passes = one_pass() if steps is None else chain.from_iterable(one_pass() for _ in repeat(None))
        for batch in islice(passes, steps):
            yield batch[self._group.rank :: self._group.size]

    def take(self, photos: Indices, numbers: Generator) -> Batch:
        """A batch of these photos, with randomly drawn pictures of people."""
        data, config = self._data, self._config
        empty = np.zeros(0, np.int64)
        people = self._people(numbers) if self._people else empty
        rendered = self._rendered(numbers) if self._rendered else empty
        sources = [(data.photos.images[photos], 1.0)] if data.photos else []
        if data.people:
            sources.append((data.people.images[people], data.people.core))
        if data.rendered:
            sources.append((data.rendered.images[rendered], data.rendered.core))
        views = [
            photograph(crops, config.network.input_size, core, config.camera, numbers)
            for crops, core in sources
        ]
        return Batch(
            data,
            photos,
            people,
            slice(self._people.singles if self._people else 0, len(people)),
            rendered,
            self._targets,
            self._people_targets,
            tuple(torch.from_numpy(view).to(self._device) for view in views),
            self._device,
        )
