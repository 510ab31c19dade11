"""Frames taken live: prompts that a person follows one after the other, or one label on the calibration page.

Nothing here opens a camera, draws or reads a clock: the caller passes frame checks, which carry their own time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from mtclar.calibrate.core.frame_check import (
    SKIPPED,
    AcceptedFrame,
    FrameCheck,
    FrameSelection,
    Rejection,
)
from mtclar.calibrate.core.prompts import Prompt
from mtclar.engine.face.quality import crop_quality

COUNTDOWN_S = 3.0
PATIENCE_S = 10.0  # how much longer than planned a prompt waits for usable frames

LABEL_FRAMES = 3
LABEL_SLOT_S = 0.2
LABEL_COUNTDOWN_S = 0.5  # to look up from the grid
LABEL_PATIENCE_S = 6.0

Phase = Literal["countdown", "hold", "done"]
CaptureKind = Literal["take", "redo", "check"]


@dataclass(frozen=True, slots=True)
class PromptProgress:
    """The state of a guided session after a frame, for display."""

    prompt: Prompt | None  # None when done
    index: int
    of: int
    phase: Phase
    left_s: float  # of the countdown
    taken: int  # frames of this prompt so far
    issues: tuple[str, ...]  # of the latest frame


class GuidedSession:
    """A guided session as a state machine: call `update` with each frame's check until `done`.

    Each prompt counts down, then takes the best usable frame of every slot; a slot lasts until it has one. A prompt
    that runs out of patience keeps its frames; without any, it takes the best one of second choice, or is rejected with
    its most frequent issues.
    """

    def __init__(
        self, prompts: Sequence[Prompt], countdown_s: float = COUNTDOWN_S, patience_s: float = PATIENCE_S
    ) -> None:
        self._prompts = tuple(prompts)
        self._countdown_s = countdown_s
        self._patience_s = patience_s
        self._index = 0
        self._accepted: list[list[AcceptedFrame]] = [[] for _ in prompts]
        self._issue_counts: list[dict[tuple[str, ...], int]] = [{} for _ in prompts]
        self._started_s: float | None = None
        self._slot_s = 0.0  # start of the current slot
        self._best: FrameCheck | None = None
        self._second_choice: FrameCheck | None = None  # the best one of this prompt

    @property
    def done(self) -> bool:
        return self._index >= len(self._prompts)

    @property
    def selection(self) -> FrameSelection:
        """The frames so far; prompts not reached yet are neither accepted nor rejected."""
        rejected = [
            Rejection(prompt.title, max(counts, key=lambda issues: counts[issues], default=SKIPPED))
            for prompt, accepted, counts in zip(
                self._prompts[: self._index], self._accepted, self._issue_counts, strict=False
            )
            if not accepted
        ]
        return FrameSelection(tuple(frame for frames in self._accepted for frame in frames), tuple(rejected))

    def skip(self) -> None:
        """Moves to the next prompt and keeps the frames of this one."""
        if not self.done:
            self._go_to(self._index + 1)

    def repeat(self) -> None:
        """Restarts this prompt, or the previous one during the countdown."""
        counting = not self.done and not self._accepted[self._index] and self._best is None
        index = max(self._index - 1, 0) if counting or self.done else self._index
        self._accepted[index] = []
        self._issue_counts[index] = {}
        self._go_to(index)

    def update(self, check: FrameCheck) -> PromptProgress:
        """Processes one frame's check; checks come in order of time."""
        if self.done:
            return self._progress("done", 0.0, check)
        if self._started_s is None:
            self._started_s = check.t_s
            self._slot_s = check.t_s + self._countdown_s
        hold_from_s = self._started_s + self._countdown_s
        if check.t_s < hold_from_s:
            return self._progress("countdown", hold_from_s - check.t_s, check)

        prompt, accepted = self._prompts[self._index], self._accepted[self._index]
        if not check.usable:
            counts = self._issue_counts[self._index]
            counts[check.issues] = counts.get(check.issues, 0) + 1
            if check.second_choice and _quality(check) > _quality(self._second_choice):
                self._second_choice = check
        elif accepted and check.t_s - accepted[-1].t_s < prompt.slot_s / 2:
            pass  # nearly the same picture as the previous one
        elif _quality(check) > _quality(self._best):
            self._best = check
        best = self._best
        if best is not None and check.t_s - self._slot_s >= prompt.slot_s:
            accepted += _taken(best, prompt)
            self._slot_s = check.t_s
            self._best = None
        out_of_patience = check.t_s - hold_from_s > prompt.hold_s + self._patience_s
        if out_of_patience and not accepted and self._second_choice is not None:
            accepted += _taken(self._second_choice, prompt)
        progress = self._progress("hold", 0.0, check)
        if len(accepted) >= prompt.frames or out_of_patience:
            self._go_to(self._index + 1)
        return progress

    def _go_to(self, index: int) -> None:
        self._index = index
        self._started_s = None
        self._best = self._second_choice = None

    def _progress(self, phase: Phase, left_s: float, check: FrameCheck) -> PromptProgress:
        prompt = None if self.done else self._prompts[self._index]
        taken = 0 if self.done else len(self._accepted[self._index])
        return PromptProgress(prompt, self._index, len(self._prompts), phase, left_s, taken, check.issues)


def _quality(check: FrameCheck | None) -> float:
    return -1.0 if check is None or check.crop is None else crop_quality(check.crop)


def _taken(check: FrameCheck, prompt: Prompt) -> list[AcceptedFrame]:
    if check.crop is None:
        return []
    return [AcceptedFrame(check.crop, prompt.valence, prompt.arousal, check.t_s, prompt.title)]


@dataclass(slots=True, eq=False)
class LabelCapture:
    """The frames of one label of the calibration page, new (`number` is None) or existing."""

    kind: CaptureKind
    number: int | None
    valence: float
    arousal: float
    session: GuidedSession = field(init=False)
    progress: PromptProgress | None = None  # None before the first frame

    def __post_init__(self) -> None:
        prompt = Prompt("label", "", self.valence, self.arousal, LABEL_FRAMES, LABEL_SLOT_S)
        self.session = GuidedSession([prompt], LABEL_COUNTDOWN_S, LABEL_PATIENCE_S)

    def update(self, check: FrameCheck) -> None:
        """Processes one frame's check; checks come in order of time."""
        self.progress = self.session.update(check)
