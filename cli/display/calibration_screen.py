"""The display of a guided calibration in the terminal, and its keys."""

import sys
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.text import Text

from mtclar.calibrate.core.guided_session import PromptProgress

GRID_COLUMNS, GRID_ROWS = 21, 9
KEYS_HELP = "s skip   r repeat   q finish early   Ctrl-C discard all"


class Screen(Protocol):
    """Shows the progress of a guided session; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def update(self, progress: PromptProgress) -> None:
        """Called with every frame."""
        ...


class Keys(Protocol):
    """Key presses; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def pressed(self) -> str | None:
        """The key pressed since the last call, or None; never waits."""
        ...


class PanelScreen:
    """For a terminal: one panel, redrawn in place."""

    def __init__(self, console: Console, has_keys: bool) -> None:
        self._live = Live(console=console, refresh_per_second=12)
        self._has_keys = has_keys

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, progress: PromptProgress) -> None:
        prompt = progress.prompt
        if prompt is None:
            return
        if progress.phase == "countdown":
            state = Text(f"in {progress.left_s:.0f} ...", style="bold yellow")
        else:
            state = Text("hold", style="bold green")
        issues = Text(f"not usable: {', '.join(progress.issues)}" if progress.issues else " ", style="red")
        bar = ProgressBar(total=prompt.frames, completed=progress.taken, width=2 * GRID_COLUMNS)
        parts: list[RenderableType] = [
            Text(prompt.instruction, style="bold"),
            state,
            bar,
            issues,
            affect_plane(prompt.valence, prompt.arousal),
        ]
        if self._has_keys:
            parts.append(Text(KEYS_HELP, style="dim"))
        title = f"{progress.index + 1} of {progress.of}: {prompt.title}"
        self._live.update(Panel(Group(*parts), title=title, title_align="left", width=78))


class LineScreen:
    """For a pipe or a log file: one line whenever something changes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: tuple[int, str, int, tuple[str, ...]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, progress: PromptProgress) -> None:
        prompt = progress.prompt
        now = (progress.index, progress.phase, progress.taken, progress.issues)
        if prompt is None or now == self._printed:
            return
        self._printed = now
        words = f"{progress.index + 1}/{progress.of} {prompt.title}, {progress.phase}: "
        words += f"{progress.taken} of {prompt.frames} frames"
        if progress.issues:
            words += f", not usable: {', '.join(progress.issues)}"
        elif progress.phase == "countdown" and not progress.taken:
            words += f". {prompt.instruction}"
        self._console.print(words, soft_wrap=True, highlight=False, markup=False)


class TerminalKeys:
    """Keys from a POSIX terminal without waiting for Enter; nothing elsewhere."""

    def __init__(self) -> None:
        self.available = False
        if sys.stdin.isatty():
            try:
                import termios  # noqa: F401  # POSIX only

                self.available = True
            except ImportError:
                pass  # Windows: the session runs by its countdowns alone, and the screen shows no keys

    def __enter__(self) -> Self:
        if self.available:
            import termios
            import tty

            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)  # Ctrl-C still interrupts
        return self

    def __exit__(self, *_: object) -> None:
        if self.available:
            import termios

            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def pressed(self) -> str | None:
        if not self.available:
            return None
        import os
        import select

        ready, _, _ = select.select([sys.stdin], [], [], 0)
        return os.read(sys.stdin.fileno(), 1).decode(errors="replace") if ready else None


def affect_plane(valence: float, arousal: float) -> Text:
    """The affect plane in characters, with the target."""
    column = round((valence + 1) / 2 * (GRID_COLUMNS - 1))
    row = round((1 - arousal) / 2 * (GRID_ROWS - 1))
    middle_column, middle_row = GRID_COLUMNS // 2, GRID_ROWS // 2
    text = Text("activated\n".rjust(middle_column + 6), style="dim")
    for y in range(GRID_ROWS):
        for x in range(GRID_COLUMNS):
            if (x, y) == (column, row):
                text.append("O", style="bold magenta")
            elif y == middle_row or x == middle_column:
                text.append(
                    "+" if y == middle_row and x == middle_column else "-" if y == middle_row else "|"
                )
            else:
                text.append(" ")
        text.append("  pleasant\n" if y == middle_row else "\n")
    return text.append("deactivated".rjust(middle_column + 6))
