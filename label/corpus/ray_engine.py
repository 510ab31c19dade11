"""The engine `ray`: label videos with Ray Data on this machine or on the cluster at RAY_ADDRESS."""

import logging
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from mtclar.engine.errors import UsageError
from mtclar.engine.installation.extras import install_command
from mtclar.label.corpus.ledger import LedgerEntry
from mtclar.label.corpus.worker import Worker
from mtclar.label.job import Job
from mtclar.label.labelling import Settings


def run_on_ray(
    jobs: Sequence[tuple[Job, str]], settings: Settings, workers: int, on_progress: Callable[[float], None]
) -> Iterator[LedgerEntry]:
    """Run jobs with Ray Data; on a cluster, paths must be valid on every node. Raises UsageError if Ray is missing."""
    try:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage statistics leave the machine
        import ray
        import ray.data
    except ImportError as error:
        raise UsageError("--engine ray needs Ray, which is not installed", install_command("ray")) from error
    cluster = os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = (
        {"address": cluster} if cluster else {"num_cpus": workers, "include_dashboard": False}
    )
    ray.init(**options, log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=True)
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = [
        {"job": pickle.dumps(job.absolute()), "key": key, "number": number}
        for number, (job, key) in enumerate(jobs)
    ]
    try:
        actor: Any = RayWorker  # Ray's type hints accept only functions
        data = ray.data.from_items(rows, override_num_blocks=len(rows))
        done = data.map(
            actor, fn_constructor_args=(settings,), concurrency=min(workers, len(rows)), num_cpus=1
        )
        for finished, row in enumerate(done.iter_rows(), 1):
            job = jobs[row.pop("number")][0]
            on_progress(finished)
            yield LedgerEntry(**{**row, "video": str(job.video), "out": str(job.outs[0])})
    finally:
        ray.shutdown()


class RayWorker:
    """A Worker as a Ray Data actor."""

    def __init__(self, settings: Settings) -> None:
        self._worker = Worker(settings)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        job: Job = pickle.loads(row["job"])  # written above, by this program
        return {**asdict(self._worker(job, row["key"])), "number": row["number"]}
