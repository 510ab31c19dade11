"""A calibration session: one person's labels, the page that calibrates, and the thread that works for it.

The thread has a tracker of its own, so neither the event loop nor the running streams wait for it: `enqueue_frame`,
`on_message` and `on_disconnect` only hand over to the thread.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from mtclar.calibrate.core.evaluation.comparison import compare
from mtclar.calibrate.core.evaluation.status import CalibrationStatus, round_label
from mtclar.calibrate.core.journal import CalibrationJournal, UnfinishedCalibration
from mtclar.calibrate.core.label_store import Sample
from mtclar.calibrate.core.sentence import Sentence
from mtclar.calibrate.web.feeds.feed import Feed
from mtclar.calibrate.web.protocol import messages
from mtclar.calibrate.web.state import comparison_message, label_state
from mtclar.calibrate.web.surroundings import ALONE, StoredSet, Surroundings
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import CalibrationError, MtclarError, machine_refusal
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.protocol.messages import ErrorMessage, ProtocolError
from mtclar.stream.server.extension import ClientHandle, log_action

log = logging.getLogger(__name__)

FRAMES_PER_S = 15.0
TICK_S = 0.5
NOTHING = Sentence("", "")
CLOSE_S = 10.0  # for the work in progress, the journal above all
MAX_QUEUED = 64  # messages of all clients


@dataclass(frozen=True, slots=True)
class CalibrationStream:
    """A stream on which a person can be calibrated."""

    stream_id: str
    label: str  # for people
    camera: Literal["server", "browser"] = "server"  # "browser": the page has to send the images


class CalibrationSession:
    """An Extension of the Server for messages `calibrate.*`; a context manager around its thread.

    Calls `open_tracker` on first use. `save` writes the support set and returns its path; its MtclarErrors are sent to
    the page. `streams`: the first one until a page chooses another. `feed` makes the feed of this session. The
    passphrase encrypts the journal.
    """

    prefix = messages.PREFIX

    def __init__(
        self,
        open_tracker: Callable[[], Tracker],
        save: Callable[[SupportSet], Path],
        *,
        target: Path,
        subject: str,
        streams: Sequence[CalibrationStream],
        feed: "Callable[[CalibrationSession], Feed]",
        keep_crops: bool = False,
        surroundings: Surroundings = ALONE,
        passphrase: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_tracker = open_tracker
        self._save = save
        self._journal = CalibrationJournal(target, subject, passphrase)
        self.subject = subject
        self.streams = tuple(streams)
        self.keep_crops = keep_crops
        self.surroundings = surroundings
        self._stored: Sequence[StoredSet] = ()
        self._agreement: Mapping[str, Any] | None = None
        self.clock = clock
        self._changed = threading.Condition()
        self._page: ClientHandle | None = None  # one at a time
        self._queue: deque[tuple[ClientHandle, messages.PageMessage]] = deque()
        self._stream = self.streams[0]
        self._frame: Frame | None = None
        self._next_frame_s = 0.0
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="calibrate", daemon=True)
        # Of the thread alone:
        self._tracker: Tracker | None = None
        self.status = CalibrationStatus()
        self.saved: Path | None = None  # since the latest change
        self.notice = NOTHING
        self.feed = feed(self)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():  # in native code, as while a network is compiled
            log.warning("calibration is still busy; its thread is left behind")

    # --- any thread, without waiting ---

    def enqueue_frame(self, frame: Frame) -> None:
        """Takes the newest frame of any stream; drops it without a page, from another stream, or too soon."""
        if self._page is None or frame.stream_id != self._stream.stream_id:
            return
        now_s = self.clock()
        if now_s < self._next_frame_s:
            return
        self._next_frame_s = now_s + 1 / FRAMES_PER_S
        with self._changed:
            self._frame = frame
            self._changed.notify()

    def on_message(self, client: ClientHandle, message: Mapping[str, Any]) -> None:
        """Takes a message of the page; ProtocolError when it is malformed, or too many are queued."""
        self.enqueue_message(client, messages.parse(message))

    def on_disconnect(self, client: ClientHandle) -> None:
        """Removes the client, also if its `join` is still queued."""
        self.enqueue_message(client, messages.Leave(type="calibrate.leave"))

    def enqueue_message(self, client: ClientHandle, message: messages.PageMessage) -> None:
        """Queues a parsed message; raises ProtocolError."""
        if isinstance(message, messages.Join) and not self.accepts(message):
            raise ProtocolError(
                "unknown_stream", f"only {self.subject} can be calibrated here, on other streams"
            )
        if not isinstance(message, messages.Leave | messages.Rate):  # a page rates every image
            details = {**message.model_dump(exclude={"type", "passphrase"}), "subject": self.subject}
            log_action(client, message.type, **details)
        with self._changed:
            if len(self._queue) >= MAX_QUEUED and not isinstance(message, messages.Leave):
                raise ProtocolError("busy", "calibration is still busy with earlier messages")
            self._queue.append((client, message))
            self._changed.notify()

    def accepts(self, join: messages.Join) -> bool:
        """Whether this session has the person and the stream of a `join`, as far as it names them."""
        return join.stream in (None, *(stream.stream_id for stream in self.streams)) and join.subject in (
            None,
            self.subject,
        )

    # --- the session's thread ---

    def _run(self) -> None:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped or self._queue or self._frame, TICK_S)
                    if self._stopped:
                        return
                    queued, self._queue = self._queue, deque()
                    frame, self._frame = self._frame, None
                for client, message in queued:
                    self.guard(lambda client=client, message=message: self._handle(client, message), client)  # type: ignore[misc]
                if frame is not None and frame.stream_id == self._stream.stream_id and self._page is not None:
                    self.guard(lambda frame=frame: self.feed.on_frame(frame))  # type: ignore[misc]
        finally:
            self.guard(self.feed.stop)
            if self._tracker is not None:
                self._tracker.close()

    def guard(self, work: Callable[[], object], client: ClientHandle | None = None) -> None:
        """Runs `work`; sends an error to the client, or to the page."""
        try:
            work()
        except ProtocolError as error:
            self.send(ErrorMessage(error.code, error.message).encode(), client)
            return
        except MtclarError as error:
            reason = f"{error.what}. {error.hint}".rstrip(". ")
        except Exception as error:
            if refusal := machine_refusal(error):
                reason = refusal.what
                log.warning("calibration failed: %s", reason)
            else:
                log.exception("calibration failed")
                reason = "an internal error; the server's log says more"
        else:
            return
        self.send(ErrorMessage("calibrate_failed", reason).encode(), client)

    def send(self, message: bytes, client: ClientHandle | None = None) -> None:
        """Sends a text message to a client, or to the page."""
        if (to := client or self._page) is not None:
            to.send_text(message)

    def send_image(self, message: bytes, client: ClientHandle | None = None) -> None:
        """Sends a binary message to a client, or to the page."""
        if (to := client or self._page) is not None:
            to.send_binary(message)

    def send_state(self, joined: ClientHandle | None = None) -> None:
        """Sends `calibrate.state`."""
        state = {
            "subject": self.subject,
            "stream": self._stream.stream_id,
            "camera": self._stream.camera,
            "keep_crops": self.keep_crops,
            "notice": self.notice.text,
            "notice_key": self.notice.key,
            "saved": None if self.saved is None else str(self.saved),
            "stored": [{"name": one.name, "present": one.present} for one in self._stored],
            "tracks": self.surroundings.tracks,
            "ends": self.surroundings.on_done is not None,
            "rater": self.surroundings.rater or None,
            "agreement": self._agreement,
            "sound": self.surroundings.sound or None,
        }
        self.send(messages.encode("state", **state, **label_state(self.status), **self.feed.state()))
        self.feed.on_state(joined)

    def _handle(self, client: ClientHandle, message: messages.PageMessage) -> None:
        if isinstance(message, messages.Leave):
            if client is self._page:
                self._page = None
                self.feed.stop()
            return
        if isinstance(message, messages.Join):
            self._give_page_to(client, message.take_over)
        elif client is not self._page:
            raise ProtocolError("join_expected", f"send `calibrate.join` to calibrate {self.subject}")
        _ = self.tracker  # resumes an unfinished calibration first
        labels = self.status.labels
        match message:
            case messages.Join():
                self._choose(message.stream)
                self._stored = self.surroundings.stored()
            case messages.Delete():
                labels.delete(self.sample(message.number).number)
                self.labels_changed()
            case messages.Relabel():
                number = self.sample(message.number).number
                labels.relabel(
                    number,
                    round_label(message.valence),
                    round_label(message.arousal),
                    message.category,
                    message.note,
                )
                self.labels_changed()
            case messages.Load():
                self._load()
            case messages.Compare():
                self._compare(message.name)
                return
            case messages.Done():
                if self.surroundings.on_done is not None:
                    self.surroundings.on_done()
            case messages.Undo():
                if labels.undo():
                    self.labels_changed()
            case messages.Clear():
                self._clear()
            case messages.Save():
                self._write(message.accept_poor)
                log_action(client, "saved", subject=self.subject, file=str(self.saved))
            case _:
                if not self.feed.handle(client, message):
                    return
        self.send_state(client if isinstance(message, messages.Join) else None)

    @property
    def tracker(self) -> Tracker:
        """Opened on first use, when an unfinished calibration is resumed too."""
        if self._tracker is None:
            self._tracker = self._open_tracker()
            try:
                if unfinished := self._journal.read(self._tracker.model.sha256):
                    self._resume(unfinished)
                elif self.status.labels.samples:  # that the feed began with
                    self._update()
            except MtclarError as error:
                self.notice = Sentence("", f"{error.what}: {error.hint}")
        return self._tracker

    def _resume(self, unfinished: UnfinishedCalibration) -> None:
        try:
            self.feed.ratings = unfinished.ratings
        except CalibrationError as error:
            raise self._journal.set_aside(error.what) from error
        self.status.resume(unfinished.snapshot)
        self.notice = Sentence("resumed", "An unfinished calibration was resumed")
        self._update()

    def _give_page_to(self, client: ClientHandle, take_over: bool) -> None:
        """Makes the client the one page of this session; ProtocolError while another one is, unless it takes over."""
        before, code = self._page, "page_taken"
        if before is not None and before is not client:
            if not take_over:
                raise ProtocolError(code, f"another page, at {before.address}, calibrates {self.subject}")
            before.send_text(
                ErrorMessage(code, f"the page at {client.address} calibrates {self.subject} now").encode()
            )
            self.feed.stop()
        self._page = client

    def _choose(self, stream_id: str | None) -> None:
        """Chooses the stream of this session."""
        if stream_id is not None and stream_id != self._stream.stream_id:
            self._stream = next(stream for stream in self.streams if stream.stream_id == stream_id)
            self.feed.stop()
            self.tracker.reset()

    def sample(self, number: int) -> Sample:
        """The label with that number; MtclarError when there is none."""
        try:
            return self.status.labels[number]
        except KeyError as error:
            raise MtclarError(f"label {number} no longer exists") from error

    def _clear(self) -> None:
        self.feed.stop()
        ratings, self.feed.ratings = self.feed.ratings, None
        self.status.labels.clear(on_undo=lambda: setattr(self.feed, "ratings", ratings))
        self.labels_changed()

    # --- after a change ---

    def support_set(self) -> SupportSet:
        """All labels; CalibrationError without any."""
        return self.status.labels.support(
            subject=self.subject,
            source=self._stream.label,
            encoder=self.tracker.identity,
        )

    def labels_changed(self, added: bool = False) -> None:
        """Evaluates the labels and writes the journal; `added`: one more label than before."""
        self.saved = None
        self.notice = NOTHING
        self._update(added)
        self.write_journal()

    def _update(self, added: bool = False) -> None:
        self.status.update(self.support_set() if self.status.labels.samples else None, added)

    def write_journal(self) -> None:
        """Writes the unfinished calibration to disk; raises WriteError."""
        unfinished = UnfinishedCalibration(self.status.labels.snapshot, self.feed.ratings)
        self._journal.write(unfinished, self.tracker.model.sha256)

    def _write(self, accept_poor: bool) -> None:
        if self.status.warning and not accept_poor:
            raise CalibrationError(
                f"not saved: {self.status.warning}", "save with `accept_poor` all the same"
            )
        self.feed.stop()
        support = replace(self.support_set(), warning=self.status.warning)
        self.saved = self._save(support)
        self._journal.remove()
        self._stored = self.surroundings.stored()
        self._agreement = self.surroundings.agreement()
        self.surroundings.on_saved(support)

    # --- sets on disk ---

    def _load(self) -> None:
        present = next((one for one in self._stored if one.present), None)
        if present is None:
            raise CalibrationError("there is no saved support set", "capture labels, and save them")
        support = present.load()
        support.require_encoder(self.tracker.identity)
        self.feed.stop()
        self.status.labels.load(support)
        self.labels_changed(added=True)
        self.notice = Sentence("continues", f"Continues with the labels of {present.name}")

    def _compare(self, name: str) -> None:
        other = next((one for one in self._stored if one.name == name), None)
        if other is None:
            raise CalibrationError(f"there is no support set {name}")
        self.send(comparison_message(compare(self.support_set(), other.load()), name))
