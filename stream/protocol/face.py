"""One face of an `affect` message, as it is in JSON: the server makes it of the engine's result, clients decode it."""

from dataclasses import dataclass

from mtclar.engine.data_types import BLENDSHAPES, Affect, FaceState


@dataclass(frozen=True, slots=True)
class Face:
    """The fields from `faults` on can be chosen by `subscribe`: one that was not chosen is None, as without a value."""

    id: int  # of the track
    subject: str | None  # whose support set was used
    state: FaceState
    valence: float | None  # smoothed, -1..1; None until the face was measured once
    arousal: float | None
    calibrated: bool
    faults: tuple[str, ...] | None = None  # why the state is low_quality
    caveats: tuple[str, ...] | None = None  # why the value of an `ok` face is less certain
    box: tuple[float, float, float, float] | None = None  # x, y, width, height in pixels
    pose: tuple[float, float, float] | None = None  # yaw, pitch, roll in degrees
    raw: tuple[float, float] | None = None  # valence and arousal of this frame, not smoothed
    sd: tuple[float, float] | None = None  # standard deviations of valence and arousal
    in_support: bool | None = None  # whether the support set covers this expression
    drift: tuple[str, ...] | None = None  # how the face differs from its support set for some seconds
    nearest_similarity: float | None = None  # 0..1
    similarity: tuple[float, ...] | None = None  # 0..1, to each support frame
    absolute: tuple[float, float] | None = None  # valence and arousal of the encoder alone, not corrected
    blendshapes: dict[str, float] | None = None  # 0..1, by ARKit's names

    @classmethod
    def of(cls, face: Affect, chosen: frozenset[str]) -> "Face":
        """The engine's result. `similarity` and `blendshapes` are filled in only if chosen: they take the most time."""
        x0, y0, x1, y1 = face.box
        raw = face.raw
        similarity: tuple[float, ...] | None = None
        if "similarity" in chosen:
            similarity = () if raw is None else tuple(raw.similarity.tolist())
        blendshapes = None
        if "blendshapes" in chosen and face.blendshapes is not None:
            blendshapes = dict(zip(BLENDSHAPES, face.blendshapes.tolist(), strict=True))
        has_sd = face.valence_sd is not None and face.arousal_sd is not None
        return cls(
            id=int(face.track_id),
            subject=face.subject,
            state=face.state,
            valence=face.valence,
            arousal=face.arousal,
            calibrated=face.calibrated,
            faults=face.quality_issues,
            caveats=face.caveats,
            box=(x0, y0, x1 - x0, y1 - y0),
            pose=face.pose_deg,
            raw=None if raw is None else (raw.valence, raw.arousal),
            sd=(face.valence_sd, face.arousal_sd) if has_sd else None,  # type: ignore[arg-type]
            in_support=None if raw is None else bool(raw.in_support),
            drift=face.drift,
            nearest_similarity=(
                None if raw is None or raw.nearest is None else float(raw.similarity[raw.nearest])
            ),
            similarity=similarity,
            absolute=None if raw is None else raw.absolute,
            blendshapes=blendshapes,
        )
