"""The studio's Extension of the server: the state that its page shows, and what a person does there."""

import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtclar.calibrate.web.opening import RATE_PAGE, make_session
from mtclar.calibrate.web.rating_files import write_mean
from mtclar.calibrate.web.session import CalibrationSession
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.installation.extras import install_command
from mtclar.engine.support_set import SupportSet, is_encrypted
from mtclar.stream.pipeline.runner import Runner
from mtclar.stream.protocol.messages import ErrorMessage, ProtocolError
from mtclar.stream.server.access import is_loopback
from mtclar.stream.server.extension import ClientHandle, log_action
from mtclar.stream.server.http.pages import Page
from mtclar.stream.sources import name_of
from mtclar.stream.sources.browser import BrowserSource
from mtclar.stream.sources.webcam import list_cameras
from mtclar.studio import jobs
from mtclar.studio.calibrations import StudioCalibrations
from mtclar.studio.failures import reason_of, sentence_of
from mtclar.studio.phone import phone_link
from mtclar.studio.protocol import messages
from mtclar.studio.storage.folder import StudioFolder
from mtclar.studio.storage.participants import Participants
from mtclar.studio.tracking import BROWSER, SourceRequest, Tracking

if TYPE_CHECKING:  # they need an extra
    from mtclar.stream.sinks.recorder import Recorder
    from mtclar.studio.storage.sessions import Sessions

log = logging.getLogger(__name__)

PROGRESS_STEP = 0.01  # of a job between two states


