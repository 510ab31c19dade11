"""The journal of an unfinished calibration: one file, mode 0600, rewritten after every change."""

import base64
import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtclar.calibrate.core.continuous_rating import Ratings, ReactionLag
from mtclar.calibrate.core.label_store import LabelCheck, Sample, Snapshot
from mtclar.engine.errors import CalibrationError, MtclarError
from mtclar.engine.files.encryption import SealedError, Sealer, is_sealed, unseal
from mtclar.engine.files.reading import read_ordinary
from mtclar.engine.files.writing import sweep_parts, write_whole

MARK = ".unfinished."  # in the names of journals, also of those set aside
FORMAT, VERSION = "mtclar-calibration", 1
MAX_BYTES = 128 * 2**20
ARRAYS = {"embeddings": "<f4", "absolute": "<f4", "quality": "<f4", "times_s": "<f8", "conditions": "<f4"}
CROPS_DTYPE = "u1"
RATINGS_COLUMNS = {"trace": 4, "labels": 3, "kept": 3}  # arrays of Ratings


def journal_path(target: Path) -> Path:
    """The journal's path, beside the support set `target`."""
    return target.with_name(f"{target.stem}{MARK}json")


def subject_of(path: Path, passphrase: Callable[[], str] | None = None) -> str | None:
    """Whose journal this is; None when it cannot be read, or is none."""
    try:
        data = read_ordinary(path, MAX_BYTES)
        if is_sealed(data) and passphrase is not None:
            data = unseal(data, passphrase())
        return str(json.loads(data.split(b"\n")[1])["subject"])
    except (MtclarError, OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class UnfinishedCalibration:
    """The content of a journal."""

    snapshot: Snapshot
    ratings: Ratings | None = None  # of a recording that is rated while it plays

    def __bool__(self) -> bool:
        """Whether there is anything to keep."""
        return bool(self.snapshot.samples) or (self.ratings is not None and len(self.ratings.trace) > 0)


class CalibrationJournal:
    """The journal of one subject's calibration: biometric data, encrypted when there is a passphrase."""

    def __init__(self, target: Path, subject: str, passphrase: str | None = None) -> None:
        self._target = target
        self.path = journal_path(target)
        self._subject = subject
        self._passphrase = passphrase
        self._sealer: Sealer | None = None

    def write(self, unfinished: UnfinishedCalibration, model_sha256: str) -> None:
        """Replaces the file, or removes it when nothing is unfinished. Raises WriteError."""
        if not unfinished:
            self.remove()
            return
        snapshot, ratings = unfinished.snapshot, unfinished.ratings
        body = json.dumps(
            {
                "subject": self._subject,
                "model_sha256": model_sha256,
                "errors": snapshot.errors,
                "samples": [_pack(sample) for sample in snapshot.samples],
                **({} if ratings is None else {"ratings": _pack_ratings(ratings)}),
            }
        )
        head = {"format": FORMAT, "version": VERSION, "sha256": _sha256(body)}
        data = f"{json.dumps(head)}\n{body}\n".encode()
        if self._passphrase is not None:
            self._sealer = self._sealer or Sealer(self._passphrase)
            data = self._sealer(data)
        write_whole(self.path, data)

    def read(self, model_sha256: str) -> UnfinishedCalibration | None:
        """The unfinished calibration; None without a file.

        Sweeps what killed processes left. Moves an unusable file aside and raises CalibrationError.
        """
        sweep_parts(self._target)
        try:
            data = read_ordinary(self.path, MAX_BYTES)
            if is_sealed(data):
                if self._passphrase is None:
                    raise self.set_aside("is encrypted, and there is no passphrase")
                data = unseal(data, self._passphrase)
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
            snapshot = Snapshot(
                tuple(_unpack(sample) for sample in content["samples"]),
                tuple(float(error) for error in content["errors"]),
            )
            ratings = content.get("ratings")
            unfinished = UnfinishedCalibration(
                snapshot, None if ratings is None else _unpack_ratings(ratings)
            )
            encoder, subject = content["model_sha256"], content["subject"]
        except FileNotFoundError:
            return None
        except SealedError as error:
            raise self.set_aside("has another passphrase, or is damaged") from error
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise self.set_aside("is damaged") from error
        if encoder != model_sha256:
            raise self.set_aside(
                "was made with another encoder: its frames cannot be compared with this one's"
            )
        if subject != self._subject:
            raise self.set_aside(f"is of '{subject}', not of '{self._subject}'")
        return unfinished

    def remove(self) -> None:
        """Deletes the file, if there is one."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def set_aside(self, why: str) -> CalibrationError:
        """Renames the file; the error to raise says where it is."""
        names = chain([""], (f"-{number}" for number in count(2)))
        kept = next(
            path for name in names if not (path := self.path.with_suffix(f".set-aside{name}.json")).exists()
        )
        try:
            self.path.replace(kept)
        except OSError:
            kept = self.path
        return CalibrationError(
            f"an unfinished calibration {why}",
            f"it is kept as {kept}, and this calibration starts empty; to continue it where it fits, rename it to "
            f"{self.path.name}",
        )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _pack(sample: Sample) -> dict[str, Any]:
    arrays = {name: _text(getattr(sample, name).astype(dtype)) for name, dtype in ARRAYS.items()}
    return {
        "number": sample.number,
        "valence": sample.valence,
        "arousal": sample.arousal,
        "category": sample.category,
        "note": sample.note,
        "frames": len(sample),
        **arrays,
        "crops": None if sample.crops is None else _text(sample.crops),
        "side": None if sample.crops is None else sample.crops.shape[1],
        "check": None
        if sample.check is None
        else [sample.check.valence, sample.check.arousal, sample.check.error],
    }


def _unpack(packed: dict[str, Any]) -> Sample:
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
        else np.frombuffer(base64.b64decode(crops), CROPS_DTYPE).reshape(
            count, packed["side"], packed["side"]
        ),
        None if check is None else LabelCheck(*map(float, check)),
        str(packed.get("category", "")),
        str(packed.get("note", "")),
    )


def _pack_ratings(ratings: Ratings) -> dict[str, Any]:
    lag = ratings.lag
    return {
        "length_s": ratings.length_s,
        "at_s": ratings.position_s,
        "lag": None if lag is None else [lag.seconds, lag.correlation, lag.origin],
        "notes": ratings.notes,
        **{name: _text(getattr(ratings, name).astype("<f8")) for name in RATINGS_COLUMNS},
    }


def _unpack_ratings(packed: dict[str, Any]) -> Ratings:
    lag = packed["lag"]
    return Ratings(
        float(packed["length_s"]),
        float(packed["at_s"]),
        lag=None if lag is None else ReactionLag(*lag),
        notes=tuple((float(t_s), str(text)) for t_s, text in packed.get("notes", ())),
        **{
            name: np.frombuffer(base64.b64decode(packed[name]), "<f8").reshape(-1, columns)
            for name, columns in RATINGS_COLUMNS.items()
        },
    )


def _text(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
