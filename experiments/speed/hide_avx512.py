"""Runs a command as on a processor with AVX2 and without AVX-512, VNNI and AMX (Linux on x86-64, gcc and binutils).

    python -m experiments.speed.hide_avx512 build/avx2 COMMAND...

ONNX Runtime asks the processor with `cpuid` and has no setting for it. So a copy of its package is made in the folder,
each `cpuid` in it becomes an illegal instruction of the same length, and hide_avx512.c, loaded before it, answers those
without these instruction sets. numpy and OpenCV get their own settings. The package in use stays as it is.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import onnxruntime

CPUID, ILLEGAL = b"\x0f\xa2", b"\x0f\x0b"
FEATURES = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V4"  # of numpy


def build(folder: Path) -> None:
    """The copy of ONNX Runtime and the library that answers, in `folder`."""
    source = Path(__file__).with_suffix(".c")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", str(folder / "hide.so"), str(source)], check=True)
    unfinished = folder / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(Path(onnxruntime.__file__).parent, unfinished / "onnxruntime")
    for library in unfinished.rglob("*.so*"):
        replace_questions(library)
    unfinished.rename(folder / "site")


def replace_questions(library: Path) -> int:
    """Puts an illegal instruction in place of each `cpuid`; returns their number."""
    listed = subprocess.run(["objdump", "-d", str(library)], check=True, capture_output=True, text=True)
    headers = subprocess.run(["readelf", "-lW", str(library)], check=True, capture_output=True, text=True)
    segments = [
        (int(columns[2], 16), int(columns[1], 16), int(columns[4], 16))  # address, offset, size
        for line in headers.stdout.splitlines()
        if (columns := line.split()) and columns[0] == "LOAD"
    ]
    content = bytearray(library.read_bytes())
    addresses = [
        int(found[1], 16) for found in re.finditer(r"^\s*([0-9a-f]+):.*\tcpuid", listed.stdout, re.MULTILINE)
    ]
    for address in addresses:
        start, offset = next((at, of) for at, of, size in segments if at <= address < at + size)
        place = address - start + offset
        if content[place : place + 2] != CPUID:
            raise ValueError(f"{library}: no cpuid at {address:#x}")
        content[place : place + 2] = ILLEGAL
    library.write_bytes(content)
    return len(addresses)


def environment(folder: Path) -> dict[str, str]:
    """For a command that is to use the copy."""
    return os.environ | {
        "LD_PRELOAD": str((folder / "hide.so").resolve()),
        "PYTHONPATH": str((folder / "site").resolve()),
        "NPY_DISABLE_CPU_FEATURES": FEATURES,
        "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX512-COMMON,AVX512-CNL,AVX512-CLX,AVX512-ICL",
        "OPENBLAS_CORETYPE": "Haswell",
    }


def main() -> None:
    """Builds what is missing, then becomes the command."""
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    folder, command = Path(sys.argv[1]), sys.argv[2:]
    if not (folder / "site").is_dir():
        build(folder)
    os.execvpe(command[0], command, environment(folder))


if __name__ == "__main__":
    main()
