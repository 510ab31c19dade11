"""Labelling a recording afterwards: chosen frames are offered one by one on the calibration page."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtclar.calibrate.core.capture import Kind
from mtclar.calibrate.core.support_builder import WARM_UP_FRAMES, Refused, Taken, look
from mtclar.calibrate.web import messages
from mtclar.calibrate.web.face_outline import outline
from mtclar.calibrate.web.session import Desk
from mtclar.calibrate.web.thumbnails import preview
from mtclar.engine.data_types import Encoded, FaceCrop, Frame
from mtclar.engine.errors import CalibrationError, MtclarError, UsageError
from mtclar.engine.estimate.active_learning import propose
from mtclar.engine.tracker import Tracker
from mtclar.stream.server.uploads import write_header

CANDIDATE_S = 0.2  # between frames that `pick` chooses from: closer ones are nearly the same picture
MAX_CANDIDATES = 3000  # ten minutes of them; the previews of a longer recording would fill the memory


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """One frame of a recording that can be offered: its face can be used."""

    row: int  # of the recording
    time_s: float
    picture: bytes  # a small JPEG
    lines: list[list[float]]  # the outline of the face
    crop: FaceCrop
    encoded: Encoded  # [1]


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a recording offers."""

    stills: tuple[Still, ...]
    refused: tuple[Refused, ...]  # frames that were wanted and cannot be used, with the reason


Wanted = Callable[[Frame], bool]
"""Whether a frame is to be looked at; called once for each, in order."""


def every(count: int) -> Wanted:
    """Every `count`-th frame, from the middle of the first stretch on."""
    return lambda frame: frame.seq % count == count // 2


def apart(seconds: float = CANDIDATE_S) -> Wanted:
    """Frames that are at least so far apart."""
    last_s = -np.inf

    def wanted(frame: Frame) -> bool:
        nonlocal last_s
        if frame.pts_s - last_s < seconds:
            return False
        last_s = frame.pts_s
        return True

    return wanted


def look_through(
    frames: Iterable[Frame],
    tracker: Tracker,
    wanted: Wanted,
    advance: Callable[[float], None] = lambda _: None,
) -> Candidates:
    """Looks at the wanted frames of a recording, each with the few before it, as the labels of a file are looked at.

    `advance` is told the time of each frame. Raises CalibrationError when there is not one usable frame, or too
    many, UsageError when not one was wanted.
    """
    stills: list[Still] = []
    refused: list[Refused] = []
    before: list[Frame] = []
    for frame in frames:
        if wanted(frame):
            tracker.reset()
            for earlier in before:
                tracker.find(earlier)
            seen = look(tracker, frame, alone=False)
            if seen.crop is None or seen.faults:
                refused.append(Refused(f"{frame.pts_s:.2f} s", seen.faults))
            else:
                size = (frame.image.shape[1], frame.image.shape[0])
                stills.append(
                    Still(
                        frame.seq,
                        frame.pts_s,
                        preview(frame.image),
                        outline(seen.crop, size),
                        seen.crop,
                        tracker.encode([seen.crop]),
                    )
                )
        before = [*before[1 - WARM_UP_FRAMES :], frame]
        advance(frame.pts_s)
        if len(stills) > MAX_CANDIDATES:
            raise CalibrationError(
                f"more than {MAX_CANDIDATES} frames to offer",
                "take fewer with --every, or a part of the recording",
            )
    if not stills and not refused:
        raise UsageError(
            "the recording ends before the first frame to label", "a smaller --every, or --pick N"
        )
    if not stills:
        reasons = {fault for one in refused for fault in one.faults}
        why = f" ({', '.join(sorted(reasons))})" if reasons else ""
        raise CalibrationError(
            f"no frame of the recording can be labelled{why}", "is a face to be seen in it?"
        )
    return Candidates(tuple(stills), tuple(refused))


def pick(stills: Sequence[Still], count: int) -> tuple[Still, ...]:
    """The `count` stills whose labels would help most, the most helpful first."""
    return tuple(stills[proposal.index] for proposal in propose(faces_of(stills), None, count))


def faces_of(stills: Sequence[Still]) -> Encoded:
    """The faces of all the stills, in their order."""
    return Encoded.concatenate(still.encoded for still in stills)


class RatingDesk(Desk):
    """A desk whose pictures are stills: a label is for the one that is shown, and the next one follows."""

    def __init__(self, *arguments: Any, stills: Sequence[Still], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._stills = tuple(stills)
        self._skipped: set[float] = set()
        for still in self._stills:
            self._standing.shown.note(still.time_s, still.encoded)

    def offer(self, frame: Frame) -> None:
        """There is no camera."""

    def _current(self) -> Still | None:
        """The first one without a label that was not skipped."""
        labelled = {float(t_s) for sample in self._standing.collection.samples for t_s in sample.times_s}
        return next(
            (s for s in self._stills if s.time_s not in labelled and s.time_s not in self._skipped), None
        )

    def _begin(self, kind: Kind, _: int | None, valence: float, arousal: float) -> None:
        if kind != "take":
            raise MtclarError("a recording has no fresh pictures", "move the label, or delete it")
        still = self._current()
        if still is None:
            raise MtclarError("every picture has a label or was skipped", "save them")
        taken = [Taken(still.crop, valence, arousal, still.time_s, f"{still.time_s:.2f} s")]
        self._standing.collection.add(valence, arousal, taken, still.encoded, self._keep_crops)
        self._changed_samples(added=True)

    def _skip(self) -> None:
        if (still := self._current()) is not None:
            self._skipped.add(still.time_s)
        if self._current() is None:
            self._skipped.clear()

    def _state(self) -> dict[str, Any]:
        still = self._current()
        labelled = len(self._standing.collection.samples)
        now = None if still is None else round(still.time_s, 4)
        return super()._state() | {"still": {"time": now, "labelled": labelled, "of": len(self._stills)}}

    def _tell_state(self) -> None:
        super()._tell_state()
        if (still := self._current()) is not None:
            self._tell(
                messages.encode(
                    "look", seq=still.row, outline=still.lines, usable=True, advice=[], capture=None
                )
            )
            picture = write_header(0, still.row, still.time_s) + still.picture
            for peer in self._peers:
                peer.send_binary(picture)
