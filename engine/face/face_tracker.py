"""Tracks the faces of a stream: detected rarely, followed in every frame, numbered for as long as they stay.

The detector finds a face once; from then on its landmarks in one frame give the region to search in the next. The
detector runs again when a face is missing, and every `redetect_s` to find new ones.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Faces, Frame
from mtclar.engine.face.appearance import appearance_at, appearance_distance, blend_appearance
from mtclar.engine.face.boxes import distance, overlap, same_face, side
from mtclar.engine.face.crop import FRAMING, Framing, box_of
from mtclar.engine.face.detector import SMALL, Detection, Detector
from mtclar.engine.face.features.blendshapes import BlendshapeNetwork
from mtclar.engine.face.landmarks import FaceMesh, Mesh, roi_of_detection, roi_of_points
from mtclar.engine.face.stillness import EVERY_FRAME, Looks
from mtclar.engine.face.track_registry import (
    AMBIGUOUS_REACH,
    HOLD_S,
    STALE_S,
    Track,
    TrackRegistry,
    predicted_points,
)

MAX_FACES = 4
REDETECT_S = 1.0  # of source time
MIN_SCORE = 0.5  # of the landmark network; below it, the face is gone
NEAR = 1.3  # centres closer than this many sides: identities become ambiguous ...
AMBIGUOUS_S = 1.5  # ... and appearance decides for so long afterwards
DECISIVE_RATIO = 0.8  # appearance decides when one distance is below this share of the other
SAME_APPEARANCE = 0.1  # distance below which a new face is the one that vanished near another
MOVED = 0.1  # IoU with its own last box by which one of two collapsed tracks must be worse to be the one that drifted


class FaceTracker:
    """Tracks the faces of one stream; call it with each frame in order. Times are source time."""

    def __init__(
        self,
        detector: Detector,
        mesh: FaceMesh,
        framing: Framing = FRAMING,
        max_faces: int = MAX_FACES,
        *,
        redetect_s: float = REDETECT_S,
        hold_s: float = HOLD_S,
        blendshapes: BlendshapeNetwork | None = None,
        looks: Looks = EVERY_FRAME,
    ) -> None:
        self._detector = detector
        self._mesh = mesh
        self.framing = framing
        self._max_faces = max_faces
        self._redetect_s = redetect_s
        self._retry_s = 0.0 if looks.per_s is None else 1 / looks.per_s  # while a face is missing
        self._registry = TrackRegistry(framing, hold_s, blendshapes, looks)
        self._last_s: float | None = None  # the frame before
        self._detected_s: float | None = None
        self._searched_s: float | None = None

    def reset(self) -> None:
        """Forgets all faces, for a stream that restarts. Their numbers are not used again."""
        self._registry.reset()
        self._last_s = self._detected_s = self._searched_s = None

    def __call__(self, frame: Frame) -> Faces:
        """`frame.image` is [H, W, 3] BGR or [H, W] grey. Faces seen come largest first."""
        t_s = frame.pts_s
        if self._last_s is not None and t_s < self._last_s:  # the source restarted
            self._registry.rewind(t_s)
        fresh = self._last_s is not None and 0 <= t_s - self._last_s <= STALE_S
        self._last_s = t_s
        meshes = self._follow(frame) if fresh else {}
        missing = len(meshes) < len(self._registry.tracks) or not meshes
        detect_every_s = self._retry_s if missing else self._redetect_s
        if len(meshes) < self._max_faces and _is_due(t_s, self._detected_s, detect_every_s):
            self._detected_s = t_s
            self._add(frame, meshes, self._detector(frame.image))
            if self._faces_are_small(frame) and _is_due(t_s, self._searched_s, self._redetect_s):
                self._searched_s = t_s
                self._search(frame, meshes)
        if len(self._registry.tracks) > 1:
            self._resolve_identities(frame, meshes)
        return self._registry.report(frame, meshes)

    def _follow(self, frame: Frame) -> dict[Track, Mesh]:
        """The faces of the previous frame, each searched for near its last position."""
        meshes: dict[Track, Mesh] = {}
        for track in self._registry.tracks:
            if not track.present:
                continue
            stillness = track.stillness
            if stillness is not None and stillness.mesh and stillness.keeps(frame.image, frame.pts_s):
                meshes[track] = stillness.mesh
            else:
                mesh = self._mesh(frame.image, roi_of_points(predicted_points(track, frame.pts_s)))
                if mesh.score >= MIN_SCORE:
                    meshes[track] = mesh
        for one, other in _collapsed(meshes):
            # Both regions are on one face now: the track that drifted there is held, and may be found again elsewhere.
            drifted = _drifted_track(one, other, meshes, frame.image)
            meshes.pop(drifted, None)
        return meshes

    def _resolve_identities(self, frame: Frame, meshes: dict[Track, Mesh]) -> None:
        """Corrects the identities of faces that were near one another, by their appearance."""
        t_s = frame.pts_s
        boxes = {track: box_of(mesh.points) for track, mesh in meshes.items()}
        near = {
            track
            for track, box in boxes.items()
            for other, other_box in boxes.items()
            if track is not other and distance(box, other_box) < NEAR * max(side(box), side(other_box))
        }
        near |= {  # just vanished, perhaps occluded by another face
            track
            for track in self._registry.tracks
            if track not in meshes and track.present
            if any(distance(track.box, box) < AMBIGUOUS_REACH * side(track.box) for box in boxes.values())
        }
        for track in near:
            track.ambiguous_until_s = t_s + AMBIGUOUS_S
        clear = [track for track in meshes if track not in near]
        appearances = {track: appearance_at(frame.image, boxes[track]) for track in clear}
        ambiguous = [
            track for track in clear if t_s <= track.ambiguous_until_s and track.appearance is not None
        ]
        for i, one in enumerate(ambiguous):
            for other in ambiguous[i + 1 :]:
                assert one.appearance is not None
                assert other.appearance is not None
                as_is = appearance_distance(one.appearance, appearances[one]) + appearance_distance(
                    other.appearance, appearances[other]
                )
                exchanged = appearance_distance(one.appearance, appearances[other]) + appearance_distance(
                    other.appearance, appearances[one]
                )
                if exchanged < DECISIVE_RATIO * as_is:
                    meshes[one], meshes[other] = meshes[other], meshes[one]
                    appearances[one], appearances[other] = appearances[other], appearances[one]
        for gone in [track for track in self._registry.tracks if track not in meshes]:
            new = [
                track for track in clear if t_s - track.born_s <= AMBIGUOUS_S and track.born_s >= gone.seen_s
            ]
            if gone.appearance is None or t_s > gone.ambiguous_until_s or not new:
                continue
            most = min(new, key=lambda track: appearance_distance(gone.appearance, appearances[track]))  # type: ignore[arg-type]
            if appearance_distance(gone.appearance, appearances[most]) < SAME_APPEARANCE:
                meshes[gone] = meshes.pop(most)
                self._registry.tracks.remove(most)
                clear.remove(most)
        for track in clear:
            if t_s > track.ambiguous_until_s or track.appearance is None:
                track.appearance = blend_appearance(track.appearance, appearances[track], t_s - track.seen_s)

    def _faces_are_small(self, frame: Frame) -> bool:
        """Whether no face is known, or only small ones: others of their size are missed in the whole frame."""
        return all(side(track.box) < SMALL * max(frame.image.shape[:2]) for track in self._registry.tracks)

    def _search(self, frame: Frame, meshes: dict[Track, Mesh]) -> None:
        """A second look, not on every frame: with a border for a face that fills it, in tiles for small ones."""
        if not self._registry.tracks:
            self._add(frame, meshes, self._detector.with_border(frame.image))
        if self._faces_are_small(frame):
            self._add(frame, meshes, self._detector.in_tiles(frame.image))

    def _add(self, frame: Frame, meshes: dict[Track, Mesh], detections: Sequence[Detection]) -> None:
        """Adds to `meshes` the detected faces that are not in it: missing ones and new ones."""
        t_s = frame.pts_s
        seen = [box_of(mesh.points) for mesh in meshes.values()]
        others = [
            detection for detection in detections if not any(same_face(detection.box, box) for box in seen)
        ]
        missing = [track for track in self._registry.tracks if track not in meshes]
        ambiguous = any(t_s <= track.ambiguous_until_s for track in missing)
        meshed = {i: self._acquire(frame.image, other) for i, other in enumerate(others)} if ambiguous else {}
        boxes = [box_of(meshed[i].points) if i in meshed else other.box for i, other in enumerate(others)]
        appearances = [appearance_at(frame.image, box) for box in boxes] if ambiguous else []
        known = self._registry.match(boxes, missing, t_s, appearances)
        for i in sorted(range(len(others)), key=lambda i: i not in known):  # known faces first, then by size
            if len(meshes) >= self._max_faces:
                return
            mesh = meshed[i] if i in meshed else self._acquire(frame.image, others[i])
            if mesh.score < MIN_SCORE:
                continue
            box = box_of(mesh.points)
            if any(same_face(box, box_of(other.points)) for other in meshes.values()):
                continue  # two detections of one face
            track = known.get(i) or self._registry.start(mesh, t_s)
            meshes[track] = mesh

    def _acquire(self, image: NDArray[np.uint8], detection: Detection) -> Mesh:
        """Landmarks of a detected face.

        The second pass starts from the region that later frames start from, so that a face is cut the same way in its
        first frame, or in a still image, as later on.
        """
        mesh = self._mesh(image, roi_of_detection(detection))
        return self._mesh(image, roi_of_points(mesh.points)) if mesh.score >= MIN_SCORE else mesh


def _collapsed(meshes: Mapping[Track, Mesh]) -> list[tuple[Track, Track]]:
    """Pairs of tracks, older first, that are on one face."""
    tracks = list(meshes)
    boxes = {track: box_of(meshes[track].points) for track in tracks}
    return [
        (one, other)
        for i, one in enumerate(tracks)
        for other in tracks[i + 1 :]
        if same_face(boxes[one], boxes[other])
    ]


def _drifted_track(
    older: Track, newer: Track, meshes: Mapping[Track, Mesh], image: NDArray[np.uint8]
) -> Track:
    """Which of two collapsed tracks drifted off its own face.

    The one whose appearance fits the face less; where that does not decide, the one that jumped; otherwise the newer.
    """
    if older not in meshes or newer not in meshes:  # settled in an earlier pair
        return newer if newer not in meshes else older
    if older.appearance is not None and newer.appearance is not None:
        off = [
            appearance_distance(track.appearance, appearance_at(image, box_of(meshes[track].points)))
            for track in (older, newer)
            if track.appearance is not None
        ]
        if off[0] < DECISIVE_RATIO * off[1] or off[1] < DECISIVE_RATIO * off[0]:
            return newer if off[0] < off[1] else older
    stayed = [
        float(overlap(np.array(track.box), np.array([box_of(meshes[track].points)]))[0])
        for track in (older, newer)
    ]
    return older if stayed[0] < stayed[1] - MOVED else newer


def _is_due(t_s: float, last_s: float | None, every_s: float) -> bool:
    return last_s is None or not 0 <= t_s - last_s < every_s
