"""The unit that every engine runs in parallel: it labels one video after another."""

import time
from collections.abc import Callable

import numpy as np

from mtclar.engine.errors import MtclarError, machine_refusal
from mtclar.label.corpus.ledger import LedgerEntry
from mtclar.label.job import Job, job_digest, run_job
from mtclar.label.labelling import Settings
from mtclar.label.scan.face_scan import Advance, FaceScanner
from mtclar.label.scan.recording import Recording


class Worker:
    """Label videos with one set of open networks. A failure becomes a ledger entry, never an exception."""

    def __init__(
        self, settings: Settings, backend: str = "auto", on_share: Callable[[float], None] = lambda _: None
    ) -> None:
        import cv2

        cv2.setNumThreads(1)
        self._settings = settings
        self._on_share = on_share  # gets the finished share of the video
        self._scanner = FaceScanner.open(backend=backend, threads=1, blendshapes=settings.blendshapes)

    def __call__(self, job: Job, done_key: str) -> LedgerEntry:
        start_s = time.process_time()
        video, out = str(job.video), str(job.outs[0])
        try:
            if done_key and job_digest(job, self._scanner, self._settings) == done_key:
                return LedgerEntry(video, out, "kept", key=done_key)
            done = run_job(job, self._scanner, self._settings, self._on_start)
        except MtclarError as error:
            return LedgerEntry(video, out, "failed", reason=error.what)
        except Exception as error:  # an unexpected error must not stop the other videos
            refusal = machine_refusal(error)
            reason = refusal.what if refusal else f"{type(error).__name__}: {error}"
            return LedgerEntry(video, out, "failed", reason=reason)
        finally:
            self._on_share(0.0)
        table = done.outcome.table
        return LedgerEntry(
            video,
            out,
            "done",
            key=done.key,
            frames=len(table),
            valued=int((~np.isnan(table.values).any(axis=1)).sum()),
            video_s=round(float(table.times_s[-1]) * len(table) / max(len(table) - 1, 1), 3),
            warning="; ".join(done.recording.warnings),
            processor_s=round(time.process_time() - start_s, 3),
            faces=len(done.outcome.followed.people),
        )

    def _on_start(self, recording: Recording) -> Advance:
        frames, finished = len(recording.times_s), 0

        def advance(count: int) -> None:
            nonlocal finished
            finished += count
            self._on_share(finished / frames)

        return advance
