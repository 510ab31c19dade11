"""Reads label files of every format, for `label` and `calibrate` alike, and writes labels.csv.

Times of a table count from the first frame of the recording; those of ELAN and NOVA count from the beginning of the
media file and are shifted by `first_frame_s`. A label refers to the nearest frame.
"""

import csv
import io
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from mtclar.engine.errors import UsageError
from mtclar.engine.files.reading import read_ordinary
from mtclar.engine.text import cell
from mtclar.stream.label_formats.elan import label_tiers, parse_elan, write_elan
from mtclar.stream.label_formats.label import Label as Label
from mtclar.stream.label_formats.label import Scale as Scale
from mtclar.stream.label_formats.label import average as average
from mtclar.stream.label_formats.nova import SUFFIX as NOVA
from mtclar.stream.label_formats.nova import label_samples, pair_of, parse_nova, write_nova
from mtclar.stream.label_formats.table import COLUMNS, EXAMPLE, TRACK, VIDEO, parse_table

log = logging.getLogger(__name__)

CSV, ELAN = ".csv", ".eaf"
MAX_BYTES = 16 * 2**20  # half a million labels
MAX_HZ = 5.0  # of labels that are used: more of them hardly change an estimate, and the time that it takes grows fast
EARLY_S = 0.5  # a label of a media file may lie this long before its first frame
PAST_END = "times are in seconds from the first frame; a column in milliseconds is called time_ms"
"""Advice for a label past the end of the recording."""
FEW = 50  # labels that are used however close they are
TOLERANCE_S = 0.01
SHOWN_VIDEOS = 200  # characters
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_labels(path: Path, scale: Scale | None = None, first_frame_s: float = 0.0) -> tuple[Label, ...]:
    """The labels of a file, in order of time; the suffix selects the format.

    `scale`: the range of the values, by default [-1, 1], or that of a NOVA scheme. `first_frame_s`: time of the first
    frame in the media file. Raises UsageError with the file, line, column and value of what is wrong.
    """
    if path.suffix.lower() == NOVA:
        labels = parse_nova(path, _read, scale)
    elif path.suffix.lower() == ELAN:
        labels = parse_elan(_read(path), str(path), scale or Scale())
    else:
        return parse_labels(decoded(_read(path), path), str(path), scale or Scale())
    shifted = [replace(label, time_s=label.time_s - first_frame_s) for label in labels]
    if shifted[0].time_s < -EARLY_S:
        raise UsageError(
            f"{path}: the label at {labels[0].time_s:.2f} s lies before the first frame, which is at "
            f"{first_frame_s:.2f} s of the media file",
            "were the labels made from another file?",
        )
    return tuple(replace(label, time_s=max(label.time_s, 0.0)) for label in shifted)


def parse_labels(text: str, name: str = "labels.csv", scale: Scale | None = None) -> tuple[Label, ...]:
    """The labels of a table, in order of time; `name` names it in messages. Raises UsageError."""
    labels = parse_table(text, name, scale or Scale())
    lines_of: dict[tuple[str, float, int | None], int | None] = {}
    for label in labels:
        earlier = lines_of.setdefault((label.video, label.time_s, label.track), label.line)
        if earlier != label.line:
            raise UsageError(
                f"{name}, line {label.line}: the time {label.time_s:g} was labelled before, in line {earlier}",
                "one label for each time (and track, and video)",
            )
    return tuple(sorted(labels, key=lambda label: label.time_s))


def of_video(labels: Sequence[Label], video: str, file: Path) -> tuple[Label, ...]:
    """The labels of the video with this file name, and those that name none; logs how many are left out.

    Raises UsageError if all are of other videos.
    """
    own = tuple(label for label in labels if _file_name(label.video) in ("", _file_name(video)))
    if len(own) == len(labels):
        return own
    others = ", ".join(sorted({label.video for label in labels} - {label.video for label in own}))
    if not own:
        raise UsageError(
            f"{file} has labels of {others[:SHOWN_VIDEOS]}, and none of {video}",
            "name one of these videos, or correct the column video",
        )
    log.warning(
        "%s: %d of %d labels are of other videos (%s)",
        file, len(labels) - len(own), len(labels), others[:SHOWN_VIDEOS],
    )  # fmt: skip
    return own


