"""Several processes that train one network: each takes its share of every batch; gradients or weights are averaged.

One thread a process. Two threads in one process share every convolution and wait for each other actively inside it: on
two cores with other work on them a step took up to ten times its usual processor time; processes of one thread did not.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch
from torch import Tensor, distributed, nn

from mtclar.engine.errors import MtclarError

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from multiprocessing.queues import SimpleQueue
    from multiprocessing.synchronize import Semaphore

WAIT = timedelta(minutes=20)  # for a process that validates or is starved of processor time


@dataclass(frozen=True, slots=True)
class DistributedGroup:
    """Which of `size` processes this one is; the process of rank 0 validates, writes and reports."""

    rank: int = 0
    size: int = 1

    def average_gradients(self, network: nn.Module, seconds: float) -> float:
        """Replaces every gradient by its mean over the group and returns the mean of the processes' `seconds`.

        So every process takes the same step, and a clock that decides when to stop decides the same everywhere.
        MtclarError when another process has ended.
        """
        if self.size == 1:
            return seconds
        return self._average([p.grad for p in network.parameters() if p.grad is not None], seconds)

    def average_weights(self, network: nn.Module, optimiser: torch.optim.Optimizer, seconds: float) -> float:
        """Replaces weights, batch statistics and the optimiser's state by their means over the group.

        Returns the mean of `seconds`. After several steps that each process took by itself (local SGD): they wait for
        each other less often, and are all the same again. MtclarError when another process has ended.
        """
        if self.size == 1:
            return seconds
        moments = [tensor for state in optimiser.state.values() for tensor in state.values()]
        tensors = [t for t in (*network.state_dict().values(), *moments) if t.is_floating_point()]
        with torch.no_grad():
            return self._average(tensors, seconds)

    def _average(self, tensors: list[Tensor], seconds: float) -> float:
        """Replaces tensors by their means over the group; returns the mean of `seconds`."""
        parts = [*(tensor.reshape(-1) for tensor in tensors), torch.tensor([seconds])]
        flat = torch.cat(parts)
        try:
            distributed.all_reduce(flat)
        except RuntimeError as error:
            raise _ended(error) from error
        flat /= self.size
        *means, mean_seconds = flat.split([part.numel() for part in parts])
        for tensor, mean in zip(tensors, means, strict=True):
            tensor.copy_(mean.view_as(tensor))
        return float(mean_seconds)


@contextmanager
def process_group(size: int, work: Callable[[DistributedGroup], None]) -> Iterator[DistributedGroup]:
    """Starts `size - 1` processes that each call `work` with their place in the group; yields the caller's, rank 0.

    `work` has to be picklable. The others are ended when the body raises, and waited for when it does not. Where the
    body fails since another has ended, what that one raised is raised here.
    """
    if size == 1:
        yield DistributedGroup()
        return
    from torch import multiprocessing

    with TemporaryDirectory(prefix="mtclar-train-") as folder:
        meeting = Path(folder) / "meeting"
        torch.set_num_threads(1)
        spawn = multiprocessing.get_context("spawn")
        ready = spawn.Semaphore(0)
        reasons: SimpleQueue[MtclarError] = spawn.SimpleQueue()
        others: list[BaseProcess] = [
            spawn.Process(target=_work_in, args=(rank, size, meeting, ready, reasons, work), daemon=True)
            for rank in range(1, size)
        ]
        for other in others:
            other.start()
        try:
            for _ in others:
                while not ready.acquire(timeout=1):
                    if not all(other.is_alive() for other in others):
                        raise MtclarError("a training process ended before it began", "its output says why")
            _join(0, size, meeting)
            yield DistributedGroup(0, size)
            for other in others:
                other.join(WAIT.total_seconds())
        except _EndedError as ended:
            if reasons.empty():
                raise
            raise reasons.get() from ended
        finally:
            if distributed.is_initialized():
                distributed.destroy_process_group()
            for other in others:
                other.kill()


def _work_in(
    rank: int,
    size: int,
    meeting: Path,
    ready: "Semaphore",
    reasons: "SimpleQueue[MtclarError]",
    work: Callable[[DistributedGroup], None],
) -> None:
    torch.set_num_threads(1)
    ready.release()
    try:
        _join(rank, size, meeting)
        work(DistributedGroup(rank, size))
    except MtclarError as error:  # for people, who are told by the first process alone
        reasons.put(error)
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


class _EndedError(MtclarError):
    """Another process of the group is gone."""


def _ended(error: RuntimeError) -> _EndedError:
    return _EndedError(f"a training process ended: {str(error).splitlines()[0]}")


def _join(rank: int, size: int, meeting: Path) -> None:
    try:
        distributed.init_process_group(
            "gloo", init_method=meeting.as_uri(), rank=rank, world_size=size, timeout=WAIT
        )
        distributed.barrier()  # one that left while another still connects would make torch print a warning of its own
    except RuntimeError as error:  # one that joined sooner is gone again
        raise _ended(error) from error
