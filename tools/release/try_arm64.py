"""Linux on 64-bit Arm, emulated: the wheel in an arm64 Debian under qemu, and its values beside those of this machine.

    make release && sudo .venv/bin/python -m tools.release.try_arm64 --frames 50

As root, with Debian's debootstrap, qemu-user-static and binfmt-support. The first run makes build/arm64/root, which
takes some minutes; about one frame a second follows. Each precision runs the beginning of the bundled clip here and
there; printed and written to build/arm64/result.json are the differences of valence and arousal, and what the program
says on stderr. Python is Debian's.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np

from mtclar.stream import demo_clip
from tools.arguments import parser_of
from tools.release.wheels import PLATFORMS, pip_platform_options

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "arm64"
SYSTEM = FOLDER / "root"
SUITE, PYTHON = "bookworm", "3.11"
QEMU = "qemu-aarch64-static"
BINFMT = Path("/proc/sys/fs/binfmt_misc")
NEEDED = ("debootstrap", QEMU, "update-binfmts")
MAX_DIFFERENCE = 0.05  # of a valence or arousal
PRECISIONS = {"int8": "onnxruntime:int8", "fp32": "onnxruntime:cpu"}


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command; exits with its output when it fails."""
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True, **options)
    if done.returncode != 0:
        sys.exit(
            f"{' '.join(map(str, command))} -> {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
    return done


def inside(*command: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a command in the arm64 system."""
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    return run("chroot", SYSTEM, *command, env=path | (environment or {}))


def register_emulator() -> None:
    """Has the kernel start arm64 programs in qemu."""
    if not (BINFMT / "register").exists():
        run("mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT)
    if not (BINFMT / "qemu-aarch64").exists():
        run("update-binfmts", "--enable", "qemu-aarch64")


def make_system() -> None:
    """An arm64 Debian with its Python in SYSTEM, once."""
    if (SYSTEM / "usr/bin/python3").exists():
        return
    shutil.rmtree(SYSTEM, ignore_errors=True)
    include = "--include=python3,ca-certificates"
    run("debootstrap", "--arch=arm64", "--foreign", "--variant=minbase", include, SUITE, SYSTEM)
    emulator = shutil.which(QEMU)
    assert emulator is not None
    shutil.copy2(emulator, SYSTEM / "usr/bin" / QEMU)
    inside("/debootstrap/debootstrap", "--second-stage")


def mount_proc() -> None:
    """/proc in the system. Not /sys, which describes this machine: with it ONNX Runtime has crashed."""
    if not any((SYSTEM / "proc").iterdir()):
        run("mount", "--bind", "/proc", SYSTEM / "proc")


def install(wheel: Path) -> None:
    """The wheel and the arm64 wheels of its dependencies in /opt/app; pip runs here, which takes seconds."""
    target = SYSTEM / "opt" / "app"
    shutil.rmtree(target, ignore_errors=True)
    options = pip_platform_options(PLATFORMS["linux-aarch64"], PYTHON)
    pins = ("--constraint", ROOT / "constraints.txt")
    run(sys.executable, "-m", "pip", "install", "--quiet", "--target", target, *options, *pins, wheel)


def beginning(out: Path, frames: int) -> None:
    """The first frames of the bundled clip, as they are."""
    with av.open(str(demo_clip.clip_path())) as source, av.open(str(out), "w") as container:
        stream = source.streams.video[0]
        copied = container.add_stream_from_template(stream)
        for number, packet in enumerate(source.demux(stream)):
            if packet.pts is not None and number < frames:
                packet.stream = copied
                container.mux(packet)


def arguments(clip: str, backend: str, out: str) -> list[str]:
    """A run of a clip frame by frame, uncalibrated, into a table."""
    run_ = ["run", "--source", clip, "--support", "none", "--freshness", "all", "--no-live", "--port", "0"]
    return [*run_, "--backend", backend, "--csv", out]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def difference(ours: list[dict[str, str]], theirs: list[dict[str, str]]) -> dict[str, Any]:
    """Absolute differences of valence and arousal over all frames, and how many rows differ in their state."""
    assert len(ours) == len(theirs) > 0, f"{len(ours)} rows here, {len(theirs)} there"
    named = ("valence", "arousal")
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a["valence"] and b["valence"]]
    gaps = np.array([[abs(float(a[name]) - float(b[name])) for name in named] for a, b in pairs])
    states = sum(a["state"] != b["state"] for a, b in zip(ours, theirs, strict=True))
    return {
        "rows": len(ours),
        "with a face": len(pairs),
        "median": round(float(np.median(gaps)), 5),
        "largest": round(float(gaps.max()), 5),
        "states that differ": states,
    }


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--wheel", type=Path, help="of this project; default: the one in dist/")
    parser.add_argument("--frames", type=int, default=50, help="of the bundled clip (default: 50)")
    asked = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("run it as root: it mounts and calls chroot")
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        parser.error(
            f"missing: {', '.join(missing)}; apt-get install debootstrap qemu-user-static binfmt-support"
        )
    wheels = [asked.wheel] if asked.wheel else sorted((ROOT / "dist").glob("*.whl"))
    if len(wheels) != 1:
        parser.error("no wheel in dist/, or several: make release, or name one with --wheel")
    FOLDER.mkdir(parents=True, exist_ok=True)
    register_emulator()
    make_system()
    mount_proc()
    try:
        result = compare(wheels[0], asked.frames)
    finally:
        subprocess.run(["umount", str(SYSTEM / "proc")], check=False)
    (FOLDER / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    for precision in PRECISIONS:
        found = result[precision]
        if found["states that differ"] or found["largest"] > MAX_DIFFERENCE or not found["with a face"]:
            sys.exit(
                f"{precision} differs from this machine: by {found['largest']}, allowed is {MAX_DIFFERENCE}"
            )


def compare(wheel: Path, frames: int) -> dict[str, Any]:
    """Versions, what `doctor` says, and each precision's differences, speed and stderr."""
    install(wheel)
    beginning(FOLDER / "clip.mp4", frames)
    shutil.copy2(FOLDER / "clip.mp4", SYSTEM / "clip.mp4")
    program = ("/usr/bin/python3", "-m", "mtclar.cli.main")
    environment = {"PYTHONPATH": "/opt/app"}
    doctor = json.loads(inside(*program, "doctor", "--json", environment=environment).stdout)
    result: dict[str, Any] = {"wheel": wheel.name, "doctor": doctor["ok"]}
    for precision, backend in PRECISIONS.items():
        here, there = FOLDER / f"{precision}.csv", SYSTEM / f"{precision}.csv"
        for old in (here, there):
            for path in (old, old.with_name(old.name + ".json")):
                path.unlink(missing_ok=True)
        clip = str(FOLDER / "clip.mp4")
        run(sys.executable, "-m", "mtclar.cli.main", *arguments(clip, backend, str(here)))
        began = time.monotonic()
        done = inside(
            *program, *arguments("/clip.mp4", backend, f"/{precision}.csv"), environment=environment
        )
        took_s = time.monotonic() - began
        result[precision] = difference(table(here), table(there)) | {
            "seconds": round(took_s, 1),
            "stderr": done.stderr.splitlines()[:20],
        }
    return result


if __name__ == "__main__":
    main()
