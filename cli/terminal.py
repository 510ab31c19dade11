"""Console output of commands: plain text without markup, progress bars, and handling of a closed pipe."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from mtclar.engine.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress


class Terminal(Console):
    """A console that stops printing, but lets the command continue, when its pipe is closed (`... | head`).

    rich itself would end the program from the printing thread, and it passes on escape sequences in foreign text.
    """

    pipe_closed = False

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Called by rich for all that it prints: text becomes printable, rich's own control codes stay."""
        for segment in super().render(renderable, options):
            lines = segment.text.split("\n")
            clean = "\n".join(printable(line, None) for line in lines)
            yield segment if segment.control or clean == segment.text else segment._replace(text=clean)

    def on_broken_pipe(self) -> None:
        """Called by rich. Also discard the text left in Python's own buffer."""
        self.pipe_closed = self.quiet = True
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.file.fileno())
        os.close(null)


def print_text(console: Console, text: str, style: str | None = None) -> None:
    """Print one paragraph unchanged, without added line breaks."""
    console.print(text, style=style, markup=False, emoji=False, highlight=False, soft_wrap=True)


def progress_bars() -> "Progress":
    """Transient progress bars with counts and remaining time on stderr; disabled if stderr is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Terminal(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def counted(number: int, noun: str) -> str:
    """Format a count: `1 frame`, `2 frames`, `1,000 frames`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
