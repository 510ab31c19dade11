"""Tables of labels: columns for time, valence and arousal, as spreadsheets, annotation tools and `label` write them."""

import csv
import io
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mtclar.engine.errors import UsageError
from mtclar.engine.text import uncell
from mtclar.stream.label_formats.label import AXES, SHOWN, Label, Place, Scale

log = logging.getLogger(__name__)

COLUMNS = ("time", *AXES)
TRACK = "track"
VIDEO = "video"
GIVEN = tuple(f"label_{axis}" for axis in AXES)  # what a person gave, in tables that have estimates as well
WORDS = ("category", "note")  # of the rater
LONGEST_WORDS = 500  # characters
SEPARATORS = "\t;,|"
EXAMPLE = f"the first line is `{','.join(COLUMNS)}` (and `,{TRACK}` if needed), the next ones look like `1.20,0.5,-0.1`"
DECIMALS = "decimal commas need another separator, such as `;`"
SECONDS = "seconds, or h:mm:ss; a column in milliseconds is called time_ms"
BLANK = frozenset({"", "nan", "na", "n/a", "null", "none", "-"})
NAMES = {
    **dict.fromkeys(
        ("time", "time_s", "t", "seconds", "sec", "secs", "timestamp", "zeit", "temps", "tiempo"), "time"
    ),
    **dict.fromkeys(("time_ms", "milliseconds", "msec", "ms", "timestamp_ms", "zeit_ms"), "time_ms"),
    **dict.fromkeys(("valence", "val", "v", "pleasure", "valenz"), "valence"),
    **dict.fromkeys(("arousal", "aro", "ar", "a", "activation", "erregung"), "arousal"),
    **{name: name for name in (TRACK, VIDEO, *GIVEN)},
    **{f"{axis}_label": given for axis, given in zip(AXES, GIVEN, strict=True)},  # of older tables
}
"""Spellings of the columns, in lower case; the first one of each group wins over the others."""
UNITS = {"s": "", "sec": "", "seconds": "", "ms": "_ms", "msec": "_ms", "milliseconds": "_ms"}
SEP_LINE = re.compile(f"sep=[{re.escape(SEPARATORS)}] *", re.IGNORECASE)
CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2}(?:[.,]\d{1,9})?)")


@dataclass(frozen=True, slots=True)
class Columns:
    """The header: its spelling, and the index of each known column."""

    spelling: list[str]
    index: dict[str, int]

    @property
    def time(self) -> str:
        return "time" if "time" in self.index else "time_ms"


