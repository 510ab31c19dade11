"""The support set: the labelled frames of one person, and their .mtclar file (format: mtclar.engine.support_file).

The file holds biometric data: mode 0600, and face crops only when asked for; with a passphrase the whole of it is
encrypted (mtclar.engine.files.encryption).
"""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtclar.engine.address import without_credentials
from mtclar.engine.data_types import Encoded, FaceCrop, Frame
from mtclar.engine.errors import CalibrationError, SupportSetError, UsageError
from mtclar.engine.face.quality import (
    CALIBRATION_LIMITS,
    QualityLimits,
    conditions,
    crop_quality,
    quality_issues,
)
from mtclar.engine.files.encryption import SealedError, is_sealed, seal, unseal
from mtclar.engine.files.reading import MAX_SUPPORT_BYTES, open_ordinary, read_ordinary
from mtclar.engine.files.writing import write_whole
from mtclar.engine.models import UNKNOWN_ENCODER, EncoderIdentity
from mtclar.engine.support_file import ARRAYS, DamagedError, damage, pack, unpack
from mtclar.engine.text import printable

if TYPE_CHECKING:
    from mtclar.engine.tracker import Tracker

log = logging.getLogger(__name__)

# Columns of `conditions`, as FaceCrop has them.
CONDITIONS = ("brightness", "sharpness", "yaw_deg", "pitch_deg")
RECORD_AGAIN = "run `mtclar-stream calibrate` to record a new one"
REEMBED = "its face pictures were kept: `mtclar-stream support reembed` takes it over to this encoder"


