"""Follows the faces of a stream: detects rarely, tracks always, keeps each face's number through short losses."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.engine import crop as cropping
from mtclar.engine.crop import FRAMING, Framing, cut
from mtclar.engine.detect import Detection, Detector, area, overlap
from mtclar.engine.handover import FaceCrop, Faces, Frame, HeldFace
from mtclar.engine.landmarks import FaceMesh, Mesh, roi_of_detection, roi_of_points

MAX_FACES = 4
REDETECT_S = 1.0  # how often to look for new faces while some are tracked
HOLD_S = 1.0  # how long an unseen face keeps its number
MIN_SCORE = 0.5  # of the landmark network's face flag: below, the face is not there any more
SAME_FACE_IOU = 0.3  # of the landmarks' boxes: from here on two of them are one face
REACH = 1.0  # how far from where it was last seen an unseen face may come back, in sides of its box

STEADY_HZ = 1.0  # cut-off of the landmark smoothing for a face at rest
FOLLOW_HZ_PER_SPEED = 40.0  # and how fast it rises with speed, in face sides a second


@dataclass(slots=True, eq=False)
class _Track:
    """One face from frame to frame."""

    track_id: int
    points: NDArray[np.float32]  # [468, 3] smoothed landmarks in pixels of the frame
    seen_s: float  # source time when it was seen last

    @property
    def box(self) -> tuple[float, float, float, float]:
        return cropping.box_of(self.points)


class FaceTracker:
    """Turns each frame of one stream, given in order, into the faces it shows, largest first.

    The landmark network runs on every frame in the region that the last landmarks give; the detector runs only when
    there is no face, when one was lost from sight, and every `redetect_s` of source time to find newcomers. Landmarks
    are smoothed before the crop is cut, because a crop that trembles makes V/A tremble: at rest with a low cut-off, in
    motion with a high one (as the 1-euro filter does, Casiez et al. 2012). Numbers are never used twice.
    """

    def __init__(
        self,
        detector: Detector,
        mesh: FaceMesh,
        framing: Framing = FRAMING,
        max_faces: int = MAX_FACES,
        *,
        redetect_s: float = REDETECT_S,
        hold_s: float = HOLD_S,
    ) -> None:
        self._detector = detector
        self._mesh = mesh
        self._framing = framing
        self._max_faces = max_faces
        self._redetect_s = redetect_s
        self._hold_s = hold_s
        self._tracks: list[_Track] = []
        self._next_id = 0
        self._detected_s = -math.inf

    def reset(self) -> None:
        """Forgets all faces: the stream starts again, or jumps. Numbers go on counting."""
        self._tracks.clear()
        self._detected_s = -math.inf

    def __call__(self, frame: Frame) -> Faces:
        """The faces of this frame; those unseen are held for `hold_s` and then said to be lost, once."""
        now_s = frame.pts_s
        if now_s < self._detected_s:  # the source's time went back: intervals mean nothing any more
            self._detected_s = -math.inf
            for track in self._tracks:
                track.seen_s = now_s
        seen: dict[int, Mesh] = {}
        for track in self._tracks:
            mesh = self._mesh(frame.image, roi_of_points(track.points))
            if mesh.score >= MIN_SCORE:
                self._update(track, mesh, now_s)
                seen[track.track_id] = mesh
        dropped = self._drop_doubles(seen)
        if len(seen) < max(1, len(self._tracks)) or now_s - self._detected_s >= self._redetect_s:
            self._detected_s = now_s
            self._meet(frame, self._detector(frame.image), seen)
        lost = dropped + [t for t in self._tracks if now_s - t.seen_s > self._hold_s]
        self._tracks = [t for t in self._tracks if t not in lost]
        present = [t for t in self._tracks if t.track_id in seen]
        present.sort(key=lambda track: area(track.box), reverse=True)
        return Faces(
            crops=tuple(self._crop(frame.image, track, seen[track.track_id].score) for track in present),
            held=tuple(_unseen(t, now_s) for t in self._tracks if t.track_id not in seen),
            lost=tuple(_unseen(t, now_s) for t in lost),
        )

    def _update(self, track: _Track, mesh: Mesh, now_s: float) -> None:
        """Moves the track's landmarks towards the new ones: the faster the face, the more."""
        elapsed_s = now_s - track.seen_s
        if elapsed_s > 0:
            x0, y0, x1, y1 = track.box
            moved = (mesh.points[:, :2] - track.points[:, :2]).mean(
                0
            )  # the face as a whole: noise averages out
            speed = float(np.hypot(*moved)) / max(x1 - x0, y1 - y0, 1.0) / elapsed_s
            cutoff_hz = STEADY_HZ + FOLLOW_HZ_PER_SPEED * speed
            share = 1 / (1 + 1 / (2 * math.pi * cutoff_hz * elapsed_s))
            track.points = track.points + np.float32(share) * (mesh.points - track.points)
        track.seen_s = now_s

    def _drop_doubles(self, seen: dict[int, Mesh]) -> list[_Track]:
        """Two tracks that slid onto one face: the older one stays."""
        dropped: list[_Track] = []
        for newer in sorted(self._tracks, key=lambda track: track.track_id, reverse=True):
            older = [t for t in self._tracks if t.track_id < newer.track_id and t.track_id in seen]
            if newer.track_id in seen and _covers(older, newer.box):
                dropped.append(newer)
                del seen[newer.track_id]
        self._tracks = [t for t in self._tracks if t not in dropped]
        return dropped

    def _meet(self, frame: Frame, detections: Sequence[Detection], seen: dict[int, Mesh]) -> None:
        """Gives detections to tracks that were lost from sight, or makes new tracks of them."""
        for detection in detections:
            if _covers([t for t in self._tracks if t.track_id in seen], detection.box):
                continue
            mesh = self._mesh(frame.image, roi_of_detection(detection))
            if mesh.score < MIN_SCORE:
                continue
            box = cropping.box_of(mesh.points)
            if _covers([t for t in self._tracks if t.track_id in seen], box):
                continue
            track = self._nearest_unseen(box, seen)
            if track is not None:
                track.points, track.seen_s = mesh.points, frame.pts_s
            elif len(self._tracks) < self._max_faces:
                track = _Track(self._next_id, mesh.points, frame.pts_s)
                self._next_id += 1
                self._tracks.append(track)
            else:
                continue
            seen[track.track_id] = mesh

    def _nearest_unseen(self, box: tuple[float, ...], seen: dict[int, Mesh]) -> _Track | None:
        """The unseen track whose last place is nearest to `box`, if any is within reach."""
        center, side = _center(box), max(box[2] - box[0], box[3] - box[1])
        unseen = [t for t in self._tracks if t.track_id not in seen]
        near = [(math.dist(center, _center(t.box)), t.track_id, t) for t in unseen]
        near = [entry for entry in near if entry[0] <= REACH * side]
        return min(near)[2] if near else None

    def _crop(self, image: NDArray[np.uint8], track: _Track, score: float) -> FaceCrop:
        picture = cut(image, track.points, self._framing)
        return FaceCrop(
            image=picture,
            box=track.box,
            landmarks=track.points,
            pose_deg=cropping.pose_deg(track.points),
            sharpness=cropping.sharpness(picture),
            brightness=cropping.brightness(picture),
            track_id=track.track_id,
            score=score,
        )


def _covers(tracks: Sequence[_Track], box: tuple[float, ...]) -> bool:
    """True when one of the tracks is at `box`."""
    if not tracks:
        return False
    boxes = np.array([track.box for track in tracks])
    return bool((overlap(np.array(box), boxes) > SAME_FACE_IOU).any())


def _center(box: tuple[float, ...]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _unseen(track: _Track, now_s: float) -> HeldFace:
    return HeldFace(track.track_id, track.box, now_s - track.seen_s)
