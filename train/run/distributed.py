"""Data-parallel training in several processes: each takes a share of every batch; gradients or weights are averaged.

Each process has one thread. Two threads of one process share every convolution and busy-wait for each other: on two
cores with other load, a step took up to ten times its usual processor time. Processes of one thread did not.
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

WAIT = timedelta(minutes=20)  # allows for a process that validates or gets little processor time


@dataclass(frozen=True, slots=True)
class DistributedGroup:
    """The rank of this process among `size` processes; rank 0 validates, writes and reports."""

    rank: int = 0
    size: int = 1

    def average_gradients(self, network: nn.Module, seconds: float) -> float:
        """Replaces every gradient by its mean over the group and returns the mean of the processes' `seconds`.

        Every process then takes the same step, and a time limit ends all processes after the same step. Raises
        MtclarError when another process has ended.
        """
        if self.size == 1:
            return seconds
        return self._average([p.grad for p in network.parameters() if p.grad is not None], seconds)

    def average_weights(self, network: nn.Module, optimiser: torch.optim.Optimizer, seconds: float) -> float:
        """Replaces weights, batch statistics and the optimiser's state by their means over the group.

        Returns the mean of `seconds`. Each process has taken several steps independently (local SGD), so that processes
        wait for each other less often. Raises MtclarError when another process has ended.
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
    """Starts `size - 1` processes that each call `work` with their group; yields the group of the caller, rank 0.

    `work` has to be picklable. The processes are killed when the body raises, and joined when it does not. When the
    body fails because a process has ended, the error of that process is raised.
    """
    if size == 1:
        yield DistributedGroup()
        return
    from torch import multiprocessing

    with TemporaryDirectory(prefix="mtclar-train-") as folder:
        rendezvous = Path(folder) / "rendezvous"
        torch.set_num_threads(1)
        spawn = multiprocessing.get_context("spawn")
        ready = spawn.Semaphore(0)
        errors: SimpleQueue[MtclarError] = spawn.SimpleQueue()
        processes: list[BaseProcess] = [
            spawn.Process(target=_work_in, args=(rank, size, rendezvous, ready, errors, work), daemon=True)
            for rank in range(1, size)
        ]
        for process in processes:
            process.start()
        try:
            for _ in processes:
                while not ready.acquire(timeout=1):
                    if not all(process.is_alive() for process in processes):
                        raise MtclarError(
                            "a training process ended before it started training",
                            "see its output for the reason",
                        )
            _join(0, size, rendezvous)
            yield DistributedGroup(0, size)
            for process in processes:
                process.join(WAIT.total_seconds())
        except _EndedError as ended:
            if errors.empty():
                raise
            raise errors.get() from ended
        finally:
            if distributed.is_initialized():
                distributed.destroy_process_group()
            for process in processes:
                process.kill()


def _work_in(
    rank: int,
    size: int,
    rendezvous: Path,
    ready: "Semaphore",
    errors: "SimpleQueue[MtclarError]",
    work: Callable[[DistributedGroup], None],
) -> None:
    torch.set_num_threads(1)
    ready.release()
    try:
        _join(rank, size, rendezvous)
        work(DistributedGroup(rank, size))
    except MtclarError as error:  # the process of rank 0 reports it
        errors.put(error)
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


class _EndedError(MtclarError):
    """Another process of the group has ended."""


def _ended(error: RuntimeError) -> _EndedError:
    return _EndedError(f"a training process ended: {str(error).splitlines()[0]}")


def _join(rank: int, size: int, rendezvous: Path) -> None:
    try:
        distributed.init_process_group(
            "gloo", init_method=rendezvous.as_uri(), rank=rank, world_size=size, timeout=WAIT
        )
        distributed.barrier()  # torch warns when a process leaves while another connects
    except RuntimeError as error:  # a process has joined and ended
        raise _ended(error) from error
