"""Works off videos of a corpus one after another: what each engine runs many of."""

import time

import numpy as np

from mtclar.engine.errors import MtclarError
from mtclar.label.corpus.ledger import Entry
from mtclar.label.face_scan import Looker
from mtclar.label.job import Job, key_of_job, run
from mtclar.label.labelling import Settings


class Worker:
    """Labels one video after another on the networks that it holds; a failure is an entry, never an exception."""

    def __init__(self, settings: Settings, backend: str = "auto") -> None:
        import cv2

        cv2.setNumThreads(1)
        self._settings = settings
        self._looker = Looker.open(backend=backend, threads=1)

    def __call__(self, job: Job, done_key: str) -> Entry:
        start_s = time.process_time()
        video, out = str(job.video), str(job.outs[0])
        try:
            if done_key and key_of_job(job, self._looker, self._settings) == done_key:
                return Entry(video, out, "kept", key=done_key)
            done = run(job, self._looker, self._settings, lambda _: lambda _: None)
        except MtclarError as error:
            return Entry(video, out, "failed", reason=error.what)
        except Exception as error:  # a bug here must not cost the other videos
            return Entry(video, out, "failed", reason=f"{type(error).__name__}: {error}")
        table = done.outcome.table
        return Entry(
            video,
            out,
            "done",
            key=done.key,
            frames=len(table),
            valued=int((~np.isnan(table.values).any(axis=1)).sum()),
            video_s=round(float(table.times_s[-1]) * len(table) / max(len(table) - 1, 1), 3),
            processor_s=round(time.process_time() - start_s, 3),
        )
