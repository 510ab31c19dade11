"""An unfinished calibration on the disk: written whole after every change, mode 0600, read when calibration goes on."""

import base64
import binascii
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtclar.calibrate.collection import Check, Sample, Step
from mtclar.engine.errors import CalibrationError
from mtclar.engine.files import write_whole
from mtclar.engine.sealed import SealedError, is_sealed, seal, unseal

FORMAT, VERSION = "mtclar-calibration", 1
MAX_BYTES = 128 * 2**20
ARRAYS = {"embeddings": "<f4", "absolute": "<f4", "quality": "<f4", "times_s": "<f8", "conditions": "<f4"}
CROPS = "u1"


def journal_path(target: Path) -> Path:
    """Beside the support set that is being made."""
    return target.with_name(f"{target.stem}.unfinished.json")


def write(path: Path, step: Step, *, subject: str, model_sha256: str, passphrase: str | None = None) -> None:
    """Biometric data, like the support set itself: encrypted where that will be. Raises WriteError when the disk
    refuses."""
    body = json.dumps(
        {
            "subject": subject,
            "model_sha256": model_sha256,
            "errors": step.errors,
            "samples": [_packed(sample) for sample in step.samples],
        }
    )
    head = {"format": FORMAT, "version": VERSION, "sha256": _sha256(body)}
    data = f"{json.dumps(head)}\n{body}\n".encode()
    if passphrase is not None:
        data = seal(data, passphrase)
    write_whole(path, lambda file: file.write(data), private=True)


def read(path: Path, *, subject: str, model_sha256: str, passphrase: str | None = None) -> Step | None:
    """What was left unfinished; None when there is nothing, or nothing of this subject.

    Raises CalibrationError for a file that cannot be gone on with, after moving it aside.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError
        data = path.read_bytes()
        if is_sealed(data):
            if passphrase is None:
                raise _aside(path, "is encrypted, and there is no passphrase")
            data = unseal(data, passphrase)
        head, _, body = data.decode().partition("\n")
        described = json.loads(head)
        body = body.removesuffix("\n")
        if (
            described["format"] != FORMAT
            or described["version"] != VERSION
            or described["sha256"] != _sha256(body)
        ):
            raise ValueError
        content = json.loads(body)
        step = Step(
            tuple(_unpacked(sample) for sample in content["samples"]),
            tuple(float(error) for error in content["errors"]),
        )
        made_by, of = content["model_sha256"], content["subject"]
    except FileNotFoundError:
        return None
    except SealedError as error:
        raise _aside(path, "has another passphrase, or is damaged") from error
    except (OSError, ValueError, KeyError, TypeError, binascii.Error, RecursionError) as error:
        raise _aside(path, "is damaged") from error
    if made_by != model_sha256:
        raise _aside(path, "was made with another encoder: its frames do not compare with this one's")
    if of != subject:
        raise _aside(path, f"is of '{of}', not of '{subject}'")
    return step


def _aside(path: Path, why: str) -> CalibrationError:
    kept = path.with_suffix(".set-aside.json")
    try:
        path.replace(kept)
    except OSError:
        kept = path
    return CalibrationError(f"an unfinished calibration {why}", f"it is kept as {kept}; this one begins anew")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _packed(sample: Sample) -> dict[str, Any]:
    arrays = {name: _text(getattr(sample, name).astype(dtype)) for name, dtype in ARRAYS.items()}
    return {
        "number": sample.number,
        "valence": sample.valence,
        "arousal": sample.arousal,
        "frames": len(sample),
        **arrays,
        "crops": None if sample.crops is None else _text(sample.crops),
        "side": None if sample.crops is None else sample.crops.shape[1],
        "check": None
        if sample.check is None
        else [sample.check.valence, sample.check.arousal, sample.check.error],
    }


def _unpacked(packed: dict[str, Any]) -> Sample:
    count = int(packed["frames"])
    arrays = {name: np.frombuffer(base64.b64decode(packed[name]), dtype) for name, dtype in ARRAYS.items()}
    crops = packed["crops"]
    check = packed["check"]
    return Sample(
        int(packed["number"]),
        float(packed["valence"]),
        float(packed["arousal"]),
        arrays["embeddings"].reshape(count, -1).astype(np.float32),
        arrays["absolute"].reshape(count, 2).astype(np.float32),
        arrays["quality"].reshape(count).astype(np.float32),
        arrays["times_s"].reshape(count).astype(np.float64),
        arrays["conditions"].reshape(count, -1).astype(np.float32),
        None
        if crops is None
        else np.frombuffer(base64.b64decode(crops), CROPS).reshape(count, packed["side"], packed["side"]),
        None if check is None else Check(*map(float, check)),
    )


def _text(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
