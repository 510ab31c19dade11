"""The feed of a recording labelled frame by frame: shows one still, and the next one after its label."""

from collections.abc import Sequence
from typing import Any

from mtclar.calibrate.core.continuous_rating import Ratings
from mtclar.calibrate.core.evaluation.status import round_label
from mtclar.calibrate.core.sentence import Sentence
from mtclar.calibrate.web.feeds.recording_scan import FROM_NOTHING, BegunRating, Still
from mtclar.calibrate.web.protocol import messages
from mtclar.calibrate.web.session import CalibrationSession
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import MtclarError
from mtclar.stream.server.extension import ClientHandle


class StillFeed:
    """Shows the still that the page chose, or else the first one that has no label and was not skipped.

    `begun` are labels that are there from the start, unless an unfinished rating is resumed.
    """

    def __init__(
        self, session: CalibrationSession, stills: Sequence[Still], begun: BegunRating = FROM_NOTHING
    ) -> None:
        self._session = session
        self._stills = tuple(stills)
        self._skipped: set[float] = set()
        self._chosen: Still | None = None
        self.ratings: Ratings | None = None
        for still in self._stills:
            session.status.unlabelled.add(still.time_s, still.encoded)
        for still, label in begun.fitting:
            self._add(
                still, round_label(label.valence), round_label(label.arousal), label.category, label.note
            )
        if begun.of:
            count = len(begun.fitting)
            session.notice = Sentence("begun", f"Begins with {count} of {begun.of} labels of the file")

    def _current(self) -> Still | None:
        if self._chosen is not None:
            return self._chosen
        samples = self._session.status.labels.samples
        done = self._skipped | {float(t_s) for sample in samples for t_s in sample.times_s}
        return next((still for still in self._stills if still.time_s not in done), None)

    def _number_of(self, still: Still | None) -> int | None:
        """The number of a still's label."""
        samples = self._session.status.labels.samples
        return next((s.number for s in samples if still is not None and still.time_s in s.times_s), None)

    def _step(self, frames: int) -> None:
        current = self._current()
        place = len(self._stills) if current is None else self._stills.index(current)
        self._chosen = self._stills[min(max(place + frames, 0), len(self._stills) - 1)]

    def handle(self, _: ClientHandle, message: messages.FeedMessage) -> bool:
        match message:
            case messages.Take():
                self._label(message)
            case messages.Redo() | messages.CheckLabel():
                raise MtclarError("a recording has no new frames", "move the label, or delete it")
            case messages.Skip():
                if (still := self._current()) is not None and self._number_of(still) is None:
                    self._skipped.add(still.time_s)
                self._chosen = None
                if self._current() is None:
                    self._skipped.clear()
            case messages.Step():
                self._step(message.frames)
            case messages.Show():
                self._chosen = min(self._stills, key=lambda still: abs(still.time_s - message.time))
            case messages.Cancel():
                pass
            case _:
                raise MtclarError("no recording is played here", "`calibrate recording` plays one")
        return True

    def _label(self, take: messages.Take) -> None:
        still = self._current()
        if still is None:
            raise MtclarError("every frame is labelled or was skipped", "save the labels")
        labels, number = self._session.status.labels, self._number_of(still)
        valence, arousal = round_label(take.valence), round_label(take.arousal)
        if number is not None:
            labels.relabel(number, valence, arousal, take.category, take.note)
        else:
            self._add(still, valence, arousal, take.category, take.note)
        self._chosen = None
        self._session.labels_changed(added=number is None)

    def _add(self, still: Still, valence: float, arousal: float, category: str, note: str) -> None:
        self._session.status.labels.add(
            valence,
            arousal,
            [still.accepted(valence, arousal)],
            still.encoded,
            self._session.keep_crops,
            category=category,
            note=note,
        )

    def on_frame(self, _: Frame) -> None:
        """There is no camera."""

    def on_state(self, _: ClientHandle | None) -> None:
        if (still := self._current()) is not None:
            self._session.send(messages.frame_check(still.seq, still.outline))
            self._session.send_image(still.image())

    def state(self) -> dict[str, Any]:
        still = self._current()
        return {
            "still": {
                "time": None if still is None else round(still.time_s, 4),
                "number": self._number_of(still),
                "labelled": len(self._session.status.labels.samples),
                "of": len(self._stills),
            }
        }

    def stop(self) -> None:
        """Nothing runs."""