@dataclass(frozen=True, slots=True, eq=False)
class SupportSet:
    """N labelled frames of one person, as one encoder saw them. The arrays are read-only copies.

    Raises SupportSetError when arrays disagree in length, hold NaN or infinity, or a label is outside [-1, 1].
    """

    embeddings: NDArray[np.float32]  # [N, D]
    absolute: NDArray[np.float32]  # [N, 2] V/A of the encoder without any support
    labels: NDArray[np.float32]  # [N, 2] V/A that the person gave, in [-1, 1]
    quality: NDArray[np.float32] = None  # type: ignore[assignment]  # [N] 0 (poor) .. 1 (good); 1 unless given
    times_s: NDArray[np.float64] = None  # type: ignore[assignment]  # [N] source time from its start; 0 unless given
    subject: str = ""  # this and the texts below: one printable line each
    source: str = ""  # where the frames came from; user, password and query of an address are dropped
    created: str = ""  # ISO 8601, UTC; now unless given
    encoder: EncoderIdentity = UNKNOWN_ENCODER
    conditions: NDArray[np.float32] | None = None  # [N, 4] light and pose of each frame: CONDITIONS
    crops: NDArray[np.uint8] | None = None  # [N, S, S] grey, kept only when the person asked for it
    notes: str = ""
    sources: tuple[
        str, ...
    ] = ()  # where each frame came from, in a set that was merged; empty: all from `source`
    warning: str = ""  # why its values may be no better than uncalibrated ones, as found when it was written

    def __post_init__(self) -> None:
        count = len(np.atleast_1d(self.labels))
        defaults = {
            "quality": np.ones(count) if self.quality is None else self.quality,
            "times_s": np.zeros(count) if self.times_s is None else self.times_s,
            "subject": printable(self.subject),
            "source": printable(without_credentials(self.source)),
            "created": printable(self.created) or datetime.now(UTC).isoformat(timespec="seconds"),
            "notes": printable(self.notes),
            "sources": tuple(printable(without_credentials(source)) for source in self.sources),
            "warning": printable(self.warning),
            "encoder": replace(
                self.encoder,
                name=printable(self.encoder.name),
                embedding_dim=self.encoder.embedding_dim or np.shape(self.embeddings)[-1],
            ),
        }
        for name, value in defaults.items():
            object.__setattr__(self, name, value)
        for name, dtype in ARRAYS.items():
            if (value := getattr(self, name)) is not None:
                array = np.array(value, dtype=dtype.newbyteorder("="), order="C")
                array.setflags(write=False)
                object.__setattr__(self, name, array)
        if problem := _problem(self):
            raise SupportSetError(f"the support set of '{self.subject}' is unusable: {problem}", RECORD_AGAIN)

    @classmethod
    def from_encoded(cls, encoded: Encoded, labels: NDArray[np.floating[Any]], **fields: Any) -> Self:
        """The support set of N encoded crops and their labels [N, 2]; `fields` are those of this class."""
        return cls(encoded.embedding, encoded.absolute, labels, **fields)

    @classmethod
    def from_crops(
        cls,
        crops: Sequence[FaceCrop],
        labels: NDArray[np.floating[Any]],
        *,
        tracker: "Tracker",
        keep_crops: bool = False,
        **fields: Any,
    ) -> Self:
        """The support set of N face crops, encoded by `tracker`, and their labels [N, 2]."""
        return cls.from_encoded(
            tracker.encode(crops),
            labels,
            encoder=tracker.identity,
            quality=np.array([crop_quality(crop) for crop in crops]),
            conditions=np.array([conditions(crop) for crop in crops]),
            crops=np.stack([crop.image for crop in crops]) if keep_crops else None,
            **fields,
        )

    @classmethod
    def from_images(
        cls,
        images: Sequence[NDArray[np.uint8]],
        labels: ArrayLike,
        *,
        subject: str = "",
        tracker: "Tracker | None" = None,
        limits: QualityLimits = CALIBRATION_LIMITS,
        keep_crops: bool = False,
    ) -> Self:
        """The support set of N images, uint8 [H, W, 3] (BGR), of one person, and their labels [N, 2] in [-1, 1].

        `tracker` finds and encodes the faces and forgets those that it followed; by default it is one on the bundled
        networks. Raises CalibrationError for an image without a face, with several, or outside `limits`, ValueError
        for what is no image or label. Both name the image's index.
        """
        if tracker is None:
            from mtclar.engine.tracker import Tracker

            with Tracker.open() as own:
                return cls.from_images(
                    images, labels, subject=subject, tracker=own, limits=limits, keep_crops=keep_crops
                )
        va = np.asarray(labels, np.float64)
        if va.shape != (len(images), 2):
            raise ValueError(f"{len(images)} images need labels [{len(images)}, 2], not {list(va.shape)}")
        crops: list[FaceCrop] = []
        for i, (image, label) in enumerate(zip(images, va, strict=True)):
            if not (np.abs(label) <= 1).all():
                raise ValueError(f"labels[{i}] is outside [-1, 1]: {label.tolist()}")
            try:
                frame = Frame.of(image, 0.0)
            except ValueError as error:
                raise ValueError(f"images[{i}]: {error}") from error
            tracker.reset()
            found = tracker.find(frame).crops
            if len(found) != 1:
                raise CalibrationError(
                    f"images[{i}]: {len(found) or 'no'} face{'s' if len(found) > 1 else ''} found",
                    "each image must show the face of one person",
                )
            if issues := quality_issues(found[0], limits):
                raise CalibrationError(f"images[{i}]: the face is {', '.join(issues)}", "leave the image out")
            crops += found
        tracker.reset()
        if not crops:
            raise CalibrationError("no images: there is nothing to calibrate on")
        return cls.from_crops(crops, va, tracker=tracker, keep_crops=keep_crops, subject=subject)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def encoded(self) -> Encoded:
        """The frames as the encoder's outputs, without expressions."""
        return Encoded(self.embeddings, self.absolute)

    def without(self, index: int) -> Self:
        """The support set without frame `index`."""
        return self.only(np.delete(np.arange(len(self)), index))

    def only(self, rows: NDArray[np.integer[Any]]) -> Self:
        """The frames at these rows, in that order."""
        kept = {name: value[rows] for name in ARRAYS if (value := getattr(self, name)) is not None}
        return replace(self, **kept, sources=tuple(self.sources[row] for row in rows) if self.sources else ())

    def source_of(self, row: int) -> str:
        """Where the frame at this row came from."""
        return self.sources[row] if self.sources else self.source

    def log_warning(self) -> None:
        """Logs in one line why its values may be no better than uncalibrated ones; nothing if no reason is known."""
        if self.warning:
            log.warning("the support set of '%s' is poor: %s", self.subject, self.warning)

    def require_encoder(self, encoder: EncoderIdentity) -> None:
        """Raises SupportSetError unless this set was made with that encoder and framing."""
        made, own = f"the support set of '{self.subject}' was made with", self.encoder
        if own.sha256 != encoder.sha256:
            raise SupportSetError(
                f"{made} the encoder {own.name} ({own.sha256[:12]}), and this one is {encoder.sha256[:12]}: "
                "their embeddings do not compare",
                RECORD_AGAIN if self.crops is None or own.framing != encoder.framing else REEMBED,
            )
        if own.embedding_dim != encoder.embedding_dim:
            raise SupportSetError(
                f"{made} embeddings of {own.embedding_dim} numbers, and this encoder gives {encoder.embedding_dim}",
                RECORD_AGAIN,
            )
        if own.framing != encoder.framing:
            raise SupportSetError(
                f"{made} faces cut another way ({own.framing}), and here they are cut as {encoder.framing}",
                RECORD_AGAIN,
            )

    def save(self, path: str | os.PathLike[str], passphrase: str | None = None) -> None:
        """Writes the file whole or not at all, mode 0600; makes the folder. WriteError when the disk refuses.

        With a passphrase the file is encrypted: UsageError when the package for that is missing.
        """
        payload = pack(self)
        data = payload if passphrase is None else seal(payload, passphrase)
        write_whole(Path(path), data)

    @classmethod
    def load(cls, path: str | os.PathLike[str], passphrase: Callable[[], str] | None = None) -> Self:
        """Reads and checks a .mtclar file. Raises SupportSetError when it is unusable, UsageError when it is missing.

        `passphrase` is called only when the file is encrypted.
        """
        path = Path(path)
        try:
            payload = read_ordinary(path, MAX_SUPPORT_BYTES)
        except FileNotFoundError as error:
            raise UsageError(f"there is no support set at {path}", RECORD_AGAIN) from error
        except IsADirectoryError as error:
            raise UsageError(f"{path} is a folder", "name a support set: a .mtclar file") from error
        except OSError as error:
            raise SupportSetError(
                f"cannot read the support set {path}: {error.strerror or error}", RECORD_AGAIN
            ) from error
        if is_sealed(payload):
            if passphrase is None:
                raise SupportSetError(
                    f"{path} is encrypted, and no passphrase was given",
                    "`mtclar-stream support decrypt` writes one that needs none",
                )
            try:
                payload = unseal(payload, passphrase())
            except SealedError as error:
                raise SupportSetError(f"{path}: {error.what}", error.hint) from error
        try:
            with damage("its contents do not fit together"):
                return cls(**unpack(payload))
        except SupportSetError as error:
            raise SupportSetError(f"{path}: {error.what}", error.hint) from error
        except DamagedError as error:
            raise SupportSetError(f"{path} is damaged or not a support set: {error}", RECORD_AGAIN) from error


