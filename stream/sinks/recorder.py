"""`--record FOLDER`: records the run as Parquet parts with a manifest (docs/live/recordings.md).

A killed process loses at most a second. Messages wait in memory for the sink's thread, however slow the disk is.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from mtclar.engine.data_types import Frame
from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.files.reading import expand_home
from mtclar.engine.files.writing import require_writable
from mtclar.stream.protocol.messages import (
    AffectMessage,
    ClockMessage,
    MarkMessage,
    RecordingMessage,
    StatusMessage,
    StreamInfo,
    SubjectsMessage,
)
from mtclar.stream.recordings import MANIFEST
from mtclar.stream.recordings.video import Videos
from mtclar.stream.recordings.writer import RecordingWriter
from mtclar.stream.server.clock import ClockPair
from mtclar.stream.sinks.base import Sink
from mtclar.stream.table.provenance import SetIdentity

log = logging.getLogger(__name__)

FLUSH_EVERY_S = 0.25
"""With the work of a flush, a SIGKILL loses the rows of less than a second."""

MAX_WAITING = 100_000
"""Messages that wait for a disk that does not answer, about an hour of one stream; later ones are lost and counted."""


def open_recorder(argument: str) -> "Recorder":
    """The sink of `record://FOLDER`."""
    if not argument:
        raise UsageError("the record sink needs a folder", "write record://recordings")
    return Recorder(expand_home(argument))


class Recorder(Sink):
    """Writes recordings, each into a new folder in `folder`: one from `open` on if `at_once`, called `session`, then as
    `start` asks. After `close` it may be opened again.

    With `video` it also writes the frames that `frame` gets. `on_change` gets the state of the recording when it begins
    and ends, and once at `open`, on any thread. On a full disk the rows wait for room, and `close` raises WriteError
    when there is none at the end. Raises UsageError when the folder cannot be written.
    """

    own_thread = False  # its queue would drop messages
    required = True

    def __init__(
        self,
        folder: Path,
        *,
        at_once: bool = True,
        video: bool = False,
        participant: str = "",
        session: str = "",
        program: str = "",
        clocks: ClockPair | None = None,
    ) -> None:
        require_writable(folder / MANIFEST)
        self.on_change: Callable[[RecordingMessage], None] = lambda _: None
        self._folder = folder
        self._at_once = at_once
        self._with_video = video
        self.participant = participant
        self._session, self._program = session, program
        self._clocks = clocks or ClockPair()
        self._streams: dict[str, StreamInfo] = {}
        self._writer: RecordingWriter | None = None
        self._videos: Videos | None = None
        self._changed = threading.Condition()  # of the following ones
        self._queue: list[Callable[[], None]] = []
        self._hurry = self._closing = False
        self._lost = 0
        self._thread: threading.Thread | None = None
        self._error: MtclarError | None = None  # of the last recording's end

    def open(self, streams: Sequence[StreamInfo]) -> None:
        self._streams = {info.stream: info for info in streams}
        self._closing = False
        if self._at_once:
            self._start(self._session)
        else:
            self.on_change(RecordingMessage(False))
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def start(self, session: str = "") -> None:
        """Ends the present recording, if any, and begins another; from any thread, returns at once."""
        self._enqueue(partial(self._start, session), hurry=True)

    def stop(self) -> None:
        """Ends the present recording; from any thread, returns at once."""
        self._enqueue(self._stop, hurry=True)

    def affect(self, message: AffectMessage) -> None:
        self._record(lambda writer, t_s: writer.affect(t_s, message))

    def status(self, message: StatusMessage) -> None:
        self._record(lambda writer, t_s: writer.event(t_s, message))

    def mark(self, message: MarkMessage) -> None:
        self._record(lambda writer, t_s: writer.event(t_s, message))

    def subjects(self, message: SubjectsMessage) -> None:
        self._enqueue(partial(self._subjects, self._clocks.monotonic(), message))

    def frame(self, frame: Frame) -> None:
        """One answered frame, for the video if there is one; returns at once."""
        if (videos := self._videos) is not None:
            videos.enqueue(frame)

    def close(self) -> None:
        """Ends the recording; safe to call twice. Raises WriteError when its last rows cannot be written."""
        if self._thread is not None:
            with self._changed:
                self._closing = True
                self._changed.notify()
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _record(self, work: Callable[[RecordingWriter, float], None]) -> None:
        self._enqueue(partial(self._with_writer, work, self._clocks.monotonic()))

    def _enqueue(self, work: Callable[[], None], hurry: bool = False) -> None:
        with self._changed:
            if self._thread is None:
                return
            if len(self._queue) >= MAX_WAITING and not hurry:
                self._lost += 1
                return
            self._queue.append(work)
            if hurry:
                self._hurry = True
                self._changed.notify()

    # --- the thread ---

    def _work(self) -> None:
        closing = False
        while not closing:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._hurry, FLUSH_EVERY_S)
                closing, self._hurry = self._closing, False
                queue, self._queue = self._queue, []
            for work in [*queue, self._flush]:
                self._try(work)
        self._try(self._stop)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except MtclarError as error:
            log.warning("%s", error.what)
            self.trouble = error.what
        except Exception as error:  # the run goes on without the recording
            log.exception("the recording failed")
            if self._writer is not None:
                self._writer.abandon()
            self._writer = None
            self._stop()
            self.on_change(RecordingMessage(False))
            self.trouble = f"the recording failed: {error}"

    def _with_writer(self, work: Callable[[RecordingWriter, float], None], t_s: float) -> None:
        if self._writer is not None:
            work(self._writer, t_s)

    def _start(self, session: str) -> None:
        self._stop()
        self._writer = RecordingWriter(
            self._folder,
            participant=self.participant,
            session=session,
            streams=list(self._streams.values()),
            model=self.model,
            support_sets={stream: self._identities(stream) for stream in self._streams},
            clock=self._clocks.read(),
            program=self._program,
        )
        log.info("recording to %s", self._writer.folder)
        if self._with_video:
            self._videos = Videos(self._writer.folder)
        self.on_change(RecordingMessage(True, session, self._writer.started_s, self._with_video))

    def _stop(self) -> None:
        writer, self._writer = self._writer, None
        videos, self._videos = self._videos, None
        self.trouble = None
        if videos is not None:
            videos.close()
        if writer is None:
            return
        writer.lost += self._lost
        self._lost = 0
        try:
            writer.close()
        except MtclarError as error:
            self._error = error
        log.info("recorded %s", writer.folder)
        self.on_change(RecordingMessage(False))

    def _flush(self) -> None:
        if self._writer is None:
            return
        if (pair := self._clocks.read_if_set()) is not None:
            self._writer.event(pair[1], ClockMessage(*pair))
        self._writer.flush()
        self.trouble = self._writer.trouble or (None if self._videos is None else self._videos.trouble)

    def _subjects(self, t_s: float, message: SubjectsMessage) -> None:
        stream = message.stream
        self._streams[stream] = replace(self._streams[stream], subjects=message.subjects)
        if self._writer is not None:
            self._writer.event(t_s, message, support_sets=self._identities(stream))

    def _identities(self, stream: str) -> list[dict[str, Any]]:
        return [asdict(SetIdentity.of(support)) for support in self.supports.get(stream, ())]
