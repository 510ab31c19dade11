"""The format of .mtclar files: a support set as bytes, and back.

A file is a zip of `manifest.json` and one .npy file per array, all stored uncompressed: so a reader can bound what it
reads by the file's size, and never unpickles anything. The manifest carries the format version and the shape, type and
sha256 of every member.
"""

import hashlib
import io
import json
import struct
import tokenize
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import SupportSetError
from mtclar.engine.face.crop import framing_from
from mtclar.engine.models import EncoderIdentity

if TYPE_CHECKING:
    from mtclar.engine.support_set import SupportSet

FORMAT = "mtclar-support-set"
VERSION = 1
MANIFEST = "manifest.json"

ARRAYS: dict[str, np.dtype[Any]] = {
    "embeddings": np.dtype("<f4"),
    "absolute": np.dtype("<f4"),
    "labels": np.dtype("<f4"),
    "quality": np.dtype("<f4"),
    "times_s": np.dtype("<f8"),
    "conditions": np.dtype("<f4"),
    "crops": np.dtype("u1"),
}
OPTIONAL = frozenset({"conditions", "crops"})

# What zipfile, json, numpy and the checks below raise on damaged bytes (found by flipping bytes at random).
DAMAGE = (
    zipfile.BadZipFile,
    ValueError,  # JSON, UTF-8, .npy headers
    KeyError,
    TypeError,
    AttributeError,
    NotImplementedError,  # an unknown zip version or compression
    RuntimeError,  # a member marked as encrypted; JSON nested too deep
    EOFError,
    OSError,  # a seek to before the start
    OverflowError,
    struct.error,
    tokenize.TokenError,  # numpy's reader of .npy headers
)


class DamagedError(Exception):
    """The bytes of a file are damaged; the message describes how."""


def pack(support: "SupportSet") -> bytes:
    """The whole file as bytes."""
    members: dict[str, bytes] = {}
    described: dict[str, dict[str, object]] = {}
    for name, dtype in ARRAYS.items():
        if (array := getattr(support, name)) is None:
            continue
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array.astype(dtype), version=(1, 0), allow_pickle=False)
        members[name] = buffer.getvalue()
        described[name] = {
            "sha256": hashlib.sha256(members[name]).hexdigest(),
            "shape": list(array.shape),
            "dtype": dtype.str,
        }
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "subject": support.subject,
        "source": support.source,
        "created": support.created,
        "model": {"name": support.encoder.name, "sha256": support.encoder.sha256},
        "framing": asdict(support.encoder.framing),
        "notes": support.notes,
        "warning": support.warning,
        "sources": list(support.sources),
        "members": described,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def unpack(payload: bytes) -> dict[str, Any]:
    """The fields of the support set in `payload`; raises SupportSetError, or DamagedError with the reason."""
    with damage("it is cut short, or another kind of file"), zipfile.ZipFile(io.BytesIO(payload)) as archive:
        for member in archive.infolist():  # stored members cannot be larger than the file: no zip bomb
            if member.compress_type != zipfile.ZIP_STORED or member.file_size > len(payload):
                raise DamagedError(f"{member.filename} is not stored as a support set stores it")
        with damage(f"its {MANIFEST} is missing or cannot be read"):
            manifest = json.loads(archive.read(MANIFEST))
            is_ours = manifest["format"] == FORMAT
            version = manifest["version"]
        if not is_ours:
            raise DamagedError("it is a file of another program")
        if version != VERSION:
            raise SupportSetError(
                f"version {version} of the support-set file, and this program reads version {VERSION}",
                "use the mtclar-stream that wrote it, or calibrate again",
            )
        with damage(f"its {MANIFEST} does not describe a support set"):
            described: Mapping[str, Mapping[str, Any]] = manifest["members"]
            expected = {MANIFEST, *(f"{name}.npy" for name in described)}
            complete = set(ARRAYS) - OPTIONAL <= set(described) <= set(ARRAYS)
            texts = {name: manifest[name] for name in ("subject", "source", "created", "notes")}
            texts["warning"] = manifest.get("warning", "")  # not in files of earlier versions
            sources = tuple(manifest.get("sources", ()))
            encoder = EncoderIdentity(
                manifest["model"]["name"], manifest["model"]["sha256"], framing_from(manifest["framing"])
            )
            of_frames = {f"the source of frame {row}": source for row, source in enumerate(sources)}
            named = {**texts, **of_frames, "model name": encoder.name, "model sha256": encoder.sha256}
            for name, text in named.items():
                if not isinstance(text, str):
                    raise DamagedError(f"{name} is not a text")
        if sorted(archive.namelist()) != sorted(expected) or not complete:
            raise DamagedError("its members are not those of a support set")
        arrays = {}
        for name in described:
            with damage(f"the array {name} cannot be read"):
                arrays[name] = _array(name, archive.read(f"{name}.npy"), described[name])
    return {**arrays, **texts, "sources": sources, "encoder": encoder}


@contextmanager
def damage(reason: str) -> Iterator[None]:
    """Turns any exception of a library about damaged bytes into `reason`, which a person can read."""
    try:
        yield
    except DAMAGE as error:
        raise DamagedError(reason) from error


def _array(name: str, data: bytes, described: Mapping[str, Any]) -> NDArray[Any]:
    """One member as an array. The header must match the manifest before anything is allocated."""
    if hashlib.sha256(data).hexdigest() != described["sha256"]:
        raise DamagedError(f"the sha256 of {name} differs from the manifest's")
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise DamagedError(f"{name} is of another .npy version")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype != ARRAYS[name] or fortran_order or list(shape) != list(described["shape"]):
        raise DamagedError(f"{name} is not the array that the manifest describes")
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape)
