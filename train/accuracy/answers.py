"""Encodes every labelled face of a data set: faces are found, cut and encoded as at run time.

Faces of every pose, size and sharpness are measured: the quality limits of the tracker are not applied, because
excluding the hard pictures would overstate the accuracy.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine import models
from mtclar.engine.backends.session import Closeable, InferenceSession, open_session
from mtclar.engine.data_types import Encoded, FaceCrop, Frame
from mtclar.engine.errors import ModelError, UsageError
from mtclar.engine.estimate.comparer import bundled_params, params_for
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.face.boxes import same_face
from mtclar.engine.face.crop import FRAMING, Framing
from mtclar.engine.face.detector import PORTRAIT_BORDER, Detector
from mtclar.engine.face.face_tracker import MAX_FACES, FaceTracker
from mtclar.engine.face.landmarks import FaceMesh
from mtclar.train.data.ferplus import CROWD_SHARES, Photos
from mtclar.train.data.labelled import UNKNOWN, Clip, DatasetError, Picture, Stills
from mtclar.train.data.rendered_people import People
from mtclar.train.progress import Advance

BATCH = 64
NETWORKS = ("encoder", "pair")
FINDERS = ("face_detector", "face_mesh")

T = TypeVar("T")
Crop = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """n labelled faces and the encoder's outputs for them."""

    encoded: Encoded
    va: NDArray[np.float32]  # [n, 2] labels
    expression: NDArray[np.int64]  # [n] index in EXPRESSIONS, or UNKNOWN
    majority: NDArray[np.bool_] | None = None  # [n] in FER+'s subset that papers report
    log_prior: NDArray[np.float32] | None = None  # [8] class prior, for logits that do not include one
    subject: NDArray[np.str_] | None = None  # [n] person; empty: unknown
    clip: NDArray[np.int64] | None = None  # [n] number of its clip
    frame: NDArray[np.int64] | None = None  # [n] its number in the clip
    time_s: NDArray[np.float64] | None = None  # [n] from the clip's first frame
    clip_names: tuple[str, ...] = ()  # by number
    no_face: int = 0  # labelled pictures without a detected face at the labelled place
    unreadable: tuple[str, ...] = ()  # pictures that cannot be read, each with the reason
    unlabelled: int = 0  # pictures that the data set marks as unlabelled

    def __len__(self) -> int:
        return len(self.va)

    @property
    def nameless(self) -> int:
        """Number of faces of unknown people in data with people: they are neither support nor query."""
        return 0 if self.subject is None else int((self.subject == "").sum())


