"""Analyse one recording: scan the faces, tell the people apart, compute their values, interpolate, smooth.

`label` follows the labelled person; `analyse` gives everybody a table of their own.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.estimate.smoothing import Exponential, ExponentialParams
from mtclar.engine.support_set import SupportSet
from mtclar.label.output.table import LABELLED, Measurements, Table
from mtclar.label.scan.face_scan import (
    BETWEEN,
    OK,
    RATE_HZ,
    STATES,
    UNREADABLE,
    Advance,
    FaceScan,
    FaceScanner,
    ScannedFrames,
    frames_to_scan,
)
from mtclar.label.scan.people import (
    FaceChoice,
    Person,
    SeenFaces,
    choose_person,
    describe_people,
    faces_of,
    number_people,
)
from mtclar.label.scan.recording import Recording
from mtclar.label.scan.scan_journal import ScanJournal
from mtclar.label.values.modes import DEFAULT, LabelledFrames, ModeContext
from mtclar.label.values.person_values import (
    PersonValues,
    values_from_labels,
    values_from_set,
    with_caveats,
)
from mtclar.label.values.temporal_gp import bundled_constants
from mtclar.stream.label_formats.label_file import PAST_END, Label, average, thinned
from mtclar.stream.table.provenance import SetIdentity

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

CAUSAL = "causal"
MAX_INTERPOLATION_S = 0.6  # longest gap between scanned frames that is interpolated
METHOD_VERSION = 5  # increment when the same input gives different output: stored scans are then discarded


@dataclass(frozen=True, slots=True)
class Settings:
    """Options that change the result."""

    mode: str = DEFAULT
    rate_hz: float = RATE_HZ  # scanned frames per second; 0: all frames
    smooth: bool = True
    face: FaceChoice | None = (
        None  # the labelled person; None: the one who is largest in most labelled frames
    )
    everyone: bool = False  # a table for each person, not only the followed one
    blendshapes: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class FollowedFace:
    """The scan of one person, and everybody who was seen."""

    scan: FaceScan
    numbers: tuple[int, ...]  # of this person
    people: tuple[Person, ...]  # seen in more than a few frames
    scanned: ScannedFrames  # everybody
    people_of: Rows  # [k] number of the person of each face seen

    def others(self) -> Iterator[tuple[int, FaceScan]]:
        """Number and scan of each other person who is seen in more than a few frames."""
        for person in self.people:
            if person.number not in self.numbers:
                faces = faces_of(self.scanned.faces, self.people_of, (person.number,))
                yield person.number, self.scanned.of(faces)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The tables and how they were computed."""

    table: Table  # of the followed person
    mode: str  # the applied mode, also for `best`
    given: int  # number of labelled frames
    used: int  # of them: with a usable face, at most MAX_HZ a second
    unused: tuple[str, ...]  # labels on frames without a usable face, with the reason
    rmse: Mapping[str, tuple[float, float]]  # leave-one-out RMSE by mode; empty: too few labels
    followed: FollowedFace
    others: tuple[Table, ...] = ()  # with `everyone`

    @property
    def tables(self) -> tuple[Table, ...]:
        return (self.table, *self.others)


