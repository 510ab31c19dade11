"""Segments of recordings: named times, from a table, from ELAN, or from marks that were made live."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import UsageError
from mtclar.engine.files.reading import read_input
from mtclar.label.analysis.series import Series
from mtclar.stream.label_formats.elan import parse_document
from mtclar.stream.label_formats.label import AXES, SHOWN, Place
from mtclar.stream.label_formats.label_file import ELAN, MAX_BYTES, decoded
from mtclar.stream.label_formats.table import SEPARATORS, seconds_of
from mtclar.stream.table.columns import SEPARATOR

WHOLE = "recording"
"""Name of the segment that is a whole recording; no other segment may have it."""

EXAMPLE = "the first line is `name,start,end`, the next ones look like `baseline,0,60`, in seconds"
NAMES = {
    **dict.fromkeys(("name", "segment", "label", "condition", "trial_type", "event"), "name"),
    **dict.fromkeys(("start", "start_s", "onset", "begin", "from"), "start"),
    **dict.fromkeys(("end", "end_s", "stop", "to"), "end"),
    **{name: name for name in ("duration", "start_unix", "end_unix", "participant", "session", "recording")},
}
"""Spellings of the columns, in lower case. `onset, duration, trial_type` are those of BIDS."""

BEGIN_OR_END = re.compile(r"(?:(?P<name>.*?)[\s_:-]+)?(?P<kind>start|begin|end|stop)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Segment:
    """A named time of the recordings that it is for; an empty field means all of them."""

    name: str
    start_s: float  # from the first frame, or as Unix time
    end_s: float  # not part of it
    participant: str = ""
    session: str = ""
    recording: str = ""
    unix: bool = False

    def is_of(self, series: Series) -> bool:
        """Whether it is one of the recording's segments."""
        wanted = (self.participant, self.session, self.recording)
        names = (series.key.participant, series.key.session, series.key.recording)
        return all(not one or one == other for one, other in zip(wanted, names, strict=True))

    def span(self, series: Series) -> tuple[float, float]:
        """Start and end in seconds from the first frame. Raises UsageError for Unix times if the table has none."""
        if not self.unix:
            return self.start_s, self.end_s
        if not len(series.unix_s):
            raise UsageError(
                f"the segment {self.name!r} is in Unix time, and {series.key} has no column t_unix",
                "give start and end in seconds from the first frame",
            )
        first_s = float(series.unix_s[0] - series.times_s[0])
        return self.start_s - first_s, self.end_s - first_s

    def rows(self, series: Series) -> NDArray[np.bool_]:
        """[n] which frames it has. Raises UsageError as `span`."""
        start_s, end_s = self.span(series)
        return np.asarray((series.times_s >= start_s) & (series.times_s < end_s))


def read_segments(path: Path, tiers: Sequence[str] = (), shift_s: float = 0.0) -> list[Segment]:
    """The segments of a table or an .eaf file, in its order; `shift_s` is added to all times that are not Unix times.

    `tiers`: the ELAN tiers to read; by default all but valence and arousal. Raises UsageError with file and line.
    """
    data = read_input(path, MAX_BYTES, EXAMPLE, "segments")
    if path.suffix.lower() == ELAN:
        found = _elan(data, path, tiers)
    elif tiers:
        raise UsageError(f"--tier is for ELAN files, and {path} is none", "remove --tier")
    else:
        found = parse_segments(decoded(data, path), str(path))
    if not shift_s:
        return found
    return [segment if segment.unix else _shifted(segment, shift_s) for segment in found]