def is_encrypted(path: Path) -> bool:
    """Whether there is an encrypted support set at `path`."""
    try:
        with open_ordinary(path) as file:
            return is_sealed(file.read(64))
    except OSError:
        return False


def _problem(support: SupportSet) -> str | None:
    """The first problem of a support set's arrays, in words; None for a valid set."""
    count = len(support.labels) if support.labels.ndim else 0
    shapes = {
        "embeddings": (count, support.encoder.embedding_dim),
        "absolute": (count, 2),
        "labels": (count, 2),
        "quality": (count,),
        "times_s": (count,),
    }
    if support.sources and len(support.sources) != count:
        return f"it has {len(support.sources)} sources, expected {count}"
    if support.conditions is not None:
        shapes["conditions"] = (count, len(CONDITIONS))
    if support.crops is not None:
        shapes["crops"] = (count, support.encoder.framing.size, support.encoder.framing.size)
    if not count:
        return "it holds no frame"
    for name, shape in shapes.items():
        array = getattr(support, name)
        if array.shape != shape or not array.size:
            return f"{name} has shape {list(array.shape)}, expected {list(shape)}"
        if not np.isfinite(array).all():
            return f"{name} holds NaN or infinity"
    if np.abs(support.labels).max() > 1:
        return "a label is outside [-1, 1]"
    if support.quality.min() < 0 or support.quality.max() > 1:
        return "a quality is outside [0, 1]"
    return None
