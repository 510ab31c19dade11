"""Find, check and encode the face in the frames of a recording.

RATE_HZ frames a second are scanned (docs/results/label.md has the measurement), and every labelled frame. The work is
divided into chunks of CHUNK_FRAMES rows. Face tracking restarts at each chunk, so a resumed run computes the same
values as an uninterrupted one.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mtclar.engine import models
from mtclar.engine.backends.session import Closeable, InferenceSession, open_session
from mtclar.engine.data_types import Encoded, FaceCrop, Frame
from mtclar.engine.face.quality import RUN_LIMITS, quality_issues
from mtclar.engine.tracker import Tracker
from mtclar.label.recording import Decoded, Recording
from mtclar.label.scan_journal import ScanJournal

RATE_HZ = 5.0
CHUNK_FRAMES = 500
BATCH = 32  # crops per run of the encoder: measured best on one core

STATES = ("unreadable", "no_face", "low_quality", "between", "ok")
"""`between`: not scanned; the value is interpolated between the scanned frames before and after it."""
UNREADABLE, NO_FACE, LOW_QUALITY, BETWEEN, OK = range(len(STATES))

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True, eq=False)
class FaceScan:
    """n frames, m of them with an encoded face."""

    state: NDArray[np.uint8]  # [n] index into STATES
    rows: NDArray[np.int64]  # [m] frames with an encoded face, in order
    encoded: Encoded  # m faces


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
    """Scan the largest face with the bundled networks. A context manager that owns their sessions."""

    def __init__(self, tracker: Tracker, pair: InferenceSession) -> None:
        self._tracker = tracker
        self.pair = pair
        self.encoder_sha256 = tracker.model.sha256

    @classmethod
    def open(cls, *, backend: str = "auto", threads: int = 1) -> Self:
        """Open the bundled networks. Raises BackendError if the backend cannot run on this machine."""
        tracker = Tracker.open(backend=backend, threads=threads, max_faces=1)
        return cls(tracker, open_session(models.path("pair"), backend, threads))

    def close(self) -> None:
        self._tracker.close()
        self.pair.close()

    def scan(
        self, recording: Recording, selected: NDArray[np.bool_], journal: ScanJournal, advance: Advance
    ) -> FaceScan:
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
        firsts = [index * CHUNK_FRAMES for index in range(len(chunks))]
        return FaceScan(
            np.concatenate([chunk.state for chunk in chunks]),
            np.concatenate([chunk.rows + first for chunk, first in zip(chunks, firsts, strict=True)]),
            Encoded.concatenate([chunk.encoded for chunk in chunks]),
        )

    def _scan_chunk(
        self, recording: Recording, start: int, size: int, decoded: Iterator[Decoded], advance: Advance
    ) -> FaceScan:
        """Scan one chunk. Rows of the result count from the start of the chunk."""
        self._tracker.reset()
        state = np.full(size, UNREADABLE, np.uint8)
        rows: list[int] = []
        parts: list[Encoded] = []
        pending: list[FaceCrop] = []
        reported = 0
        for row, image in decoded:
            at = row - start
            state[at] = BETWEEN
            if image is not None:
                t_s = float(recording.times_s[row])
                crops = self._tracker.find(Frame(image, row, t_s, "file", t_s, recording.name)).crops
                state[at] = _state_of(crops)
                if state[at] == OK:
                    rows.append(at)
                    pending.append(crops[0])
                    if len(pending) == BATCH:
                        parts.append(self._tracker.encode(pending))
                        pending.clear()
                advance(at - reported)
                reported = at
        parts.append(self._tracker.encode(pending))
        advance(size - reported)
        return FaceScan(state, np.array(rows, np.int64), Encoded.concatenate(parts))


def _state_of(crops: tuple[FaceCrop, ...]) -> int:
    if not crops:
        return NO_FACE
    return LOW_QUALITY if quality_issues(crops[0], RUN_LIMITS) else OK


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


def _serialise(scan: FaceScan) -> bytes:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        state=scan.state,
        rows=scan.rows,
        embedding=scan.encoded.embedding,
        absolute=scan.encoded.absolute,
    )
    return buffer.getvalue()


def _deserialise(record: bytes) -> FaceScan:
    with np.load(io.BytesIO(record), allow_pickle=False) as stored:
        rows = stored["rows"]
        return FaceScan(stored["state"], rows, Encoded(stored["embedding"], stored["absolute"]))
