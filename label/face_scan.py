"""A recording looked at: in which frames there is a face to measure, and what the encoder says of it.

Not every frame is looked at: RATE_HZ a second are enough (docs/label.md has the measurement), and those that are
labelled. The work is done in stretches of STRETCH rows, each begun with a fresh look for the face, so a stretch comes
out the same whether the run was interrupted before it or not.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mtclar.engine import models
from mtclar.engine.backends.session import Closeable, InferenceSession, open_session
from mtclar.engine.data_types import EXPRESSIONS, Encoded, FaceCrop, Frame
from mtclar.engine.face.quality import RUN_GATES, faults
from mtclar.engine.tracker import Tracker
from mtclar.label.journal import Journal
from mtclar.label.recording import Decoded, Recording

RATE_HZ = 5.0
STRETCH = 500
BATCH = 32  # crops a run of the encoder: measured best on one core

STATES = ("unreadable", "no_face", "low_quality", "between", "ok")
"""`between`: not looked at; its value comes from the frames looked at before and after, or is missing with theirs."""
UNREADABLE, NO_FACE, LOW_QUALITY, BETWEEN, OK = range(len(STATES))

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """n frames, m of them measured."""

    state: NDArray[np.uint8]  # [n] index in STATES
    rows: NDArray[np.int64]  # [m] measured ones, in order
    encoded: Encoded  # of those


def to_look_at(times_s: NDArray[np.float64], rate_hz: float, always: NDArray[np.int64]) -> NDArray[np.bool_]:
    """[n] about `rate_hz` frames a second (0: every one), the first, the last, and the rows `always`."""
    if rate_hz <= 0:
        return np.ones(len(times_s), bool)
    wanted = np.zeros(len(times_s), bool)
    period_s = 1.0 / rate_hz
    due_s = 0.0
    for row, t_s in enumerate(times_s):
        if t_s >= due_s - 1e-6:
            wanted[row] = True
            due_s = max(due_s + period_s, t_s + period_s / 2)
    wanted[-1] = True
    wanted[always] = True
    return wanted


class Looker(Closeable):
    """The four networks, following the largest face; a context manager that holds their sessions."""

    def __init__(self, tracker: Tracker, pair: InferenceSession) -> None:
        self._tracker = tracker
        self.pair = pair
        self.encoder_sha256 = tracker.model.sha256

    @classmethod
    def open(cls, *, backend: str = "auto", threads: int = 1) -> Self:
        """On the bundled networks. Raises BackendError when the backend cannot run here."""
        tracker = Tracker.open(backend=backend, threads=threads, max_faces=1)
        return cls(tracker, open_session(models.path("pair"), backend, threads))

    def close(self) -> None:
        self._tracker.close()
        self.pair.close()

    def look(
        self, recording: Recording, wanted: NDArray[np.bool_], journal: Journal, advance: Advance
    ) -> Looked:
        """Looks at the rows `wanted` [n]; stretches that the journal has are taken from there.

        `advance` is told of every row that is done with.
        """
        count = len(wanted)
        done = len(journal.pieces)
        advance(min(done * STRETCH, count))
        stretches = [_unpacked(piece) for piece in journal.pieces]
        if done * STRETCH < count:
            decoded = recording.pictures(wanted, done * STRETCH)
            for start, some in _in_stretches(decoded, done * STRETCH, count):
                size = min(STRETCH, count - start)
                looked = self._stretch(recording, start, size, some, advance)
                journal.append(_packed(looked))
                stretches.append(looked)
        firsts = [index * STRETCH for index in range(len(stretches))]
        return Looked(
            np.concatenate([one.state for one in stretches]),
            np.concatenate([one.rows + first for one, first in zip(stretches, firsts, strict=True)]),
            _joined([one.encoded for one in stretches]),
        )

    def _stretch(
        self, recording: Recording, start: int, size: int, decoded: Iterator[Decoded], advance: Advance
    ) -> Looked:
        """Rows here count from the start of the stretch."""
        self._tracker.reset()
        state = np.full(size, UNREADABLE, np.uint8)
        rows: list[int] = []
        parts: list[Encoded] = []
        waiting: list[FaceCrop] = []
        told = 0
        for row, picture in decoded:
            at = row - start
            state[at] = BETWEEN
            if picture is not None:
                t_s = float(recording.times_s[row])
                crops = self._tracker.find(Frame(picture, row, t_s, "file", t_s, recording.name)).crops
                state[at] = _judged(crops)
                if state[at] == OK:
                    rows.append(at)
                    waiting.append(crops[0])
                    if len(waiting) == BATCH:
                        parts.append(self._tracker.encode(waiting))
                        waiting.clear()
                advance(at - told)
                told = at
        parts.append(self._tracker.encode(waiting))
        advance(size - told)
        return Looked(state, np.array(rows, np.int64), _joined(parts))


def _judged(crops: tuple[FaceCrop, ...]) -> int:
    if not crops:
        return NO_FACE
    return LOW_QUALITY if faults(crops[0], RUN_GATES) else OK


def _in_stretches(
    decoded: Iterator[Decoded], first: int, count: int
) -> Iterator[tuple[int, Iterator[Decoded]]]:
    """Each stretch's first row, and what was decoded of it; the caller takes all of a stretch before the next."""
    ahead: list[Decoded] = []

    def until(end: int) -> Iterator[Decoded]:
        if ahead and ahead[0][0] < end:
            yield ahead.pop()
        if ahead:
            return
        for one in decoded:
            if one[0] >= end:
                ahead.append(one)
                return
            yield one

    for start in range(first, count, STRETCH):
        yield start, until(min(start + STRETCH, count))


def _joined(parts: list[Encoded]) -> Encoded:
    return Encoded(
        np.concatenate([part.embedding for part in parts]),
        np.concatenate([part.absolute for part in parts]),
        np.concatenate([part.expression for part in parts]),
    )


def _packed(looked: Looked) -> bytes:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        state=looked.state,
        rows=looked.rows,
        embedding=looked.encoded.embedding,
        absolute=looked.encoded.absolute,
    )
    return buffer.getvalue()


def _unpacked(piece: bytes) -> Looked:
    with np.load(io.BytesIO(piece), allow_pickle=False) as stored:
        rows = stored["rows"]
        nothing = np.zeros((len(rows), len(EXPRESSIONS)), np.float32)  # no mode looks at expressions
        return Looked(stored["state"], rows, Encoded(stored["embedding"], stored["absolute"], nothing))
