"""What a person has labelled so far: samples that can be added, taken away, labelled anew and taken back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mtclar.calibrate.core.support_builder import Taken, conditions, qualities
from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import CalibrationError
from mtclar.engine.face.crop import Framing
from mtclar.engine.support_set import SupportSet

MAX_SAMPLES = 200
MAX_UNDO = 100

Undone = Callable[[], None] | None
"""What a change took with it and is no sample: called when the change is undone."""


@dataclass(frozen=True, slots=True)
class Check:
    """What the support set made of fresh frames of a label: the validation step."""

    valence: float  # the estimate, mean over the frames
    arousal: float
    error: float  # distance to the label in the affect plane


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One label and the F frames that were taken for it."""

    number: int  # names it; never used twice
    valence: float
    arousal: float
    embeddings: NDArray[np.float32]  # [F, D]
    absolute: NDArray[np.float32]  # [F, 2]
    quality: NDArray[np.float32]  # [F]
    times_s: NDArray[np.float64]  # [F]
    conditions: NDArray[np.float32]  # [F, 4] light and pose: mtclar.engine.support_set.CONDITIONS
    crops: NDArray[np.uint8] | None = None  # [F, S, S], only where the person wants them kept
    check: Check | None = None

    def __len__(self) -> int:
        return len(self.embeddings)


@dataclass(frozen=True, slots=True)
class Step:
    """The collection at one moment."""

    samples: tuple[Sample, ...] = ()
    errors: tuple[float, ...] = ()  # leave-one-out RMSE after each label that was added


class Collection:
    """The samples in order of their taking. Every change can be undone; a number that is not there raises KeyError."""

    def __init__(self, step: Step | None = None) -> None:
        self._now = step or Step()
        self._before: list[tuple[Step, Undone]] = []
        self._next = 1 + max((sample.number for sample in self._now.samples), default=0)

    @property
    def now(self) -> Step:
        return self._now

    @property
    def samples(self) -> tuple[Sample, ...]:
        return self._now.samples

    @property
    def can_undo(self) -> bool:
        return bool(self._before)

    def add(
        self, valence: float, arousal: float, taken: Sequence[Taken], encoded: Encoded, keep_crops: bool
    ) -> int:
        """A new sample of the frames taken and what the encoder says of them; its number."""
        if len(self.samples) >= MAX_SAMPLES:
            raise CalibrationError(
                f"there are {MAX_SAMPLES} labels already", "that is more than enough: save them"
            )
        number = self._next
        self._next += 1
        self._change((*self.samples, _sample(number, valence, arousal, taken, encoded, keep_crops)))
        return number

    def replace_frames(self, number: int, taken: Sequence[Taken], encoded: Encoded, keep_crops: bool) -> None:
        """Other frames for the same label; its validation is void."""
        old = self[number]
        self._put(_sample(number, old.valence, old.arousal, taken, encoded, keep_crops))

    def relabel(self, number: int, valence: float, arousal: float) -> None:
        """Another label for the same frames; its validation is void."""
        self._put(replace(self[number], valence=valence, arousal=arousal, check=None))

    def delete(self, number: int) -> None:
        self[number]
        self._change(tuple(sample for sample in self.samples if sample.number != number))

    def clear(self, undone: Undone = None) -> None:
        """Takes everything away; `undo` brings it back, and calls `undone`."""
        self._change((), undone=undone)

    def make_anew(
        self,
        labelled: Sequence[tuple[float, float, Sequence[Taken], Encoded]],
        keep_crops: bool,
        undone: Undone = None,
    ) -> None:
        """New samples (valence, arousal, frames, encodings) in the place of all there are: one change."""
        first, self._next = self._next, self._next + len(labelled)
        samples = tuple(_sample(first + at, *one, keep_crops) for at, one in enumerate(labelled))
        self._change(samples, errors=(), undone=undone)

    def undo(self) -> bool:
        """Goes back by one change; False when there is none."""
        if not self._before:
            return False
        self._now, undone = self._before.pop()
        if undone is not None:
            undone()
        return True

    def checked(self, number: int, check: Check) -> None:
        """Notes a validation; that is no change of the support set."""
        self._now = replace(self._now, samples=self._with(replace(self[number], check=check)))

    def note_error(self, rmse: float) -> None:
        """Notes the leave-one-out error after a label was added."""
        self._now = replace(self._now, errors=(*self._now.errors, rmse))

    def __getitem__(self, number: int) -> Sample:
        for sample in self.samples:
            if sample.number == number:
                return sample
        raise KeyError(number)

    def support(
        self, *, subject: str, source: str, model_name: str, model_sha256: str, framing: Framing
    ) -> SupportSet:
        """All frames as a support set; CalibrationError when there is none."""
        samples = self.samples
        if not samples:
            raise CalibrationError("nothing was labelled yet", "take at least one label")
        embeddings = np.concatenate([sample.embeddings for sample in samples])
        absolute = np.concatenate([sample.absolute for sample in samples])
        crops = [sample.crops for sample in samples if sample.crops is not None]
        return SupportSet.from_encoded(
            Encoded(embeddings, absolute),
            np.concatenate([np.full((len(s), 2), (s.valence, s.arousal), np.float32) for s in samples]),
            subject=subject,
            source=source,
            model_name=model_name,
            model_sha256=model_sha256,
            framing=framing,
            quality=np.concatenate([sample.quality for sample in samples]),
            times_s=np.concatenate([sample.times_s for sample in samples]),
            conditions=np.concatenate([sample.conditions for sample in samples]),
            crops=np.concatenate(crops) if len(crops) == len(samples) else None,
        )

    def _with(self, sample: Sample) -> tuple[Sample, ...]:
        return tuple(sample if old.number == sample.number else old for old in self.samples)

    def _put(self, sample: Sample) -> None:
        self._change(self._with(sample))

    def _change(
        self,
        samples: tuple[Sample, ...],
        errors: tuple[float, ...] | None = None,
        undone: Undone = None,
    ) -> None:
        self._before = [*self._before[1 - MAX_UNDO :], (self._now, undone)]
        if errors is None:
            errors = () if not samples else self._now.errors
        self._now = Step(samples, errors)


def _sample(
    number: int, valence: float, arousal: float, taken: Sequence[Taken], encoded: Encoded, keep_crops: bool
) -> Sample:
    crops = [one.crop for one in taken]
    return Sample(
        number,
        valence,
        arousal,
        encoded.embedding,
        encoded.absolute,
        qualities(crops),
        np.array([one.t_s for one in taken]),
        np.array([conditions(crop) for crop in crops], np.float32),
        np.stack([crop.image for crop in crops]) if keep_crops else None,
    )
