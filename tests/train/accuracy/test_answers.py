"""Finding and encoding faces: same crops as the tracker, the labelled face of several, counts of misses."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtclar.engine.data_types import Frame
from mtclar.engine.face.crop import FRAMING
from mtclar.engine.tracker import Tracker
from mtclar.train.accuracy.answers import Networks
from mtclar.train.data.ferplus import Photos
from mtclar.train.data.labelled import UNKNOWN, Clip, Stills
from mtclar.train.data.rendered_people import People
from mtclar.train.progress import silent

from . import scenes

SEEN = silent("", 0)


@pytest.fixture(scope="module")
def networks() -> Iterator[Networks]:
    with Networks() as opened:
        yield opened


def stills(folder: Path, pictures: list[np.ndarray], **more: object) -> Stills:
    files = [folder / f"{i}.png" for i in range(len(pictures))]
    for file, picture in zip(files, pictures, strict=True):
        cv2.imwrite(str(file), picture)
    va = np.linspace(-0.5, 0.5, 2 * len(files), dtype=np.float32).reshape(-1, 2)
    return Stills(files=files, va=va, expression=np.full(len(files), UNKNOWN), **more)  # type: ignore[arg-type]


def two_faces() -> np.ndarray:
    """A large face on the left, a smaller one on the right."""
    scene = scenes.in_scene(800, 480, x=20, y=60, side=380)
    scene[120:420, 450:750] = cv2.resize(scenes.astronaut()[0:300, 80:380], (300, 300))
    return scene


def test_still_crop_equals_tracker_crop(networks: Networks) -> None:
    scene = scenes.in_scene()
    with Tracker.open() as tracker:
        (crop,) = tracker.find(Frame(scene, 0, 0.0, "file", 0.0, "")).crops
    for _ in range(2):  # and nothing is remembered from one still to the next
        np.testing.assert_array_equal(networks.finder.in_still(scene), crop.image)


def test_tight_face_is_found_with_a_border(networks: Networks) -> None:
    with Tracker.open() as tracker:
        assert not tracker.find(Frame(scenes.tight(), 0, 0.0, "file", 0.0, "")).crops, "not at first sight"
    assert networks.finder.in_still(scenes.tight()) is not None


def test_only_the_face_at_the_box_is_used(networks: Networks) -> None:
    scene = two_faces()
    right = np.array([548, 195, 632, 320], np.float32)
    nowhere = np.array([410, 5, 490, 90], np.float32)
    largest, small = networks.finder.in_still(scene), networks.finder.in_still(scene, right)
    assert largest is not None
    assert small is not None
    assert np.abs(largest.astype(int) - small).mean() > 1
    assert networks.finder.in_still(scene, nowhere) is None
    unsaid = networks.finder.in_still(scene, np.full(4, np.nan, np.float32))
    np.testing.assert_array_equal(unsaid, largest)


def test_photos_without_a_face_are_counted(networks: Networks, tmp_path: Path) -> None:
    empty = np.full((240, 320, 3), 127, np.uint8)
    subject = np.array(["a", "b", "c"])
    answers = networks.of_stills(
        stills(tmp_path, [scenes.in_scene(), empty, scenes.tight()], subject=subject), SEEN
    )
    assert (len(answers), answers.no_face) == (2, 1)
    np.testing.assert_allclose(answers.va, [[-0.5, -0.3], [0.3, 0.5]], atol=1e-6)
    assert answers.subject is not None
    assert answers.subject.tolist() == ["a", "c"]
    assert answers.encoded.embedding.shape == (2, networks.encoder.embedding_dim)
    assert answers.encoded.absolute[0, 0] > 0.2, "she smiles"


def test_each_photo_is_encoded_once(networks: Networks, tmp_path: Path) -> None:
    seen: list[int] = []
    answers = networks.of_stills(stills(tmp_path, [np.zeros((64, 64, 3), np.uint8)] * 3), seen.append)
    assert sum(seen) == 3
    assert (len(answers), answers.no_face) == (0, 3)


def clip(frames: list[np.ndarray | None], va: list[float], **more: object) -> Clip:
    labels = np.stack([va, va], 1).astype(np.float32)
    return Clip("one", "somebody", 25.0, labels, lambda: iter(frames), **more)  # type: ignore[arg-type]


def test_clips_are_tracked_without_unlabelled_frames(networks: Networks) -> None:
    scene, empty = scenes.in_scene(), np.full((480, 640, 3), 127, np.uint8)
    frames = [scene, scene, None, empty, scene]
    answers = networks.of_clips([clip(frames, [0.1, np.nan, 0.3, 0.4, 0.5]), clip([scene], [0.2])], SEEN)
    assert answers.clip is not None
    assert answers.frame is not None
    assert answers.clip.tolist() == [0, 0, 1]
    assert answers.frame.tolist() == [0, 4, 0]
    np.testing.assert_allclose(answers.va[:, 0], [0.1, 0.5, 0.2], atol=1e-6)
    assert (answers.no_face, answers.unlabelled) == (2, 1)
    np.testing.assert_array_equal(answers.encoded.embedding[0], answers.encoded.embedding[2])


def test_the_person_on_the_labelled_side(networks: Networks) -> None:
    scene = two_faces()
    left, right = (networks.of_clips([clip([scene], [0.0], side=side)], SEEN) for side in ("left", "right"))
    assert not np.allclose(left.encoded.embedding, right.encoded.embedding)
    lone = clip([scenes.in_scene(x=20)], [0.0], side="right")
    assert networks.of_clips([lone], SEEN).no_face == 1, "the only face is on the other side"


def test_existing_crops_are_encoded(networks: Networks) -> None:
    face = networks.finder.in_still(scenes.in_scene())
    assert face is not None
    va = np.zeros((1, 2), np.float32)
    alone = networks.encoder(face[None])
    photos = Photos(
        images=face[None],
        expression=np.eye(8, dtype=np.float32)[:1],
        va=va,
        label=np.zeros(1, np.int64),
        majority=np.ones(1, bool),
        collected=np.zeros(1, np.int64),
    )
    np.testing.assert_array_equal(networks.of_photos(photos, SEEN).encoded.embedding, alone.embedding)
    wide = np.pad(face, 4)[None]
    people = People(images=wide, va=va, person=np.array([1003]))
    answers = networks.of_people(people, SEEN)
    assert face.shape[0] == FRAMING.size
    np.testing.assert_array_equal(answers.encoded.embedding, alone.embedding)
    assert answers.subject is not None
    assert answers.subject.tolist() == ["1003"]
