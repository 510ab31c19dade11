"""`fleet.toml`: the cameras of a fleet and their support sets.

[cameras.ward-4-bed-1]
source = "rtsp://10.0.4.1/main"
support = ["anna"]                # names in the object store; may be left out
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtclar.engine.errors import UsageError
from mtclar.engine.files.reading import read_input
from mtclar.stream.registry import resolve
from mtclar.stream.sources import SOURCES, name_of

MAX_BYTES = 16 * 2**20
NAME_LENGTH = 128  # characters of a stream's name, as in `subscribe`
FORM = '[cameras.NAME] with source = "..." and, if there are support sets, support = ["..."] (docs/server/fleet.md)'


@dataclass(frozen=True, slots=True)
class Camera:
    """One stream of the fleet."""

    name: str
    source: str
    support: tuple[str, ...] = ()


def read_fleet(path: Path) -> dict[str, Camera]:
    """The cameras of the file by name. Raises UsageError that names the faulty entry."""
    try:
        content = tomllib.loads(read_input(path, MAX_BYTES, FORM).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}", FORM) from error
    if unknown := content.keys() - {"cameras"}:
        raise UsageError(f"{path}: there is no section '{min(unknown)}'", FORM)
    cameras = content.get("cameras")
    if not isinstance(cameras, dict) or not cameras:
        raise UsageError(f"{path} has no camera", FORM)
    return {name: _camera(path, name, entry) for name, entry in cameras.items()}


def _camera(path: Path, name: str, entry: Any) -> Camera:
    where = f"{path}: camera '{name}'"
    if not 0 < len(name) <= NAME_LENGTH or "*" in name:
        raise UsageError(f"{where}: a name has 1 to {NAME_LENGTH} characters, and no *", FORM)
    if not isinstance(entry, dict) or not isinstance(entry.get("source"), str) or not entry["source"].strip():
        raise UsageError(f"{where} has no source", FORM)
    try:
        kind = name_of(entry["source"])
        resolve(kind, SOURCES, "source")
    except UsageError as error:
        raise UsageError(f"{where}: {error.what}", error.hint) from error
    if kind == "browser":
        raise UsageError(
            f"{where}: a worker has no page that takes pictures", "use a `run` of its own for it"
        )
    if unknown := entry.keys() - {"source", "support"}:
        raise UsageError(f"{where}: there is no key '{min(unknown)}'", FORM)
    support = entry.get("support", [])
    if not isinstance(support, list) or not all(isinstance(one, str) and one for one in support):
        raise UsageError(f"{where}: support is a list of names", FORM)
    return Camera(name, entry["source"], tuple(support))
