"""Data passed from one stage to the next: one frozen dataclass per hand-over, with shapes and units.

    Source --Frame--> FaceTracker --Faces--> Encoder --Encoded--> Comparer --Estimate--> Smoother --Affect-->

Valence (V) and arousal (A) are in [-1, 1]. Boxes are (x0, y0, x1, y1) in pixels of the frame.
Times are seconds.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

Clock = Literal["arrival", "rtcp", "v4l2", "file", "client"]
"""Where `t_capture_s` came from: arrival here, RTCP sender reports, the driver, the file's PTS, a browser."""

FaceState = Literal["ok", "low_quality", "held", "lost"]
"""`ok` measured; `low_quality` seen but gated; `held` unseen for at most 1 s; `lost` reported once."""

Caveat = Literal["blink", "talking", "mouth hidden"]
"""Why the value of an `ok` face is less certain: its eyes are closed, or its mouth moves in speech or is hidden."""

EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
"""The classes of the encoder's `expression` output, in FER+ order (Barsoum et al. 2016, arXiv:1608.01041)."""

BLENDSHAPES = (
    *("_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight"),
    *("eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft"),
    *("eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight"),
    *("eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose"),
    *("mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel"),
    *("mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight"),
    *("mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower"),
    *("mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight"),
    *("mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight"),
)
"""Names of the coefficients, in order: `_neutral`, then ARKit's 51. Left and right are the person's own."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image from a source."""

    image: NDArray[np.uint8]  # [H, W, 3] BGR
    seq: int  # number of the image since the source opened, from 0; a dropped one leaves a gap
    t_capture_s: float  # monotonic clock of this process
    clock: Clock
    pts_s: float  # the source's own time, from 0 at its first image: smoothing and labels use it
    stream_id: str

    @classmethod
    def of(cls, image: NDArray[np.uint8], t_s: float) -> Self:
        """An image uint8 [H, W, 3] (BGR) or [H, W] (grey) without a source. Raises ValueError for any other array."""
        array = np.asarray(image)
        grey_or_bgr = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
        if array.dtype != np.uint8 or not grey_or_bgr or not array.size:
            raise ValueError(f"an image is uint8 [H, W, 3] or [H, W], not {array.dtype} {list(array.shape)}")
        return cls(array, seq=0, t_capture_s=t_s, clock="file", pts_s=t_s, stream_id="")


@dataclass(frozen=True, slots=True, eq=False)
class FaceCrop:
    """One face seen in one frame, cut out with the eyes level and framed as the encoder was trained."""

    image: NDArray[np.uint8]  # [S, S] grey
    box: Box  # around the landmarks
    landmarks: NDArray[np.float32]  # [L, 3] x, y in pixels of the frame, z in the same unit
    pose_deg: tuple[float, float, float]  # yaw > 0 to the person's left, pitch > 0 up, roll > 0 clockwise
    sharpness: float  # variance of the Laplacian of the crop, in grey levels squared
    brightness: float  # mean grey level of the crop, 0..255
    track_id: int
    score: float  # the face flag of the landmark network, 0..1
    eye_opening: float = 1.0  # share of this track's open eyes; below eyes.BLINK_OPENING in a blink
    mouth_opening: float = 0.0  # distance of the inner lips over that of the outer eye corners
    talking: bool = False
    blendshapes: NDArray[np.float32] | None = None  # [52] in the order of BLENDSHAPES; None: off
    cut_off: float = (
        0.0  # how far mouth or eyes lie beyond the frame's edge, as a share of the larger side of `box`
    )
    kept: bool = False  # of an earlier frame: the face was not measured in this one (engine.face.stillness)
    same_since_s: float | None = None  # source time since which the face looks the same; None: not observed


@dataclass(frozen=True, slots=True)
class HeldFace:
    """A track without a face in this frame: it is held for a short while and then lost."""

    track_id: int
    box: Box
    unseen_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """All faces of one frame."""

    crops: tuple[FaceCrop, ...]
    held: tuple[HeldFace, ...] = ()
    lost: tuple[HeldFace, ...] = ()  # reported once


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """The encoder's outputs for B crops: a sequence of crops that can be indexed, iterated and concatenated.

    An index, a slice, an index array [K] or a mask [B] gives an Encoded of these rows, one index an Encoded of one.
    """

    embedding: NDArray[np.float32]  # [B, D]
    absolute: NDArray[np.float32]  # [B, 2] V/A without any support
    expression: NDArray[np.float32] = None  # type: ignore[assignment]  # [B, 8] logits of EXPRESSIONS; zeros if not given

    def __post_init__(self) -> None:
        if self.expression is None:
            object.__setattr__(self, "expression", np.zeros((len(self), len(EXPRESSIONS)), np.float32))

    def __len__(self) -> int:
        return len(self.embedding)

    def __getitem__(self, rows: int | slice | NDArray[Any]) -> "Encoded":
        index = [rows] if isinstance(rows, int | np.integer) else rows
        return Encoded(self.embedding[index], self.absolute[index], self.expression[index])

    def __iter__(self) -> Iterator["Encoded"]:
        return (self[i] for i in range(len(self)))

    @classmethod
    def concatenate(cls, parts: Iterable["Encoded"]) -> "Encoded":
        """The rows of all parts, in order. Raises ValueError when there is no part."""
        arrays = zip(*((part.embedding, part.absolute, part.expression) for part in parts), strict=True)
        joined = [np.concatenate(array) for array in arrays]
        if not joined:
            raise ValueError("nothing to concatenate")
        return cls(*joined)


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """V/A of one crop, corrected by the support set."""

    valence: float
    arousal: float
    valence_sd: float
    arousal_sd: float
    similarity: NDArray[np.float32]  # [N] to each support frame, in [0, 1]; empty without a support set
    nearest: int | None  # index of the support frame whose embedding is nearest (cosine)
    in_support: bool  # whether the support set covers this expression; always False without one
    absolute: tuple[float, float]  # V/A of the encoder alone, not corrected


@dataclass(frozen=True, slots=True, eq=False)
class Affect:
    """The engine's result for one face of one frame: the smoothed estimate, and the raw one."""

    track_id: int
    subject: str | None  # whose support set was used; None without one
    state: FaceState
    box: Box
    pose_deg: tuple[float, float, float] | None  # None when the face was not seen
    valence: float | None  # None until the face was measured once
    arousal: float | None
    valence_sd: float | None
    arousal_sd: float | None
    raw: Estimate | None  # None when nothing was measured in this frame
    quality_issues: tuple[str, ...]  # why the state is low_quality, in words of mtclar.engine.face.quality
    drift: tuple[str, ...] | None = None  # reasons (estimate.drift); None without a support set
    blendshapes: NDArray[np.float32] | None = None  # [52]; None when off or the face was not seen
    caveats: tuple[Caveat, ...] = ()  # why the value of this frame is less certain

    @property
    def calibrated(self) -> bool:
        """Whether a support set was used."""
        return self.subject is not None
