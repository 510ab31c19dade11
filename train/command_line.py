"""What commands that are started by `python` itself share: numbers that make sense, errors in words."""

import argparse
import functools
import sys
from collections.abc import Callable

from mtclar.engine.errors import MtclarError

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def in_words(main: Callable[[], None]) -> Callable[[], None]:
    """The same command; what a user can cause ends it with a message on stderr and the error's exit code."""

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
    """An argument that is a whole number above 0."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number
