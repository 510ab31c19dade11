"""The terminal of commands: plain text without markup, progress bars, a closed pipe, single keys."""

import os
import select
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from mtclar.engine.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress

FOREGROUND_CHECK_S = 0.5


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


def reads_keys() -> bool:
    """Whether `on_keys` can read keys: stdin is a terminal, of a system that has POSIX terminals."""
    try:
        import termios  # noqa: F401  # not on Windows
    except ImportError:
        return False
    return sys.stdin is not None and sys.stdin.isatty()


@contextmanager
def on_keys(actions: Mapping[str, Callable[[], None]]) -> Iterator[None]:
    """Meanwhile calls the action of each key that is typed, from a thread; where keys cannot be read, none is called.

    Typed signs are not shown, Ctrl-C and Ctrl-Z keep their meaning.
    """
    if not reads_keys():
        yield
        return
    import termios

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    end_reader, end_writer = os.pipe()
    thread = threading.Thread(
        target=_read_keys, args=(terminal, end_reader, actions), name="keys", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        os.close(end_writer)
        thread.join()
        os.close(end_reader)
        if _in_foreground(terminal):
            termios.tcsetattr(terminal, termios.TCSANOW, before)


def _read_keys(terminal: int, end: int, actions: Mapping[str, Callable[[], None]]) -> None:
    """Until `end` is closed at its other side, or the terminal is."""
    import termios
    import tty

    try:
        while True:
            if foreground := _in_foreground(terminal):  # reading in the background would stop the process
                tty.setcbreak(terminal, termios.TCSANOW)  # again after Ctrl-Z: shells set the terminal back
            ready, _, _ = select.select([end, terminal] if foreground else [end], [], [], FOREGROUND_CHECK_S)
            if end in ready:
                return
            if ready and _in_foreground(terminal):
                typed = os.read(terminal, 64)
                if not typed:
                    return
                for key in typed.decode(errors="replace"):
                    if key in actions:
                        actions[key]()
    except (OSError, termios.error):  # the terminal was closed
        return


def _in_foreground(terminal: int) -> bool:
    """Whether the shell lets this process use its terminal at present."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