class Networks(Closeable):
    """The sessions of the four networks; a context manager.

    `folder` holds the encoder and the pair network with their cards, as `export` writes them, and optionally the
    constants of the comparison (compare.json). None: the bundled networks. Raises UsageError when a file is missing,
    ModelError when one is damaged.
    """

    def __init__(self, folder: Path | None = None, *, backend: str = "auto", threads: int = 1) -> None:
        if folder is not None:
            _require(folder)
        paths = [models.path(name, folder) for name in NETWORKS]
        self.card = models.card("encoder", folder)
        trained_with = models.card("pair", folder).encoder_sha256
        if trained_with not in (self.card.sha256, None):  # None: an older export
            raise ModelError(f"{paths[1]} was trained with another encoder", models.EXPORT_AGAIN)
        self.params = bundled_params() if folder is None else params_for(self.card.sha256, folder)
        with ExitStack() as sessions:

            def open_one(path: Path) -> InferenceSession:
                return sessions.enter_context(open_session(path, backend, threads))

            encoder, self.pair = map(open_one, paths)
            detector, mesh = (open_one(models.path(name)) for name in FINDERS)
            self.encoder = Encoder(encoder)
            self.backend = encoder.backend  # for display; only the encoder may run as an int8 copy
            self.finder = FaceFinder(Detector(detector), FaceMesh(mesh), self.card.identity.framing)
            self._sessions = sessions.pop_all()

    def close(self) -> None:
        """Closes the sessions; safe to call twice."""
        self._sessions.close()

    def of_photos(self, photos: Photos, advance: Advance) -> Answers:
        """Encodes FER+ pictures, which are already crops."""
        found = (_fitted(image, self.encoder.size) for image in _counted(photos.images, advance))
        return Answers(
            encoded=encode(self.encoder, found),
            va=photos.va,
            expression=photos.label,
            majority=photos.majority,
            log_prior=np.log(CROWD_SHARES, dtype=np.float32) if self.card.prior_free else None,
        )

    def of_people(self, people: People, advance: Advance) -> Answers:
        """Encodes crops of rendered people; the middle of each is the run-time crop."""
        found = (_fitted(image, self.encoder.size) for image in _counted(middles(people.images), advance))
        return Answers(
            encoded=encode(self.encoder, found),
            va=people.va,
            expression=np.full(len(people), UNKNOWN, np.int64),
            subject=people.person.astype(np.str_),
        )

    def of_stills(self, stills: Stills, advance: Advance) -> Answers:
        """Finds and encodes the face of each picture independently."""
        kept: list[int] = []
        unreadable: list[str] = []

        def found() -> Iterator[Crop]:
            for i in _counted(range(len(stills)), advance):
                try:
                    picture = stills.read(i)
                except DatasetError as error:
                    unreadable.append(error.what)
                    continue
                crop = self.finder.in_still(picture, None if stills.boxes is None else stills.boxes[i])
                if crop is not None:
                    kept.append(i)
                    yield crop

        encoded = encode(self.encoder, found())
        rows = np.array(kept, np.int64)
        return Answers(
            encoded=encoded,
            va=stills.va[rows],
            expression=stills.expression[rows],
            subject=None if stills.subject is None else stills.subject[rows],
            no_face=len(stills) - len(rows) - len(unreadable),
            unreadable=tuple(unreadable),
            unlabelled=stills.unlabelled,
        )

    def of_clips(self, clips: Sequence[Clip], advance: Advance) -> Answers:
        """Tracks the face through each clip and encodes the labelled frames."""
        kept: list[tuple[int, int]] = []
        unreadable: list[str] = []
        labelled = [np.flatnonzero(np.isfinite(clip.va).all(axis=1)) for clip in clips]

        def found() -> Iterator[Crop]:
            for number, clip in enumerate(clips):
                wanted = set(labelled[number].tolist())
                for frame, crop in enumerate(_counted(self.finder.in_clip(clip, unreadable), advance)):
                    if crop is not None and frame in wanted:
                        kept.append((number, frame))
                        yield crop

        encoded = encode(self.encoder, found())
        clip_of, frame_of = np.array(kept, np.int64).reshape(-1, 2).T
        total = sum(map(len, labelled))
        va = [clips[number].va[frame] for number, frame in kept]
        return Answers(
            encoded=encoded,
            va=np.array(va, np.float32).reshape(-1, 2),
            expression=np.full(len(kept), UNKNOWN, np.int64),
            subject=np.array([clips[number].subject for number in clip_of], np.str_),
            clip=clip_of,
            frame=frame_of,
            time_s=np.array([frame / clips[number].fps for number, frame in kept], np.float64),
            clip_names=tuple(clip.name for clip in clips),
            no_face=total - len(kept) - len(unreadable),
            unreadable=tuple(unreadable),
            unlabelled=sum(map(len, clips)) - total,
        )


