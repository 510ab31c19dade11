"""Commands and programs of the documentation: those of tutorial and how-to pages run, the options of all exist."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.media.clip_beginning import as_images, beginning
from typer.main import get_command

from mtclar.cli.main import PROGRAM, make_app
from mtclar.stream import demo_clip
from tools.docs.snippets import Snippet, command_lines, snippets

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    path for path in DOCS.rglob("*.md") if path.parent.name not in ("adr", "results") and command_lines(path)
)
RUN = {
    "tutorial.md": ["matplotlib", "pandas"],
    "analysis/analyse.md": ["pandas", "matplotlib", "pyarrow"],
    "analysis/corpus.md": [],
    "analysis/label.md": [],
    "live/calibrate.md": [],
    "live/camera.md": [],
    "live/phone.md": [],
    "live/several-people.md": [],
    "live/lsl-with-eeg.md": ["pylsl"],
    "reference/columns.md": ["pandas"],
    "reference/versions.md": [],
    "server/operation.md": [],
}
"""Page -> packages of extras that its commands need."""
TIMEOUT_S = 200


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_every_command_of_a_page_exists_with_its_options(page: Path) -> None:
    program: Any = get_command(make_app())
    context = program.make_context(PROGRAM, [], resilient_parsing=True)
    for line in command_lines(page):
        command, words = program, shlex.split(line)[1:]
        while hasattr(command, "list_commands") and words and words[0] in command.list_commands(context):
            command = command.get_command(context, words.pop(0))
        assert command is not program or set(words) <= {"--version", "--help"}, f"no such command: {line}"
        known = {name for one in command.get_params(context) for name in (*one.opts, *one.secondary_opts)}
        given = {word.partition("=")[0] for word in words if re.match(r"--\w|-\w$", word)}
        assert given <= known | {"--debug"}, f"{given - known} in: {line}"


@pytest.mark.parametrize("name", RUN)
def test_the_commands_and_programs_of_a_page_run_in_order(name: str, tmp_path: Path) -> None:
    for package in RUN[name]:
        pytest.importorskip(package, reason=f"{package} is missing: make setup-all")
    if name != "tutorial.md":  # which makes its own
        beginning(demo_clip.clip_path(), tmp_path / "video.mp4")
        shutil.copyfile(demo_clip.calibration_path(), tmp_path / "labels.csv")
    if name in PREPARED:
        PREPARED[name](tmp_path)
    blocks = snippets(DOCS / name)
    assert any(block.mark != "not run" for block in blocks)
    with ExitStack() as servers:
        for block in blocks:
            assert block.mark != "not run" or block.note, f"{name}: say why a block is not run"
            if block.mark == "server":
                servers.enter_context(serving(block, tmp_path))
            elif block.mark != "not run":
                run(block, tmp_path)


def for_label(folder: Path) -> None:
    as_images(folder / "video.mp4", folder / "images")


def for_corpus(folder: Path) -> None:
    for name in ("a", "b"):
        shutil.copyfile(folder / "video.mp4", folder / f"{name}.mp4")
        shutil.copyfile(folder / "labels.csv", folder / f"{name}.csv")
    (folder / "manifest.csv").write_text("video,support,out\na.mp4,a.csv,out/a.csv\nb.mp4,b.csv,out/b.csv\n")


def for_analyse(folder: Path) -> None:
    """Short recordings of the person of the clip, their support set, and the files that the page names."""
    calibrate = "mtclar-stream calibrate --source video.mp4 --labels labels.csv --out anna.mtclar"
    run(Snippet("sh", calibrate, "", ""), folder)
    (folder / "videos").mkdir()
    for name in ("trial1.mp4", "trial2.mp4", "videos/a.mp4", "b.mp4"):
        beginning(demo_clip.clip_path(), folder / name, seconds=3.0)
    as_images(folder / "b.mp4", folder / "images")
    (folder / "manifest.csv").write_text("video,support\nb.mp4,anna.mtclar\n")
    (folder / "trials.csv").write_text("name,start,end\nrest,0,1\nfilm,1,2.5\n")


def for_columns(folder: Path) -> None:
    run(Snippet("sh", "mtclar-stream label video.mp4 --support labels.csv --out out.csv", "", ""), folder)


PREPARED = {
    "reference/columns.md": for_columns,
    "analysis/analyse.md": for_analyse,
    "analysis/corpus.md": for_corpus,
    "analysis/label.md": for_label,
}


def environment() -> dict[str, str]:
    """That of a user who has activated the environment."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run(block: Snippet, folder: Path) -> None:
    command = [sys.executable, "-c", block.text]
    if block.language == "sh":
        command = ["bash", "-euc", "\n".join(block.as_run)]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"


@contextmanager
def serving(block: Snippet, folder: Path) -> Iterator[None]:
    """The block's command until the end of the page; it must print an address and end in order."""
    (command,) = block.as_run
    with subprocess.Popen(
        shlex.split(command),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            printed = []
            for line in process.stdout:
                printed.append(line)
                if re.search(r"https?://\S+:\d+", line):
                    break
            else:
                pytest.fail("".join(printed))
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
