"""The JSON beside each table: where its values come from. docs/reference/columns.md describes the fields.

`out.csv` has `out.csv.json`. It is written again when the table is complete, with the table's checksum.
"""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from mtclar.engine.files.reading import read_ordinary
from mtclar.engine.files.writing import write_whole
from mtclar.engine.installation.build_info import commit
from mtclar.engine.support_file import ARRAYS
from mtclar.engine.support_set import SupportSet
from mtclar.engine.text import printable
from mtclar.stream.protocol.messages import ModelInfo
from mtclar.stream.table.columns import COLUMNS, Column

FORMAT = "mtclar-stream table"
FORMAT_VERSION = 1
DISTRIBUTION = "mtclar-stream"
PACKAGES = ("numpy", "onnxruntime", "opencv-python-headless", "av")  # that may change a value
SUFFIX = ".json"
MAX_BYTES = 16 * 2**20

GAP_S = 1.0
"""A longer time between two frames is listed as a gap."""


@dataclass(frozen=True, slots=True)
class SetIdentity:
    """Which support set was used."""

    subject: str
    frames: int
    sha256: str  # of the set's content, whether its file is encrypted or not
    encoder_sha256: str
    created: str
    source: str
    file: str = ""

    @classmethod
    def of(cls, support: SupportSet, file: Path | None = None) -> "SetIdentity":
        """The identity of a loaded support set, which was read from `file`."""
        name = "" if file is None else printable(file.name)
        digest = hashlib.sha256(
            json.dumps([support.subject, support.created, support.encoder.sha256]).encode()
        )
        for array in ARRAYS:  # not the file's bytes, which have the time of writing in them
            if (values := getattr(support, array)) is not None:
                digest.update(array.encode() + values.tobytes())
        encoder = support.encoder.sha256
        return cls(
            support.subject, len(support), digest.hexdigest(), encoder, support.created, support.source, name
        )


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """Which file was read."""

    file: str
    size: int  # bytes
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "FileIdentity":
        """The identity of a file, which is read once. Raises OSError."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(printable(path.name), path.stat().st_size, digest)


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without frames."""

    stream: str
    from_s: float  # time of the last frame before it, from the first frame
    to_s: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TableOrigin:
    """What is known about a table beside its rows; `describe` makes the JSON of it."""

    command: str  # run, label, analyse
    participant: str = ""
    session: str = ""
    model: ModelInfo | None = None
    supports: tuple[SetIdentity, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[FileIdentity, ...] = ()  # recordings that were read
    sources: Sequence[Mapping[str, Any]] = ()  # streams, one mapping each
    clock: Mapping[str, Any] = field(default_factory=dict)  # of t_unix
    gaps: Sequence[Gap] = ()

    def describe(
        self,
        table: Path,
        columns: Sequence[Column] = COLUMNS,
        rows: int | None = None,
        sha256: str | None = None,
    ) -> dict[str, Any]:
        """The JSON object. Without `rows` and `sha256` the table is still being written."""
        model = None if self.model is None else asdict(self.model)
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "table": {
                "file": printable(table.name),
                "complete": sha256 is not None,
                "rows": rows,
                "sha256": sha256,
            },
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "made_by": {"program": DISTRIBUTION, "command": self.command, "versions": versions()},
            "participant": self.participant,
            "session": self.session,
            "model": model,
            "support_sets": [asdict(support) for support in self.supports],
            "parameters": dict(self.parameters),
            "clock": dict(self.clock),
            "files": [asdict(file) for file in self.files],
            "sources": [dict(source) for source in self.sources],
            "gaps": [asdict(gap) for gap in self.gaps],
            "columns": {
                column.name: {
                    "description": column.meaning,
                    "type": column.kind,
                    **({"unit": column.unit} if column.unit else {}),
                }
                for column in columns
            },
        }


def sidecar_path(table: Path) -> Path:
    """The JSON beside a table: out.csv -> out.csv.json."""
    return table.with_name(table.name + SUFFIX)


def is_sidecar(path: Path) -> bool:
    """Whether a file is such a JSON, which may be replaced."""
    try:
        found = json.loads(read_ordinary(path, MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("format") == FORMAT


def encode(description: Mapping[str, Any]) -> bytes:
    """The description as the file's bytes."""
    return (json.dumps(description, indent=2, ensure_ascii=False) + "\n").encode()


def write_sidecar(table: Path, description: Mapping[str, Any]) -> None:
    """Writes the JSON beside a table, mode 0600. Raises WriteError."""
    write_whole(sidecar_path(table), encode(description))


def versions() -> dict[str, str]:
    """The versions of this program with its commit, of Python and the packages that may change a value."""
    found = {"commit": commit(), "python": platform.python_version(), "system": platform.platform(terse=True)}
    for name in (DISTRIBUTION, *PACKAGES):
        try:
            found[name] = installed_version(name)
        except PackageNotFoundError:  # another build of the same package
            found[name] = "unknown"
    return found
