"""mtclar-stream against its peers on the same pictures in one run, in blocks that take turns.

    python -m experiments.peers.bench --node-folder FOLDER --fer-python PYTHON --mediapipe FOLDER --write

The node folder holds node_modules of the package.json beside this file (`npm install` there); the Python is the
interpreter of an environment with `fer` in it; the MediaPipe folder is made by `make setup-mediapipe`. Each peer is a
process of its own that is handed decoded pictures, so decoding is nobody's cost; a peer that is not installed or does
not start is left out and said. This program follows faces as `run` does, on one thread, with a support set of the
bundled clip, and measures every frame. Ratios are medians over blocks with a 95 % bootstrap interval: of the time that
passed, and of the processor time of all threads of a program, which other load hardly changes. `--write` stores the
figures and puts them into docs/results/performance.md.
"""

import json
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtclar.cli.benchmark.compare import ratio
from mtclar.cli.benchmark.material import Material, machine
from mtclar.engine.data_types import Frame
from mtclar.engine.files.writing import write_json
from mtclar.engine.tracker import Tracker
from tools.arguments import parser_of
from tools.docs.figures import table, wrapped
from tools.docs.generated import replace_section

HERE = Path(__file__).parent
BLOCK_FRAMES = 10
START_TIMEOUT_S = 180.0
OURS = "mtclar-stream"
RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
NAMES = {
    OURS: "mtclar-stream (`onnxruntime:int8`, one thread, tracking, 15 support frames)",
    "facelandmarker": "MediaPipe FaceLandmarker 1.2.3 (landmarks and blendshapes; no valence or arousal)",
    "human": "human 3.3.6 (WebAssembly; mesh and emotion)",
    "faceapi": "face-api.js 1.7.15 (WebAssembly; tiny detector and expressions)",
    "fer": "fer 22.5.1 (TensorFlow; OpenCV's detector)",
}

Block = Callable[[Sequence[Frame]], tuple[float, float, int]]
"""Pictures in; seconds, seconds of the processor, and in how many of them a face was seen."""


