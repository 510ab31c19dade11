"""One recording from its labels to a table: look, spread the labels, fill in between, smooth."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.estimate.smoothing import Exponential, ExponentialParams
from mtclar.label.face_scan import (
    BETWEEN,
    OK,
    RATE_HZ,
    STATES,
    UNREADABLE,
    Advance,
    Looked,
    Looker,
    to_look_at,
)
from mtclar.label.journal import Journal
from mtclar.label.modes import DEFAULT, LabelledFrames, Tools, rows_of, spread
from mtclar.label.output.table import LABELLED, Table
from mtclar.label.recording import Recording
from mtclar.label.temporal_gp import bundled_constants
from mtclar.stream.label_file import Label

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

CAUSAL = "causal"
LONGEST_BETWEEN_S = 0.6  # between two frames looked at, a value is read off the line from one to the other
METHOD = 1  # raise it when the same input gives another output: what was half done is then begun anew


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides the outcome beside the recording and its labels."""

    mode: str = DEFAULT
    rate_hz: float = RATE_HZ  # frames looked at a second; 0: every one
    smooth: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A table and how it came about."""

    table: Table
    mode: str  # the one taken
    used: int  # labels
    unused: tuple[str, ...]  # labels whose frame shows no face to measure, in words
    rmse: Mapping[str, tuple[float, float]]  # of each mode tried, on labels left out; empty: too few


def key_of(recording: Recording, labels: Sequence[Label], settings: Settings, encoder_sha256: str) -> str:
    """sha256 of everything that decides the outcome."""
    facts = {
        "method": METHOD,
        "recording": recording.digest(),
        "frames": len(recording.times_s),
        "duration": float(recording.times_s[-1]),  # the rate of a folder is not in its pictures
        "labels": [(label.time_s, label.valence, label.arousal) for label in labels],
        "settings": asdict(settings),
        "encoder": encoder_sha256,
        "constants": asdict(bundled_constants()),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def label_recording(
    recording: Recording,
    labels: Sequence[Label],
    looker: Looker,
    settings: Settings,
    journal: Journal,
    advance: Advance,
) -> Outcome:
    """Raises UsageError for labels that mean no frame, MtclarError when none of them shows a face."""
    labelled = labelled_rows(recording.times_s, labels)
    looked = looker.look(
        recording, to_look_at(recording.times_s, settings.rate_hz, labelled), journal, advance
    )
    given = np.array([(label.valence, label.arousal) for label in labels])
    usable = looked.state[labelled] == OK
    unused = tuple(
        f"{label.where}: {STATES[looked.state[row]].replace('_', ' ')}"
        for label, row, fine in zip(labels, labelled, usable, strict=True)
        if not fine
    )
    if not usable.any():
        raise MtclarError(
            f"{recording.name}: none of its {len(labels)} labelled frames shows a face that can be measured",
            "; ".join(unused[:3]),
        )
    times_s = recording.times_s[looked.rows]
    at = np.searchsorted(looked.rows, labelled[usable])
    known = LabelledFrames(rows_of(looked.encoded, at), given[usable], times_s[at])
    outcome = spread(settings.mode, known, looked.encoded, times_s, Tools.bundled(looker.pair))
    causal = outcome.mode == CAUSAL
    values, sds = fill(recording.times_s, looked, outcome.values, outcome.sds, hold=causal)
    if settings.smooth and not causal:
        values = smoothed(recording.times_s, values, bundled_constants().smooth_hz)
    state = np.array(STATES)[looked.state].astype("<U16")
    values[labelled], sds[labelled], state[labelled] = given, np.nan, LABELLED
    table = Table(recording.times_s, values, sds, state)
    return Outcome(table, outcome.mode, int(usable.sum()), unused, outcome.rmse)


def labelled_rows(times_s: Array, labels: Sequence[Label]) -> Rows:
    """The frame nearest to each label. Raises UsageError for a label past the end, with a track, or twice a frame."""
    middles = (times_s[1:] + times_s[:-1]) / 2
    rows = np.searchsorted(middles, [label.time_s for label in labels]).astype(np.int64)
    half_s = max((times_s[-1] - times_s[-2]) / 2 if len(times_s) > 1 else 0.0, 0.02)
    by_row: dict[int, Label] = {}
    for label, row in zip(labels, rows.tolist(), strict=True):
        if label.track is not None:
            raise UsageError(
                f"the label in {label.where} names a face, and here the largest is followed",
                "leave the column `track` out",
            )
        if label.time_s > times_s[-1] + half_s:
            raise UsageError(
                f"the label in {label.where} lies past the end, whose last frame is at {times_s[-1]:.2f} s",
                "times are in seconds from the first frame",
            )
        if row in by_row:
            raise UsageError(
                f"the labels in {by_row[row].where} and {label.where} mean the same frame",
                "one label for each frame",
            )
        by_row[row] = label
    return rows


def fill(
    times_s: Array, looked: Looked, values: Array, sds: Array, *, hold: bool = False
) -> tuple[Array, Array]:
    """From m measured frames to all n [n, 2]: what lies between two of them, and nothing anywhere else.

    `hold`: the value of the frame before stays, instead of a straight line to the next one.
    """
    state, count = looked.state, len(times_s)
    full, full_sd = np.full((count, 2), np.nan), np.full((count, 2), np.nan)
    full[looked.rows], full_sd[looked.rows] = values, sds
    seen = np.flatnonzero((state != BETWEEN) & (state != UNREADABLE))
    between = np.flatnonzero(state == BETWEEN)
    after = np.searchsorted(seen, between)
    between, after = between[(after > 0) & (after < len(seen))], after[(after > 0) & (after < len(seen))]
    left, right = seen[after - 1], seen[after]
    apart_s = times_s[right] - times_s[left]
    good = (state[left] == OK) & (state[right] == OK) & (apart_s <= LONGEST_BETWEEN_S)
    between, left, right, apart_s = between[good], left[good], right[good], apart_s[good]
    share = np.zeros((len(between), 1)) if hold else ((times_s[between] - times_s[left]) / apart_s)[:, None]
    for array in (full, full_sd):
        array[between] = (1.0 - share) * array[left] + share * array[right]
    return full, full_sd


def smoothed(times_s: Array, values: Array, cutoff_hz: float) -> Array:
    """[n, 2] through a first-order low-pass forwards and then backwards: no lag. A gap of a second begins anew."""
    there = np.flatnonzero(~np.isnan(values).any(axis=1))
    result = values.copy()
    for order, direction in ((there, 1.0), (there[::-1], -1.0)):
        smooth = Exponential(ExponentialParams(cutoff_hz))
        for row in order:
            result[row], _ = smooth(direction * times_s[row], result[row], (0.0, 0.0))
    return result


def journal_of(out: Path) -> Path:
    """Where the work on an output is kept while it is unfinished."""
    return out.with_name(f".{out.name}.unfinished")