def parse_table(text: str, file: str, scale: Scale) -> list[Label]:
    """The labels of a text, in its order; rows without valence or arousal are left out. Raises UsageError."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    separator, skip = _separator(text)
    rows = csv.reader(
        io.StringIO("\n".join(text.split("\n")[skip:])),
        delimiter=separator,
        skipinitialspace=True,
        strict=True,
    )
    columns: Columns | None = None
    labels: list[Label] = []
    half_empty: list[int] = []
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            line = skip + rows.line_num
            if columns is None:
                columns = _header(cells, Place(file, line))
            elif (label := _label(cells, columns, Place(file, line), scale)) is not None:
                labels.append(label)
            elif any(_is_filled(cells, columns, axis) for axis in AXES):
                half_empty.append(line)
    except csv.Error as error:
        raise Place(file, skip + rows.line_num).error(str(error), EXAMPLE) from error
    if columns is None:
        raise UsageError(f"{file} is empty", EXAMPLE)
    if not labels:
        raise UsageError(f"{file} has a header, but no label", EXAMPLE)
    if half_empty:
        more = f" and {len(half_empty) - 1} more" * (len(half_empty) > 1)
        log.warning(
            "%s, line %d%s: left out, since a label needs both valence and arousal", file, half_empty[0], more
        )
    return labels


def _separator(text: str) -> tuple[str, int]:
    """The separator, and the number of lines before the header: `sep=;`, as Excel writes it, and comments."""
    for skip, line in enumerate(text.split("\n")):
        if SEP_LINE.fullmatch(line):
            return line[4], skip + 1
        if line.strip() and not line.startswith("#"):
            return max(SEPARATORS, key=lambda separator: _known(line, separator)), skip
    return ",", 0


def _known(line: str, separator: str) -> tuple[int, int]:
    """How many known columns, and how many columns, a header has with this separator."""
    names = [column_name(cell.strip().strip('"')) for cell in line.split(separator)]
    return len(set(names) - {""}), len(names)


def column_name(spelling: str) -> str:
    """The known name of a column as it is spelled, or ''; units in brackets count: `Time [ms]` -> `time_ms`."""
    bare, _, unit = spelling.casefold().replace("(", "[").partition("[")
    name = re.sub(r"[\s_-]+", "_", bare.strip())
    in_unit = name + UNITS.get(unit.strip(" ])"), "")
    return NAMES.get(in_unit, NAMES.get(name, ""))


def _header(cells: Sequence[str], place: Place) -> Columns:
    names = [column_name(cell) for cell in cells]
    index: dict[str, int] = {}
    for name in dict.fromkeys(name for name in names if name):
        found = [at for at, other in enumerate(names) if other == name]
        exact = [at for at in found if cells[at].casefold() == name] or found
        if len(exact) > 1:
            spelled = ", ".join(f"'{cells[at][:SHOWN]}'" for at in exact)
            raise place.error(f"{len(exact)} columns are {name}: {spelled}", "rename the others")
        index[name] = exact[0]
    columns = Columns(list(cells), index)
    missing = [name for name in (columns.time, *AXES) if name not in index]
    if missing:
        known = f"the header is `{','.join(cells)[:80]}`, without {' and '.join(missing).replace('time_ms', 'time')}"
        raise place.error(known, EXAMPLE)
    return columns


def _label(cells: list[str], columns: Columns, place: Place, scale: Scale) -> Label | None:
    """The label of one row, None for one without values. Raises UsageError for an invalid one."""
    spelling, index = columns.spelling, columns.index
    if any(cells[len(spelling) :]):
        hint = f"{EXAMPLE}; {DECIMALS}"
        raise place.error(f"{len(cells)} values, but the header has {len(spelling)} columns", hint)
    cells += [""] * (len(spelling) - len(cells))

    def at(column: str) -> Place:
        return Place(place.file, place.line, spelling[index[column]])

    values = []
    for axis, given in zip(AXES, GIVEN, strict=True):
        column = given if _is_filled(cells, columns, given) else axis
        if not _is_filled(cells, columns, column):
            return None
        values.append(scale(at(column).number(cells[index[column]], EXAMPLE), at(column)))
    time_s = seconds_of(cells[index[columns.time]], at(columns.time), in_ms=columns.time == "time_ms")
    track = cells[index[TRACK]] if TRACK in index else ""
    if track and not (track.isdecimal() and len(track) < 10):
        raise at(TRACK).error(f"'{track[:SHOWN]}' is not the number of a face", "0, 1, ..., or left empty")
    valence, arousal = values
    video = cells[index[VIDEO]] if VIDEO in index else ""
    category, note = (_words(cells, columns, name) for name in WORDS)
    return Label(
        time_s, valence, arousal, int(track) if track else None, place.line, uncell(video), category, note
    )


def _words(cells: Sequence[str], columns: Columns, name: str) -> str:
    """What the rater wrote, in a column of exactly this name."""
    text = cells[columns.spelling.index(name)] if name in columns.spelling else ""
    return uncell(text)[:LONGEST_WORDS]


def _is_filled(cells: Sequence[str], columns: Columns, name: str) -> bool:
    return name in columns.index and cells[columns.index[name]].casefold() not in BLANK


def seconds_of(text: str, place: Place, *, in_ms: bool = False) -> float:
    """A time in seconds, as `62.5`, `1:02.5` or `0:01:02.5`; never negative. Raises UsageError."""
    if clock := CLOCK.fullmatch(text):
        time_s = 3600.0 * int(clock[1] or 0) + 60.0 * int(clock[2]) + place.number(clock[3], SECONDS)
    else:
        time_s = place.number(text, SECONDS) / (1000.0 if in_ms else 1.0)
    if time_s < 0:
        raise place.error(f"the time {text[:SHOWN]} is negative", "times count from the first frame")
    return time_s
