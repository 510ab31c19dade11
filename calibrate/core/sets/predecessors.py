"""The dated predecessors of a support set: kept before it is replaced, encrypted with it, and restored."""

import glob
import re
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mtclar.engine.errors import UsageError
from mtclar.engine.files.encryption import is_sealed, seal
from mtclar.engine.files.reading import MAX_SUPPORT_BYTES, read_ordinary
from mtclar.engine.files.writing import disk_errors, write_whole

KEPT = 5
STAMP = "%Y%m%dT%H%M%SZ"  # sorts by time
_NAME = re.compile(r"(.+)\.previous(-\d{8}T\d{6}Z)?")  # without a date: of an earlier version


def predecessors(path: Path) -> list[Path]:
    """The kept predecessors of the support set at `path`, newest first."""
    pattern = f"{glob.escape(path.stem)}.previous*{glob.escape(path.suffix)}"
    found = [file for file in path.parent.glob(pattern) if _successor(file) == path]
    return sorted(found, key=lambda file: file.stem, reverse=True)


def keep_predecessor(path: Path, passphrase: str | None) -> Path | None:
    """Copies the support set at `path` before it is replaced, and removes all but the newest KEPT copies.

    None if there is no file. With a passphrase all copies are encrypted, even if the file was not. Raises WriteError
    if the copy cannot be written; the file is unchanged then.
    """
    if not path.exists():
        return None
    with _disk_errors(path):
        content = read_ordinary(path, MAX_SUPPORT_BYTES)
    when = datetime.now(UTC)
    while (kept := path.with_name(f"{path.stem}.previous-{when.strftime(STAMP)}{path.suffix}")).exists():
        when += timedelta(seconds=1)
    if passphrase is not None:
        content = content if is_sealed(content) else seal(content, passphrase)
        seal_predecessors(path, passphrase)
    write_whole(kept, content)  # biometric data
    for old in predecessors(path)[KEPT:]:
        with _disk_errors(old):
            old.unlink(missing_ok=True)
    return kept


def seal_predecessors(path: Path, passphrase: str) -> list[Path]:
    """Encrypts the predecessors that are not, and returns these. Raises WriteError; files are unchanged then."""
    sealed = []
    for predecessor in predecessors(path):
        with _disk_errors(predecessor):
            content = read_ordinary(predecessor, MAX_SUPPORT_BYTES)
        if not is_sealed(content):
            data = seal(content, passphrase)
            write_whole(predecessor, data)
            sealed.append(predecessor)
    return sealed


def restore(predecessor: Path) -> Path:
    """Exchanges a predecessor with the support set that replaced it, and returns the path of that.

    Raises UsageError for another file, WriteError when the disk refuses.
    """
    path = _successor(predecessor)
    if path is None:
        raise UsageError(
            f"{predecessor} is not a predecessor of a support set",
            "`mtclar-stream support show FILE` lists those of FILE",
        )
    with _disk_errors(predecessor):
        content = read_ordinary(predecessor, MAX_SUPPORT_BYTES)
    keep_predecessor(path, None)
    write_whole(path, content)
    with _disk_errors(predecessor):
        predecessor.unlink(missing_ok=True)
    return path


def _successor(file: Path) -> Path | None:
    """The support set of a predecessor, by its name; None for any other file."""
    match = _NAME.fullmatch(file.stem)
    return None if match is None else file.with_name(match[1] + file.suffix)


def _disk_errors(path: Path) -> AbstractContextManager[None]:
    return disk_errors(
        f"cannot keep, encrypt or remove the previous calibration {path}",
        "the present one is unchanged; write to another file with --out",
    )
