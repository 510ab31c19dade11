"""Read tables into series: our own (`run --csv`, `label`, `analyse`), other programs', raters' label files.

A table may have several recordings and faces, and becomes one series for each. Frames in which a face is missing belong
to its series too, without a value, so that the share of valid frames is right.
"""

import csv
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import UsageError
from mtclar.engine.files.reading import open_ordinary, read_input
from mtclar.engine.installation.extras import install_command
from mtclar.label.analysis.programs import FAILED, Program, emotion_columns, program_of
from mtclar.label.analysis.series import AXES, MEASURED, NO_TEXTS, Array, Key, Series, series_of
from mtclar.stream.label_formats.label import Place, Scale
from mtclar.stream.label_formats.label_file import decoded, read_labels
from mtclar.stream.label_formats.table import BLANK, SEPARATORS, column_name, seconds_of
from mtclar.stream.table.columns import COLUMNS

if TYPE_CHECKING:
    from pandas import DataFrame

MAX_BYTES = 2**30
MAX_PREAMBLE = 40  # lines before the header, as FaceReader writes them
RATINGS = (".eaf", ".annotation")
PARQUET = ".parquet"
TEXTS = (".csv", ".tsv", ".txt")
SUFFIXES = (*TEXTS, PARQUET, *RATINGS)
HEAD_BYTES = 2**16  # in which the header is
NO_FACE = "no_face"
EXTRA = "analysis"
"""The extra that has pandas and matplotlib."""

TABLE_HINT = (
    "a table has the columns time, valence, arousal; tables of OpenFace, Py-feat and FaceReader are read, too"
)
TEXT_COLUMNS = (*(column.name for column in COLUMNS if column.kind == "text"), "track")


@dataclass(frozen=True, slots=True)
class Reading:
    """How tables are read."""

    columns: Mapping[str, str] | None = None  # axis -> the table's column to use for it
    scale: Scale | None = None  # of the values; by default they are taken as they are
    fps: float | None = None  # of a table that has frame numbers and no times
    one_person: bool = False  # all faces of a recording are one person; the largest of a frame counts
    calibrated: bool = False  # only faces with a support set
    group_by: str | None = None  # column by which figures group the series


def require_pandas() -> Any:
    """The module pandas. Raises UsageError with the command that installs it."""
    try:
        import pandas
    except ImportError as error:
        raise UsageError("tables need pandas, which is not installed", install_command(EXTRA)) from error
    return pandas


def read_series(paths: Iterable[Path], reading: Reading | None = None) -> list[Series]:
    """The series of all tables; a folder stands for the tables in it. Raises UsageError with file and line."""
    found: list[Series] = []
    for path in table_files(paths):
        if path.suffix.lower() in RATINGS:
            found.append(_ratings(path, reading or Reading()))
        else:
            found += series_of_frame(read_table(path), path.stem, reading, str(path))
    return found


def table_files(paths: Iterable[Path]) -> list[Path]:
    """The files, and the tables of values in the folders (by their header), in order. Raises UsageError.

    Of a table that a folder has as text and as Parquet, the text is read.
    """
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            if path.suffix.lower() not in SUFFIXES:
                raise UsageError(f"{path} is not a table", f"known suffixes: {', '.join(SUFFIXES)}")
            files.append(path)
            continue
        tables = [file for file in sorted(path.rglob("*")) if _has_values(file)]
        texts = {file.with_suffix("") for file in tables if file.suffix.lower() != PARQUET}
        inside = [
            file for file in tables if file.suffix.lower() != PARQUET or file.with_suffix("") not in texts
        ]
        if not inside:
            raise UsageError(f"{path}: no table of values in this folder", TABLE_HINT)
        files += inside
    return files


def read_table(path: Path) -> "DataFrame":
    """All cells of a table as text, its columns as they are spelled; the index is the line. Raises UsageError."""
    pandas = require_pandas()
    if path.suffix.lower() == PARQUET:
        return _parquet(path)
    text = _text(path)
    skip, separator = _header(text, path)
    lines = text.split("\n")[skip:]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)  # cells beyond the header
            frame = pandas.read_csv(
                io.StringIO("\n".join(lines)), sep=separator, dtype=str, keep_default_na=False, index_col=False,
                skipinitialspace=True, skip_blank_lines=False,
            )  # fmt: skip
    except (pandas.errors.ParserError, pandas.errors.ParserWarning, ValueError) as error:
        raise UsageError(f"{path}: {str(error).splitlines()[0]}", TABLE_HINT) from error
    frame = frame.fillna("")
    frame.index = range(skip + 2, skip + 2 + len(frame))  # numbers of the lines
    frame = frame[(frame != "").any(axis=1)]
    frame.attrs["decimal_comma"] = separator != ","
    if frame.empty:
        raise UsageError(f"{path} has a header, but no row", TABLE_HINT)
    return frame


