"""The processor of this machine: its name, what it can compute with, the cores that this process may use."""

import os
import platform
from functools import cache
from pathlib import Path

# Flag in /proc/cpuinfo -> the instruction set, of those that ONNX Runtime's kernels distinguish.
INSTRUCTION_SETS = {
    "avx2": "AVX2",
    "fma": "FMA",
    "avx_vnni": "AVX-VNNI",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "amx_int8": "AMX",
    "asimd": "Neon",
    "asimddp": "Neon dot product",
    "i8mm": "Neon int8 products",
    "sve": "SVE",
}


def usable_cores() -> int:
    """Cores that this process may use, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def processor_name() -> str:
    """As the system calls it: 'AMD EPYC'."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


@cache
def instruction_sets() -> tuple[str, ...]:
    """Those of INSTRUCTION_SETS that the processor has; empty where the system does not tell (macOS, Windows)."""
    flags = set((_cpuinfo("flags") or _cpuinfo("Features")).split())
    return tuple(name for flag, name in INSTRUCTION_SETS.items() if flag in flags)


def _cpuinfo(field: str) -> str:
    """The first value of a field of Linux' /proc/cpuinfo; '' elsewhere."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == field:
                return value.strip()
    return ""
