"""The feed of a recording labelled frame by frame: shows one still, and the next one after its label."""

from collections.abc import Sequence
from typing import Any

from mtclar.calibrate.core.continuous_rating import Ratings
from mtclar.calibrate.core.status import round_label
from mtclar.calibrate.web import messages
from mtclar.calibrate.web.recording_scan import Still
from mtclar.calibrate.web.session import CalibrationSession
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import MtclarError
from mtclar.stream.server.extension import ClientHandle


class StillFeed:
    """Shows the first still that has no label and was not skipped."""

    def __init__(self, session: CalibrationSession, stills: Sequence[Still]) -> None:
        self._session = session
        self._stills = tuple(stills)
        self._skipped: set[float] = set()
        self.ratings: Ratings | None = None
        for still in self._stills:
            session.status.unlabelled.add(still.time_s, still.encoded)

    def _current(self) -> Still | None:
        samples = self._session.status.labels.samples
        done = self._skipped | {float(t_s) for sample in samples for t_s in sample.times_s}
        return next((still for still in self._stills if still.time_s not in done), None)

    def handle(self, _: ClientHandle, message: messages.FeedMessage) -> bool:
        match message:
            case messages.Take():
                self._label(round_label(message.valence), round_label(message.arousal))
            case messages.Redo() | messages.CheckLabel():
                raise MtclarError("a recording has no new frames", "move the label, or delete it")
            case messages.Skip():
                if (still := self._current()) is not None:
                    self._skipped.add(still.time_s)
                if self._current() is None:
                    self._skipped.clear()
            case messages.Cancel():
                pass
            case _:
                raise MtclarError("no recording is played here", "`calibrate recording` plays one")
        return True

    def _label(self, valence: float, arousal: float) -> None:
        still = self._current()
        if still is None:
            raise MtclarError("every frame is labelled or was skipped", "save the labels")
        self._session.status.labels.add(
            valence, arousal, [still.accepted(valence, arousal)], still.encoded, self._session.keep_crops
        )
        self._session.labels_changed(added=True)

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
                "labelled": len(self._session.status.labels.samples),
                "of": len(self._stills),
            }
        }

    def stop(self) -> None:
        """Nothing runs."""
