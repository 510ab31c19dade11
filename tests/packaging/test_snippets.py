"""Commands and programs of the documentation: each block is run or says why not, the options of all exist."""

import re
import shlex
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.documentation.pages import ELSEWHERE, NOT_RUN, PAGES
from support.documentation.runner import replaced, run, serving
from support.media.clip_beginning import beginning
from typer.main import get_command

from mtclar.cli.main import PROGRAM, make_app
from mtclar.stream import demo_clip
from tools.docs.snippets import command_lines, indented_commands, snippets

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ALL = {"../README.md": ROOT / "README.md"} | {
    str(path.relative_to(DOCS)): path
    for path in sorted(DOCS.rglob("*.md"))
    if path.parent.name not in ("adr", "results")
}
WITH_COMMANDS = {name: path for name, path in ALL.items() if command_lines(path)}


@pytest.mark.parametrize("page", WITH_COMMANDS.values(), ids=WITH_COMMANDS)
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


def test_every_page_with_blocks_is_run_by_a_test() -> None:
    with_blocks = {name for name, path in ALL.items() if snippets(path)}
    assert with_blocks == PAGES.keys() | NOT_RUN | ELSEWHERE.keys()
    assert all((ROOT / test).is_file() for test in ELSEWHERE.values())
    for name in with_blocks - ELSEWHERE.keys():
        ways = [block.mark for block in snippets(ALL[name])]
        assert (set(ways) == {"not run"}) == (name in NOT_RUN), name


@pytest.mark.parametrize("name", sorted(ALL))
def test_commands_are_in_blocks_and_one_that_is_not_run_says_why(name: str) -> None:
    assert not indented_commands(ALL[name]), "write a block of sh: an indented command is not run"
    reasons = [block.note for block in snippets(ALL[name]) if block.mark == "not run"]
    assert all(reasons)
    for path in re.findall(r"(?:tests|tools)/[\w/]+\.\w+", " ".join(reasons)):
        assert (ROOT / path).is_file(), f"{name} names {path}, which does not exist"


@pytest.mark.timeout(600)  # a page is up to twenty commands one after the other; a busy machine takes minutes
@pytest.mark.parametrize("name", PAGES)
def test_the_commands_and_programs_of_a_page_run_in_order(name: str, tmp_path: Path) -> None:
    needs = PAGES[name]
    for package in needs.packages:
        pytest.importorskip(package, reason=f"{package} is missing: make setup-all")
    if name != "tutorial.md":  # which makes its own
        beginning(demo_clip.clip_path(), tmp_path / "video.mp4")
        shutil.copyfile(demo_clip.calibration_path(), tmp_path / "labels.csv")
    if needs.files is not None:
        needs.files(tmp_path)
    with needs.servers(tmp_path) as names, ExitStack() as running:
        for block in (replaced(block, names) for block in snippets(DOCS / name)):
            if block.mark == "server":
                running.enter_context(serving(block, tmp_path))
            elif block.mark != "not run":
                run(block, tmp_path)