def _file_name(video: str) -> str:
    """How names are compared: without folder and case, and with commas, which `cell` writes for semicolons."""
    return video.replace("\\", "/").rstrip("/").rpartition("/")[2].casefold().replace(";", ",")


def thinned(labels: Sequence[Label], max_hz: float = MAX_HZ) -> list[Label]:
    """At most `max_hz` labels a second of each face, of labels in order of time; all of at most FEW."""
    if len(labels) <= FEW:
        return list(labels)
    kept: list[Label] = []
    latest_s: dict[int | None, float] = {}
    for label in labels:
        if label.time_s - latest_s.get(label.track, -math.inf) > 1 / max_hz - TOLERANCE_S:
            latest_s[label.track] = label.time_s
            kept.append(label)
    return kept


def write_labels(labels: Iterable[Label]) -> str:
    """The text of a label file; `parse_labels` returns the same labels."""
    labels = sorted(labels, key=lambda label: (label.video, label.time_s))
    more: dict[str, list[object]] = {
        VIDEO: [cell(label.video) if label.video else "" for label in labels],
        TRACK: ["" if label.track is None else label.track for label in labels],
        "category": [cell(label.category) if label.category else "" for label in labels],
        "note": [cell(label.note) if label.note else "" for label in labels],
    }
    more = {name: values for name, values in more.items() if any(value != "" for value in values)}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, *more])
    for i, label in enumerate(labels):
        row = [repr(label.time_s), repr(label.valence), repr(label.arousal)]
        writer.writerow([*row, *(values[i] for values in more.values())])
    return out.getvalue()


def label_files(
    labels: Iterable[Label], out: Path, video: Path | None = None, first_frame_s: float = 0.0
) -> dict[Path, bytes]:
    """The files (path -> content) that hold labels in the format of the suffix of `out`; `read_labels` reads them.

    ELAN and NOVA files count from the beginning of the media file, whose first frame is at `first_frame_s`. Raises
    UsageError for an unknown suffix.
    """
    labels = sorted(labels, key=lambda label: label.time_s)
    suffix = out.suffix.lower()
    if suffix == ELAN:
        return {out: write_elan(label_tiers(labels, first_frame_s), out, video)}
    if suffix == NOVA:
        rate_hz, samples = label_samples(labels, first_frame_s)
        return {
            path: content
            for axis, file in pair_of(out).items()
            for path, content in zip(
                (file, file.with_name(f"{file.name}~")),
                write_nova(axis, out.stem, rate_hz, samples[axis]),
                strict=True,
            )
        }
    if suffix != CSV:
        raise UsageError(
            f"unknown format of labels: {out}", f"use one of the suffixes {CSV}, {ELAN} and {NOVA}"
        )
    return {out: write_labels(labels).encode()}


def _read(path: Path) -> bytes:
    try:
        return read_ordinary(path, MAX_BYTES)
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no label file {path}",
            "give the path of a CSV file with the columns time,valence,arousal, or of an ELAN or NOVA file",
        ) from error
    except OSError as error:
        raise UsageError(f"cannot read the label file {path}: {error.strerror or error}", EXAMPLE) from error


def decoded(data: bytes, path: Path) -> str:
    """The text of a table: UTF-8, UTF-16 with its mark, or the code page of Western spreadsheets. Raises UsageError."""
    try:
        if data.startswith(UTF_16):
            return data.decode("utf-16")
        if b"\0" in data:
            raise UnicodeDecodeError("utf-8", data, 0, 1, "a zero byte")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return data.decode("cp1252")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a text file", "save it as CSV (UTF-8)") from error
