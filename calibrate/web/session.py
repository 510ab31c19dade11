"""Calibration behind a page: takes a running source's frames and a person's labels, and tells the page how it stands.

One thread of its own does all the work, with a tracker of its own, so neither the event loop nor the running stream
waits for it. `offer` and `on_message` only put things down for that thread.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mtclar.calibrate.core.advice import advise
from mtclar.calibrate.core.capture import Capture, Kind
from mtclar.calibrate.core.continuous_rating import Ratings
from mtclar.calibrate.core.journal import Journal, Unfinished
from mtclar.calibrate.core.label_store import Check, Sample
from mtclar.calibrate.core.status import Standing, rounded
from mtclar.calibrate.core.support_builder import Look, look
from mtclar.calibrate.web import messages
from mtclar.calibrate.web.face_outline import outline
from mtclar.calibrate.web.thumbnails import preview
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import MtclarError
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.protocol.messages import ErrorMessage, ProtocolError
from mtclar.stream.server.extension import ClientHandle
from mtclar.stream.server.uploads import write_header

log = logging.getLogger(__name__)

LOOKS_PER_S = 15.0
TICK_S = 0.5
CLOSE_S = 10.0  # for what is being worked on, the journal above all
MAX_WAITING = 64  # messages of all pages that have not been worked off

Camera = Literal["server", "browser"]


@dataclass(frozen=True, slots=True)
class View:
    """A stream on which a person can be calibrated."""

    stream: str
    label: str  # as people know it
    camera: Camera = "server"  # "browser": the page itself has to send the pictures


class Desk:
    """An Extension of the Server for messages `calibrate.*`; a context manager around its thread.

    `open_tracker` is called on first use. `save` writes the support set and returns where; what it raises is told to
    the page. `views`: the streams that it can look at, the first one until a page chooses another. `passphrase`
    encrypts what is unfinished.
    """

    prefix = messages.PREFIX

    def __init__(
        self,
        open_tracker: Callable[[], Tracker],
        save: Callable[[SupportSet], Path],
        *,
        target: Path,
        subject: str,
        views: Sequence[View],
        keep_crops: bool = False,
        on_saved: Callable[[SupportSet], None] | None = None,
        passphrase: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_tracker = open_tracker
        self._save = save
        self._journal = Journal(target, subject, passphrase)
        self.subject = subject
        self.views = tuple(views)
        self._keep_crops = keep_crops
        self._on_saved = on_saved
        self._clock = clock
        self._changed = threading.Condition()
        self._peers: set[ClientHandle] = set()
        self._said: deque[tuple[ClientHandle, messages.Said]] = deque()
        self._view = self.views[0]
        self._frame: Frame | None = None
        self._due_s = 0.0
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="calibrate", daemon=True)
        # Of the thread alone:
        self._tracker: Tracker | None = None
        self._standing = Standing()
        self._ratings: Ratings | None = None  # of a recording: kept with the labels
        self._capture: Capture | None = None
        self._saved: Path | None = None
        self._notice = ""

    def __enter__(self) -> "Desk":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(CLOSE_S)
        if (
            self._thread.is_alive()
        ):  # in native code, as while a network is compiled; a daemon, so left behind
            log.warning("calibration still works on something and is left behind")

    # --- any thread, never waiting ---

    def offer(self, frame: Frame) -> None:
        """The newest frame of a stream; most are passed over, and all while no page is open or it looks elsewhere."""
        if not self._peers or frame.stream_id != self._view.stream:
            return
        now_s = self._clock()
        if now_s < self._due_s:
            return
        self._due_s = now_s + 1 / LOOKS_PER_S
        with self._changed:
            self._frame = frame
            self._changed.notify()

    def on_message(self, peer: ClientHandle, message: Mapping[str, Any]) -> None:
        """A page's message; ProtocolError when it is none of ours, or there are too many."""
        self.dispatch(peer, messages.parse(message))

    def dispatch(self, peer: ClientHandle, said: messages.Said) -> None:
        """The same, parsed."""
        if isinstance(said, messages.Join) and not self.serves(said):
            raise ProtocolError("unknown_stream", f"only {self.subject} is calibrated here, on other streams")
        self._put(peer, said)

    def serves(self, said: messages.Join) -> bool:
        """Whether it is this desk's person and one of its streams, as far as they are named."""
        named = said.stream is None or any(view.stream == said.stream for view in self.views)
        return named and said.subject in (None, self.subject)

    def on_disconnect(self, peer: ClientHandle) -> None:
        """The client is gone; it may have joined a moment ago, which the thread does not know yet."""
        self._put(peer, messages.Leave(type="calibrate.leave"))

    def _put(self, peer: ClientHandle, said: messages.Said) -> None:
        with self._changed:
            if len(self._said) >= MAX_WAITING and not isinstance(said, messages.Leave):
                raise ProtocolError("busy", "calibration has not come to the messages before this one")
            self._said.append((peer, said))
            self._changed.notify()

    # --- the desk's thread ---

    def _work(self) -> None:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped or self._said or self._frame, TICK_S)
                    if self._stopped:
                        return
                    said, self._said = self._said, deque()
                    frame, self._frame = self._frame, None
                for peer, message in said:
                    self._try(peer, lambda peer=peer, message=message: self._work_off(peer, message))  # type: ignore[misc]
                if frame is not None and self._tracker is not None and self._peers:
                    self._try(None, lambda frame=frame: self._look(frame))  # type: ignore[misc]
        finally:
            if self._tracker is not None:
                self._tracker.close()

    def _try(self, peer: ClientHandle | None, work: Callable[[], None]) -> None:
        """What goes wrong is told to who asked, or to all; the work goes on."""
        try:
            work()
        except MtclarError as error:
            self._tell(
                ErrorMessage("calibrate_failed", f"{error.what}. {error.hint}".rstrip(". ")).encode(), peer
            )
        except Exception:
            log.exception("calibration failed")
            self._capture = None
            self._tell(
                ErrorMessage("calibrate_failed", "an internal error; the server's log says more").encode(),
                peer,
            )

    def _tell(self, data: bytes, peer: ClientHandle | None = None) -> None:
        for one in [peer] if peer is not None else list(self._peers):
            one.send_text(data)

    def _work_off(self, peer: ClientHandle, said: messages.Said) -> None:
        if isinstance(said, messages.Leave):
            self._peers.discard(peer)
            if not self._peers:
                self._capture = None
            return
        self._ready()
        match said:
            case messages.Join():
                self._peers.add(peer)
                self._look_at(said.stream)
            case messages.Take():
                self._begin("take", None, rounded(said.valence), rounded(said.arousal))
            case messages.Redo():
                sample = self._sample(said.number)
                self._begin("redo", sample.number, sample.valence, sample.arousal)
            case messages.CheckOne():
                sample = self._sample(said.number)
                self._begin("check", sample.number, sample.valence, sample.arousal)
            case messages.Cancel():
                self._capture = None
            case messages.Delete():
                self._sample(said.number)
                self._standing.collection.delete(said.number)
                self._changed_samples()
            case messages.Relabel():
                self._sample(said.number)
                self._standing.collection.relabel(said.number, rounded(said.valence), rounded(said.arousal))
                self._changed_samples()
            case messages.Skip():
                self._skip()
            case messages.Undo():
                if self._standing.collection.undo():
                    self._changed_samples()
            case messages.Clear():
                self._standing.collection.clear(undone=self._drop_ratings())
                self._changed_samples()
            case messages.Save():
                self._write()
            case messages.Play() | messages.Pause() | messages.Rate() | messages.Finish():
                raise MtclarError("no recording is played here", "`calibrate --continuous` plays one")
        self._tell_state()

    def _ready(self) -> Tracker:
        """Opens the tracker and goes on with what was left unfinished, the first time."""
        if self._tracker is None:
            self._tracker = self._open_tracker()
            try:
                unfinished = self._journal.read(self._tracker.model.sha256)
                if unfinished:
                    self._go_on(unfinished)
            except MtclarError as error:
                self._notice = f"{error.what}: {error.hint}"
        return self._tracker

    def _go_on(self, unfinished: Unfinished) -> None:
        self._standing.go_on(unfinished.step)
        self._ratings = unfinished.ratings
        self._notice = "This goes on with a calibration that was left unfinished"
        self._renew()

    def _look_at(self, stream: str | None) -> None:
        """Another stream, for all pages of this desk; what was being taken on the one before is dropped."""
        if stream is not None and stream != self._view.stream:
            self._view = next(view for view in self.views if view.stream == stream)
            self._capture = None
            self._ready().reset()

    def _sample(self, number: int) -> Sample:
        try:
            return self._standing.collection[number]
        except KeyError as error:
            raise MtclarError(f"there is no label {number} any more") from error

    def _skip(self) -> None:
        self._standing.pass_on(self._standing.ask())

    def _drop_ratings(self) -> Callable[[], None]:
        """Takes them away, and gives what brings them back."""
        before, self._ratings = self._ratings, None
        return lambda: setattr(self, "_ratings", before)

    # --- frames ---

    def _begin(self, kind: Kind, number: int | None, valence: float, arousal: float) -> None:
        self._capture = Capture(kind, number, valence, arousal)
        self._saved = None

    def _look(self, frame: Frame) -> None:
        assert self._tracker is not None
        if frame.stream_id != self._view.stream:
            return  # put down just before a page chose another one
        seen = look(self._tracker, frame)
        capture = self._capture
        if capture is not None:
            capture.step(seen)
        self._show(frame, seen)
        # Not while a label is taken: those faces are in the support set, and would say that everything is known.
        if capture is None and seen.crop is not None and seen.usable and self._standing.shown.due(seen.t_s):
            self._standing.shown.note(seen.t_s, self._tracker.encode([seen.crop]))
        if capture is not None and capture.guide.done:
            self._capture = None
            self._finish(capture)
            self._tell_state()

    def _show(self, frame: Frame, seen: Look) -> None:
        height, width = frame.image.shape[:2]
        self._tell(
            messages.encode(
                "look",
                seq=frame.seq,
                outline=[] if seen.crop is None else outline(seen.crop, (width, height)),
                usable=seen.usable,
                advice=advise(seen.faults),
                capture=None if self._capture is None else self._capture.state(),
            )
        )
        picture = write_header(0, frame.seq % 2**32, frame.t_capture_s) + preview(frame.image)
        for peer in self._peers:
            peer.send_binary(picture)

    def _finish(self, capture: Capture) -> None:
        tracker = self._ready()
        recording = capture.guide.recording
        if not recording.taken:
            faults = recording.refused[0].faults if recording.refused else ()
            raise MtclarError("No usable picture was taken", ". ".join(advise(faults)))
        encoded = tracker.encode([one.crop for one in recording.taken])
        if capture.kind == "check":
            estimates = tracker.comparer(self._support(tracker))(encoded)
            valence = float(np.mean([estimate.valence for estimate in estimates]))
            arousal = float(np.mean([estimate.arousal for estimate in estimates]))
            error = float(np.hypot(valence - capture.valence, arousal - capture.arousal))
            self._standing.collection.checked(
                self._sample(capture.number or 0).number, Check(valence, arousal, error)
            )
            self._keep()
        elif capture.kind == "redo":
            number = self._sample(capture.number or 0).number
            self._standing.collection.replace_frames(number, recording.taken, encoded, self._keep_crops)
            self._changed_samples()
        else:
            asked = self._standing.ask()
            self._standing.collection.add(
                capture.valence, capture.arousal, recording.taken, encoded, self._keep_crops
            )
            if asked is self._standing.ask():
                self._standing.pass_on(asked)
            self._changed_samples(added=True)

    # --- what follows from a change ---

    def _support(self, tracker: Tracker) -> SupportSet:
        return self._standing.collection.support(
            subject=self.subject,
            source=self._view.label,
            model_name=tracker.model.name,
            model_sha256=tracker.model.sha256,
            framing=tracker.framing,
        )

    def _changed_samples(self, added: bool = False) -> None:
        self._saved = None
        self._notice = ""
        self._renew(added)
        self._keep()

    def _renew(self, added: bool = False) -> None:
        support = self._support(self._ready()) if self._standing.collection.samples else None
        self._standing.renew(support, added)

    def _keep(self) -> None:
        """So that nothing is lost when this process ends."""
        unfinished = Unfinished(self._standing.collection.now, self._ratings)
        self._journal.keep(unfinished, self._ready().model.sha256)

    def _write(self) -> None:
        support = self._support(self._ready())
        self._saved = self._save(support)
        self._journal.remove()
        if self._on_saved is not None:
            self._tell_state()
            self._on_saved(support)

    # --- how it stands ---

    def _tell_state(self) -> None:
        self._tell(messages.encode("state", **self._state()))

    def _state(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "stream": self._view.stream,
            "camera": self._view.camera,
            "keep_crops": self._keep_crops,
            "notice": self._notice,
            "saved": None if self._saved is None else str(self._saved),
            **self._standing.state(),
        }
