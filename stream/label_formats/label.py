"""A label, the scale of its values, and errors that name its place in a file."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mtclar.engine.errors import UsageError

AXES = ("valence", "arousal")
SHOWN = 40  # characters of a wrong value that a message repeats
NUMBER = r"[-+]?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})"
SCALE = re.compile(f"({NUMBER}):({NUMBER})")


@dataclass(frozen=True, slots=True)
class Label:
    """Valence and arousal of one moment."""

    time_s: float  # from the first frame of the source, >= 0
    valence: float  # [-1, 1]
    arousal: float  # [-1, 1]
    track: int | None = None  # which face; None: the labelled person
    line: int | None = None  # in its file, for messages
    video: str = ""  # file name of the recording; empty: that of the other labels
    category: str = ""  # the word that the rater chose, if it was one; read from tables
    note: str = ""  # of the rater; read from tables

    @property
    def where(self) -> str:
        """The label's place, for messages."""
        place = f"at {self.time_s:.2f} s"
        return f"the frame {place}" if self.line is None else f"line {self.line} ({place})"


@dataclass(frozen=True, slots=True)
class Scale:
    """The range of the values in a file; `low` becomes -1 and `high` 1."""

    low: float = -1.0
    high: float = 1.0

    def __str__(self) -> str:
        return f"{self.low!r}:{self.high!r}"

    @classmethod
    def parse(cls, text: str) -> "Scale":
        """`1:9` or `-100:100`. Raises UsageError for anything else."""
        match = SCALE.fullmatch(text.replace(",", "."))
        if match is None or float(match[1]) >= float(match[2]):
            raise UsageError(
                f"--scale {text[:SHOWN]!r} is not a range",
                "the lowest and the highest value, such as 1:9 or -100:100",
            )
        return cls(float(match[1]), float(match[2]))

    def __call__(self, value: float, place: "Place") -> float:
        """The value in [-1, 1]. Raises UsageError for one outside the scale."""
        if not self.low <= value <= self.high:
            raise place.error(
                f"{value:g} is outside [{self.low:g}, {self.high:g}]",
                "give the range of valence and arousal: --scale 1:9 for values from 1 to 9",
            )
        if self == Scale():
            return value
        return min(max(2 * (value - self.low) / (self.high - self.low) - 1, -1.0), 1.0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file a value stands."""

    file: str
    line: int
    column: str = ""

    def error(self, what: str, hint: str) -> UsageError:
        """The error about this place."""
        column = f", column {self.column[:SHOWN]}" if self.column else ""
        return UsageError(f"{self.file}, line {self.line}{column}: {what}", hint)

    def number(self, text: str, hint: str) -> float:
        """The finite number that `text` is, with a decimal point or comma. Raises UsageError for anything else."""
        plain = text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
        try:
            number = float(plain) if plain.isascii() and "_" not in plain else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self.error(f"'{text[:SHOWN]}' is not a number", hint)
        return number


def average(labels: Sequence[Label]) -> Label:
    """One label for one frame: the mean of its labels, at the place of the first."""
    first, count = labels[0], len(labels)
    if count == 1:
        return first
    valence = sum(label.valence for label in labels) / count
    arousal = sum(label.arousal for label in labels) / count
    return Label(first.time_s, valence, arousal, first.track, first.line, first.video)
