"""The tables of `segments`: long, with one row for each segment of a series, and wide, with one row for each series."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mtclar.engine.errors import UsageError
from mtclar.engine.text import cell
from mtclar.label.analysis.segments import WHOLE, Segment, whole
from mtclar.label.analysis.series import AXES, Key, Series
from mtclar.label.analysis.statistics import QUADRANTS, axis_statistics, quadrant_seconds
from mtclar.label.analysis.tables import require_pandas

if TYPE_CHECKING:
    from pandas import DataFrame

KEYS = Key._fields
SEGMENT = ("segment", "occurrence", "start", "end")
DECIMALS = 6


def long_table(
    series: Sequence[Series], segments: Sequence[Segment] = (), baseline: str | None = None
) -> "DataFrame":
    """One row for each segment of each series, the whole recording first: whose, which segment, then its statistics.

    Columns: those of Key; segment, occurrence (of the same name, from 1), start and end (seconds from the first frame);
    frames, valid_frames, valid_share, valid_s, caveat_share; for each axis those of `axis_statistics`, such as
    valence_mean; seconds in each quadrant, such as pleasant_activated_s. With `baseline`, for each axis the mean less
    that of the segment with this name (of all its occurrences) in the same recording, otherwise in the same
    participant's other recordings (same session first), and its standard error, except of the baseline itself and of
    what contains it: valence_from_baseline, valence_from_baseline_se.

    Raises UsageError if no series has the baseline, a segment is in Unix time and the table is not, or a segment is
    called as the whole recording is.
    """
    if any(segment.name == WHOLE for segment in segments):
        raise UsageError(f"a segment is called {WHOLE!r}, as the whole recording is", "rename the segment")
    rows = []
    for one in series:
        seen: Counter[str] = Counter()
        own = sorted(
            (segment for segment in segments if segment.is_of(one)), key=lambda segment: segment.start_s
        )
        for segment in (whole(one), *own):
            seen[segment.name] += 1
            rows.append(_row(one, segment, seen[segment.name]))
    if baseline is not None:
        _subtract_baseline(rows, series, segments, baseline)
    return require_pandas().DataFrame(rows)


def wide_table(long: "DataFrame", statistics: Sequence[str] | None = None) -> "DataFrame":
    """One row for each series of a long table, a column for each segment and statistic, such as stress_valence_mean.

    A name that occurs more than once has its number: stress_2_valence_mean. `statistics`: the columns of the long table
    to keep; by default all.
    """
    pandas = require_pandas()
    kept = list(statistics or [name for name in long.columns if name not in (*KEYS, *SEGMENT)])
    repeated = set(long.loc[long.occurrence > 1, "segment"])
    rows: dict[tuple[str, ...], dict[str, object]] = {}
    for row in long.to_dict("records"):
        whose = tuple(row[name] for name in KEYS)
        segment = row["segment"]
        prefix = f"{segment}_{row['occurrence']}" if segment in repeated else segment
        cells = rows.setdefault(whose, dict(zip(KEYS, whose, strict=True)))
        cells.update({f"{prefix}_{name}": row[name] for name in kept})
    return pandas.DataFrame(list(rows.values()))


def key_of(row: Mapping[str, object]) -> Key:
    """Whose row of a long table it is."""
    return Key(*(str(row[name]) for name in KEYS))


def as_csv(table: "DataFrame") -> bytes:
    """CSV in UTF-8; a missing value is an empty cell, and no name is a formula of a spreadsheet."""
    text = table.rename(columns=cell)
    for name in text.columns:
        if text[name].dtype.kind not in "fiu":
            text[name] = [cell(str(value)) for value in text[name]]
        elif text[name].dtype.kind == "f":
            text[name] = text[name].round(DECIMALS) + 0.0  # no -0.0
    return bytes(text.to_csv(index=False, lineterminator="\n").encode())


def _row(series: Series, segment: Segment, occurrence: int) -> dict[str, object]:
    inside = segment.rows(series)
    part = series[inside]
    start_s, end_s = segment.span(series)
    lasting_s = np.minimum(series.durations_s[inside], end_s - part.times_s)
    values = np.where(part.valid[:, None], part.values, np.nan)
    row: dict[str, object] = dict(zip(KEYS, series.key, strict=True))
    row |= dict(zip(SEGMENT, (segment.name, occurrence, start_s, end_s), strict=True))
    row |= {
        "frames": len(part),
        "valid_frames": int(part.valid.sum()),
        "valid_share": float(part.valid.mean()) if len(part) else float("nan"),
        "valid_s": float(lasting_s[part.valid].sum()),
        "caveat_share": part.caveat_share,
    }
    for i, axis in enumerate(AXES):
        row |= {
            f"{axis}_{name}": value for name, value in axis_statistics(part.times_s, values[:, i]).items()
        }
    seconds = quadrant_seconds(values, lasting_s)
    return row | {f"{name}_s": seconds[name] for name in QUADRANTS}


def _subtract_baseline(
    rows: list[dict[str, object]], series: Sequence[Series], segments: Sequence[Segment], name: str
) -> None:
    found: dict[Key, dict[str, dict[str, float]]] = {}
    for one in series:
        inside = np.zeros(len(one), bool)
        for segment in segments:
            if segment.name == name and segment.is_of(one):
                inside |= segment.rows(one)
        part = one[inside]
        if part.valid.any():
            values = np.where(part.valid[:, None], part.values, np.nan)
            found[one.key] = {
                axis: axis_statistics(part.times_s, values[:, i]) for i, axis in enumerate(AXES)
            }
    if not found:
        names = ", ".join(sorted({segment.name for segment in segments})) or "none"
        raise UsageError(f"no recording has a segment {name!r} with values", f"the segments: {names[:300]}")
    for row in rows:
        base = _baseline_of(key_of(row), found)
        independent = row["segment"] not in (name, WHOLE)
        for axis in AXES:
            mean, se = (float(str(row[f"{axis}_{figure}"])) for figure in ("mean", "mean_se"))
            row[f"{axis}_from_baseline"] = np.nan if base is None else mean - base[axis]["mean"]
            row[f"{axis}_from_baseline_se"] = (
                float(np.hypot(se, base[axis]["mean_se"])) if base is not None and independent else np.nan
            )


def _baseline_of(
    key: Key, found: dict[Key, dict[str, dict[str, float]]]
) -> dict[str, dict[str, float]] | None:
    """The recording's own baseline, or that of another recording of the same participant; the same session first."""
    if key in found or not key.participant:
        return found.get(key)
    others = [other for other in found if (other.participant, other.face) == (key.participant, key.face)]
    others.sort(key=lambda other: other.session != key.session)
    return found[others[0]] if others else None
