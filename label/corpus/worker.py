"""The unit that every engine runs in parallel: it labels one video after another."""

import time

import numpy as np

from mtclar.engine.errors import MtclarError, machine_refusal
from mtclar.label.corpus.ledger import LedgerEntry
from mtclar.label.face_scan import FaceScanner
from mtclar.label.job import Job, job_digest, run_job
from mtclar.label.labelling import Settings


class Worker:
    """Label videos with one set of open networks. A failure becomes a ledger entry, never an exception."""

    def __init__(self, settings: Settings, backend: str = "auto") -> None:
        import cv2

        cv2.setNumThreads(1)
        self._settings = settings
        self._scanner = FaceScanner.open(backend=backend, threads=1)

    def __call__(self, job: Job, done_key: str) -> LedgerEntry:
        start_s = time.process_time()
        video, out = str(job.video), str(job.outs[0])
        try:
            if done_key and job_digest(job, self._scanner, self._settings) == done_key:
                return LedgerEntry(video, out, "kept", key=done_key)
            done = run_job(job, self._scanner, self._settings, lambda _: lambda _: None)
        except MtclarError as error:
            return LedgerEntry(video, out, "failed", reason=error.what)
        except Exception as error:  # an unexpected error must not stop the other videos
            refusal = machine_refusal(error)
            reason = refusal.what if refusal else f"{type(error).__name__}: {error}"
            return LedgerEntry(video, out, "failed", reason=reason)
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
