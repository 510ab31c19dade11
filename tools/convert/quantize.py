"""Quantises the encoder to eight bits with --people; measures accuracy and speed of the files with --test-people.

    python -m tools.convert.quantize --ferplus FERPLUS --people people.npz       # makes the files in engine/models
    python -m tools.convert.quantize --ferplus FERPLUS --test-people test.npz --write

It reads engine/models/encoder.onnx and does not need torch. It calibrates on crops of the bundled clip, of FER+
Training and of rendered training people, and writes encoder.ranges.json, from which
mtclar.engine.backends.quantized_onnx makes int8 and fp8 graphs for TensorRT, and encoder.int8.onnx for ONNX Runtime on
a CPU, made by ONNX Runtime's quantiser. Measured are the files as they are there, on FER+ PrivateTest and held-out
rendered people; --write puts the table into docs/results/performance.md.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from mtclar.cli.benchmark.compare import Ratio, ratio
from mtclar.cli.benchmark.material import demo_crops
from mtclar.engine import models
from mtclar.engine.backends.onnxruntime_session import MADE_FROM, OnnxRuntimeSession, int8_path
from mtclar.engine.backends.quantized_onnx import KINDS, Ranges, measure, ranges_path
from mtclar.engine.backends.typed_onnx import parse, with_precision
from mtclar.engine.data_types import Encoded
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.estimate.metrics import rmse
from mtclar.engine.files.writing import write_whole
from mtclar.train.accuracy.answers import encode, middles
from mtclar.train.accuracy.encoder_figures import VaFigures, photo_figures
from mtclar.train.command_line import in_words
from mtclar.train.data import ferplus, rendered_people
from tools.arguments import parser_of
from tools.docs.generated import replace_section

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results" / "performance.md"
EACH = 256  # calibration pictures of FER+ and of rendered people
EVERY = 15  # picture of the bundled clip
BATCH = 16
ROUNDS, BLOCK = 60, 10
QUANTISED = ("Conv", "Relu", "Add", "AveragePool")
HEADER = (
    "| encoder | bytes | FER+ accuracy | FER+ V/A CCC | rendered people V/A CCC | V/A off on photos, RMS "
    "| frame to frame on the clip, RMS | processor time, one core |\n|---|---|---|---|---|---|---|---|"
)


class Calibration(CalibrationDataReader):
    """Passes the pictures to ONNX Runtime's quantiser."""

    def __init__(self, faces: NDArray[np.uint8]) -> None:
        self._parts = iter(parts(faces))

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self._parts, None)


def parts(faces: NDArray[np.uint8]) -> Iterator[dict[str, NDArray[np.uint8]]]:
    """Batches of encoder inputs."""
    return ({"face": faces[start : start + BATCH]} for start in range(0, len(faces), BATCH))


