"""The whole engine in one call: an image in, the smoothed affect of every face in it out."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mtclar.engine import models
from mtclar.engine.backends.session import ON_CPU, Closeable, InferenceSession, open_session, open_sessions
from mtclar.engine.data_types import Affect, Box, Encoded, Estimate, FaceCrop, Faces, FaceState, Frame
from mtclar.engine.errors import UsageError
from mtclar.engine.estimate import DEFAULT_SMOOTHER
from mtclar.engine.estimate.caveats import Caveats
from mtclar.engine.estimate.comparer import DEFAULT_RULE, Comparer, RuleFactory
from mtclar.engine.estimate.drift import DriftWatch
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.estimate.hidden_mouth import probe_of
from mtclar.engine.estimate.skipped_frames import Interpolator, KeptEstimate
from mtclar.engine.estimate.smoothing import (
    DRIFT_PER_SQRT_S,
    Array,
    Smoother,
    SmootherFactory,
    make_smoother,
)
from mtclar.engine.face.boxes import area
from mtclar.engine.face.detector import Detector
from mtclar.engine.face.face_tracker import MAX_FACES as MAX_FACES
from mtclar.engine.face.face_tracker import FaceTracker
from mtclar.engine.face.features.blendshapes import BlendshapeNetwork
from mtclar.engine.face.landmarks import FaceMesh
from mtclar.engine.face.mediapipe_tracker import MediaPipeTracker
from mtclar.engine.face.quality import RUN_LIMITS, QualityLimits, quality_issues
from mtclar.engine.face.stillness import EVERY_FRAME, Looks
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.spans import spanned
from mtclar.engine.support_set import SupportSet


@dataclass(slots=True, eq=False)
class _Track:
    """The state of one face from frame to frame."""

    subject: str | None
    smoother: Smoother
    kept: KeptEstimate = field(default_factory=KeptEstimate)
    interpolator: Interpolator | None = None  # None: every frame has a value of its own
    value: Array | None = None  # [2] smoothed V/A when it was last measured
    sd: Array | None = None  # [2]
    measured_s: float = 0.0  # source time of that measurement
    caveats: Caveats = field(default_factory=Caveats)
    mouth_hidden: float | None = None  # log odds, when it was last measured; None: unknown
    watch: DriftWatch | None = None  # None without a support set
    drift: tuple[str, ...] = ()  # as it was when the face was last measured


class Tracker(Closeable):
    """Tracks the affect of every face of a stream; one object per stream, closed after use.

    Call it with each image in order, or call `find` and `estimate` to time them apart. A support set is assigned to a
    face when the face appears: a single one to the largest new face; several to the new faces from left to right, in
    their own order. A face keeps its support set until it is lost; `assign` corrects by hand. Other faces get the
    absolute head's values.

    `smoother` and `rule` are names, or factories of your own (mtclar.engine.estimate.smoothing.SmootherFactory,
    mtclar.engine.estimate.comparer.RuleFactory).
    """

    def __init__(
        self,
        face_tracker: FaceTracker | MediaPipeTracker,
        encoder: Encoder,
        pair: InferenceSession | None,
        supports: Sequence[SupportSet] = (),
        *,
        model: models.Card,
        backend: str = "",
        why: str = "",
        overlaps: bool = False,
        smoother: str | SmootherFactory = DEFAULT_SMOOTHER,
        rule: str | RuleFactory = DEFAULT_RULE,
        quality_limits: QualityLimits = RUN_LIMITS,
        looks_per_s: float | None = None,
    ) -> None:
        self.identity = EncoderIdentity(model.name, model.sha256, face_tracker.framing, encoder.embedding_dim)
        for support in supports:
            support.require_encoder(self.identity)
        subjects = [support.subject for support in supports]
        if len(set(subjects)) < len(subjects):
            raise UsageError(
                f"two support sets are of the same subject: {', '.join(subjects)}",
                "give each face one support set",
            )
        make_smoother(smoother)  # raises for an unknown name now, not at the first face
        self.supports = tuple(supports)
        self.encoder = encoder
        self.model = model
        self.backend = backend
        self.why = why  # why `auto` chose no faster back end
        self.overlaps = overlaps  # whether a thread may `find` in a frame beside `estimate` of the one before
        self._face_tracker = face_tracker
        self._pair, self._rule = pair, rule
        self._comparers = {support.subject: self.comparer(support) for support in supports}
        self._replacements: deque[SupportSet] = deque()
        self._uncalibrated = Comparer(None, None, rule)
        self._smoother = smoother
        self._quality_limits = quality_limits
        self._looks_per_s = looks_per_s  # of the face tracker; None: it looks in every frame
        self.hidden_mouth = probe_of(model.sha256)  # None: this encoder has no probe
        self._tracks: dict[int, _Track] = {}
        self._sessions = ExitStack()

    @classmethod
    def open(
        cls,
        supports: Sequence[SupportSet] = (),
        *,
        backend: str = "auto",
        threads: int = 1,
        smoother: str | SmootherFactory = DEFAULT_SMOOTHER,
        rule: str | RuleFactory = DEFAULT_RULE,
        max_faces: int = MAX_FACES,
        quality_limits: QualityLimits = RUN_LIMITS,
        progress: Callable[[str], None] | None = None,
        encoder: InferenceSession | None = None,
        blendshapes: bool = False,
        face_landmarker: Path | None = None,
        looks: Looks = EVERY_FRAME,
    ) -> Self:
        """A tracker on the bundled networks; use it in a `with` statement, or call `close`.

        `progress` receives messages about slow steps; `encoder` replaces the encoder's own session (by a share of one
        that several streams use) and is closed with this tracker. With `blendshapes` every face carries its
        coefficients. `face_landmarker` is the path of MediaPipe's face_landmarker.task, which then finds the faces.
        `looks` says in which frames a face is measured (mtclar.engine.face.stillness); MediaPipe looks at every frame.
        Raises BackendError when the back end cannot run here, SupportSetError when a support set was made with another
        encoder or framing, UsageError for an unknown smoother or rule.
        """
        model = models.card("encoder")
        names = [name for name in models.NAMES if encoder is None or name != "encoder"]
        opened = open_sessions([models.path(name) for name in names], backend, threads, progress)
        with ExitStack() as sessions:
            by_name = {
                name: sessions.enter_context(session)
                for name, session in zip(names, opened.sessions, strict=True)
            }
            encoding = by_name["encoder"] if encoder is None else sessions.enter_context(encoder)
            face_tracker: FaceTracker | MediaPipeTracker
            if face_landmarker is None:
                face_tracker = FaceTracker(
                    Detector(by_name["face_detector"]),
                    FaceMesh(by_name["face_mesh"]),
                    model.identity.framing,
                    max_faces,
                    blendshapes=_open_blendshapes(sessions, threads) if blendshapes else None,
                    looks=looks,
                )
            else:
                face_tracker = sessions.enter_context(
                    MediaPipeTracker.open(
                        face_landmarker, model.identity.framing, max_faces, blendshapes=blendshapes
                    )
                )
            tracker = cls(
                face_tracker,
                Encoder(encoding),
                by_name["pair"],
                supports,
                model=model,
                backend=encoding.backend,
                why=opened.why,
                overlaps=opened.backend in ON_CPU and face_landmarker is None,
                smoother=smoother,
                rule=rule,
                quality_limits=quality_limits,
                looks_per_s=looks.per_s,
            )
            tracker._sessions = sessions.pop_all()  # from here on the tracker closes them
        return tracker

    def close(self) -> None:
        """Frees the support sets' memory and closes the sessions; safe to call twice."""
        with self._sessions:
            for comparer in self._comparers.values():
                comparer.close()

    def __call__(self, image: NDArray[np.uint8] | Frame, t_s: float | None = None) -> tuple[Affect, ...]:
        """The faces of an image, uint8 [H, W, 3] (BGR) or [H, W] (grey), taken at `t_s` seconds; or of a Frame.

        Faces seen come first, then held ones, then those just lost. Times are the source's own, from any start; images
        of one stream come in order. Raises ValueError for another array, or an image without its time.
        """
        if not isinstance(image, Frame):
            if t_s is None:
                raise ValueError("an image needs its time: tracker(image, t_s)")
            image = Frame.of(image, t_s)
        return self.estimate(image, self.find(image))

    def find(self, frame: Frame) -> Faces:
        """The faces of this frame, cropped and numbered."""
        return self._face_tracker(frame)

    def estimate(self, frame: Frame, faces: Faces) -> tuple[Affect, ...]:
        """The affect of those faces; all good crops go through the encoder in one batch."""
        t_s = frame.pts_s
        while self._replacements:
            self._apply_replacement(self._replacements.popleft(), faces.crops)
        self._assign_supports(faces.crops)
        issues_by_track = {crop.track_id: quality_issues(crop, self._quality_limits) for crop in faces.crops}
        good = [crop for crop in faces.crops if not issues_by_track[crop.track_id]]
        estimates = dict(zip((crop.track_id for crop in good), self._compare(good), strict=True))
        affects = [
            self._measured_affect(t_s, crop, estimates[crop.track_id])
            if crop.track_id in estimates
            else self._affect(
                t_s, crop.track_id, "low_quality", crop.box, crop.pose_deg, issues_by_track[crop.track_id]
            )
            for crop in faces.crops
        ]
        affects += [self._affect(t_s, face.track_id, "held", face.box) for face in faces.held]
        affects += [self._affect(t_s, face.track_id, "lost", face.box) for face in faces.lost]
        for face in faces.lost:
            self._tracks.pop(face.track_id, None)  # frees its support set for the next face
        return tuple(affects)

    def encode(self, crops: Sequence[FaceCrop]) -> Encoded:
        """B crops through the encoder in one batch."""
        size = self.encoder.size
        images = np.stack([crop.image for crop in crops]) if crops else np.zeros((0, size, size), np.uint8)
        return self.encoder(images)

    def comparer(self, support: SupportSet) -> Comparer:
        """Compares outputs of `encode` with a support set, as this tracker does. The caller closes it."""
        return Comparer(self._pair, support, self._rule)

    def replace_support(self, support: SupportSet) -> None:
        """Replaces the support set of the same subject before the next frame; may be called from any thread.

        A new subject is assigned to the largest face without one. Raises SupportSetError as the constructor does.
        """
        support.require_encoder(self.identity)
        self._replacements.append(support)

    def assign(self, track_id: int, subject: str | None) -> None:
        """Assigns the support set of `subject` to a face (None: no set); a face that has it gets the other's.

        Raises UsageError when there is no such face or subject.
        """
        if track_id not in self._tracks:
            raise UsageError(
                f"there is no face {track_id}", f"faces: {', '.join(map(str, self._tracks)) or 'none'}"
            )
        if subject is not None and subject not in self._comparers:
            raise UsageError(
                f"there is no support set of '{subject}'", f"subjects: {', '.join(self._comparers) or 'none'}"
            )
        chosen = self._tracks[track_id]
        for other_id, other in self._tracks.items():
            if subject is not None and other.subject == subject and other is not chosen:
                self._tracks[other_id] = self._new_track(chosen.subject)
        if chosen.subject != subject:
            self._tracks[track_id] = self._new_track(subject)

    def reset(self) -> None:
        """Forgets every face, for a stream that restarts."""
        self._face_tracker.reset()
        self._tracks.clear()

    def _apply_replacement(self, support: SupportSet, crops: Sequence[FaceCrop]) -> None:
        subject = support.subject
        is_new = subject not in self._comparers
        replaced = self._comparers.get(subject)
        self._comparers[subject] = self.comparer(support)
        if replaced is not None:
            replaced.close()
        # The set keeps its place: new faces get their sets in this order, from left to right.
        kept = tuple(support if other.subject == subject else other for other in self.supports)
        self.supports = (*kept, support) if is_new else kept
        for track in self._tracks.values():
            if track.subject == subject:  # drift is relative to the new set
                track.watch, track.drift, track.kept = DriftWatch(support), (), KeptEstimate()
        if is_new:
            free = [c for c in crops if (t := self._tracks.get(c.track_id)) is not None and t.subject is None]
            if free:
                largest = max(free, key=lambda crop: area(crop.box))
                self._tracks[largest.track_id] = self._new_track(subject)

    def _assign_supports(self, crops: Sequence[FaceCrop]) -> None:
        """Starts a track for each new face and assigns the free support sets."""
        new = [crop for crop in crops if crop.track_id not in self._tracks]
        taken = {track.subject for track in self._tracks.values()}
        free = [support.subject for support in self.supports if support.subject not in taken]
        if len(self.supports) == 1:
            new.sort(key=lambda crop: -area(crop.box))
        else:
            new.sort(key=lambda crop: crop.box[0] + crop.box[2])
        for i, crop in enumerate(new):
            self._tracks[crop.track_id] = self._new_track(free[i] if i < len(free) else None)

    def _new_track(self, subject: str | None) -> _Track:
        watch = next((DriftWatch(support) for support in self.supports if support.subject == subject), None)
        interpolator = None if self._looks_per_s is None else Interpolator(1 / self._looks_per_s)
        return _Track(subject, make_smoother(self._smoother), interpolator=interpolator, watch=watch)

    def _compare(self, crops: Sequence[FaceCrop]) -> list[Estimate]:
        """An estimate for each crop; that of a kept one is known, unless it has another support set now."""
        estimates = [self._tracks[crop.track_id].kept() if crop.kept else None for crop in crops]
        unknown = [i for i, estimate in enumerate(estimates) if estimate is None]
        for i, face in zip(unknown, self.encode([crops[i] for i in unknown]), strict=True):
            track = self._tracks[crops[i].track_id]
            if self.hidden_mouth is not None:
                track.mouth_hidden = float(self.hidden_mouth(face.embedding)[0])
            comparer = self._uncalibrated if track.subject is None else self._comparers[track.subject]
            (estimate,) = comparer(face)
            estimates[i] = estimate
            if (since_s := crops[i].same_since_s) is not None:
                track.kept.add(since_s, estimate)
        return [estimate for estimate in estimates if estimate is not None]

    @spanned("smooth")
    def _measured_affect(self, t_s: float, crop: FaceCrop, estimate: Estimate) -> Affect:
        track = self._tracks[crop.track_id]
        value, sd = (estimate.valence, estimate.arousal), (estimate.valence_sd, estimate.arousal_sd)
        qualified = track.caveats(t_s, crop, value, sd, track.mouth_hidden)
        if track.interpolator is None or not crop.kept:
            track.value, track.sd = track.smoother(t_s, qualified.value, qualified.sd)
            if track.interpolator is not None:
                track.interpolator.add(t_s, track.value, track.sd)
        if track.interpolator is not None:
            track.value, track.sd = track.interpolator(t_s)
        track.measured_s = t_s
        if track.watch is not None:
            track.drift = track.watch(t_s, crop, estimate)
        affect = self._affect(t_s, crop.track_id, "ok", crop.box, crop.pose_deg)
        return replace(affect, raw=estimate, blendshapes=crop.blendshapes, caveats=qualified.caveats)

    def _affect(
        self,
        t_s: float,
        track_id: int,
        state: FaceState,
        box: Box,
        pose_deg: tuple[float, float, float] | None = None,
        reasons: tuple[str, ...] = (),
    ) -> Affect:
        """The last value of a track, its sd grown by the time since it was measured."""
        track = self._tracks[track_id]
        valence = arousal = valence_sd = arousal_sd = None
        if track.value is not None and track.sd is not None:
            drift_s = max(t_s - track.measured_s, 0.0)
            valence, arousal = map(float, track.value)
            valence_sd, arousal_sd = map(float, np.sqrt(track.sd**2 + DRIFT_PER_SQRT_S**2 * drift_s))
        return Affect(
            track_id=track_id,
            subject=track.subject,
            state=state,
            box=box,
            pose_deg=pose_deg,
            valence=valence,
            arousal=arousal,
            valence_sd=valence_sd,
            arousal_sd=arousal_sd,
            raw=None,
            quality_issues=reasons,
            drift=None if track.watch is None else track.drift,
        )


def _open_blendshapes(sessions: ExitStack, threads: int) -> BlendshapeNetwork:
    """On the CPU with every back end: on a card, a network of a millisecond gains nothing."""
    path = models.path(models.BLENDSHAPES)
    return BlendshapeNetwork(sessions.enter_context(open_session(path, "onnxruntime:cpu", threads)))
