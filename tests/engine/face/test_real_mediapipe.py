"""MediaPipe's own FaceLandmarker with Google's face_landmarker.task, beside our networks; `make setup-mediapipe`."""

import csv
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mtclar.engine import models
from mtclar.engine.backends.session import open_session
from mtclar.engine.face.crop import cut, eye_angle
from mtclar.engine.face.features.blendshapes import BLENDSHAPES, BlendshapeNetwork

ROOT = Path(__file__).parents[3]
ENVIRONMENT = ROOT / "build" / "mediapipe"
TASK = ENVIRONMENT / "face_landmarker.task"
RIGHT_CORNER, LEFT_CORNER = 33, 263  # outer corners of the eyes


@pytest.fixture(scope="module")
def python() -> Path:
    if not TASK.is_file():
        pytest.skip("MediaPipe is not installed beside the project: make setup-mediapipe")
    return ENVIRONMENT / "bin" / "python"


def run(python: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=100
    )


@pytest.fixture(scope="module")
def probed(
    python: Path,
    astronaut: np.ndarray,
    carphone: list[np.ndarray],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("mediapipe")
    np.savez(folder / "frames.npz", photo=astronaut, clip=np.stack(carphone[:30]))
    probe = ROOT / "tests" / "support" / "networks" / "mediapipe_probe.py"
    done = run(python, probe, folder / "frames.npz", TASK, folder / "out.npz")
    assert done.returncode == 0, done.stderr
    return dict(np.load(folder / "out.npz"))


def test_its_landmarks_lie_where_ours_do(probed: dict[str, Any], astronaut_points: np.ndarray) -> None:
    eyes = np.linalg.norm(astronaut_points[LEFT_CORNER, :2] - astronaut_points[RIGHT_CORNER, :2])
    apart = np.linalg.norm(probed["landmarks"][:, :2] - astronaut_points[:, :2], axis=1) / eyes
    assert probed["landmarks"].shape == (468, 3)
    assert apart.mean() < 0.05
    assert eye_angle(probed["landmarks"]) == pytest.approx(eye_angle(astronaut_points), abs=0.03)


def test_a_face_is_cut_as_ours_is(
    probed: dict[str, Any], astronaut: np.ndarray, astronaut_points: np.ndarray
) -> None:
    difference = cv2.absdiff(probed["crop"], cut(astronaut, astronaut_points))
    assert difference.mean() < 12  # grey levels: a shift of about a pixel of 48


def test_one_face_keeps_its_number_through_a_clip_and_a_step_back(probed: dict[str, Any]) -> None:
    assert np.unique(probed["track_ids"]).size == 1
    assert probed["track_ids"].shape == (30, 1)
    assert probed["again"] == probed["track_ids"][0, 0]
    assert probed["blank"] == 0


def test_our_blendshape_network_gives_its_coefficients(probed: dict[str, Any]) -> None:
    with open_session(models.path(models.BLENDSHAPES), "onnxruntime:cpu") as session:
        network = BlendshapeNetwork(session)
        with_irises = network(probed["points"].astype(np.float32))
        straight_ahead = network(probed["points"][:468].astype(np.float32))
    np.testing.assert_allclose(with_irises, probed["coefficients"], atol=1e-3)
    apart = np.abs(straight_ahead - probed["coefficients"])
    gaze = np.array([name.startswith("eye") for name in BLENDSHAPES])
    assert apart[~gaze].max() < 0.1
    np.testing.assert_allclose(probed["blendshapes"], probed["coefficients"], atol=0.05)  # another mode


def test_run_takes_it(python: Path, carphone: list[np.ndarray], tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width = carphone[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for image in carphone[:15]:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
        container.mux(stream.encode())
    done = run(
        python,
        *("-m", "mtclar.cli.main", "run", "--source", tmp_path / "clip.mp4", "--freshness", "all"),
        *("--port", "0", "--support", "none", "--faces", f"mediapipe:{TASK}", "--blendshapes"),
        *("--csv", tmp_path / "out.csv"),
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 15
    assert {row["track"] for row in rows} == {"0"}
    assert all(0 <= float(row["jawOpen"]) <= 1 for row in rows)


def test_a_bundle_of_other_networks_is_refused_in_a_sentence(python: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(TASK) as whole, zipfile.ZipFile(tmp_path / "part.task", "w") as part:
        part.writestr("face_detector.tflite", whole.read("face_detector.tflite"))
    done = run(
        python,
        *("-m", "mtclar.cli.main", "run", "--source", "demo", "--port", "0", "--support", "none"),
        *("--faces", f"mediapipe:{tmp_path / 'part.task'}"),
    )
    assert done.returncode == 1
    assert "is it a face_landmarker.task?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: .ci/system brings it")
def test_it_contacts_nobody(python: Path, tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from mtclar.engine.data_types import Frame\n"
        "from mtclar.engine.face.mediapipe_tracker import MediaPipeTracker\n"
        "with MediaPipeTracker.open(Path(sys.argv[1])) as tracker:\n"
        "    for i in range(5): tracker(Frame.of(np.zeros((240, 320, 3), np.uint8), i / 25))\n"
    )
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-qq", "-e", "trace=socket,connect,sendto,sendmsg", "-o", str(trace)]
    done = subprocess.run(
        [*strace, str(python), "-c", code, str(TASK)], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert "AF_INET" in trace.read_text()  # it tried
    assert not [line for line in trace.read_text().splitlines() if "AF_INET" in line and "EACCES" not in line]
