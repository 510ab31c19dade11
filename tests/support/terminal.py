"""A program on a real terminal, which it has in the foreground, and what a person types there."""

import fcntl
import os
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def on_a_terminal(
    *arguments: str, output: int | None = subprocess.PIPE
) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """The program of this interpreter with such arguments, and the other side of its stdin: a person's.

    `output` is its stdout; None writes it to the terminal as well.
    """
    person, terminal = os.openpty()

    def own_terminal() -> None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    with subprocess.Popen(
        [sys.executable, *arguments],
        stdin=terminal,
        stdout=terminal if output is None else output,
        text=True,
        start_new_session=True,
        preexec_fn=own_terminal,
    ) as process:
        try:
            yield process, person
        finally:
            process.kill()
            os.close(person)
            os.close(terminal)


def shows_typed_signs(terminal: int) -> bool:
    """Whether a terminal is in its usual state, in which what is typed is shown."""
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
