"""The result of one evaluation as plain data, for `--json` and the printed table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtclar.engine import models
from mtclar.engine.data_types import EXPRESSIONS
from mtclar.train.accuracy.answers import Answers
from mtclar.train.accuracy.few_shot import Shots
from mtclar.train.accuracy.figures import CLAIMED, DIMENSIONS, Figures
from mtclar.train.accuracy.whole_clips import WholeClips
from mtclar.train.data.labelled import UNKNOWN

PROXY = "vote-weighted class centres: a proxy, FER+ has no valence and arousal"


@dataclass(frozen=True, slots=True)
class Classes:
    """Eight-class accuracy of the expression head."""

    accuracy: float
    n: int
    recall: Mapping[str, tuple[float, int]]  # expression -> recall, number of faces
    accuracy_all: float | None = None  # FER+: on all usable pictures, not the `majority` subset alone


def classes_of(answers: Answers) -> Classes | None:
    """Accuracy of the expressions; None when no expression is labelled. Predictions do not use the mirror image."""
    known = answers.expression != UNKNOWN
    scored = known if answers.majority is None else known & answers.majority
    if not scored.any():
        return None
    prior = 0.0 if answers.log_prior is None else answers.log_prior
    predicted = (answers.encoded.expression + prior).argmax(1)
    right = predicted == answers.expression
    recall = {
        name: (float(right[rows].mean()), int(rows.sum()))
        for i, name in enumerate(EXPRESSIONS)
        if (rows := scored & (answers.expression == i)).any()
    }
    return Classes(
        accuracy=float(right[scored].mean()),
        n=int(scored.sum()),
        recall=recall,
        accuracy_all=None if answers.majority is None else float(right[known].mean()),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """The results of one evaluation."""

    data: str  # display name of the data
    split: str | None
    card: models.Card  # of the encoder
    constants_encoder: str  # sha256 of the encoder that the constants of the comparison were fitted to
    backend: str  # display name of the encoder's back end
    answers: Answers
    classes: Classes | None
    shots: Sequence[Shots]
    seeds: int
    clips: WholeClips | None = None
    proxy: bool = False  # the labels are FER+'s class centres
    trained_on: bool = False  # the networks were trained on these pictures

    def summary(self) -> list[str]:
        """Sentences on the pictures, those without a face or a label, the eight classes and the people left out."""
        answers, classes = self.answers, self.classes
        where = self.data if self.split is None else f"{self.data} {self.split}"
        pictures = len(answers) + answers.no_face
        lines = [
            f"{where}: {len(answers):,} labelled faces; no face found in {answers.no_face:,} of {pictures:,} pictures"
        ]
        if answers.unreadable:
            lines[0] += f"; {len(answers.unreadable):,} more cannot be read"
        if answers.unlabelled:
            lines[0] += f"; {answers.unlabelled:,} more have no label"
        lines.append(f"Encoder {self.card.sha256[:12]} on {self.backend}.")
        if self.trained_on:
            lines.append(
                "The bundled networks were trained on these pictures: the figures do not apply to new ones."
            )
        if classes is not None:
            lines.append(f"Eight expressions: accuracy {classes.accuracy:.4f} (n = {classes.n:,})")
            if classes.accuracy_all is not None:
                lines[-1] += f", the majority subset; {classes.accuracy_all:.4f} on all {len(answers):,}"
        if answers.subject is None and any(shots.k for shots in self.shots):
            lines.append(
                "The data has no subjects: the labelled faces show other people, so they can help little."
            )
        if answers.nameless:
            lines.append(
                f"{answers.nameless:,} of {len(answers):,} faces have no subject and are scored only without labels."
            )
        lines += [
            f"With {shots.k} labelled, {shots.subjects} of {shots.subjects + shots.left_out} people have enough."
            for shots in self.shots
            if shots.subjects is not None and shots.left_out
        ]
        return lines

    def as_json(self) -> dict[str, Any]:
        """Plain data; undefined figures (such as the CCC of constant labels) are None."""
        classes = self.classes
        return {
            "data": self.data,
            "split": self.split,
            "encoder_sha256": self.card.sha256,
            "constants_encoder_sha256": self.constants_encoder,
            "backend": self.backend,
            "trained_on": self.trained_on,
            "labels": PROXY if self.proxy else "valence and arousal",
            "n": len(self.answers),
            "no_face": self.answers.no_face,
            "unreadable": list(self.answers.unreadable),
            "unlabelled": self.answers.unlabelled,
            "nameless": self.answers.nameless,
            "classes": None
            if classes is None
            else {
                "accuracy": _defined(classes.accuracy),
                "n": classes.n,
                "accuracy_all": _defined(classes.accuracy_all),
                "recall": {
                    name: {"recall": _defined(share), "n": n} for name, (share, n) in classes.recall.items()
                },
            },
            "seeds": self.seeds,
            "interval": CLAIMED,
            "subjects": {
                str(shots.k): {"used": shots.subjects, "left_out": shots.left_out, "queries": shots.queries}
                for shots in self.shots
            },
            "shots": {str(shots.k): _methods(shots.figures) for shots in self.shots},
            "clips": None
            if self.clips is None
            else {
                "every": self.clips.every,
                "clips": self.clips.clips,
                "labelled": self.clips.labelled,
                "queries": self.clips.queries,
                "methods": _methods(self.clips.figures),
            },
        }


def _methods(figures: Mapping[str, tuple[Figures, Figures]]) -> dict[str, Any]:
    return {
        method: {
            name: {field: _defined(getattr(dimension, field)) for field in Figures.__slots__}
            for name, dimension in zip(DIMENSIONS, by_dimension, strict=True)
        }
        for method, by_dimension in figures.items()
    }


def _defined(value: float | None) -> float | None:
    """The value without rounding, or None when undefined. Only printing rounds: rounding twice can change a digit."""
    return None if value is None or not math.isfinite(value) else float(value)
