"""What a card does while something runs: utilisation, memory and energy, read from NVML in a thread of its own."""

import threading
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
        except Exception:  # not installed, or no driver: NVML's errors share no base class with import's
            self._nvml = None
            return self
        self._handle = self._nvml.nvmlDeviceGetHandleByIndex(0)
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
        if self._nvml is None or not self._use:
            return None
        figures = {
            "utilisation_percent": round(sum(self._use) / len(self._use), 1),
            "device_memory_mb": round(max(self._memory) / 1e6, 1),
        }
        if self._energy_mj is not None:
            figures["joules_per_frame"] = round(
                (self._energy_mj[1] - self._energy_mj[0]) / 1e3 / max(frames, 1), 4
            )
        return figures

    def _energy(self) -> int | None:
        """Millijoules since the driver was loaded; None on cards that do not count them."""
        try:
            return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle))
        except self._nvml.NVMLError:
            return None

    def _watch(self) -> None:
        while not self._over.wait(PERIOD_S):
            self._use.append(int(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu))
            self._memory.append(int(self._nvml.nvmlDeviceGetMemoryInfo(self._handle).used))