class FaceFinder:
    """Finds and crops the labelled face with the code of the tracker."""

    def __init__(self, detector: Detector, mesh: FaceMesh, framing: Framing = FRAMING) -> None:
        self._one = FaceTracker(detector, mesh, framing, max_faces=1)
        self._all = FaceTracker(detector, mesh, framing, MAX_FACES)

    def in_still(self, picture: Picture, box: NDArray[np.float32] | None = None) -> Crop | None:
        """The largest face, or the face at `box` [4] (nan: not given). None: no such face.

        The detector misses a face that fills the picture. When it finds none, the picture is extended by repeating its
        border pixels and searched again: 1.7 % of tight portraits need it.
        """
        known = None if box is None or np.isnan(box).any() else box
        crop = self._in_still(picture, known)
        if crop is None:
            border = round(PORTRAIT_BORDER * max(picture.shape[:2]))
            wider = cv2.copyMakeBorder(picture, border, border, border, border, cv2.BORDER_REPLICATE)
            crop = self._in_still(np.asarray(wider, np.uint8), None if known is None else known + border)
        return crop

    def in_clip(self, clip: Clip, unreadable: list[str]) -> Iterator[Crop | None]:
        """The labelled face of each frame, tracked through the clip as at run time. None: not found.

        The reasons of labelled frames that cannot be read are added to `unreadable`.
        """
        several = clip.boxes is not None or clip.side is not None
        tracker = self._all if several else self._one
        tracker.reset()
        frames = clip.frames()
        for number in range(len(clip)):
            try:
                picture = next(frames, None)
            except DatasetError as error:
                picture = None
                if np.isfinite(clip.va[number]).all():
                    unreadable.append(error.what)
            if picture is None:
                yield None
                continue
            crops = tracker(_frame(picture, number, number / clip.fps)).crops
            box = None if clip.boxes is None or np.isnan(clip.boxes[number]).any() else clip.boxes[number]
            if clip.side is not None:
                yield _on_side(crops, clip.side, picture.shape[1])
            else:
                yield _chosen(crops, box)

    def _in_still(self, picture: Picture, box: NDArray[np.float32] | None) -> Crop | None:
        tracker = self._one if box is None else self._all
        tracker.reset()
        return _chosen(tracker(_frame(picture)).crops, box)


def encode(encoder: Encoder, crops: Iterable[Crop]) -> Encoded:
    """Encodes the crops in batches; keeps only the outputs."""
    parts, batch = [encoder(np.zeros((0, encoder.size, encoder.size), np.uint8))], []
    for crop in crops:
        batch.append(crop)
        if len(batch) == BATCH:
            parts.append(encoder(np.stack(batch)))
            batch.clear()
    if batch:
        parts.append(encoder(np.stack(batch)))
    return Encoded.concatenate(parts)


def middles(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The run-time crops in the middle of wider crops [n, S, S]."""
    margin = (images.shape[1] - FRAMING.size) // 2
    middle = slice(margin, margin + FRAMING.size)
    return images[:, middle, middle]


def _require(folder: Path) -> None:
    """Raises UsageError when a file of `export` is missing in the folder."""
    names = [f"{name}.{kind}" for name in NETWORKS for kind in ("onnx", "json")]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise UsageError(
            f"{folder} has no {', '.join(missing)}", "`mtclar-stream export CHECKPOINT --out DIR` writes them"
        )


def _frame(picture: Picture, number: int = 0, t_s: float = 0.0) -> Frame:
    return Frame(picture, number, t_capture_s=t_s, clock="file", pts_s=t_s, stream_id="")


def _chosen(crops: Sequence[FaceCrop], box: NDArray[np.float32] | None) -> Crop | None:
    """The largest face, or the largest face at `box`."""
    if box is not None:
        where = (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
        crops = [crop for crop in crops if same_face(crop.box, where)]
    return crops[0].image if crops else None


def _on_side(crops: Sequence[FaceCrop], side: str, width: int) -> Crop | None:
    """The leftmost or rightmost of several faces; a single face only when it is in that half of the picture."""
    across = sorted(crops, key=lambda crop: crop.box[0] + crop.box[2])
    if not across:
        return None
    crop = across[0] if side == "left" else across[-1]
    in_left_half = (crop.box[0] + crop.box[2]) / 2 < width / 2
    return crop.image if len(across) > 1 or in_left_half == (side == "left") else None


def _fitted(image: Crop, size: int) -> Crop:
    """Resizes a crop [S, S] to the input size of the encoder."""
    if image.shape[0] == size:
        return image
    shrinks = image.shape[0] > size
    return np.asarray(
        cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR),
        np.uint8,
    )


def _counted(rows: Iterable[T], advance: Advance) -> Iterator[T]:
    """Yields the rows and reports each one after it was used."""
    for row in rows:
        yield row
        advance(1)