class Peer:
    """Another program, fed through a pipe."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._process = subprocess.Popen(
            list(command), cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._answer()  # ready

    def __call__(self, frames: Sequence[Frame]) -> tuple[float, float, int]:
        assert self._process.stdin is not None
        self._process.stdin.write(struct.pack("<q", len(frames)))
        for frame in frames:
            self._process.stdin.write(np.ascontiguousarray(frame.image).tobytes())
        self._process.stdin.flush()
        answer = self._answer()
        return answer["seconds"], answer["cpu"], answer["faces"]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        """The next line of JSON; what else a program prints is skipped."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(b"{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        _, errors = self._process.communicate()
        lines = errors.decode(errors="replace").strip().splitlines()
        raise RuntimeError(next((line.strip() for line in lines if "Error" in line), "it ended"))


def ours(tracker: Tracker) -> Block:
    """This program, in this process."""

    def block(frames: Sequence[Frame]) -> tuple[float, float, int]:
        started_s, busy_s = time.perf_counter(), time.process_time()
        faces = sum(any(face.raw is not None for face in tracker(frame)) for frame in frames)
        return time.perf_counter() - started_s, time.process_time() - busy_s, faces

    return block


def measure(runners: dict[str, Block], frames: Sequence[Frame]) -> dict[str, Any]:
    """Every runner on every block, the order turned by one each time; the first block warms up."""
    blocks = [frames[i : i + BLOCK_FRAMES] for i in range(0, len(frames) - BLOCK_FRAMES + 1, BLOCK_FRAMES)]
    taken: dict[str, list[tuple[float, float]]] = {
        name: [] for name in runners
    }  # wall and processor, a frame
    seen = dict.fromkeys(runners, 0)
    names = list(runners)
    for i, block in enumerate(blocks):
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            seconds, busy, faces = runners[name](block)
            if i:
                taken[name].append((seconds / len(block), busy / len(block)))
                seen[name] += faces
    rng = np.random.default_rng(0)
    counted = (len(blocks) - 1) * BLOCK_FRAMES
    report: dict[str, Any] = {}
    for name in names:
        wall, busy_s = (np.array(values) for values in zip(*taken[name], strict=True))
        report[name] = {
            "frame_ms": round(1e3 * float(np.median(wall)), 2),
            "cpu_ms": round(1e3 * float(np.median(busy_s)), 2),
            "face_seen_share": round(seen[name] / counted, 3),
        }
        if name != OURS:
            own_wall, own_busy = zip(*taken[OURS], strict=True)
            report[name]["times_ours"] = asdict(ratio(list(wall), list(own_wall), rng))
            report[name]["times_our_cpu"] = asdict(ratio(list(busy_s), list(own_busy), rng))
    return report


def page(report: dict[str, Any]) -> str:
    """The table of docs/results/performance.md."""

    def times(ratio: dict[str, float]) -> str:
        return f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"

    rows = [
        [
            NAMES[name],
            f"{of['cpu_ms']:.1f}",
            times(of["times_our_cpu"]) if name != OURS else "1",
            f"{of['frame_ms']:.1f}",
            times(of["times_ours"]) if name != OURS else "1",
            f"{100 * of['face_seen_share']:.0f} %",
        ]
        for name, of in report["programs"].items()
    ]
    where = report["machine"]
    head = ["program", "processor ms a frame", "times ours", "wall ms a frame", "times ours", "face seen"]
    return wrapped(
        f"{where['cpu']}, {where['cores']} cores, load {where['load_1min']:.1f} at the start, {report['frames']} "
        f"frames (`python -m experiments.peers.bench`):\n\n" + table(head, rows)
    )


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--node-folder", type=Path, help="where node_modules of package.json is")
    parser.add_argument("--fer-python", type=Path, help="interpreter of an environment with fer")
    parser.add_argument("--mediapipe", type=Path, help="folder that `make setup-mediapipe` made")
    parser.add_argument("--frames", type=int, default=210)
    parser.add_argument("--write", action="store_true", help="the figures into docs/results")
    parser.add_argument("--out", type=Path, default=Path("build/peers.json"))
    options = parser.parse_args()

    material = Material.prepare(None, None)
    frames = material.frames(options.frames)
    height, width = frames[0].image.shape[:2]
    size = (str(width), str(height))
    commands: dict[str, tuple[list[str], Path]] = {}
    if options.node_folder is not None:
        for name in ("human", "faceapi"):
            commands[name] = (["node", str(HERE / f"peer_{name}.mjs"), *size], options.node_folder.resolve())
    if options.fer_python is not None:
        commands["fer"] = ([str(options.fer_python.absolute()), str(HERE / "peer_fer.py"), *size], HERE)

    if options.mediapipe is not None:
        folder = options.mediapipe.absolute()
        script, task = str(HERE / "peer_facelandmarker.py"), str(folder / "face_landmarker.task")
        commands["facelandmarker"] = ([str(folder / "bin" / "python"), script, *size, task], HERE)

    assert material.support is not None
    cv2.setNumThreads(1)  # as `run` does
    with Tracker.open([material.support], backend="onnxruntime:int8") as tracker:
        runners: dict[str, Block] = {OURS: ours(tracker)}
        peers: list[Peer] = []
        left_out: dict[str, str] = {}
        try:
            for name, (command, folder) in commands.items():
                try:
                    peers.append(Peer(command, folder))
                    runners[name] = peers[-1]
                except (OSError, RuntimeError) as error:
                    left_out[name] = str(error)
            report = {"machine": machine(0), "frames": len(frames)}
            report |= {"programs": measure(runners, frames), "left_out": left_out}
        finally:
            for peer in peers:
                peer.close()
    write_json(options.out, report)
    json.dump(report, sys.stdout, indent=2)
    print(f"\nwritten: {options.out}")
    if options.write:
        write_json(RESULTS / "data" / "peers.json", report, private=False)
        replace_section(RESULTS / "performance.md", "peers", page(report))


if __name__ == "__main__":
    main()
