"""Find, check and encode the faces in the frames of a recording, and keep those of one person.

RATE_HZ frames a second are scanned (docs/results/label.md has the measurement), and every labelled frame. The work is
divided into chunks of CHUNK_FRAMES rows. Face tracking restarts at each chunk, so a resumed run computes the same
values as an uninterrupted one; `people` finds the same person in all chunks.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mtclar.engine import models
from mtclar.engine.backends.session import Closeable, InferenceSession, open_session
from mtclar.engine.data_types import Encoded, FaceCrop, Frame
from mtclar.engine.face.quality import RUN_LIMITS, quality_issues
from mtclar.engine.face.thumbnail import SIDE, thumbnail
from mtclar.engine.tracker import Tracker
from mtclar.label.scan.people import DETAILS, FaceDetails, SeenFaces
from mtclar.label.scan.recording import Decoded, Recording
from mtclar.label.scan.scan_journal import ScanJournal
from mtclar.stream.protocol.messages import ModelInfo
from mtclar.stream.table.columns import SEPARATOR

RATE_HZ = 5.0
CHUNK_FRAMES = 500
BATCH = 32  # crops per run of the encoder: measured best on one core

STATES = ("unreadable", "no_face", "other_face", "low_quality", "between", "ok")
"""`between`: not scanned; the value is interpolated between the scanned frames before and after it. `other_face`: the
labelled person is not seen, but somebody else is."""
UNREADABLE, NO_FACE, OTHER_FACE, LOW_QUALITY, BETWEEN, OK = range(len(STATES))

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True, eq=False)
class FaceScan:
    """One person in n frames, m of them with an encoded face."""

    state: NDArray[np.uint8]  # [n] index into STATES
    rows: NDArray[np.int64]  # [m] frames with an encoded face, in order
    encoded: Encoded  # m faces
    boxes: NDArray[np.float32]  # [n, 4] pixels; nan: not seen, or not scanned
    seen: NDArray[np.int64]  # indices of this person's faces among all that were seen, in order of frames

    def boxes_between(self, times_s: NDArray[np.float64], max_gap_s: float) -> NDArray[np.float32]:
        """[n, 4] the boxes, also of the frames between two scanned ones that are at most `max_gap_s` apart."""
        seen = np.flatnonzero(~np.isnan(self.boxes[:, 0]))
        full = self.boxes.copy()
        between = np.flatnonzero(self.state == BETWEEN)
        if len(seen) < 2:
            return full
        after = np.searchsorted(seen, between)
        between, after = between[(after > 0) & (after < len(seen))], after[(after > 0) & (after < len(seen))]
        near = times_s[seen[after]] - times_s[seen[after - 1]] <= max_gap_s
        for side in range(4):
            full[between[near], side] = np.interp(
                times_s[between[near]], times_s[seen], self.boxes[seen, side]
            )
        return full


@dataclass(frozen=True, slots=True, eq=False)
class ScannedFrames:
    """All people in n frames."""

    state: NDArray[np.uint8]  # [n] UNREADABLE, BETWEEN, NO_FACE, or OTHER_FACE for any face
    faces: SeenFaces

    def of(self, faces: NDArray[np.int64]) -> FaceScan:
        """The scan of the person whose faces are those at these indices [m], one a frame, in order."""
        state, seen = self.state.copy(), self.faces
        state[seen.rows[faces]] = np.where(seen.usable[faces], OK, LOW_QUALITY)
        usable = faces[seen.usable[faces]]
        boxes = np.full((len(state), 4), np.nan, np.float32)
        boxes[seen.rows[faces]] = seen.boxes[faces]
        return FaceScan(state, seen.rows[usable], seen.encoded[usable], boxes, faces)


def frames_to_scan(
    times_s: NDArray[np.float64], rate_hz: float, always: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Mask [n] of about `rate_hz` frames a second (0: all frames), the first, the last, and the rows `always`."""
    if rate_hz <= 0:
        return np.ones(len(times_s), bool)
    selected = np.zeros(len(times_s), bool)
    period_s = 1.0 / rate_hz
    due_s = 0.0
    for row, t_s in enumerate(times_s):
        if t_s >= due_s - 1e-6:
            selected[row] = True
            due_s = max(due_s + period_s, t_s + period_s / 2)
    selected[-1] = True
    selected[always] = True
    return selected