def series_of_frame(
    frame: "DataFrame", recording: str, reading: Reading | None = None, file: str | None = None
) -> list[Series]:
    """The series of a table. `recording` names them; `file` is named in messages. Raises UsageError."""
    reading = reading or Reading()
    return list(_Table(frame, recording, file or recording, reading).series())


class _Table:
    """One table while it is read."""

    def __init__(self, frame: "DataFrame", recording: str, file: str, reading: Reading) -> None:
        self.pandas = require_pandas()
        self.frame, self.recording, self.file, self.reading = frame, recording, file, reading
        self.spelled: dict[str, str] = {}
        for column in frame.columns:
            self.spelled.setdefault(str(column).strip().casefold(), str(column))
        self.program: Program | None = program_of(list(self.spelled))
        for name in reading.columns or {}:
            if name not in AXES:
                raise UsageError(
                    f"--column: {name!r} is not an axis", "write valence=COLUMN or arousal=COLUMN"
                )

    def series(self) -> Iterator[Series]:
        times_s, values = self._times(), np.column_stack([self._axis(axis) for axis in AXES])
        if np.isnan(values).all():
            raise UsageError(f"{self.file} has no value of valence or arousal", TABLE_HINT)
        text = {name: self._column_of_text(name) for name in TEXT_COLUMNS}
        if self.program is not None and self.program.face in self.spelled:
            text["track"] = self._column_of_text(self.program.face)
        if self.program is not None and self.program.valid in self.spelled:
            text["state"] = np.where(self._numbers(self.spelled[self.program.valid]) == 1, "ok", NO_FACE)
        values[~np.isin(text["state"], MEASURED)] = np.nan
        face = np.where(text["subject"] != "", text["subject"], text["track"])
        if self.reading.calibrated:
            values[text["subject"] == ""] = np.nan
            face = text["subject"].copy()
            text["track"] = text["subject"]
            if not (face != "").any():
                raise UsageError(f"{self.file} has no face with a support set", "remove --calibrated")
        if self.reading.one_person:
            face[:] = ""
        sds = np.column_stack([self._optional(f"{axis}_sd") for axis in AXES])
        unix_s = self._optional("t_unix")
        size = self._optional("width")
        group = self._group()
        whose = list(zip(text["participant"], text["session"], text["stream"], strict=True))
        for recorded in dict.fromkeys(whose):
            of_recording = np.array([other == recorded for other in whose])
            all_times = np.unique(times_s[of_recording])
            for name in _faces(face[of_recording], text["track"][of_recording], self.reading.one_person):
                rows = np.flatnonzero(of_recording & (face == name))
                rows = rows[np.lexsort((-np.nan_to_num(size[rows]), times_s[rows]))]  # the largest face first
                _, first = np.unique(times_s[rows], return_index=True)
                rows = rows[first]
                key = Key(self.recording, *recorded, name)
                yield _on_all_frames(
                    Series(
                        key, times_s[rows], values[rows], sds[rows], text["state"][rows], text["drift"][rows],
                        text["faults"][rows], text["mark"][rows],
                        np.empty(0) if np.isnan(unix_s[of_recording]).any() else unix_s[rows],
                        group[rows[0]], text["caveats"][rows] if "caveats" in self.spelled else NO_TEXTS,
                    ),
                    all_times,
                    _marks(times_s[of_recording], text["mark"][of_recording], all_times),
                )  # fmt: skip

    def _times(self) -> Array:
        program = self.program
        if program is not None and not program.time:
            if self.reading.fps is None:
                raise UsageError(
                    f"{self.file} is a table of {program.name}, which has frame numbers and no exact times",
                    "give the frame rate of the video: --fps 25",
                )
            return self._numbers(self.spelled["frame"]) / self.reading.fps
        column = (
            self.spelled[program.time]
            if program is not None
            else self._known("time") or self._known("time_ms")
        )
        if not column:
            raise UsageError(f"{self.file} has no column `time`", TABLE_HINT)
        in_ms = program is None and column_name(column) == "time_ms"
        cells = self.frame[column].astype(str)
        if cells.str.contains(":", regex=False).any():
            return np.array([seconds_of(cell, self._place(row, column)) for row, cell in enumerate(cells)])
        times_s = self._numbers(column) / (1000.0 if in_ms else 1.0)
        if np.isnan(times_s).any():
            row = int(np.flatnonzero(np.isnan(times_s))[0])
            raise self._place(row, column).error("the time is missing", TABLE_HINT)
        return times_s

    def _axis(self, axis: str) -> Array:
        chosen = (self.reading.columns or {}).get(axis)
        column = self.spelled.get(chosen.strip().casefold(), "") if chosen else self._known(axis)
        if chosen and not column:
            raise UsageError(
                f"{self.file} has no column {chosen!r}", f"its columns: {', '.join(self.frame.columns)[:300]}"
            )
        if column:
            values = self._numbers(column)
            scale = self.reading.scale
            return values if scale is None else 2 * (values - scale.low) / (scale.high - scale.low) - 1
        emotions = (
            emotion_columns(list(self.spelled)) if axis == "valence" and self.program is not None else None
        )
        if emotions is not None:
            strength = {emotion: self._numbers(self.spelled[name]) for emotion, name in emotions.items()}
            happiness = strength.pop("happiness")
            return happiness - np.max(list(strength.values()), axis=0)
        if self.program is not None:
            if self.program.name == "OpenFace" and not self.reading.columns:
                raise UsageError(
                    f"{self.file} is a table of OpenFace, which has no valence or arousal",
                    "choose a column for an axis: --column valence=AU12_r",
                )
            return np.full(len(self.frame), np.nan)
        if self.reading.columns:
            return np.full(len(self.frame), np.nan)
        raise UsageError(f"{self.file} has no column `{axis}`", TABLE_HINT)

    def _known(self, name: str) -> str:
        """The table's column for one of the names of label files; the exact spelling wins."""
        if name in self.spelled:
            return self.spelled[name]
        return next((column for column in self.frame.columns if column_name(str(column)) == name), "")

    def _optional(self, name: str) -> Array:
        return self._numbers(self.spelled[name]) if name in self.spelled else np.full(len(self.frame), np.nan)

    def _column_of_text(self, name: str) -> NDArray[np.str_]:
        if name not in self.spelled:
            return np.full(len(self.frame), "", dtype=np.str_)
        cells = self.frame[self.spelled[name]]
        return np.array(
            ["" if cell is None or cell is self.pandas.NA else str(cell).strip() for cell in cells], np.str_
        )

    def _group(self) -> NDArray[np.str_]:
        name = self.reading.group_by
        if name is not None and name.casefold() not in self.spelled:
            raise UsageError(
                f"{self.file} has no column {name!r}", f"its columns: {', '.join(self.frame.columns)[:300]}"
            )
        return self._column_of_text(name.casefold() if name else "")

    def _numbers(self, column: str) -> Array:
        cells = self.frame[column]
        if cells.dtype.kind in "fiub":
            return cells.to_numpy(np.float64)
        text = cells.astype("string").fillna("").str.strip()
        if self.frame.attrs.get("decimal_comma"):
            text = text.str.replace(",", ".", regex=False)
        numbers = self.pandas.to_numeric(text, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        odd = np.isnan(numbers) & ~text.str.casefold().isin(BLANK | FAILED).to_numpy(bool)
        if odd.any():
            row = int(np.flatnonzero(odd)[0])
            raise self._place(row, column).error(f"{str(cells.iloc[row])[:40]!r} is not a number", TABLE_HINT)
        return np.asarray(np.where(np.isfinite(numbers), numbers, np.nan), np.float64)

    def _place(self, row: int, column: str) -> Place:
        return Place(self.file, self.frame.index[row], column)


def _faces(face: NDArray[np.str_], track: NDArray[np.str_], one_person: bool) -> list[str]:
    """The faces of a recording; rows without a face are none, unless nothing else is there."""
    if one_person:
        return [""]
    named = list(dict.fromkeys(face[(face != "") | (track != "")].tolist()))
    return named or [""]


def _marks(times_s: Array, marks: NDArray[np.str_], all_times: Array) -> NDArray[np.str_]:
    """The marks of each frame of a recording, in whichever row of the frame they stand."""
    found = {float(at): mark for at, mark in zip(times_s, marks, strict=True) if mark}
    return np.array([found.get(float(at), "") for at in all_times], np.str_)


def _on_all_frames(series: Series, all_times: Array, marks: NDArray[np.str_]) -> Series:
    """The series with a row for each frame of its recording; NO_FACE where it had none."""
    at = np.searchsorted(all_times, series.times_s)

    def spread(rows: NDArray[Any], blank: object) -> NDArray[Any]:
        shape = (len(all_times), *rows.shape[1:])
        kind = (
            f"<U{max(len(str(blank)), rows.dtype.itemsize // 4, 1)}" if rows.dtype.kind == "U" else rows.dtype
        )
        out = np.full(shape, blank, dtype=kind)
        out[at] = rows
        return out

    unix_s = np.empty(0)
    if len(series.unix_s):  # both clocks run alike within a recording
        unix_s = series.unix_s[0] + all_times - series.times_s[0]
        unix_s[at] = series.unix_s
    return Series(
        series.key, all_times, spread(series.values, np.nan), spread(series.sds, np.nan),
        spread(series.state, NO_FACE), spread(series.drift, ""), spread(series.faults, ""), marks, unix_s, series.group,
        spread(series.caveats, "") if len(series.caveats) else NO_TEXTS,
    )  # fmt: skip


def _ratings(path: Path, reading: Reading) -> Series:
    labels = read_labels(path, reading.scale)
    times_s = np.array([label.time_s for label in labels])
    return series_of(Key(path.stem), times_s, np.array([(label.valence, label.arousal) for label in labels]))


def _parquet(path: Path) -> "DataFrame":
    pandas = require_pandas()
    try:
        return pandas.read_parquet(io.BytesIO(_read(path)))
    except ImportError as error:
        raise UsageError("Parquet files need pyarrow", install_command("parquet")) from error
    except (ValueError, OSError) as error:
        raise UsageError(f"{path} is not a Parquet file: {error}", TABLE_HINT) from error


def _read(path: Path) -> bytes:
    return read_input(path, MAX_BYTES, TABLE_HINT, "table")


def _text(path: Path) -> str:
    return decoded(_read(path), path).replace("\r\n", "\n").replace("\r", "\n")


def _has_values(path: Path) -> bool:
    """Whether a file in a folder is a table of values; other tables, such as lists, lie in the same folder."""
    suffix = path.suffix.lower()
    try:
        if suffix == PARQUET:
            from pyarrow import parquet

            names = [name.casefold() for name in parquet.read_schema(path).names]
        elif suffix in TEXTS:
            with open_ordinary(path) as file:
                head = file.read(HEAD_BYTES).decode("utf-8", "replace")
            skip, separator = _header(head, path)
            names = [cell.strip().strip('"').casefold() for cell in head.split("\n")[skip].split(separator)]
        else:
            return False
    except (OSError, ImportError, ValueError, UsageError):
        return False
    return program_of(names) is not None or {"time", *AXES} <= {column_name(name) for name in names}


def _header(text: str, path: Path) -> tuple[int, str]:
    """The lines before the header, and its separator: the first line with a column of times."""
    for skip, line in enumerate(text.split("\n")[:MAX_PREAMBLE]):
        for separator in sorted(SEPARATORS, key=line.count, reverse=True):
            cells = next(csv.reader([line], delimiter=separator), [])
            names = [cell.strip().casefold() for cell in cells]
            known = {column_name(cell.strip()) for cell in cells if cell.strip()}
            if len(names) > 1 and (program_of(names) is not None or known & {"time", "time_ms"}):
                return skip, separator
    raise UsageError(f"{path} has no header with a column `time`", TABLE_HINT)


def parse_columns(texts: Sequence[str]) -> dict[str, str]:
    """`valence=AU12_r` -> {"valence": "AU12_r"}. Raises UsageError."""
    columns = {}
    for text in texts:
        axis, separator, column = text.partition("=")
        if axis.strip() not in AXES or not separator or not column.strip():
            raise UsageError(f"--column {text!r} is not AXIS=COLUMN", "for example --column valence=AU12_r")
        columns[axis.strip()] = column.strip()
    return columns
