"""Compiled engines on the disk, keyed by everything that they depend on and verified before use.

An engine file is one line of JSON (key, size and sha256), followed by the engine as TensorRT serialised it. It is
written to a temporary file and renamed, under a lock that the system releases when its holder dies. A file that is
truncated, has another key or belongs to another user is built again: an engine is code.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from mtclar.engine.backends.tensorrt.builder import Progress
from mtclar.engine.errors import WriteError
from mtclar.engine.files.reading import user_folder
from mtclar.engine.files.writing import write_whole

FORMAT = "mtclar-engine 1"
ANY_CARD = "any"  # of its compute capability: compiled ahead of time, without a card
LOCK_TIMEOUT_S = 900.0  # a data-centre build of all graphs takes minutes


@dataclass(frozen=True, slots=True)
class EngineKey:
    """Everything that an engine depends on."""

    label: str  # 'encoder fp16', for people and for the file's name
    graph_sha256: str  # of the typed graph that was compiled: its weights, shapes and precision
    runtime: str  # 'tensorrt-rtx 1.7.1.116'
    capability: str  # '8.6'
    card: str  # its name, or ANY_CARD
    shapes: str  # the profiles

    @property
    def file_name(self) -> str:
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return f"{self.label.replace(' ', '-')}-{digest[:20]}.engine"


def default_folder() -> Path:
    """The folder `engines` in the user's cache. Raises UsageError for a user without a home folder."""
    return user_folder("cache") / "engines"


class EngineCache:
    """A folder of engines. Losing it only costs time, so a failure to write is reported and not raised."""

    def __init__(self, folder: Path, progress: Progress | None = None) -> None:
        self.folder = folder
        self._report = progress or (lambda _: None)

    def path(self, key: EngineKey) -> Path:
        return self.folder / key.file_name

    def load(self, key: EngineKey) -> bytes | None:
        """The engine of `key`, or None when there is no valid one."""
        try:
            with self.path(key).open("rb") as file:
                if not _trusted(os.fstat(file.fileno())):
                    return None
                header, _, plan = file.read().partition(b"\n")
            found = json.loads(header)
        except (OSError, ValueError):
            return None
        expected = {"format": FORMAT, **asdict(key), **_digest(plan)}
        return plan if found == expected else None

    def get(self, key: EngineKey, build: Callable[[], bytes]) -> bytes:
        """The engine of `key`, built if necessary; of several processes one builds, and the others wait for it."""
        if (plan := self.load(key)) is not None:
            return plan
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._locked(key):
                if (plan := self.load(key)) is None:
                    self._sweep(key)
                    plan = build()
                    self.store(key, plan)
                return plan
        except Timeout:
            self._report(
                f"Another process has been compiling {key.label} for long: compiling it here as well."
            )
        except (OSError, WriteError, NotImplementedError) as error:  # the last: a file system without locks
            self._report(f"Compiled engines cannot be kept in {self.folder}: {error}.")
        return plan if plan is not None else build()

    def store(self, key: EngineKey, plan: bytes) -> Path:
        """Writes an engine whole or not at all. Raises WriteError when the disk refuses."""
        header = json.dumps({"format": FORMAT, **asdict(key), **_digest(plan)}).encode()
        path = self.path(key)
        write_whole(path, lambda file: file.writelines((header, b"\n", plan)))
        return path

    def discard(self, key: EngineKey) -> None:
        """Deletes an engine that TensorRT refused."""
        try:
            self.path(key).unlink(missing_ok=True)
        except OSError as error:
            self._report(f"{self.path(key)} cannot be removed ({error.strerror or error}).")

    @contextmanager
    def _locked(self, key: EngineKey) -> Iterator[None]:
        """Holds the key's lock; reports that it waits for another process. Raises Timeout."""
        lock = FileLock(self.path(key).with_suffix(".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self._report(f"Another process is compiling {key.label}: waiting for it.")
            lock.acquire(timeout=LOCK_TIMEOUT_S)
        try:
            yield
        finally:
            lock.release()

    def _sweep(self, key: EngineKey) -> None:
        """Removes temporary files of killed builds of this engine; the lock is held, so no build is running."""
        for left in self.folder.glob(f".{self.path(key).name}.*.part"):
            left.unlink(missing_ok=True)


def _digest(plan: bytes) -> dict[str, str | int]:
    return {"size": len(plan), "sha256": hashlib.sha256(plan).hexdigest()}


def _trusted(file: os.stat_result) -> bool:
    """Whether only this user or the administrator can have written it; True where the system has no owners."""
    if not hasattr(os, "geteuid"):
        return True
    return file.st_uid in (os.geteuid(), 0) and not file.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
