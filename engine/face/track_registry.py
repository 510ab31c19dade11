"""The tracks of a stream's faces: matched from frame to frame, held while unseen, lost after a while."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Box, FaceCrop, Faces, Frame, HeldFace
from mtclar.engine.face.appearance import Appearance, appearance_distance
from mtclar.engine.face.boxes import area, distance, side
from mtclar.engine.face.crop import (
    FRAMING,
    Framing,
    box_of,
    brightness,
    cut_off,
    pose_deg,
    sample,
    sharpness,
    square_of,
)
from mtclar.engine.face.crop_stabilizer import CropStabilizer
from mtclar.engine.face.features.blendshapes import BlendshapeNetwork
from mtclar.engine.face.features.eyes import EyeOpening
from mtclar.engine.face.features.mouth import Talking, mouth_opening
from mtclar.engine.face.landmarks import Mesh
from mtclar.engine.face.stillness import EVERY_FRAME, Looks, Stillness
from mtclar.engine.spans import spanned

HOLD_S = 1.0
REACH = 0.7  # distance that an unseen face may have moved, in its own sides ...
REACH_PER_S = 1.5  # ... and how much further with every second
SIZE_RATIO = 1.6  # factor by which its size may have changed
AMBIGUOUS_REACH = 2.5  # REACH of a face that vanished near another one
MOVING = 0.08  # sides a frame: the position of a faster face is predicted ...
STEP_AHEAD = 0.5  # ... at most so many of its sides ahead
STALE_S = 0.25  # after a longer gap between two frames the detector searches the whole frame again


@dataclass(slots=True, eq=False)
class Track:
    """One face from its first frame to its loss."""

    track_id: int
    points: NDArray[np.float32]  # [L, 3] where it was last seen
    box: Box
    seen_s: float  # source time of that
    born_s: float = 0.0  # source time of its first frame
    present: bool = True  # seen in the latest frame
    appearance: Appearance | None = None  # average while no other face was near
    ambiguous_until_s: float = -math.inf  # source time until which appearance decides: another face was near
    velocity: tuple[float, float] = (0.0, 0.0)  # pixels a second, from the two latest frames that show it
    stabilizer: CropStabilizer = field(default_factory=CropStabilizer)
    eye_opening: EyeOpening = field(default_factory=EyeOpening)
    talking: Talking = field(default_factory=Talking)
    stillness: Stillness | None = None  # None: measured in every frame


class TrackRegistry:
    """The tracks of one stream: numbers faces, holds those that are gone for a moment, reports a lost one once.

    A number is never used twice, not even after `reset`.
    """

    def __init__(
        self,
        framing: Framing = FRAMING,
        hold_s: float = HOLD_S,
        blendshapes: BlendshapeNetwork | None = None,
        looks: Looks = EVERY_FRAME,
    ) -> None:
        self._looks = looks
        self.tracks: list[Track] = []  # oldest first
        self._framing = framing
        self._blendshapes = blendshapes
        self._hold_s = hold_s
        self._next_id = 0

    def reset(self) -> None:
        """Forgets all faces."""
        self.tracks.clear()

    def rewind(self, t_s: float) -> None:
        """The source's time went back to `t_s`: unseen faces are held as if last seen then."""
        for track in self.tracks:
            track.seen_s = t_s

    def start(self, mesh: Mesh, t_s: float) -> Track:
        """Starts the track of a new face."""
        track = Track(self._next_id, mesh.points, box_of(mesh.points), t_s, born_s=t_s)
        if self._looks != EVERY_FRAME:
            track.stillness = Stillness(self._looks)
        self._next_id += 1
        self.tracks.append(track)
        return track

    def match(
        self,
        boxes: Sequence[Box],
        tracks: Iterable[Track],
        t_s: float,
        appearances: Sequence[Appearance] = (),
    ) -> dict[int, Track]:
        """Index of a box -> the track that it continues: greedily, the nearest pair first, each used once.

        An ambiguous track is matched by appearance where `appearances` of the boxes are given, any other by distance.
        """
        pairs = []
        for track in tracks:
            unseen_s = min(max(t_s - track.seen_s, 0.0), self._hold_s)
            for i, box in enumerate(boxes):
                ratio = side(box) / max(side(track.box), 1e-9)
                apart = distance(box, track.box) / max(side(track.box), 1e-9)
                reach = REACH + REACH_PER_S * unseen_s
                if t_s <= track.ambiguous_until_s and track.appearance is not None and appearances:
                    reach = max(reach, AMBIGUOUS_REACH)
                    apart = reach * appearance_distance(track.appearance, appearances[i])
                if apart < reach and 1 / SIZE_RATIO < ratio < SIZE_RATIO:
                    pairs.append((apart, track.track_id, i, track))
        found: dict[int, Track] = {}
        for _, _, i, track in sorted(pairs, key=lambda pair: pair[:3]):
            if i not in found and track not in found.values():
                found[i] = track
        return found

    def report(self, frame: Frame, meshes: Mapping[Track, Mesh]) -> Faces:
        """Updates the tracks with this frame's meshes; crops of seen faces, largest first, and those held or lost."""
        t_s = frame.pts_s
        held: list[HeldFace] = []
        lost: list[HeldFace] = []
        for track in self.tracks:
            mesh = meshes.get(track)
            track.present = mesh is not None
            if mesh is not None:
                box = box_of(mesh.points)
                track.velocity = velocity(track.box, box, t_s - track.seen_s)
                track.points, track.box, track.seen_s = mesh.points, box, t_s
                continue
            unseen_s = max(t_s - track.seen_s, 0.0)
            (held if unseen_s <= self._hold_s else lost).append(HeldFace(track.track_id, track.box, unseen_s))
        gone = {face.track_id for face in lost}
        self.tracks = [track for track in self.tracks if track.track_id not in gone]
        crops = [self._crop(frame, track, mesh) for track, mesh in meshes.items()]
        crops.sort(key=lambda crop: -area(crop.box))
        return Faces(tuple(crops), tuple(held), tuple(lost))

    @spanned("align")
    def _crop(self, frame: Frame, track: Track, mesh: Mesh) -> FaceCrop:
        stillness = track.stillness
        if stillness is not None and mesh is stillness.mesh:
            return stillness.kept()
        square = track.stabilizer(frame.pts_s, square_of(mesh.points, self._framing))
        image = sample(frame.image, square, self._framing.size)
        blendshapes = mesh.blendshapes
        if blendshapes is None and self._blendshapes is not None:
            blendshapes = self._blendshapes(mesh.points)
        crop = FaceCrop(
            image=image,
            box=track.box,
            landmarks=mesh.points,
            pose_deg=pose_deg(mesh.points),
            sharpness=sharpness(image),
            brightness=brightness(image),
            track_id=track.track_id,
            score=mesh.score,
            eye_opening=track.eye_opening(frame.pts_s, mesh.points),
            mouth_opening=mouth_opening(mesh.points),
            talking=track.talking(frame.pts_s, mesh.points),
            blendshapes=blendshapes,
            cut_off=cut_off(mesh.points, *frame.image.shape[:2]),
        )
        return crop if stillness is None else stillness.measured(frame.pts_s, mesh, square, crop)


def predicted_points(track: Track, t_s: float) -> NDArray[np.float32]:
    """The predicted landmarks of a face at `t_s`: the last ones, moved on if the face moves fast."""
    passed_s = t_s - track.seen_s
    x, y = (speed * passed_s for speed in track.velocity)
    step, length = math.hypot(x, y), side(track.box)
    if step < MOVING * length:
        return track.points
    share = min(1.0, STEP_AHEAD * length / step)
    return np.asarray(track.points + np.array([share * x, share * y, 0.0], np.float32))


def velocity(before: Box, now: Box, passed_s: float) -> tuple[float, float]:
    """Velocity of a box's centre in pixels a second; 0 after a jump, when the face was detected again or swapped."""
    x, y = ((now[i] + now[i + 2] - before[i] - before[i + 2]) / 2 for i in (0, 1))
    if not 0.0 < passed_s <= STALE_S or math.hypot(x, y) > side(now):
        return 0.0, 0.0
    return x / passed_s, y / passed_s
