"""How near each network comes to what the processor can do, and what Python itself takes of a frame.

    python -m experiments.speed.limits                  # the tables
    python -m experiments.speed.limits --write          # -> docs/results/performance.md

On one thread. A multiplication with its addition is one operation. The limit of a network is its operations at the rate
of a large matrix product of the same type; `same shapes` is the time of matrix products of the shapes of its ordinary
convolutions, without the depthwise ones. Python's own share: the same frames with networks that answer with what they
answered before.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, shape_inference

from mtclar.cli.benchmark.material import Material
from mtclar.engine import models
from mtclar.engine.backends.onnxruntime_session import int8_path
from mtclar.engine.backends.session import Arrays, Closeable, InferenceSession, open_session
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.face.detector import Detector
from mtclar.engine.face.face_tracker import FaceTracker
from mtclar.engine.face.landmarks import FaceMesh
from mtclar.engine.installation.machine import instruction_sets, processor_name
from mtclar.engine.tracker import Tracker
from tools.arguments import parser_of
from tools.docs.figures import table
from tools.docs.generated import replace_section

PAGE = Path(__file__).parents[2] / "docs" / "results" / "performance.md"
SIDE = 1024  # of the large matrix product
COPIED_BYTES = 2**28
FRAMES = 300
SUPPORT = 15


@dataclass(frozen=True, slots=True)
class Work:
    """The work of one network on one face."""

    operations: int
    weight_bytes: int
    products: tuple[tuple[int, int, int], ...]  # M, K, N of its ordinary convolutions and products


def work_of(path: Path) -> Work:
    """Counts convolutions and matrix products of a graph for one face and SUPPORT support frames."""
    model = onnx.load(str(path))
    for value in model.graph.input:
        for i, axis in enumerate(value.type.tensor_type.shape.dim):
            if not axis.dim_value:
                axis.dim_value = 1 if i == 0 and value.name != "support" else SUPPORT
    graph = shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output, *graph.input)
    }
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    shapes |= {name: list(array.shape) for name, array in weights.items()}
    operations, products = 0, []
    for node in graph.node:
        out = shapes.get(node.output[0], [])
        if node.op_type == "Conv":
            channels, depth, *kernel = shapes[node.input[1]]
            inner, pixels = depth * math.prod(kernel), math.prod(out[2:])
            operations += channels * inner * pixels
            if depth > 1:
                products.append((channels, inner, pixels))
        elif node.op_type in ("MatMul", "Gemm") and out:
            inner = shapes[node.input[0]][-1]
            operations += math.prod(out) * inner
            products.append((math.prod(out[:-1]), inner, out[-1]))
    return Work(operations, sum(array.nbytes for array in weights.values()), tuple(products))


def median_s(call: Callable[[], object], repeats: int = 100) -> float:
    """Seconds of one call."""
    for _ in range(5):
        call()
    taken = []
    for _ in range(repeats):
        started_s = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started_s)
    return float(np.median(taken))


def products_s(products: Sequence[tuple[int, int, int]], *, in_bytes: bool = False) -> float:
    """Seconds of matrix products [M, K] x [K, N] by ONNX Runtime, in fp32 or in bytes with sums of 32 bits."""
    rng = np.random.default_rng(0)
    left, right, out = (
        (TensorProto.UINT8, np.int8, TensorProto.INT32)
        if in_bytes
        else (TensorProto.FLOAT, np.float32, TensorProto.FLOAT)
    )
    graph = helper.make_graph(
        [
            helper.make_node("MatMulInteger" if in_bytes else "MatMul", [f"a{i}", f"b{i}"], [f"c{i}"])
            for i in range(len(products))
        ],
        "products",
        [helper.make_tensor_value_info(f"a{i}", left, [n, k]) for i, (_, k, n) in enumerate(products)],
        [helper.make_tensor_value_info(f"c{i}", out, [n, m]) for i, (m, _, n) in enumerate(products)],
        [
            numpy_helper.from_array(rng.integers(-64, 64, (k, m)).astype(right), f"b{i}")
            for i, (m, k, _) in enumerate(products)
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feeds = {
        f"a{i}": rng.integers(0, 256, (n, k)).astype(np.uint8 if in_bytes else np.float32)
        for i, (_, k, n) in enumerate(products)
    }
    return median_s(lambda: session.run(None, feeds), 25)


def copy_rate() -> float:
    """Bytes a second read and written by a copy."""
    source = np.ones(COPIED_BYTES, np.uint8)
    target = np.empty_like(source)
    return 2 * COPIED_BYTES / median_s(lambda: np.copyto(target, source), 5)


def feeds_of(session: InferenceSession, bytes_in: bool) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    shapes = {
        name: [(SUPPORT if name == "support" else 1) if axis is None else axis for axis in shape]
        for name, shape in session.inputs.items()
    }
    if bytes_in:
        return {name: rng.integers(0, 256, shape).astype(np.uint8) for name, shape in shapes.items()}
    return {name: rng.random(shape).astype(np.float32) for name, shape in shapes.items()}


def networks_table() -> str:
    """One row for each network."""
    large = [(SIDE, SIDE, SIDE)]
    in_floats, in_bytes = (SIDE**3 / products_s(large, in_bytes=eight) for eight in (False, True))
    rows = []
    encoder = models.path("encoder")
    paths = [
        ("detector", models.path("face_detector"), "onnxruntime"),
        ("landmarks", models.path("face_mesh"), "onnxruntime"),
        ("encoder, int8", encoder, "onnxruntime:int8"),
        ("encoder, fp32", encoder, "onnxruntime"),
        (f"pair, {SUPPORT} frames", models.path("pair"), "onnxruntime"),
        ("blendshapes", models.path(models.BLENDSHAPES), "onnxruntime"),
    ]
    for name, path, backend in paths:
        eight = backend.endswith("int8")
        work = work_of(path)
        size = int8_path(path).stat().st_size if eight else work.weight_bytes
        with open_session(path, backend) as session:
            feeds = feeds_of(session, path == encoder)
            taken_s = median_s(lambda session=session, feeds=feeds: session.run(feeds), 200)  # type: ignore[misc]
        limit_s = work.operations / (in_bytes if eight else in_floats)
        rows.append(
            [
                name,
                f"{work.operations / 1e6:.1f}",
                f"{size / 1e6:.2f}",
                f"{1e3 * taken_s:.3f}",
                f"{1e3 * limit_s:.3f}",
                f"{1e3 * products_s(work.products, in_bytes=eight):.3f}",
                f"{taken_s / limit_s:.1f}",
            ]
        )
    head = [
        "network",
        "million operations",
        "MB of weights",
        "ms",
        "limit, ms",
        "same shapes, ms",
        "times the limit",
    ]
    rates = (
        f"{processor_name()} ({', '.join(instruction_sets())}), one thread, thousand million operations a second: "
        f"{in_floats / 1e9:.0f} in fp32, {in_bytes / 1e9:.0f} in bytes;\n"
        f"a copy reads and writes {copy_rate() / 1e9:.0f} GB a second. `python -m experiments.speed.limits --write`:"
    )
    return f"{rates}\n\n{table(head, rows)}"


class Replayed(Closeable):
    """A session that answers as it did before, once `replaying`."""

    def __init__(self, session: InferenceSession) -> None:
        self.replaying = False
        self.backend = session.backend
        self.inputs = session.inputs
        self.outputs = session.outputs
        self._session = session
        self._answers: list[dict[str, Any]] = []
        self._at = 0

    def run(self, feeds: Arrays) -> dict[str, Any]:
        if not self.replaying:
            self._answers.append(self._session.run(feeds))
            return self._answers[-1]
        self._at += 1
        return self._answers[self._at - 1]

    def close(self) -> None:
        self._session.close()


def python_table() -> str:
    """Processor time of finding and estimating with the networks, and without."""
    material = Material.prepare(None, None)
    frames = material.frames(FRAMES)
    assert material.support is not None
    sessions = {name: Replayed(open_session(models.path(name), "onnxruntime:int8")) for name in models.NAMES}
    card = models.card("encoder")
    rows = []
    for replaying in (False, True):
        for session in sessions.values():
            session.replaying = replaying
        finder = FaceTracker(
            Detector(sessions["face_detector"]), FaceMesh(sessions["face_mesh"]), card.identity.framing
        )
        encoder = Encoder(sessions["encoder"])
        with Tracker(finder, encoder, sessions["pair"], [material.support], model=card) as tracker:
            find_s = estimate_s = 0.0
            for frame in frames:
                started_s = time.thread_time()
                faces = tracker.find(frame)
                found_s = time.thread_time()
                tracker.estimate(frame, faces)
                find_s, estimate_s = find_s + found_s - started_s, estimate_s + time.thread_time() - found_s
        per_frame = [1e3 * taken_s / len(frames) for taken_s in (find_s, estimate_s)]
        rows.append(["without" if replaying else "with", *(f"{ms:.2f}" for ms in per_frame)])
    for session in sessions.values():
        session.close()
    return table(["networks", "find the face, ms", "estimate, ms"], rows)


def main() -> None:
    """Prints the tables, or puts them into the page."""
    parser = parser_of(__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    text = f"{networks_table()}\n\n{python_table()}"
    print(text)
    if wanted.write:
        replace_section(PAGE, "limits", text)


if __name__ == "__main__":
    main()