def for_cpu(graph: Path, faces: NDArray[np.uint8]) -> bytes:
    """Static int8 quantisation for ONNX Runtime's CPU kernels.

    Weights have seven bits: on processors without VNNI the sums of two products of eight bits would overflow
    (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html).
    """
    with tempfile.TemporaryDirectory() as folder:
        plain, made = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
        quant_pre_process(str(graph), str(plain), skip_symbolic_shape=True)
        quantize_static(
            str(plain),
            str(made),
            Calibration(faces),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        model = onnx.load(str(made))
    onnx.helper.set_model_props(model, {MADE_FROM: models.sha256(graph)})
    return model.SerializeToString()


class Exactly(OnnxRuntimeSession):
    """Runs a typed graph without optimisation: ONNX Runtime's optimiser makes fp8 results wrong."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def jitter(encoded: Encoded) -> float:
    """Root mean square difference of V/A from one frame to the next."""
    return float(np.sqrt((np.diff(encoded.absolute, axis=0) ** 2).mean()))


def times(one: OnnxRuntimeSession, other: OnnxRuntimeSession, faces: NDArray[np.uint8]) -> Ratio:
    """Processor time of one picture by `one` divided by that by `other`, in alternating blocks."""
    taken: dict[int, list[float]] = {0: [], 1: []}
    for i in range(ROUNDS):
        for which, session in sorted(enumerate((one, other)), reverse=bool(i % 2)):
            started_s = time.process_time()
            for face in faces[:BLOCK]:
                session.run({"face": face[None]})
            taken[which].append(time.process_time() - started_s)
    return ratio(taken[0][2:], taken[1][2:], np.random.default_rng(0))


def make(graph: Path, photos: ferplus.FerPlus, people: Path) -> None:
    """Writes the int8 copy of a graph and its ranges beside it, calibrated on the clip, FER+ and rendered people."""
    rng = np.random.default_rng(0)
    clip = demo_crops(every=1)[::EVERY]
    sources = (photos.split("Training").images, middles(rendered_people.load([people], "train").images))
    faces = np.concatenate([clip, *(some[rng.choice(len(some), EACH, replace=False)] for some in sources)])
    pictures = f"{len(clip)} crops of the bundled clip, {EACH} of FER+ Training, {EACH} of rendered people"
    content = for_cpu(graph, faces)
    write_whole(int8_path(graph), content, private=False)
    Ranges(models.sha256(graph), pictures, measure(parse(graph.read_bytes()), parts(faces))).write(
        ranges_path(graph)
    )


def measured(
    graph: Path, ranges: Ranges, scored: ferplus.Photos, people: rendered_people.People
) -> list[str]:
    """The table of a graph and of its eight-bit copies."""
    clip, lines, exact = demo_crops(every=1), [HEADER], None
    with tempfile.TemporaryDirectory() as folder:
        files = {"fp32": graph, "int8, ONNX Runtime on a CPU": int8_path(graph)}
        for kind in KINDS:
            files[f"{kind}, TensorRT's graph"] = Path(folder) / f"{kind}.onnx"
            typed = with_precision(parse(graph.read_bytes()), kind, ranges)
            files[f"{kind}, TensorRT's graph"].write_bytes(typed.SerializeToString())
        for name, path in files.items():
            typed_graph = path.stem in KINDS
            variant = "int8" if path == int8_path(graph) else None
            with Exactly(path) if typed_graph else OnnxRuntimeSession(graph, variant=variant) as session:
                encoder = Encoder(session)
                on_photos = encode(encoder, scored.images)
                on_people, on_clip = encode(encoder, middles(people.images)), encode(encoder, clip)
                exact = exact or on_photos
                cost = "-"
                if not typed_graph:
                    with OnnxRuntimeSession(graph) as plain:
                        cost = str(times(session, plain, clip))
            figures = photo_figures(on_photos, scored, prior_free=models.card("encoder").prior_free)
            lines.append(
                f"| {name} | {path.stat().st_size:,} | {figures.majority_accuracy:.4f} | {pair(figures.proxy_va.ccc)} "
                f"| {pair(VaFigures.of(on_people.absolute, people.va).ccc)} "
                f"| {rmse(on_photos.absolute.ravel(), exact.absolute.ravel()):.4f} | {jitter(on_clip):.4f} | {cost} |"
            )
            print(lines[-1], flush=True)
    return lines


@in_words
def main() -> None:
    """Makes the files, or measures them, or both."""
    parser = parser_of(__doc__)
    parser.add_argument("--ferplus", type=Path, required=True)
    parser.add_argument(
        "--people", type=Path, help="pictures of rendered training people: makes the files again"
    )
    parser.add_argument(
        "--test-people", type=Path, help="pictures of rendered test people: measures the files"
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/results/performance.md")
    given = parser.parse_args()
    if not (given.people or given.test_people):
        parser.error("give --people to make the files, --test-people to measure them")
    if given.write and not given.test_people:
        parser.error("--write needs --test-people: nothing is measured without them")
    graph, photos = models.path("encoder"), ferplus.load(given.ferplus)
    if given.people:
        make(graph, photos, given.people)
    if given.test_people:
        ranges = Ranges.of(graph)
        people = rendered_people.load([given.test_people], "test")
        lines = measured(graph, ranges, photos.split("PrivateTest"), people)
        if given.write:
            said = f"Encoder `{ranges.sha256[:12]}`, calibrated on {ranges.pictures}."
            replace_section(PAGE, "eight bits", f"{said}\n\n" + "\n".join(lines))


def pair(values: Sequence[float]) -> str:
    """Formats valence / arousal."""
    return " / ".join(f"{value:.3f}" for value in values)


if __name__ == "__main__":
    main()