def parse_segments(text: str, file: str = "segments.csv") -> list[Segment]:
    """The segments of a table: name, start, and end or duration, in seconds or as h:mm:ss. Raises UsageError."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    header = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    separator = max(SEPARATORS, key=header.count)
    columns: dict[str, int] = {}
    found = []
    rows = csv.reader(io.StringIO("\n".join(lines)), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            place = Place(file, rows.line_num)
            if columns:
                found.append(_segment(cells, columns, place))
                continue
            for at, cell in enumerate(cells):
                if name := NAMES.get(cell.casefold().replace(" ", "_")):
                    columns.setdefault(name, at)
            known = set(columns)
            whole_times = (
                {"start", "end"},
                {"start", "duration"},
                {"start_unix", "end_unix"},
                {"start_unix", "duration"},
            )
            if "name" not in known or not any(times <= known for times in whole_times):
                raise place.error(f"the header is `{','.join(cells)[:80]}`", EXAMPLE)
    except csv.Error as error:
        raise Place(file, rows.line_num).error(str(error), EXAMPLE) from error
    if not found:
        raise UsageError(f"{file} has no segment", EXAMPLE)
    return found


def _segment(cells: list[str], columns: dict[str, int], place: Place) -> Segment:
    text = {name: cells[at] if at < len(cells) else "" for name, at in columns.items()}
    unix = bool(text.get("start_unix"))

    def seconds(name: str) -> float:
        return seconds_of(text.get(name, ""), Place(place.file, place.line, name))

    if not text["name"]:
        raise place.error("the segment has no name", EXAMPLE)
    start_s = seconds("start_unix" if unix else "start")
    if text.get("end_unix" if unix else "end"):
        end_s = seconds("end_unix" if unix else "end")
    elif text.get("duration"):
        end_s = start_s + seconds("duration")
    else:
        raise place.error("the segment has no end", EXAMPLE)
    if not start_s < end_s:
        raise place.error(
            f"the segment ends at {end_s:g} s and begins at {start_s:g} s", "its end comes after its start"
        )
    participant, session, recording = (text.get(name, "") for name in ("participant", "session", "recording"))
    return Segment(text["name"], start_s, end_s, participant, session, recording, unix)


def _elan(data: bytes, path: Path, tiers: Sequence[str]) -> list[Segment]:
    document = parse_document(data, str(path))
    offered = [tier for tier in document.tiers if tier not in document.axes.values()]
    for tier in tiers:
        if tier not in document.tiers:
            raise UsageError(
                f"{path} has no tier {tier[:SHOWN]!r}", f"its tiers: {', '.join(offered)[:300] or 'none'}"
            )
    spans = [span for tier in tiers or offered for span in document.spans(tier)]
    if not spans:
        raise UsageError(
            f"{path} has no time-aligned annotation with a text in a tier other than {' and '.join(AXES)}",
            "annotate the segments in ELAN; the text of an annotation is the name of its segment",
        )
    return [Segment(span.text, span.start_s, span.end_s) for span in sorted(spans)]


def segments_of_marks(series: Iterable[Series]) -> list[Segment]:
    """The segments that the marks of each recording name, in order.

    `NAME start` (or begin) begins a segment, which `NAME end` (or stop) ends; such segments may overlap. Any other mark
    begins a segment that lasts until the next mark of that kind, `end`, or the end of the recording. Raises UsageError
    if there is no mark.
    """
    found: list[Segment] = []
    seen = set()
    for one in series:
        if one.key[:4] in seen or not len(one):  # the faces of a recording share its marks
            continue
        seen.add(one.key[:4])
        found += _of_recording(one)
    if not found:
        raise UsageError(
            "the tables have no marks",
            "marks are made while `run --csv` records; otherwise name a file of segments",
        )
    return found


def _of_recording(series: Series) -> list[Segment]:
    whose = (series.key.participant, series.key.session, series.key.recording)
    last_s = float(series.times_s[-1] + series.durations_s[-1])
    begun: dict[str, float] = {}
    until_next: tuple[str, float] | None = None
    found = []
    for at in np.flatnonzero(series.marks != ""):
        now_s = float(series.times_s[at])
        for mark in (part.strip() for part in series.marks[at].split(SEPARATOR)):
            match = BEGIN_OR_END.fullmatch(mark)
            name, kind = ((match["name"] or "").strip(), match["kind"].casefold()) if match else (mark, "")
            if name and kind in ("start", "begin"):
                begun.setdefault(name, now_s)
            elif name and kind and name in begun:
                found.append((name, begun.pop(name), now_s))
            elif not (name and kind):  # a plain name, or `end` alone
                if until_next is not None:
                    found.append((*until_next, now_s))
                until_next = None if not name or kind else (name, now_s)
    found += [(name, start_s, last_s) for name, start_s in begun.items()]
    if until_next is not None:
        found.append((*until_next, last_s))
    return [
        Segment(name, start_s, end_s, *whose)
        for name, start_s, end_s in sorted(found, key=lambda one: one[1:])
        if start_s < end_s
    ]


def _shifted(segment: Segment, shift_s: float) -> Segment:
    whose = (segment.participant, segment.session, segment.recording)
    return Segment(segment.name, segment.start_s + shift_s, segment.end_s + shift_s, *whose)


def whole(series: Series) -> Segment:
    """The segment that is the whole recording."""
    if not len(series):
        return Segment(WHOLE, 0.0, 0.0)
    return Segment(WHOLE, float(series.times_s[0]), float(series.times_s[-1] + series.durations_s[-1]))
