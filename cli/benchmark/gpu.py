"""What a card does while something runs: utilisation, memory and energy, read from NVML in a thread of its own."""

import threading
from collections.abc import Callable
from importlib import import_module
from types import TracebackType
from typing import Any, Self

PERIOD_S = 0.1


class GpuMeter:
    """Watches the first card between entering and leaving; does nothing where there is none."""

    def __init__(self, nvml: Any = None) -> None:
        """`nvml` is the module pynvml unless given."""
        self._nvml = nvml
        self._handle: Any = None
        self._use: list[int] = []
        self._memory: list[int] = []
        self._energy_mj: tuple[int, int] | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="gpu-meter", daemon=True)

    def __enter__(self) -> Self:
        try:
            self._nvml = self._nvml or import_module("pynvml")
            self._nvml.nvmlInit()
            self._handle = self._nvml.nvmlDeviceGetHandleByIndex(0)
        except (
            Exception
        ):  # not installed, no driver, no card: NVML's errors share no base class with import's
            self._nvml = None
            return self
        self._before_mj = self._energy()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._nvml is None:
            return
        self._over.set()
        self._thread.join()
        after_mj = self._energy()
        if self._before_mj is not None and after_mj is not None:
            self._energy_mj = (self._before_mj, after_mj)
        self._nvml.nvmlShutdown()

    def report(self, frames: int) -> dict[str, float] | None:
        """Mean utilisation in %, peak memory in MB, joules for each of `frames`; None without a card."""
        if self._nvml is None or not self._memory:
            return None
        figures = {"device_memory_mb": round(max(self._memory) / 1e6, 1)}
        if self._use:
            figures["utilisation_percent"] = round(sum(self._use) / len(self._use), 1)
        if self._energy_mj is not None:
            figures["joules_per_frame"] = round(
                (self._energy_mj[1] - self._energy_mj[0]) / 1e3 / max(frames, 1), 4
            )
        return figures

    def _energy(self) -> int | None:
        """Millijoules since the driver was loaded; None on cards that do not count them."""
        return self._ask(lambda nvml, card: int(nvml.nvmlDeviceGetTotalEnergyConsumption(card)))

    def _watch(self) -> None:
        while not self._over.wait(PERIOD_S):
            use = self._ask(lambda nvml, card: int(nvml.nvmlDeviceGetUtilizationRates(card).gpu))
            memory = self._ask(lambda nvml, card: int(nvml.nvmlDeviceGetMemoryInfo(card).used))
            self._use += [] if use is None else [use]
            self._memory += [] if memory is None else [memory]

    def _ask(self, question: Callable[[Any, Any], int]) -> int | None:
        """What the card says; None where it does not count such a thing (a slice of a card has no utilisation)."""
        try:
            return question(self._nvml, self._handle)
        except self._nvml.NVMLError:
            return None
