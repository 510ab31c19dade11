"""Shared by the `python -m` commands: parsing of positive integers, and errors as messages without a traceback."""

import argparse
import functools
import sys
from collections.abc import Callable

from mtclar.engine.errors import MtclarError

INTERRUPTED = 130  # 128 + SIGINT, the convention of shells


def in_words(main: Callable[[], None]) -> Callable[[], None]:
    """Wraps a command: an MtclarError ends it with a message on stderr and the exit code of the error."""

    @functools.wraps(main)
    def run() -> None:
        try:
            main()
        except MtclarError as error:
            print(
                f"error: {error.what}",
                *([f"  hint: {error.hint}"] if error.hint else []),
                sep="\n",
                file=sys.stderr,
            )
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)

    return run


def count(text: str) -> int:
    """Parses an argument as a whole number above 0."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number
