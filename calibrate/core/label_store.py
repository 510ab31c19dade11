"""The labels of a calibration with their frames; every change can be undone."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mtclar.calibrate.core.frame_check import AcceptedFrame
from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import CalibrationError
from mtclar.engine.face.quality import conditions, crop_quality
from mtclar.engine.models import UNKNOWN_ENCODER, EncoderIdentity
from mtclar.engine.support_set import CONDITIONS, SupportSet

MAX_SAMPLES = 200
MAX_UNDO = 100

OnUndo = Callable[[], None] | None
"""Called when a change is undone: restores what the change replaced outside the store."""


@dataclass(frozen=True, slots=True)
class LabelCheck:
    """Estimate of new frames of a labelled expression, against its label."""

    valence: float  # mean estimate over the frames
    arousal: float
    error: float  # distance to the label in the affect plane


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One label and its F frames."""

    number: int  # unique, never reused
    valence: float
    arousal: float
    embeddings: NDArray[np.float32]  # [F, D]
    absolute: NDArray[np.float32]  # [F, 2]
    quality: NDArray[np.float32]  # [F]
    times_s: NDArray[np.float64]  # [F]
    conditions: NDArray[np.float32]  # [F, 4] light and pose: mtclar.engine.support_set.CONDITIONS
    crops: NDArray[np.uint8] | None = None  # [F, S, S], with --keep-crops only
    check: LabelCheck | None = None
    category: str = ""  # the word that the person chose, if it was one
    note: str = ""

    def __len__(self) -> int:
        return len(self.embeddings)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The content of the store at one moment."""

    samples: tuple[Sample, ...] = ()
    errors: tuple[float, ...] = ()  # leave-one-out RMSE after each label that was added


class LabelStore:
    """Samples in order of capture. An unknown number raises KeyError."""

    def __init__(self, snapshot: Snapshot = Snapshot()) -> None:
        self.snapshot = snapshot
        self._history: list[tuple[Snapshot, OnUndo]] = []
        self._next_number = 1 + max((sample.number for sample in snapshot.samples), default=0)

    @property
    def samples(self) -> tuple[Sample, ...]:
        return self.snapshot.samples

    @property
    def points(self) -> list[tuple[float, float]]:
        """Valence and arousal of each sample."""
        return [(sample.valence, sample.arousal) for sample in self.samples]

    @property
    def can_undo(self) -> bool:
        return bool(self._history)

    def add(
        self,
        valence: float,
        arousal: float,
        frames: Sequence[AcceptedFrame],
        encoded: Encoded,
        keep_crops: bool,
        *,
        category: str = "",
        note: str = "",
        instead_of: Collection[int] = (),
    ) -> int:
        """Adds a sample in place of those numbers; returns its number. CalibrationError if the store is full."""
        kept = [sample for sample in self.samples if sample.number not in instead_of]
        if len(kept) >= MAX_SAMPLES:
            raise CalibrationError(f"{MAX_SAMPLES} labels are the most", "save them")
        number = self._next_number
        self._next_number += 1
        added = _sample(number, valence, arousal, frames, encoded, keep_crops)
        self._change((*kept, replace(added, category=category, note=note)))
        return number

    def replace_frames(
        self, number: int, frames: Sequence[AcceptedFrame], encoded: Encoded, keep_crops: bool
    ) -> None:
        """Replaces the frames of a label; its check is dropped."""
        old = self[number]
        new = _sample(number, old.valence, old.arousal, frames, encoded, keep_crops)
        self._change(self._with(replace(new, category=old.category, note=old.note)))

    def relabel(
        self,
        number: int,
        valence: float,
        arousal: float,
        category: str | None = None,
        note: str | None = None,
    ) -> None:
        """Changes the label of the same frames; its check is dropped. None: category and note stay."""
        old = self[number]
        category, note = old.category if category is None else category, old.note if note is None else note
        changed = replace(old, valence=valence, arousal=arousal, category=category, note=note, check=None)
        self._change(self._with(changed))

    def load(self, support: SupportSet) -> None:
        """Replaces all samples by those of a support set, as one change; its frames of one label are one sample."""
        first = self._next_number
        samples = tuple(_samples_of(support, first))
        self._next_number += len(samples)
        self._change(samples, errors=())

    def delete(self, number: int) -> None:
        self[number]
        self._change(tuple(sample for sample in self.samples if sample.number != number))

    def clear(self, on_undo: OnUndo = None) -> None:
        """Removes every sample."""
        self._change((), on_undo=on_undo)

    def replace_all(
        self,
        labelled: Sequence[tuple[float, float, Sequence[AcceptedFrame], Encoded]],
        keep_crops: bool,
        on_undo: OnUndo = None,
    ) -> None:
        """Replaces all samples by new ones (valence, arousal, frames, encodings), as one change."""
        first, self._next_number = self._next_number, self._next_number + len(labelled)
        samples = tuple(_sample(number, *one, keep_crops) for number, one in enumerate(labelled, first))
        self._change(samples, errors=(), on_undo=on_undo)

    def undo(self) -> bool:
        """Undoes the latest change; False when there is none."""
        if not self._history:
            return False
        self.snapshot, on_undo = self._history.pop()
        if on_undo is not None:
            on_undo()
        return True

    def set_check(self, number: int, check: LabelCheck) -> None:
        """Stores a check, which cannot be undone: it does not change the support set."""
        self.snapshot = replace(self.snapshot, samples=self._with(replace(self[number], check=check)))

    def append_error(self, rmse: float) -> None:
        """Stores the leave-one-out error after a label was added."""
        self.snapshot = replace(self.snapshot, errors=(*self.snapshot.errors, rmse))

    def __getitem__(self, number: int) -> Sample:
        for sample in self.samples:
            if sample.number == number:
                return sample
        raise KeyError(number)

    def support(
        self, *, encoder: EncoderIdentity = UNKNOWN_ENCODER, subject: str = "", source: str = ""
    ) -> SupportSet:
        """All frames as a support set; CalibrationError without samples."""
        samples = self.samples
        if not samples:
            raise CalibrationError("there are no labels yet", "capture at least one")
        embeddings = np.concatenate([sample.embeddings for sample in samples])
        absolute = np.concatenate([sample.absolute for sample in samples])
        crops = [sample.crops for sample in samples if sample.crops is not None]
        return SupportSet.from_encoded(
            Encoded(embeddings, absolute),
            np.concatenate([np.full((len(s), 2), (s.valence, s.arousal), np.float32) for s in samples]),
            subject=subject,
            source=source,
            encoder=encoder,
            quality=np.concatenate([sample.quality for sample in samples]),
            times_s=np.concatenate([sample.times_s for sample in samples]),
            conditions=np.concatenate([sample.conditions for sample in samples]),
            crops=np.concatenate(crops) if len(crops) == len(samples) else None,
        )

    def _with(self, sample: Sample) -> tuple[Sample, ...]:
        return tuple(sample if old.number == sample.number else old for old in self.samples)

    def _change(
        self,
        samples: tuple[Sample, ...],
        errors: tuple[float, ...] | None = None,
        on_undo: OnUndo = None,
    ) -> None:
        self._history = [*self._history[1 - MAX_UNDO :], (self.snapshot, on_undo)]
        if errors is None:
            errors = () if not samples else self.snapshot.errors
        self.snapshot = Snapshot(samples, errors)


def _samples_of(support: SupportSet, first_number: int) -> list[Sample]:
    """The frames of a support set, one sample for each run of frames with the same label."""
    starts = np.flatnonzero(np.any(np.diff(support.labels, axis=0) != 0, axis=1)) + 1
    samples = []
    for number, rows in enumerate(np.split(np.arange(len(support)), starts), first_number):
        valence, arousal = (round(value, 4) + 0.0 for value in support.labels[rows[0]].tolist())
        conditions_of = np.zeros((len(support), len(CONDITIONS)), np.float32)
        if support.conditions is not None:
            conditions_of = support.conditions
        samples.append(
            Sample(
                number,
                valence,
                arousal,
                support.embeddings[rows],
                support.absolute[rows],
                support.quality[rows],
                support.times_s[rows],
                conditions_of[rows],
                None if support.crops is None else support.crops[rows],
            )
        )
    return samples


def _sample(
    number: int,
    valence: float,
    arousal: float,
    frames: Sequence[AcceptedFrame],
    encoded: Encoded,
    keep_crops: bool,
) -> Sample:
    crops = [frame.crop for frame in frames]
    return Sample(
        number,
        valence,
        arousal,
        encoded.embedding,
        encoded.absolute,
        np.array([crop_quality(crop) for crop in crops], np.float32),
        np.array([frame.t_s for frame in frames]),
        np.array([conditions(crop) for crop in crops], np.float32),
        np.stack([crop.image for crop in crops]) if keep_crops else None,
    )
