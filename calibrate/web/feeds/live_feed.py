"""The feed of a camera: every label takes new frames of the person's face."""

from typing import Any

import numpy as np

from mtclar.calibrate.core.continuous_rating import Ratings
from mtclar.calibrate.core.evaluation.coverage import REGIONS
from mtclar.calibrate.core.evaluation.status import round_label
from mtclar.calibrate.core.frame_check import FrameCheck, advise, check_frame
from mtclar.calibrate.core.guided_session import CaptureKind, LabelCapture
from mtclar.calibrate.core.label_store import LabelCheck
from mtclar.calibrate.web.protocol import messages
from mtclar.calibrate.web.session import CalibrationSession
from mtclar.calibrate.web.state import capture_state
from mtclar.engine.data_types import Encoded, Frame
from mtclar.engine.errors import MtclarError
from mtclar.stream.protocol.messages import ProtocolError
from mtclar.stream.server.extension import ClientHandle
from mtclar.stream.server.pictures import face_outline, image_message, small_jpeg


class LiveFeed:
    """Checks the camera's frames, and takes the best ones for a label."""

    def __init__(self, session: CalibrationSession) -> None:
        self._session = session
        self._capture: LabelCapture | None = None
        self._words: dict[str, str] = {}  # category and note of the label that is captured
        self.ratings: Ratings | None = None

    def handle(self, _: ClientHandle, message: messages.FeedMessage) -> bool:
        match message:
            case messages.Take():
                self._start("take", None, round_label(message.valence), round_label(message.arousal))
                self._words = {"category": message.category, "note": message.note}
            case messages.Redo() | messages.CheckLabel():
                sample = self._session.sample(message.number)
                kind: CaptureKind = "redo" if isinstance(message, messages.Redo) else "check"
                self._start(kind, sample.number, sample.valence, sample.arousal)
            case messages.Cancel():
                self._capture = None
            case messages.Skip():
                self._session.status.skip()
            case messages.Recalibrate():
                self._recalibrate(message.region)
            case _:
                raise MtclarError("no recording is played here", "`calibrate recording` plays one")
        return True

    def _recalibrate(self, region: str) -> None:
        if region and region not in {one.title for one in REGIONS}:
            raise MtclarError(f"there is no region '{region}'")
        self._session.status.replacing = region

    def _start(self, kind: CaptureKind, number: int | None, valence: float, arousal: float) -> None:
        self._capture = LabelCapture(kind, number, valence, arousal)
        self._session.saved = None

    def on_frame(self, frame: Frame) -> None:
        try:
            self._process(frame)
        except Exception:
            self._capture = None
            raise

    def _process(self, frame: Frame) -> None:
        session, capture = self._session, self._capture
        check = check_frame(session.tracker, frame)
        if capture is not None:
            capture.update(check)
        self._send(frame, check)
        # Not during a capture: the support set has those faces, so their estimates would hardly change.
        unlabelled = session.status.unlabelled
        if capture is None and check.encoded is not None and check.usable and unlabelled.due(check.t_s):
            unlabelled.add(check.t_s, check.encoded)
        if capture is not None and capture.session.done:
            self._capture = None
            self._finish(capture)
            session.send_state()

    def _send(self, frame: Frame, check: FrameCheck) -> None:
        height, width = frame.image.shape[:2]
        message = messages.frame_check(
            frame.seq,
            [] if check.crop is None else face_outline(check.crop, (width, height)),
            usable=check.usable,
            advice=advise(check.issues),
            issues=check.issues,
            capture=capture_state(self._capture),
        )
        self._session.send(message)
        self._session.send_image(image_message(frame.seq, frame.t_capture_s, small_jpeg(frame.image)))

    def _finish(self, capture: LabelCapture) -> None:
        session, labels = self._session, self._session.status.labels
        selection = capture.session.selection
        frames = selection.accepted
        if not frames:
            issues = selection.rejected[0].issues if selection.rejected else ()
            raise ProtocolError(
                "no_usable_frame", ". ".join(("No usable frame was captured", *advise(issues)))
            )
        encoded = session.tracker.encode([frame.crop for frame in frames])
        if capture.number is None:
            status = session.status
            replaced, prompt = status.replaced, status.next_prompt()
            labels.add(
                capture.valence,
                capture.arousal,
                frames,
                encoded,
                session.keep_crops,
                **self._words,
                instead_of=replaced,
            )
            if status.replacing or prompt is status.next_prompt():
                status.skip()
            session.labels_changed(added=True)
            return
        number = session.sample(capture.number).number
        if capture.kind == "redo":
            labels.replace_frames(number, frames, encoded, session.keep_crops)
            session.labels_changed()
        else:
            labels.set_check(number, self._check(capture, encoded))
            session.write_journal()

    def _check(self, capture: LabelCapture, encoded: Encoded) -> LabelCheck:
        with self._session.tracker.comparer(self._session.support_set()) as comparer:
            estimates = comparer(encoded)
        valence = float(np.mean([estimate.valence for estimate in estimates]))
        arousal = float(np.mean([estimate.arousal for estimate in estimates]))
        return LabelCheck(
            valence, arousal, float(np.hypot(valence - capture.valence, arousal - capture.arousal))
        )

    def on_state(self, _: ClientHandle | None) -> None:
        """Frames follow by themselves."""

    def state(self) -> dict[str, Any]:
        return {}

    def stop(self) -> None:
        self._capture = None
