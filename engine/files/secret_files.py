"""Files with a secret: read from their first line, with a warning when other users of the machine can read them."""

import logging
from pathlib import Path

from mtclar.engine.errors import UsageError
from mtclar.engine.files.reading import expand_home, read_ordinary, readable_by_others

MAX_BYTES = 2**16

log = logging.getLogger(__name__)


def first_line(file: Path, kind: str, hint: str) -> str:
    """The first line of a file, without its end. Raises UsageError that names its `kind`, such as token."""
    try:
        content = read_ordinary(expand_home(file), MAX_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise UsageError(f"cannot read the {kind} file {file}: {reason}", hint) from error
    return content.partition("\n")[0].removesuffix("\r")


def warn_if_readable(*files: Path | None) -> None:
    """Logs a warning for each of these files that other users can read."""
    for file in files:
        if file is not None and readable_by_others(expand_home(file)):
            log.warning("other users can read the secret in %s: chmod 600 %s", file, file)