def input_digest(
    recording: Recording,
    labels: Sequence[Label],
    settings: Settings,
    encoder_sha256: str,
    support: SupportSet | None = None,
    recorded: Mapping[str, object] | None = None,
) -> str:
    """Digest (sha256) of everything that determines the result; `recorded`: what its rows say about the recording."""
    facts = {
        "method": METHOD_VERSION,
        "recording": recording.digest(),
        "frames": len(recording.times_s),
        "duration": float(recording.times_s[-1]),  # the frame rate of an image folder is not stored in it
        "labels": [(label.time_s, label.valence, label.arousal) for label in labels],
        "settings": asdict(settings),
        "encoder": encoder_sha256,
        "constants": asdict(bundled_constants()),
        "support": None if support is None else SetIdentity.of(support).sha256,
        "recorded": dict(recorded or {}),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def label_recording(
    recording: Recording,
    labels: Sequence[Label],
    scanner: FaceScanner,
    settings: Settings,
    journal: ScanJournal,
    advance: Advance,
    support: SupportSet | None = None,
) -> Outcome:
    """Values for every frame of a recording, from labels of its own, from a person's support set, or from both.

    Without either they are those of the uncalibrated model. Raises UsageError for labels that match no frame,
    MtclarError if no labelled frame shows a usable face, SupportSetError for a support set of another encoder.
    """
    if support is not None:
        support.require_encoder(scanner.identity)
    times_s = recording.times_s
    all_rows, all_labels = labels_by_frame(times_s, labels, recording.warnings)
    given = np.full((len(times_s), 2), np.nan)
    if all_labels:
        given[all_rows] = [(label.valence, label.arousal) for label in all_labels]
    labels = thinned(all_labels)
    labelled, _ = labels_by_frame(times_s, labels)
    followed = follow_face(recording, labelled, scanner, settings.rate_hz, settings.face, journal, advance)
    scan = followed.scan
    usable = scan.state[labelled] == OK
    unused = tuple(
        f"{label.where}: {STATES[scan.state[row]].replace('_', ' ')}"
        for label, row, ok in zip(labels, labelled, usable, strict=True)
        if not ok
    )
    if labels and not usable.any():
        raise MtclarError(
            f"{recording.name}: none of its {len(labels)} labelled frames shows a usable face",
            "; ".join(unused[:3]),
        )
    seen = followed.scanned.faces
    if labels:
        scanned_s = times_s[scan.rows]
        at = np.searchsorted(scan.rows, labelled[usable])
        known = LabelledFrames(scan.encoded[at], given[labelled[usable]], scanned_s[at])
        context = ModeContext.bundled(scanner.pair)
        found = values_from_labels(known, scan.encoded, scanned_s, context, settings.mode, support)
    else:
        found = _from_set(scan, seen, times_s, scanner, support)
    # `label` names no track: its output is a label file, and a label with a track would be about that face alone.
    number = followed.numbers[0] if settings.everyone else None
    table = _table(recording, scan, seen, found, labelled, scanner, settings.smooth, number)
    state = table.state.copy()
    state[all_rows[table.valued[all_rows]]] = LABELLED
    subject = None if support is None else support.subject
    table = replace(
        table, labels=given, state=state, subject=subject, calibrated=bool(labels) or support is not None
    )
    others = [
        replace(
            _table(
                recording,
                other,
                seen,
                _from_set(other, seen, times_s, scanner, None),
                labelled[:0],
                scanner,
                settings.smooth,
                number,
            ),
            calibrated=False,
        )
        for number, other in (followed.others() if settings.everyone else ())
    ]
    used, rmse = int(usable.sum()), found.rmse or {}
    return Outcome(table, found.mode, len(all_rows), used, unused, rmse, followed, tuple(others))


def _from_set(
    scan: FaceScan, seen: SeenFaces, times_s: Array, scanner: FaceScanner, support: SupportSet | None
) -> PersonValues:
    details = seen.details[scan.seen[seen.usable[scan.seen]]]
    return values_from_set(scan.encoded, details, times_s[scan.rows], scanner.pair, support)


def _table(
    recording: Recording,
    scan: FaceScan,
    seen: SeenFaces,
    found: PersonValues,
    labelled: Rows,
    scanner: FaceScanner,
    smooth: bool,
    number: int | None,
) -> Table:
    """The table of one person, without labels."""
    times_s = recording.times_s
    causal = found.mode == CAUSAL
    details = seen.details[scan.seen]
    usable = seen.usable[scan.seen]
    of_usable = seen.details[scan.seen[usable]]
    qualified = with_caveats(
        found,
        scan.encoded,
        of_usable,
        times_s[scan.rows],
        scanner.hidden_mouth,
        np.isin(scan.rows, labelled),
        causal=causal,
    )
    values, sds = fill_unscanned(times_s, scan, qualified.values, qualified.sds, hold=causal)
    if smooth and not causal:
        values = smooth_zero_phase(times_s, values, bundled_constants().smooth_hz)
    count = len(scan.seen)

    def spread(part: Array | None, *shape: int) -> Array:
        """[count, ...] from what is known of the usable faces."""
        whole = np.full((count, *shape), np.nan)
        if part is not None:
            whole[usable] = part
        return whole

    def spread_words(part: NDArray[np.str_] | None) -> NDArray[np.str_]:
        """[count] from those of the usable faces."""
        whole = np.full(count, "", "<U80")
        if part is not None:
            whole[usable] = part
        return whole

    measured = Measurements(
        rows=seen.rows[scan.seen],
        boxes=seen.boxes[scan.seen].astype(np.float64),
        pose_deg=details.pose_deg.astype(np.float64),
        faults=details.faults,
        raw=spread(found.values, 2),
        absolute=spread(scan.encoded.absolute.astype(np.float64), 2),
        in_support=spread(found.in_support),
        similarity=spread(found.similarity),
        caveats=spread_words(qualified.caveats),
        drift=spread_words(found.drift),
        blendshapes=details.blendshapes.astype(np.float64),
    )
    state = np.array(STATES)[scan.state].astype("<U16")
    no_labels = np.full((len(times_s), 2), np.nan)
    return Table(
        times_s, values, sds, state, no_labels, recording.first_frame_s, track=number, measured=measured
    )


def follow_face(
    recording: Recording,
    labelled: Rows,
    scanner: FaceScanner,
    rate_hz: float,
    face: FaceChoice | None,
    journal: ScanJournal,
    advance: Advance,
) -> FollowedFace:
    """Scan a recording and keep the faces of the labelled person. Raises UsageError if there is no face as chosen."""
    times_s = recording.times_s
    at_row = None
    if face is not None and face.time_s is not None:
        if face.time_s > times_s[-1] + 1.0:
            raise UsageError(
                f"--face: {face.time_s:g} s lies past the end: the last frame is at {times_s[-1]:.2f} s",
                "times are in seconds from the first frame",
            )
        at_row = int(np.abs(times_s - face.time_s).argmin())
    always = labelled if at_row is None else np.append(labelled, at_row)
    scanned = scanner.scan(recording, frames_to_scan(times_s, rate_hz, always), journal, advance)
    people = number_people(scanned.faces)
    numbers = choose_person(scanned.faces, people, labelled, face, at_row)
    scan = scanned.of(faces_of(scanned.faces, people, numbers))
    return FollowedFace(scan, numbers, describe_people(scanned.faces, people, times_s), scanned, people)


def labels_by_frame(
    times_s: Array, labels: Sequence[Label], warnings: Sequence[str] = ()
) -> tuple[Rows, list[Label]]:
    """Labelled frames [m] in order, and one label for each: the mean of the labels that are nearest to this frame.

    Raises UsageError for a label after the end, and for a label with a track.
    """
    middles = (times_s[1:] + times_s[:-1]) / 2
    rows = np.searchsorted(middles, [label.time_s for label in labels]).astype(np.int64)
    shown_s = max(
        times_s[-1] - times_s[-2] if len(times_s) > 1 else 0.0, 0.02
    )  # how long the last frame stays
    by_row: dict[int, list[Label]] = {}
    for label, row in zip(labels, rows.tolist(), strict=True):
        if label.track is not None:
            raise UsageError(
                f"the label in {label.where} has a track, but `label` follows one person",
                "remove the column `track`, and choose the person with --face",
            )
        if label.time_s > times_s[-1] + shown_s:
            raise UsageError(
                f"the label in {label.where} lies past the end: the last frame is at {times_s[-1]:.2f} s",
                "; ".join((*warnings, PAST_END)),  # perhaps the file breaks off
            )
        by_row.setdefault(row, []).append(label)
    return np.array(sorted(by_row), np.int64), [average(by_row[row]) for row in sorted(by_row)]


def fill_unscanned(
    times_s: Array, scan: FaceScan, values: Array, sds: Array, *, hold: bool = False
) -> tuple[Array, Array]:
    """Values and sds [n, 2] of all frames from those [m, 2] of the scanned frames with a face.

    Unscanned frames are interpolated linearly, or with `hold` take the value of the scanned frame before them. Frames
    without a usable scanned frame on both sides stay nan.
    """
    state, count = scan.state, len(times_s)
    full, full_sd = np.full((count, 2), np.nan), np.full((count, 2), np.nan)
    full[scan.rows], full_sd[scan.rows] = values, sds
    seen = np.flatnonzero((state != BETWEEN) & (state != UNREADABLE))
    between = np.flatnonzero(state == BETWEEN)
    after = np.searchsorted(seen, between)
    between, after = between[(after > 0) & (after < len(seen))], after[(after > 0) & (after < len(seen))]
    left, right = seen[after - 1], seen[after]
    apart_s = times_s[right] - times_s[left]
    good = (state[left] == OK) & (state[right] == OK) & (apart_s <= MAX_INTERPOLATION_S)
    between, left, right, apart_s = between[good], left[good], right[good], apart_s[good]
    share = np.zeros((len(between), 1)) if hold else ((times_s[between] - times_s[left]) / apart_s)[:, None]
    for array in (full, full_sd):
        array[between] = (1.0 - share) * array[left] + share * array[right]
    return full, full_sd


def smooth_zero_phase(times_s: Array, values: Array, cutoff_hz: float) -> Array:
    """Zero-phase low-pass of [n, 2]: a first-order filter forwards, then backwards. It restarts after a gap of 1 s."""
    valid = np.flatnonzero(~np.isnan(values).any(axis=1))
    result = values.copy()
    for order, direction in ((valid, 1.0), (valid[::-1], -1.0)):
        smooth = Exponential(ExponentialParams(cutoff_hz))
        for row in order:
            result[row], _ = smooth(direction * times_s[row], result[row], (0.0, 0.0))
    return result


def journal_path(out: Path) -> Path:
    """Path of the scan journal of an unfinished output."""
    return out.with_name(f".{out.name}.unfinished")