class Studio:
    """An Extension of the server; a context manager around its thread for longer work.

    `tracking` is its main loop. `recorder` is None where recordings cannot be written. A page elsewhere may name files
    of the data folder only; one on this machine any file.
    """

    prefix = messages.PREFIX

    def __init__(
        self,
        runner: Runner,
        folder: StudioFolder,
        *,
        recorder: "Recorder | None" = None,
        backend: str = "auto",
        threads: int = 1,
    ) -> None:
        self._runner = runner
        self._folder = folder
        self._recorder = recorder
        self._backend, self._threads = backend, threads
        self._local = is_loopback(runner.server.config.host)
        self._participants = Participants(folder)
        self._sessions = _sessions(folder) if recorder is not None else None
        self._executor = ThreadPoolExecutor(1, "studio")  # of what takes a moment, and of states
        self._jobs = ThreadPoolExecutor(1, "studio-job")
        self._clients: set[ClientHandle] = set()
        self._job: jobs.Job | None = None
        self._ratings = 0
        self._closing = False
        self.calibrations = StudioCalibrations(
            self._open_calibration,
            lambda name: is_encrypted(folder.participant(name)),
            lambda name, passphrase: SupportSet.load(folder.participant(name), lambda: passphrase),
            self._executor,
        )
        self.tracking = Tracking(
            runner,
            lambda name: replace(SupportSet.load(folder.participant(name)), subject=name),
            self._on_source,
            self._on_frame,
            recorder=recorder,
            backend=backend,
            threads=threads,
        )
        if recorder is not None:
            recorder.on_change = self._on_recording(recorder.on_change)

    def __enter__(self) -> "Studio":
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        for executor in (self._jobs, self._executor):
            executor.shutdown(cancel_futures=True)
        self.calibrations.close()

    # --- the event loop's thread ---

    def on_message(self, client: ClientHandle, message: Mapping[str, Any]) -> None:
        """Handles one message of the page."""
        parsed = messages.parse(message)
        details = parsed.model_dump(exclude={"type"})
        if not isinstance(parsed, messages.Join | messages.Browse):
            log_action(client, parsed.type, **details)
        try:
            self._handle(client, parsed)
        except MtclarError as error:
            raise ProtocolError("studio_failed", sentence_of(error)) from error

    def on_disconnect(self, client: ClientHandle) -> None:
        """The client gets no more states."""
        self._clients.discard(client)

    def _handle(self, client: ClientHandle, message: messages.PageMessage) -> None:
        match message:
            case messages.Join():
                self._clients.add(client)
                self._send_state()
            case messages.Start():
                request = SourceRequest(message.source, tuple(message.participants))
                request.require_allowed()
                if name_of(message.source) == "file":
                    request = replace(request, source=str(self._file(message.source)))
                for name in message.participants:
                    self._folder.participant(name)
                self.tracking.start(request)
            case messages.Stop():
                self.tracking.stop()
            case messages.DeleteParticipant():
                self._do(client, lambda: self._participants.delete(message.participant))
            case messages.DeleteSession():
                sessions = self._require_sessions()
                self._do(client, lambda: sessions.delete(message.session))
            case messages.Replay():
                self.tracking.replay(self._folder.session(message.session))
            case messages.Export():
                folder = self._folder.session(message.session)
                self._start_job(
                    client,
                    jobs.Job("export", message.session),
                    lambda _: self._offer(
                        client, f"{folder.name}-{message.to}.zip", jobs.export_session(folder, message.to)
                    ),
                )
            case messages.Download():
                files = self._folder.result(message.result)
                self._do(client, lambda: self._offer(client, f"{files[0].stem}.zip", jobs.zipped(files)))
            case messages.Browse():
                self._browse(client, message.folder)
            case messages.Analyse():
                self._analyse(client, message)
            case messages.Rate():
                self._rate(client, message)
            case messages.Phone():
                self._invite_phone(client, message.origin)

    def _invite_phone(self, client: ClientHandle, origin: str) -> None:
        server = self._runner.server
        if self._local:
            raise UsageError(
                "no phone can reach the studio: it serves this machine alone",
                "start it with --host 0.0.0.0 --token-file FILE --tls-cert PEM --tls-key PEM",
            )
        link = phone_link(origin, server.port, server.access.add_camera())
        client.send_text(messages.encode("phone_link", **asdict(link)))

    def _browse(self, client: ClientHandle, folder: str | None) -> None:
        chosen = self._folder.root if folder is None else self._file(folder)
        if folder is None and self._local:
            chosen = Path.home()
        inside = not self._local and chosen == self._folder.root.resolve()
        parent = None if inside or chosen.parent == chosen else str(chosen.parent)
        client.send_text(
            messages.encode("folder", folder=str(chosen), parent=parent, **jobs.contents(chosen))
        )

    def _analyse(self, client: ClientHandle, message: messages.Analyse) -> None:
        video = self._file(message.file)
        support = None if message.participant is None else self._folder.participant(message.participant)
        out = _free(self._folder.results / f"{video.stem}.csv")

        def work(progress: jobs.Progress) -> None:
            out.parent.mkdir(parents=True, exist_ok=True)
            jobs.analyse_file(video, support, message.participant or "", out, progress)

        self._start_job(client, jobs.Job("analyse", video.name), work)

    def _rate(self, client: ClientHandle, message: messages.Rate) -> None:
        video = self._file(message.file)
        labels = None if message.labels is None else self._file(message.labels)
        if labels is not None and message.how == "continuous":
            raise UsageError("a label file begins a rating frame by frame", "choose Label frames")
        target = self._folder.rating_target(video, message.participant, message.rater)
        self._ratings += 1
        sound = f"/{RATE_PAGE}/sound-{self._ratings}.webm"
        request = jobs.RatingRequest(
            video, target, message.participant, message.how, message.rater, sound, labels
        )

        def on_saved(support: SupportSet) -> None:
            if message.rater is None:
                self.tracking.use(support)
            else:
                write_mean(target, message.rater)
            self._send_state()

        def work(progress: jobs.Progress) -> None:
            target.parent.mkdir(parents=True, exist_ok=True)
            opened = jobs.open_rating(request, self._backend, self._threads, progress, on_saved)
            if opened.sound is not None:
                self._runner.server.add_private(sound, opened.sound)
            self.calibrations.add(opened.session)
            stream = opened.session.streams[0].stream_id
            opened_as = {"participant": message.participant, "stream": stream, "file": str(video)}
            client.send_text(messages.encode("rating", **opened_as, how=message.how))

        self._start_job(client, jobs.Job("rate", video.name), work)

    def _file(self, name: str) -> Path:
        """A file or folder that a page may name. Raises UsageError."""
        path = Path(name).expanduser().resolve()
        if not self._local and not path.is_relative_to(self._folder.root.resolve()):
            raise UsageError(
                "a page elsewhere may only open files of the data folder", f"copy them to {self._folder.root}"
            )
        return path

    def _require_sessions(self) -> "Sessions":
        if self._sessions is None:
            raise UsageError("sessions need pyarrow, which is not installed", install_command("studio"))
        return self._sessions

    # --- the thread for longer work ---

    def _start_job(self, client: ClientHandle, job: jobs.Job, work: Callable[[jobs.Progress], None]) -> None:
        if self._job is not None:
            raise ProtocolError("busy", f"wait for {self._job.name}")
        self._job = job

        def progress(share: float) -> None:
            if self._closing:
                raise MtclarError("the studio has ended")  # Ctrl-C must not wait for a long video
            if self._job is not None and share - self._job.share >= PROGRESS_STEP:
                self._job = replace(self._job, share=round(share, 3))
                self._send_state()

        def run() -> None:
            try:
                work(progress)
            finally:
                self._job = None

        self._do(client, run, self._jobs)

    def _do(self, client: ClientHandle, work: Callable[[], object], on: Executor | None = None) -> None:
        """Does something on a thread, and sends the state before and after it, or the client the reason why not."""

        def run() -> None:
            try:
                work()
            except Exception as error:
                client.send_text(ErrorMessage("studio_failed", reason_of(error)).encode())
            self._send_state()

        self._send_state()
        (on or self._executor).submit(run)

    def _send_state(self) -> None:
        """From any thread; reading the support sets takes time."""
        with suppress(RuntimeError):  # the studio is closing
            self._executor.submit(self._send_state_now)

    def _send_state_now(self) -> None:
        try:
            state = self._state()
        except Exception:
            log.exception("the state of the studio cannot be sent")
            return
        for client in tuple(self._clients):
            client.send_text(state)

    def _state(self) -> bytes:
        now = self.tracking.now
        return messages.encode(
            "state",
            folder=str(self._folder.root),
            local=self._local,
            cameras=[
                {
                    "source": f"webcam:{camera.index}",
                    "name": camera.name,
                    "usable": os.access(camera.path, os.R_OK | os.W_OK),
                }
                for camera in list_cameras()
            ],
            now=None
            if now is None
            else {
                "source": now.request.source,
                "label": now.label,
                "kind": now.kind,
                "opening": now.opening,
                "participants": list(now.request.participants),
            },
            problem=self.tracking.problem,
            participants=[
                participant | {"drift": self.tracking.drift.of(participant["name"])}
                for participant in self._participants.listed()
            ],
            can_record=self._sessions is not None,
            sessions=[] if self._sessions is None else self._sessions.listed(),
            results=self._folder.tables(),
            job=None if self._job is None else asdict(self._job),
        )

    def _offer(self, client: ClientHandle, name: str, page: Page) -> None:
        path = self._runner.server.add_download(page)
        client.send_text(messages.encode("download", path=path, name=name))

    # --- any thread ---

    def _on_frame(self, frame: Frame) -> None:
        if self._recorder is not None:
            self._recorder.frame(frame)
        self.calibrations.enqueue_frame(frame)

    def _on_source(self) -> None:
        now = self.tracking.now
        if now is None or not now.opening:
            self.calibrations.close_cameras({source.stream_id for source in self.tracking.sources()})
        self._send_state()

    def _on_recording(self, then: Callable[[Any], None]) -> Callable[[Any], None]:
        def on_change(message: Any) -> None:
            then(message)
            self._send_state()

        return on_change

    def _open_calibration(self, name: str, passphrase: str | None) -> CalibrationSession:
        """A session on what is tracked; on this browser's camera if nothing is."""
        target = self._folder.participant(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        sources = [source for source in self.tracking.sources() if source.live]
        if not sources:
            if self.tracking.now is None or not self.tracking.now.opening:
                self.tracking.start(SourceRequest(BROWSER))
            sources = [BrowserSource()]
        return make_session(
            sources,
            target,
            subject=name,
            backend=self._backend,
            threads=self._threads,
            on_saved=self._on_saved,
            passphrase=passphrase,
        )

    def _on_saved(self, support: SupportSet) -> None:
        self.tracking.use(support)
        self._send_state()


def _sessions(folder: StudioFolder) -> "Sessions":
    from mtclar.studio.storage.sessions import Sessions

    return Sessions(folder)


def _free(path: Path) -> Path:
    """The path, or with a number if there is such a file."""
    number = 2
    free = path
    while free.exists():
        free, number = path.with_stem(f"{path.stem}-{number}"), number + 1
    return free
