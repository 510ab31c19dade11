"""Valence and arousal of one person's scanned faces: from a support set, from labels of the recording, or from both.

A support set is applied as `run` applies it. Labels of the recording are propagated by a mode of `modes`; together with
a support set, its frames are labelled frames of another time, so far away that only their faces count.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends.session import InferenceSession
from mtclar.engine.data_types import Encoded
from mtclar.engine.estimate.caveats import Caveats
from mtclar.engine.estimate.comparer import Comparer, bundled_params, merging
from mtclar.engine.estimate.drift import DriftWatch
from mtclar.engine.estimate.hidden_mouth import HiddenMouth
from mtclar.engine.estimate.smoothing import DRIFT_PER_SQRT_S
from mtclar.engine.face.features.eyes import BLINK_OPENING
from mtclar.engine.support_set import SupportSet
from mtclar.label.scan.people import FaceDetails
from mtclar.label.values.modes import DEFAULT, LabelledFrames, ModeContext, propagate
from mtclar.stream.table.columns import SEPARATOR

Array = NDArray[np.float64]

BRIDGED_S = 1.0  # a blink that is further from open eyes stays as measured

ANOTHER_TIME_S = 1e7
"""How long before a recording the frames of a support set are taken to be."""


@dataclass(frozen=True, slots=True, eq=False)
class PersonValues:
    """m measured faces; nan: no value."""

    values: Array  # [m, 2] valence and arousal in [-1, 1], not smoothed
    sds: Array  # [m, 2]
    mode: str = ""  # how labels of the recording were propagated; '': there are none
    rmse: Mapping[str, tuple[float, float]] | None = None  # leave-one-out RMSE by mode
    in_support: Array | None = None  # [m] 0 or 1; None without a support set
    similarity: Array | None = None  # [m] to the nearest labelled frame
    drift: NDArray[np.str_] | None = None  # [m] reasons, joined by "; "


@dataclass(frozen=True, slots=True)
class _Crop:
    """The part of a face crop that drift depends on."""

    brightness: float
    sharpness: float
    pose_deg: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class _Parts:
    """The part of a face crop that caveats depend on."""

    eye_opening: float
    mouth_opening: float
    talking: bool


def values_from_set(
    encoded: Encoded, details: FaceDetails, times_s: Array, pair: InferenceSession, support: SupportSet | None
) -> PersonValues:
    """The estimates of m faces in order of time, as `run` makes them; without a support set the absolute values."""
    comparer = Comparer(pair, support)
    try:
        estimates = comparer(encoded)
    finally:
        comparer.close()
    values = np.array([(one.valence, one.arousal) for one in estimates]).reshape(-1, 2)
    sds = np.array([(one.valence_sd, one.arousal_sd) for one in estimates]).reshape(-1, 2)
    if support is None:
        return PersonValues(values, sds)
    watch = DriftWatch(support)
    drift = []
    for row, (t_s, one) in enumerate(zip(times_s.tolist(), estimates, strict=True)):
        yaw, pitch, roll = details.pose_deg[row].tolist()
        brightness, sharpness = details.light[row].tolist()
        crop = _Crop(brightness, sharpness, (yaw, pitch, roll))
        drift.append(SEPARATOR.join(watch(t_s, crop, one)))
    return PersonValues(
        values,
        sds,
        in_support=np.array([one.in_support for one in estimates], np.float64),
        similarity=np.array([one.similarity[one.nearest] for one in estimates], np.float64),
        drift=np.array(drift, np.str_),
    )


def values_from_labels(
    known: LabelledFrames,
    encoded: Encoded,
    times_s: Array,
    context: ModeContext,
    mode: str,
    support: SupportSet | None,
) -> PersonValues:
    """The values of m faces from labelled frames of the same recording, and from the person's support set, if any."""
    if support is not None:
        known, mode = _with_set(known, support), DEFAULT
    result = propagate(mode, known, encoded, times_s, context)
    return PersonValues(result.values, result.sds, result.mode, result.rmse)


@dataclass(frozen=True, slots=True, eq=False)
class QualifiedValues:
    """The values of m measured faces in spite of their caveats."""

    values: Array  # [m, 2]
    sds: Array  # [m, 2]
    caveats: NDArray[np.str_]  # [m] names, joined as in a table


def with_caveats(
    found: PersonValues,
    encoded: Encoded,
    details: FaceDetails,
    times_s: Array,
    probe: HiddenMouth | None,
    labelled: NDArray[np.bool_],
    *,
    causal: bool,
) -> QualifiedValues:
    """The values of m faces in order of time with the caveats of `run`: blinks, talking, a hidden mouth.

    Unless `causal`, the eyes after a blink count too: arousal is not below the line between the open eyes before and
    after it. `probe` is that of the encoder; without one no mouth is said to be hidden. `labelled` [m]: faces that the
    rater saw as they were, whose values stay.
    """
    values, sds, parts = found.values.copy(), found.sds.copy(), details.parts.copy()
    blinking = parts[:, 0] < BLINK_OPENING
    if not causal:
        _bridge_blinks(values, sds, blinking & ~labelled, times_s)
        parts[:, 0] = 1.0
    caveats, names = Caveats(), []
    hidden = [None] * len(times_s) if probe is None else probe(encoded.embedding).tolist()
    for row, (t_s, odds) in enumerate(zip(times_s.tolist(), hidden, strict=True)):
        eyes, mouth, talking = parts[row].tolist()
        value, sd = values[row].tolist(), sds[row].tolist()
        qualified = caveats(t_s, _Parts(eyes, mouth, bool(talking)), value, sd, odds)
        values[row], sds[row] = qualified.value, qualified.sd
        bridged = ("blink",) if blinking[row] and not causal else ()
        names.append(SEPARATOR.join(bridged + qualified.caveats))
    values[labelled], sds[labelled] = found.values[labelled], found.sds[labelled]
    return QualifiedValues(values, sds, np.array(names, np.str_))


def _bridge_blinks(values: Array, sds: Array, blinking: NDArray[np.bool_], times_s: Array) -> None:
    """Raises arousal in blinks to that between the open eyes beside them; its sd grows with the time to the nearest."""
    known = ~blinking & np.isfinite(values[:, 1])
    rows = np.flatnonzero(blinking)
    if not known.any() or not len(rows):
        return
    known_s, at_s = times_s[known], times_s[rows]
    after = np.searchsorted(known_s, at_s)
    sides = np.stack([np.maximum(after - 1, 0), np.minimum(after, len(known_s) - 1)])  # [2, rows]
    apart_s = np.abs(known_s[sides] - at_s).min(0)
    near = apart_s <= BRIDGED_S
    between = np.interp(at_s, known_s, values[known, 1])
    values[rows[near], 1] = np.maximum(values[rows, 1], between)[near]
    sds[rows[near], 1] = np.hypot(sds[rows, 1], DRIFT_PER_SQRT_S * np.sqrt(apart_s))[near]


def _with_set(known: LabelledFrames, support: SupportSet) -> LabelledFrames:
    """The set's frames, without near copies, and then those of the recording."""
    kept = merging(support, bundled_params().same_cosine).argmax(axis=1)
    frames = support.only(kept)
    order = np.argsort(frames.times_s, kind="stable")
    return LabelledFrames(
        Encoded.concatenate([frames.encoded[order], known.encoded]),
        np.concatenate([frames.labels[order].astype(np.float64), known.labels]),
        np.concatenate([frames.times_s[order] - frames.times_s.max() - ANOTHER_TIME_S, known.times_s]),
    )
