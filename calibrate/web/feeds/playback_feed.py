"""The feed of a recording rated while it plays: the server sets the pace, the page rates each image."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mtclar.calibrate.core.continuous_rating import (
    Array,
    Ratings,
    RatingTrace,
    ReactionLag,
    apply_corrections,
    estimate_lag,
    label_times,
    shift_by_lag,
    values_at,
)
from mtclar.calibrate.core.evaluation.status import round_label
from mtclar.calibrate.web.feeds.frame_cursor import FrameCursor, Shot
from mtclar.calibrate.web.feeds.recording_scan import Still, encoded_faces
from mtclar.calibrate.web.protocol import messages
from mtclar.calibrate.web.session import CalibrationSession
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import CalibrationError, MtclarError
from mtclar.engine.estimate.active_learning import propose
from mtclar.stream.label_formats.label_file import Label
from mtclar.stream.protocol.messages import ProtocolError
from mtclar.stream.server.extension import ClientHandle
from mtclar.stream.server.pictures import RECORDED_WIDTH, image_message, small_jpeg
from mtclar.stream.sources.pace import paced

MAX_FRAMES = 20  # of the support set: more of one recording hardly help
LABEL_DIGITS = 3
JOURNAL_EVERY_S = 1.0  # while playing: the most that a killed process loses
LENGTH_TOLERANCE_S = 0.5
NO_LABELS = np.zeros((0, 3))


class PlaybackFeed:
    """Plays a recording and makes labels of its ratings.

    `frames` reads the recording from its start; it is called for every playback. `stills`: the frames with a usable
    face, in order of time. `lag_s` replaces the measured lag.
    """

    def __init__(
        self,
        session: CalibrationSession,
        frames: Callable[[], Iterator[Frame]],
        stills: Sequence[Still],
        length_s: float,
        lag_s: float | None = None,
    ) -> None:
        self._session = session
        self._frames = frames
        self._stills = tuple(stills)
        self._length_s = length_s
        self._given_lag_s = lag_s
        self._trace = RatingTrace()
        self._lag: ReactionLag | None = None
        self._made: Array = NO_LABELS  # [L, 3] labels
        self._kept: Array = NO_LABELS  # [K, 3] support frames, as they were made of the ratings
        self._journalled_s = 0.0
        self._unwritten = False  # ratings since the journal was written
        self._position_s = 0.0
        self._sent_s: dict[int, float] = {}  # seq -> time of the images of this playback
        self._started_s = 0.0
        self._speed = 1.0
        self._cursor = FrameCursor(frames)
        self._notes: dict[float, str] = {}  # by time
        self._player: threading.Thread | None = None
        self._halt = threading.Event()
        for still in self._stills:
            session.status.unlabelled.add(still.time_s, still.encoded)

    @property
    def lag(self) -> ReactionLag | None:
        """None before the first `finish`."""
        return self._lag

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels made of the ratings, as corrected on the page; none before the first `finish`."""
        samples = self._session.status.labels.samples
        current = {float(sample.times_s[0]): (sample.valence, sample.arousal) for sample in samples}
        labels = [Label(*row) for row in apply_corrections(self._made, self._kept, current).tolist()]
        for time_s, note in sorted(self._notes.items()):
            if labels:
                nearest = min(range(len(labels)), key=lambda i: abs(labels[i].time_s - time_s))
                before = labels[nearest].note
                labels[nearest] = replace(labels[nearest], note=f"{before}; {note}" if before else note)
        return tuple(labels)

    def handle(self, client: ClientHandle, message: messages.FeedMessage) -> bool:
        match message:
            case messages.Rate():
                self._rate(message)
                return False
            case messages.Play():
                self._play(client, message.time, message.speed)
            case messages.Pause():
                self.stop()
            case messages.Show():
                self.stop()
                self._show(self._cursor.show(message.time))
            case messages.Step():
                self._step(message.frames)
            case messages.Note():
                self._note(round(message.time, 2), message.text.strip())
            case messages.Finish():
                self.stop()
                self._make_labels()
            case messages.Skip():
                self._session.status.skip()
            case messages.Cancel():
                pass
            case _:
                raise MtclarError(
                    "this recording is rated while it plays", "play it, move the mark, and finish"
                )
        return True

    def _step(self, frames: int) -> None:
        if self._player is not None or self._cursor.shown is None:  # paused somewhere, or never shown
            self.stop()
            self._cursor.show(self._position_s)
        self._show(self._cursor.step(frames))

    def _show(self, shot: Shot | None) -> None:
        if shot is not None:
            self._position_s = shot.time_s
            self._session.send(messages.frame_check(shot.seq, time=round(shot.time_s, 4)))
            self._session.send_image(shot.image())

    def _note(self, time_s: float, text: str) -> None:
        if text:
            self._notes[time_s] = text
        else:
            self._notes.pop(time_s, None)
        self._write_journal()

    def _rate(self, message: messages.Rate) -> None:
        if self._speed == 1 and (time_s := self._sent_s.get(message.seq)) is not None:
            self._trace.add(time_s, message.valence, message.arousal)
            self._unwritten = True
            if self._session.clock() - self._journalled_s >= JOURNAL_EVERY_S:
                self._write_journal()

    # --- the journal ---

    @property
    def ratings(self) -> Ratings | None:
        return Ratings(
            self._length_s,
            self._position_s,
            self._trace.rows,
            self._lag,
            labels=self._made,
            kept=self._kept,
            notes=tuple(sorted(self._notes.items())),
        )

    @ratings.setter
    def ratings(self, ratings: Ratings | None) -> None:
        if ratings is None:
            ratings = Ratings(self._length_s, 0.0, np.zeros((0, 4)))
        if abs(ratings.length_s - self._length_s) > LENGTH_TOLERANCE_S:
            raise CalibrationError("is of another recording")
        self._trace, self._position_s = RatingTrace(ratings.trace), ratings.position_s
        self._notes = dict(ratings.notes)
        self._set_labels(ratings.lag, ratings.labels, ratings.kept)

    def _set_labels(self, lag: ReactionLag | None, made: Array, kept: Array) -> None:
        self._lag, self._made, self._kept = lag, made, kept

    def _write_journal(self) -> None:
        self._session.write_journal()
        self._journalled_s, self._unwritten = self._session.clock(), False

    # --- playback ---

    def _play(self, client: ClientHandle, from_s: float, speed: float) -> None:
        self._halt_player()
        self._cursor.close()
        self._speed = speed
        self._position_s, self._sent_s, self._started_s = from_s, {}, time.monotonic()
        self._trace.start_run(from_s)
        self._halt = threading.Event()
        arguments = (client, from_s, speed, self._halt)
        self._player = threading.Thread(target=self._run_player, args=arguments, name="player", daemon=True)
        self._player.start()

    def stop(self) -> None:
        self._halt_player()
        if self._unwritten:
            self._write_journal()

    def _halt_player(self) -> None:
        self._halt.set()
        if self._player is not None:
            self._player.join()
            self._player = None

    def _run_player(self, client: ClientHandle, from_s: float, speed: float, halt: threading.Event) -> None:
        """The player's thread: hands over frames at their own pace; those before `from_s` are only decoded."""

        def wanted(frames: Iterator[Frame]) -> Iterator[Frame]:
            for frame in frames:
                if halt.is_set():
                    return
                if frame.pts_s >= from_s:
                    yield frame

        def play() -> None:
            with closing(self._frames()) as frames:  # type: ignore[type-var]  # an Iterator that is a generator
                for frame in paced(wanted(frames), halt, speed=speed):
                    self._session.enqueue_frame(frame)

        self._session.guard(play)
        if not halt.is_set():  # the recording has ended
            with suppress(ProtocolError):
                self._session.enqueue_message(client, messages.Pause(type="calibrate.pause"))

    def on_frame(self, frame: Frame) -> None:
        if frame.t_capture_s < self._started_s:
            return  # of the previous playback
        self._position_s = frame.pts_s
        self._sent_s[frame.seq] = frame.pts_s
        self._session.send(messages.frame_check(frame.seq, time=round(frame.pts_s, 4)))
        self._session.send_image(
            image_message(frame.seq, frame.pts_s, small_jpeg(frame.image, RECORDED_WIDTH))
        )

    def on_state(self, joined: ClientHandle | None) -> None:
        """Shows the nearest still to a client that joins while nothing plays."""
        if joined is not None and self._player is None:
            still = min(self._stills, key=lambda still: abs(still.time_s - self._position_s))
            self._session.send(messages.frame_check(still.seq, time=round(still.time_s, 4)), joined)
            self._session.send_image(still.image(), joined)

    # --- labels ---

    def _make_labels(self) -> None:
        """Removes the lag; makes labels twice a second, and the most useful frames the support set."""
        segments = self._trace.segments()
        if not segments:
            raise ProtocolError(
                "nothing_rated", "nothing was rated yet: play it, and move the mark on the grid"
            )
        faces = encoded_faces(self._stills)
        times_s = np.array([still.time_s for still in self._stills])
        lag = estimate_lag(segments, times_s, np.asarray(faces.absolute, float))
        if self._given_lag_s is not None:
            lag = ReactionLag(self._given_lag_s, lag.correlation, "given")
        shifted = shift_by_lag(segments, lag.seconds)
        labels_s = label_times(shifted)
        values = values_at(shifted, times_s)
        if not len(labels_s):
            raise ProtocolError(
                "too_little_rated",
                f"too little was rated: rate more than {lag.seconds:.1f} s without a pause",
            )
        if np.isnan(values).all():
            raise ProtocolError("no_face_rated", "the rated part has no usable face: rate another part")
        proposals = propose(faces, None, MAX_FRAMES, allowed=np.isfinite(values[:, 0]))
        rows = sorted(proposal.index for proposal in proposals)
        made = np.column_stack([labels_s, values_at(shifted, labels_s).round(LABEL_DIGITS)])
        kept = np.array([(times_s[row], *map(round_label, values[row].tolist())) for row in rows])
        labelled = [
            (valence, arousal, [self._stills[row].accepted(valence, arousal)], self._stills[row].encoded)
            for row, (_, valence, arousal) in zip(rows, kept.tolist(), strict=True)
        ]
        # Undo brings the labels back, and leaves the ratings as they are.
        on_undo = partial(self._set_labels, self._lag, self._made, self._kept)
        self._set_labels(lag, made, kept)
        self._session.status.labels.replace_all(labelled, self._session.keep_crops, on_undo)
        self._session.labels_changed(added=True)

    def state(self) -> dict[str, Any]:
        lag = self._lag
        return {
            "replay": {
                "time": round(self._position_s, 3),
                "length": round(self._length_s, 3),
                "playing": self._player is not None,
                "rated": round(self._trace.rated_s, 2),
                "labels": len(self.labels),
                "notes": [{"time": time_s, "text": text} for time_s, text in sorted(self._notes.items())],
                "lag": None
                if lag is None
                else {
                    "seconds": lag.seconds,
                    "from": lag.origin,
                    "correlation": None if lag.correlation is None else round(lag.correlation, 3),
                },
            }
        }
