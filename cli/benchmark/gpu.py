"""Utilisation, memory and energy of a graphics card during a run, read from NVML in a thread."""

import threading
from collections.abc import Callable
from importlib import import_module
from types import TracebackType
from typing import Any, Self

PERIOD_S = 0.1


class GpuMeter:
    """Samples the first card from enter to exit; does nothing without a card."""

    def __init__(self, nvml: Any = None) -> None:
        """`nvml` is the module pynvml unless given."""
        self._nvml = nvml
        self._handle: Any = None
        self._use: list[int] = []
        self._memory: list[int] = []
        self._energy_mj: tuple[int, int] | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="gpu-meter", daemon=True)

    def __enter__(self) -> Self:
        try:
            self._nvml = self._nvml or import_module("pynvml")
            self._nvml.nvmlInit()
            self._handle = self._nvml.nvmlDeviceGetHandleByIndex(0)
        except Exception:  # no package, driver or card: NVML's errors have no base class of their own
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
        self._done.set()
        self._thread.join()
        after_mj = self._energy()
        if self._before_mj is not None and after_mj is not None:
            self._energy_mj = (self._before_mj, after_mj)
        self._nvml.nvmlShutdown()

    def report(self, frames: int) -> dict[str, float] | None:
        """Mean utilisation in %, peak memory in MB, joules per frame; None without a card."""
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
        """Millijoules since the driver was loaded; None on cards without that counter."""
        return self._query(lambda nvml, card: int(nvml.nvmlDeviceGetTotalEnergyConsumption(card)))

    def _watch(self) -> None:
        while not self._done.wait(PERIOD_S):
            use = self._query(lambda nvml, card: int(nvml.nvmlDeviceGetUtilizationRates(card).gpu))
            memory = self._query(lambda nvml, card: int(nvml.nvmlDeviceGetMemoryInfo(card).used))
            self._use += [] if use is None else [use]
            self._memory += [] if memory is None else [memory]

    def _query(self, query: Callable[[Any, Any], int]) -> int | None:
        """A value of the card; None where it has no such counter (a MIG slice has no utilisation)."""
        try:
            return query(self._nvml, self._handle)
        except self._nvml.NVMLError:
            return None