class FaceScanner(Closeable):
    """Scan all faces with the bundled networks. A context manager that owns their sessions."""

    def __init__(self, tracker: Tracker, pair: InferenceSession) -> None:
        self._tracker = tracker
        self.pair = pair
        self.encoder_sha256 = tracker.model.sha256
        self.identity = tracker.identity
        self.hidden_mouth = tracker.hidden_mouth
        self.model = ModelInfo(tracker.model.name, tracker.model.sha256, tracker.backend)

    @classmethod
    def open(cls, *, backend: str = "auto", threads: int = 1, blendshapes: bool = False) -> Self:
        """Open the bundled networks. Raises BackendError if the backend cannot run on this machine."""
        tracker = Tracker.open(backend=backend, threads=threads, blendshapes=blendshapes)
        return cls(tracker, open_session(models.path("pair"), backend, threads))

    def close(self) -> None:
        self._tracker.close()
        self.pair.close()

    def scan(
        self, recording: Recording, selected: NDArray[np.bool_], journal: ScanJournal, advance: Advance
    ) -> ScannedFrames:
        """Scan the selected rows [n]; chunks stored in the journal are read from it.

        `advance` is called with the number of rows finished since the last call.
        """
        count = len(selected)
        done = len(journal.records)
        advance(min(done * CHUNK_FRAMES, count))
        chunks = [_deserialise(record) for record in journal.records]
        if done * CHUNK_FRAMES < count:
            decoded = recording.images(selected, done * CHUNK_FRAMES)
            for start, frames in _in_chunks(decoded, done * CHUNK_FRAMES, count):
                size = min(CHUNK_FRAMES, count - start)
                scan = self._scan_chunk(recording, start, size, frames, advance)
                journal.append(_serialise(scan))
                chunks.append(scan)
        return _joined(chunks)

    def _scan_chunk(
        self, recording: Recording, start: int, size: int, decoded: Iterator[Decoded], advance: Advance
    ) -> ScannedFrames:
        """Scan one chunk. Rows of the result count from the start of the chunk, runs from 0."""
        self._tracker.reset()
        state = np.full(size, UNREADABLE, np.uint8)
        crops: list[FaceCrop] = []
        rows: list[int] = []
        thumbnails = [np.zeros((0, SIDE, SIDE, 3), np.uint8)]
        parts: list[Encoded] = []
        encoded = reported = 0
        for row, image in decoded:
            at = row - start
            state[at] = BETWEEN
            if image is not None:
                t_s = float(recording.times_s[row])
                found = self._tracker.find(Frame(image, row, t_s, "file", t_s, recording.name)).crops
                state[at] = OTHER_FACE if found else NO_FACE
                for crop in sorted(found, key=lambda crop: crop.box):  # from left to right
                    rows.append(at)
                    crops.append(crop)
                    thumbnails.append(thumbnail(image, crop, self._tracker.identity.framing)[None])
                if len(crops) - encoded >= BATCH:
                    parts.append(self._tracker.encode(crops[encoded:]))
                    encoded = len(crops)
                advance(at - reported)
                reported = at
        parts.append(self._tracker.encode(crops[encoded:]))
        advance(size - reported)
        run_of = {track: run for run, track in enumerate(dict.fromkeys(crop.track_id for crop in crops))}
        issues = [quality_issues(crop, RUN_LIMITS) for crop in crops]
        faces = SeenFaces(
            np.array(rows, np.int64),
            np.array([run_of[crop.track_id] for crop in crops], np.int64),
            np.array([crop.box for crop in crops], np.float32).reshape(-1, 4),
            np.concatenate(thumbnails),
            np.array([not faults for faults in issues], bool),
            Encoded.concatenate(parts),
            FaceDetails(
                np.array([crop.pose_deg for crop in crops], np.float32).reshape(-1, 3),
                np.array([(crop.brightness, crop.sharpness) for crop in crops], np.float32).reshape(-1, 2),
                np.array(
                    [(crop.eye_opening, crop.mouth_opening, crop.talking) for crop in crops], np.float32
                ).reshape(-1, 3),
                np.array([SEPARATOR.join(faults) for faults in issues], np.str_),
                _blendshapes(crops),
            ),
        )
        return ScannedFrames(state, faces)


