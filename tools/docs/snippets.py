"""The code blocks of documentation pages, with what the comment before each says about running it.

<!-- run with: OPTIONS -->    every command of the project in the block gets these options as well
<!-- server: OPTIONS -->      its commands keep running until the page ends; they get these options as well
<!-- not run: REASON -->      the block is not run
"""

import re
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"(?:<!-- (run with|server|not run)(?::? ([^\n]*?))? -->\n)?^```(sh|python|js)\n(.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(
    r"^ {4,}((?:[\w./-]+ .*\| )?(?:[A-Z]+=\S+ )*(?:mtclar-stream|python|pip|make|npm|podman|sudo) .*)$",
    re.MULTILINE,
)
PROGRAM = "mtclar-stream "
OURS = (PROGRAM, "python -m mtclar.", "python -m tools.")


@dataclass(frozen=True)
class Snippet:
    """A block of a page. `mark`: "run with", "server", "not run" or ""; `note` is what follows it."""

    language: str
    text: str
    mark: str
    note: str

    @property
    def commands(self) -> list[str]:
        """Its commands, a line each: comments removed, continued lines joined."""
        joined = self.text.replace("\\\n", " ")
        return [
            line for line in (re.sub(r"(^|\s)#.*", "", raw).strip() for raw in joined.split("\n")) if line
        ]

    @property
    def as_run(self) -> list[str]:
        """Its commands with the options of the mark."""
        options = self.note if self.mark in ("run with", "server") else ""
        return [f"{line} {options}".strip() if line.startswith(OURS) else line for line in self.commands]


def snippets(page: Path) -> list[Snippet]:
    """The blocks of sh, Python and JavaScript of a page, in order."""
    return [
        Snippet(language, text, mark, note) for mark, note, language, text in BLOCK.findall(page.read_text())
    ]


def indented_commands(page: Path) -> list[str]:
    """Commands that a page shows by indentation, outside its blocks: nothing runs them."""
    return INDENTED.findall(FENCED.sub("", page.read_text()))


def command_lines(page: Path) -> list[str]:
    """Every mtclar-stream command of a page, each without what it is piped into."""
    lines = [line for one in snippets(page) if one.language == "sh" for line in one.commands]
    parts = [part.strip() for line in lines for part in re.split(r"\|\s|&&|>\s|;\s", line)]
    return [part for part in parts if part.startswith(PROGRAM)]
