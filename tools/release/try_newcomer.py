"""The first minutes of a newcomer, with their seconds: a clone, an empty home, and the commands of README.md alone.

    python -m tools.release.try_newcomer [--video FILE --labels FILE] [--page docs/tutorial.md]

The environment has a PATH of the system and the variables of pip and of a proxy, nothing else. The blocks of the page
that need no camera and no server run in order, the installation included; the recording and its labels stand in for
those of the newcomer. What a person does meanwhile, reading, recording and labelling, is not in the seconds.
"""

import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from mtclar.stream import demo_clip
from tools.arguments import parser_of
from tools.docs.snippets import Snippet, snippets

ROOT = Path(__file__).resolve().parents[2]
KEPT = ("PIP_", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "SSL_CERT_FILE")
INSTALLS = "python3 -m venv"
RESULT = "values.csv"


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--video", type=Path, help="a recording of your own; default: the clip of the demo")
    parser.add_argument("--labels", type=Path, help="its labels: time,valence,arousal")
    parser.add_argument("--page", type=Path, default=Path("README.md"), help="default: README.md")
    parser.add_argument("--python", default=sys.executable, help="that makes the environment")
    asked = parser.parse_args()
    if (asked.video is None) != (asked.labels is None):
        parser.error("--video and --labels belong together")
    own = {
        "video.mp4": asked.video or demo_clip.clip_path(),
        "labels.csv": asked.labels or demo_clip.calibration_path(),
    }
    for path in own.values():
        if not path.is_file():
            parser.error(f"there is no file {path}")
    with tempfile.TemporaryDirectory() as folder:
        try_it(Path(folder), asked.page, asked.python, own)


def try_it(home: Path, page: Path, python: str, own: dict[str, Path]) -> None:
    """Clones, runs the page's blocks and prints the seconds of each and what is in the table at the end."""
    began = time.monotonic()
    clone = home / "mtclar-stream"
    step("git clone", ["git", "clone", "--quiet", str(ROOT), str(clone)], home)
    tools = home / "tools"
    tools.mkdir()
    (tools / "python3").symlink_to(python)
    for name, path in own.items():
        shutil.copyfile(path, clone / name)
    for block in snippets(clone / page):
        if block.text.startswith(INSTALLS) or (runs(block) and "demo_clip" not in block.text):
            step(title(block), command_of(block, clone), clone, environment(home))
    with (clone / RESULT).open(newline="") as file:
        rows = list(csv.DictReader(file))
    valued = sum(row["valence"] != "" for row in rows)
    print(
        f"{(time.monotonic() - began) / 60:5.1f} min  in all: {RESULT} has {len(rows)} rows, {valued} with values"
    )


def runs(block: Snippet) -> bool:
    return block.mark in ("", "run with")


def title(block: Snippet) -> str:
    return " && ".join(block.commands)[:100] if block.language == "sh" else "the program in Python"


def command_of(block: Snippet, clone: Path) -> list[str]:
    """A block as a shell runs it, in the environment that the page's first block makes."""
    text = "\n".join(block.as_run if block.language == "sh" else ["python - <<'EOF'", block.text, "EOF"])
    activate = "" if not (clone / "affect").exists() else ". affect/bin/activate\n"
    return ["bash", "-euc", activate + text]


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name.startswith(KEPT)}
    return kept | {"HOME": str(home), "PATH": f"{home / 'tools'}:/usr/bin:/bin", "LANG": "C.UTF-8"}


def step(name: str, command: Sequence[str], folder: Path, env: dict[str, str] | None = None) -> None:
    """Runs a command and prints its seconds; exits with its output when it fails."""
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{name} -> {done.returncode}\n{done.stdout}{done.stderr}")
    print(f"{time.monotonic() - began:7.1f} s  {name}", flush=True)


if __name__ == "__main__":
    main()
