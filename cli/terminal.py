"""What commands print: plain sentences without markup in paths and names, and what happens when nobody reads them."""

import os
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress


class Terminal(Console):
    """A console that falls silent when its reader has gone (`mtclar-stream run ... | head`), and lets the work go on.

    rich itself would end the program there, from whichever thread printed.
    """

    unread = False
    """Whether the reader has gone."""

    def on_broken_pipe(self) -> None:
        """Called by rich; what is still in Python's own buffer goes nowhere as well."""
        self.unread = self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


def say(console: Console, text: str, style: str | None = None) -> None:
    """Prints one paragraph as it is; no line breaks of ours in a pipe."""
    console.print(text, style=style, markup=False, emoji=False, highlight=False, soft_wrap=True)


def progress_bars() -> "Progress":
    """Bars with counts and the remaining time, on stderr and gone at the end; none where that is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def printable(text: str) -> str:
    """Texts that come from elsewhere: nothing in them may steer the terminal."""
    return "".join(character for character in text if character.isprintable())


def counted(number: int, noun: str) -> str:
    """`1 frame`, `2 frames`, `1,000 frames`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
