"""Documentation: links, commands of the README, figures from stored results, packages, glossary, line lengths."""

import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from support.media.clip_beginning import CLIP_S, beginning

from mtclar.stream import demo_clip
from tools.docs import figures
from tools.docs.snippets import snippets

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SHELL_BLOCKS = re.findall(r"```(?:sh|bash|console)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.strip().removeprefix("$ ").partition("#")[0].strip()
    for block in SHELL_BLOCKS
    for line in block.splitlines()
    if line.strip().removeprefix("$ ").startswith("mtclar-stream ")
]
PROGRAM = (sys.executable, "-m", "mtclar.cli.main")
MAX_TERMS = 40
MAX_COLUMNS = 140
GENERATED = re.compile(r"<!-- (?:figures: )?[a-z -]+ -->\n.*?<!-- end of [a-z -]+ -->", re.DOTALL)


def test_every_relative_link_exists() -> None:
    checker = [sys.executable, "-m", "tools.docs.make_docs", "links"]
    done = subprocess.run(checker, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_architecture_page_lists_every_package_and_nothing_else() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`((?:engine|stream|calibrate|label|studio|train|cli)/[a-z_/]*(?:\.py)?)`", page))
    packages = {
        f"{file.parent.relative_to(ROOT)}/"
        for folder in ("engine", "stream", "calibrate", "label", "studio", "train", "cli")
        for file in (ROOT / folder).rglob("__init__.py")
    }
    assert packages <= named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_glossary_is_short() -> None:
    terms = re.findall(
        r"^- \*\*(.+?)\*\*", (ROOT / "docs" / "reference" / "glossary.md").read_text(), re.MULTILINE
    )
    assert len(terms) == len(set(terms))
    assert len(terms) <= MAX_TERMS


def test_lines_are_short() -> None:
    """Lines of at most MAX_COLUMNS columns, but rows of tables, which cannot be wrapped."""
    tracked = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    pages = {name: GENERATED.sub("", (ROOT / name).read_text()) for name in tracked}
    long_lines = [
        f"{name}: {line}"
        for name, page in pages.items()
        for line in page.split("\n")
        if len(line) > MAX_COLUMNS and not line.startswith("|")
    ]
    assert long_lines == []


def test_the_readme_names_commands() -> None:
    assert len({command.split()[1] for command in COMMANDS}) >= 5


@pytest.mark.parametrize("command", COMMANDS)
def test_a_readme_command_exists_with_its_flags(command: str) -> None:
    _, name, *rest = command.split()
    done = subprocess.run(
        [*PROGRAM, name, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        env={"COLUMNS": "200", "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    for flag in (word.partition("=")[0] for word in rest if word.startswith("--")):
        assert flag in done.stdout, f"{name} has no {flag}"


def test_the_readmes_commands_and_program_run_on_files(tmp_path: Path) -> None:
    """Of the blocks that test_snippets.py leaves out, in order, those that need no camera and no server."""
    written = re.findall(r"--(?:csv|out|summary-json)[ =](\S+)", " ".join(COMMANDS))
    assert [name for name, times in Counter(written).items() if times > 1] == []
    beginning(demo_clip.clip_path(), tmp_path / "video.mp4")
    (tmp_path / "labels.csv").write_bytes(demo_clip.calibration_path().read_bytes())
    others = [
        line for block in snippets(ROOT / "README.md") if block.mark == "not run" for line in block.commands
    ]
    on_files = [shlex.split(line)[1:] for line in others if "video.mp4" in line]
    assert [arguments[0] for arguments in on_files] == ["calibrate", "run", "label"]
    for arguments in on_files:
        free_port = ["--port", "0"] if arguments[0] == "run" else []
        done = subprocess.run(
            [*PROGRAM, *arguments, *free_port], cwd=tmp_path, capture_output=True, text=True, timeout=110
        )
        assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 1 + round(CLIP_S * 25)
    (library,) = (
        block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "Tracker" in block
    )
    program = library.replace("VideoCapture(0)", "VideoCapture('video.mp4')")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == round(CLIP_S * 25)


def test_the_commands_and_program_of_the_analysis_page_run(tmp_path: Path) -> None:
    for package in ("pandas", "scipy", "matplotlib"):
        pytest.importorskip(package, reason=f"{package} is missing: pip install 'mtclar-stream[analysis]'")
    page = (ROOT / "docs" / "analysis" / "tables.md").read_text()
    for folder in ("labelled", "rater"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "anna.csv").write_bytes(demo_clip.script_path().read_bytes())
    (tmp_path / "segments.csv").write_text("name,start,end\nrest,0,5\nfilm,5,10\n")
    commands = re.findall(
        r"^mtclar-stream (.*)$", "".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL)), re.M
    )
    programs = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert [command.split()[0] for command in commands] == ["segments", "plot", "compare", "bids"]
    assert len(programs) == 1
    for arguments in [
        *([*PROGRAM, *shlex.split(command)] for command in commands),
        [sys.executable, "-c", *programs],
    ]:
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=110)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", figures.PAGES, ids=lambda page: page.name)
def test_figures_are_those_of_the_stored_results(page: Path) -> None:
    """`make docs` writes them; a figure changed by hand, or a result without its page, fails here."""
    text = page.read_text()
    assert figures.BLOCK.search(text)
    assert figures.with_figures(text) == text


def test_the_stored_demo_is_complete_and_above_both_baselines() -> None:
    demo = figures.stored(figures.DEMO)
    assert demo["stopped"] is False
    assert demo["freshness"] == "paced"
    for by_method in demo["ccc"].values():
        assert by_method["mtclar"] > max(by_method["absolute"], by_method["nearest"])


def test_the_tests_that_the_reliability_page_names_exist() -> None:
    page, tests = (ROOT / "docs/server/reliability.md").read_text(), ROOT / "tests"
    named = set(re.findall(r"\b(?:\w+/)+test_\w+", page))
    assert sorted(name for name in named if not (tests / f"{name.removeprefix('tests/')}.py").is_file()) == []
