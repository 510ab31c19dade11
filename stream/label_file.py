"""Reads and writes labels.csv: time,valence,arousal[,track]; every error names the line.

A time is in seconds from the first frame and refers to the nearest frame. `track` is the number of a face where there
are several; without it the largest face is meant.
"""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtclar.engine.errors import UsageError
from mtclar.engine.files import read_ordinary

COLUMNS = ("time", "valence", "arousal")
TRACK = "track"
EXAMPLE = f"the first line is `{','.join(COLUMNS)}` (and `,{TRACK}` if needed), the next ones look like `1.20,0.5,-0.1`"
MAX_BYTES = 16 * 2**20  # half a million labels


@dataclass(frozen=True, slots=True)
class Label:
    """Valence and arousal of one moment."""

    time_s: float  # from the first frame of the source, >= 0
    valence: float  # [-1, 1]
    arousal: float  # [-1, 1]
    track: int | None = None  # which face; None: the largest
    line: int | None = None  # in its file, for messages

    @property
    def where(self) -> str:
        """The label's place, for messages."""
        place = f"at {self.time_s:.2f} s"
        return place if self.line is None else f"line {self.line} ({place})"


def read_labels(path: Path) -> tuple[Label, ...]:
    """The labels of a file, in order of time; raises UsageError with the line of what is wrong."""
    try:
        text = read_ordinary(path, MAX_BYTES).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no label file {path}",
            "give the path of a CSV file with the columns time,valence,arousal",
        ) from error
    except OSError as error:
        raise UsageError(f"cannot read the label file {path}: {error.strerror or error}", EXAMPLE) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a text file in UTF-8", "save it as CSV (UTF-8)") from error
    return parse_labels(text, str(path))


def parse_labels(text: str, name: str = "labels.csv") -> tuple[Label, ...]:
    """The labels of a CSV text, in order of time; `name` names it in messages. Raises UsageError."""
    rows = csv.reader(io.StringIO(text), skipinitialspace=True, strict=True)
    labels: list[Label] = []
    lines_of: dict[tuple[float, int | None], int] = {}
    header: list[str] | None = None
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if header is None:
                header = _header(cells, name, rows.line_num)
                continue
            label = _label(dict(zip(header, cells, strict=False)), len(cells), header, name, rows.line_num)
            earlier = lines_of.setdefault((label.time_s, label.track), rows.line_num)
            if earlier != rows.line_num:
                raise UsageError(
                    f"{name}, line {rows.line_num}: the time {label.time_s:g} was labelled before, in line {earlier}",
                    "one label for each time (and track)",
                )
            labels.append(label)
    except csv.Error as error:
        raise UsageError(f"{name}, line {rows.line_num}: {error}", EXAMPLE) from error
    if header is None:
        raise UsageError(f"{name} is empty", EXAMPLE)
    if not labels:
        raise UsageError(f"{name} has a header, but no label", EXAMPLE)
    return tuple(sorted(labels, key=lambda label: label.time_s))


def write_labels(labels: Iterable[Label]) -> str:
    """The text of a label file; `parse_labels` returns the same labels."""
    labels = sorted(labels, key=lambda label: label.time_s)
    tracked = any(label.track is not None for label in labels)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, TRACK] if tracked else COLUMNS)
    for label in labels:
        row: list[object] = [repr(label.time_s), repr(label.valence), repr(label.arousal)]
        writer.writerow([*row, "" if label.track is None else label.track] if tracked else row)
    return out.getvalue()


def _header(cells: Sequence[str], name: str, line: int) -> list[str]:
    """The column names in lower case; UsageError for others than those of a label file."""
    header = [cell.lower() for cell in cells]
    wanted = set(COLUMNS)
    if len(set(header)) < len(header) or not wanted <= set(header) or set(header) - wanted - {TRACK}:
        raise UsageError(f"{name}, line {line}: the header is `{','.join(cells)[:80]}`", EXAMPLE)
    return header


def _label(cells: dict[str, str], count: int, header: Sequence[str], name: str, line: int) -> Label:
    """The label of one row; UsageError for an invalid one."""
    where = f"{name}, line {line}"
    if count != len(header):
        raise UsageError(f"{where}: {count} values, but the header has {len(header)} columns", EXAMPLE)
    numbers = {column: _number(cells[column], column, where) for column in COLUMNS}
    if numbers["time"] < 0:
        raise UsageError(f"{where}: the time {numbers['time']:g} is negative", "seconds from the first frame")
    for column in COLUMNS[1:]:
        if abs(numbers[column]) > 1:
            raise UsageError(
                f"{where}: {column} {numbers[column]:g} is outside [-1, 1]",
                "valence and arousal run from -1 to 1; divide a scale of -10..10 by 10",
            )
    track = cells.get(TRACK, "")
    if track and not track.isdecimal():
        raise UsageError(
            f"{where}: track '{track[:40]}' is not the number of a face", "0, 1, ..., or left empty"
        )
    return Label(numbers["time"], numbers["valence"], numbers["arousal"], int(track) if track else None, line)


def _number(text: str, column: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{where}: {column} '{text[:40]}' is not a number", EXAMPLE)
    return number