def _blendshapes(crops: Sequence[FaceCrop]) -> NDArray[np.float32]:
    """[k, 52], or [k, 0] where they are off."""
    if not crops or crops[0].blendshapes is None:
        return np.zeros((len(crops), 0), np.float32)
    return np.array([crop.blendshapes for crop in crops], np.float32)


def _in_chunks(decoded: Iterator[Decoded], first: int, count: int) -> Iterator[tuple[int, Iterator[Decoded]]]:
    """Yield the first row and the decoded frames of each chunk; the caller must consume a chunk before the next."""
    lookahead: list[Decoded] = []

    def until(end: int) -> Iterator[Decoded]:
        if lookahead and lookahead[0][0] < end:
            yield lookahead.pop()
        if lookahead:
            return
        for frame in decoded:
            if frame[0] >= end:
                lookahead.append(frame)
                return
            yield frame

    for start in range(first, count, CHUNK_FRAMES):
        yield start, until(min(start + CHUNK_FRAMES, count))


def _joined(chunks: Sequence[ScannedFrames]) -> ScannedFrames:
    """The chunks of a recording as one, with rows that count from its start and runs of its own for each chunk."""
    faces = [chunk.faces for chunk in chunks]
    firsts = [index * CHUNK_FRAMES for index in range(len(chunks))]
    runs = np.cumsum([0, *(int(part.runs.max(initial=-1)) + 1 for part in faces)])
    return ScannedFrames(
        np.concatenate([chunk.state for chunk in chunks]),
        SeenFaces(
            np.concatenate([part.rows + first for part, first in zip(faces, firsts, strict=True)]),
            np.concatenate([part.runs + first for part, first in zip(faces, runs[:-1], strict=True)]),
            np.concatenate([part.boxes for part in faces]),
            np.concatenate([part.thumbnails for part in faces]),
            np.concatenate([part.usable for part in faces]),
            Encoded.concatenate([part.encoded for part in faces]),
            FaceDetails(*(_stacked([getattr(part.details, name) for part in faces]) for name in DETAILS)),
        ),
    )


def _stacked(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The rows of all parts; those without a face have no blendshapes to agree with the others."""
    return np.concatenate([part for part in parts if len(part)] or parts[:1])


def _serialise(scan: ScannedFrames) -> bytes:
    buffer = io.BytesIO()
    faces = scan.faces
    np.savez(
        buffer,
        state=scan.state,
        rows=faces.rows,
        runs=faces.runs,
        boxes=faces.boxes,
        thumbnails=faces.thumbnails,
        usable=faces.usable,
        embedding=faces.encoded.embedding,
        absolute=faces.encoded.absolute,
        **{name: getattr(faces.details, name) for name in DETAILS},
    )
    return buffer.getvalue()


def _deserialise(record: bytes) -> ScannedFrames:
    with np.load(io.BytesIO(record), allow_pickle=False) as stored:
        encoded = Encoded(stored["embedding"], stored["absolute"])
        names = ("rows", "runs", "boxes", "thumbnails", "usable")
        details = FaceDetails(*(stored[name] for name in DETAILS))
        faces = SeenFaces(**{name: stored[name] for name in names}, encoded=encoded, details=details)
        return ScannedFrames(stored["state"], faces)
