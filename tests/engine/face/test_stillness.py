"""A face that does not change keeps its values; one that does, however slowly, is measured."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mtclar.engine.data_types import Affect, Faces, Frame
from mtclar.engine.face.stillness import EVERY_FRAME, Looks
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker

FPS = 30
BOUND = 0.005  # error of V/A that skipping may cost
STILL = Looks(skip_still=True)
ECONOMY = Looks(per_s=10.0)


def run(tracker: Tracker, images: Iterable[np.ndarray]) -> Iterator[tuple[Faces, Affect]]:
    """The faces of each image, and the only one's affect."""
    for seq, image in enumerate(images):
        frame = replace(Frame.of(image, seq / FPS), seq=seq)
        faces = tracker.find(frame)
        (affect,) = tracker.estimate(frame, faces)
        yield faces, affect


def values(affect: Affect) -> np.ndarray:
    return np.array([affect.valence, affect.arousal])


def noisy(image: np.ndarray, count: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(5)
    for _ in range(count):
        yield np.clip(image + rng.normal(0, 1, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def photo(astronaut: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(astronaut[:300, :400])


def test_a_still_face_keeps_its_values_within_the_bound(photo: np.ndarray) -> None:
    with Tracker.open() as measuring, Tracker.open(looks=STILL) as skipping:
        kept, errors = 0, []
        for (faces, mine), (_, theirs) in zip(
            run(skipping, noisy(photo, 75)), run(measuring, noisy(photo, 75)), strict=True
        ):
            kept += faces.crops[0].kept
            assert mine.state == "ok"
            assert mine.raw is not None
            assert mine.pose_deg is not None
            errors.append(np.abs(values(mine) - values(theirs)).max())
    assert kept > 30  # of the 45 frames after the first second and a half
    assert max(errors) <= BOUND


def test_a_face_that_changes_slowly_is_measured_again(photo: np.ndarray) -> None:
    """Its lower half grows darker by one grey level in five frames, less than any two frames show."""
    mask = np.zeros(photo.shape, np.float32)
    mask[150:] = 1

    def images() -> Iterator[np.ndarray]:
        yield from (photo for _ in range(50))
        for i in range(40):
            yield np.clip(photo - mask * i / 5, 0, 255).astype(np.uint8)

    with Tracker.open(looks=STILL) as tracker:
        kept = [faces.crops[0].kept for faces, _ in run(tracker, images())]
    assert any(kept[35:50])
    assert not any(kept[65:])  # after two grey levels


def test_a_jump_is_seen_in_its_first_frame(photo: np.ndarray) -> None:
    moved = np.roll(photo, 6, axis=1)
    with Tracker.open(looks=STILL) as tracker:
        faces = [faces for faces, _ in run(tracker, [*[photo] * 50, moved])]
    assert any(one.crops[0].kept for one in faces[-8:-1])
    assert not faces[-1].crops[0].kept
    shift = faces[-1].crops[0].landmarks[:, 0].mean() - faces[-2].crops[0].landmarks[:, 0].mean()
    assert shift == pytest.approx(6, abs=1)


def test_by_default_every_frame_is_measured(photo: np.ndarray) -> None:
    assert Looks() == EVERY_FRAME
    with Tracker.open() as tracker:
        assert not any(faces.crops[0].kept for faces, _ in run(tracker, [photo] * 50))


def test_a_new_support_set_is_used_at_once_for_a_face_that_is_still(photo: np.ndarray) -> None:
    happy = SupportSet.from_images([photo], [(0.8, 0.2)], subject="eileen")
    sad = SupportSet.from_images([photo], [(-0.8, 0.2)], subject="eileen")
    with Tracker.open([happy], looks=STILL) as tracker:
        affects = []
        for seq in range(48):
            frame = replace(Frame.of(photo, seq / FPS), seq=seq)
            faces = tracker.find(frame)
            if faces.crops[0].kept and not any(affect.raw.valence < 0 for affect in affects):
                tracker.replace_support(sad)
            affects += tracker.estimate(frame, faces)
    assert affects[0].raw.valence == pytest.approx(0.8, abs=0.1)
    assert affects[-1].raw.valence == pytest.approx(-0.8, abs=0.1)


def test_economy_looks_ten_times_a_second_with_values_on_a_line_between(photo: np.ndarray) -> None:
    dark = cv2.convertScaleAbs(photo, alpha=0.4)
    images = [*[photo] * 12, *[dark] * 12]
    with Tracker.open(looks=ECONOMY, smoother="none") as tracker:
        seen = list(run(tracker, images))
    looks = [seq for seq, (faces, _) in enumerate(seen) if not faces.crops[0].kept]
    assert looks[:4] == [0, 3, 6, 9]
    assert len(looks) == 8
    raw = [affect.raw.valence for _, affect in seen]
    assert raw[12] != pytest.approx(raw[11], abs=1e-6)  # the look that sees the dark picture
    shown = [affect.valence for _, affect in seen]
    assert shown[12] == pytest.approx(raw[9])  # the line begins there ...
    assert shown[13] == pytest.approx(raw[9] + (raw[12] - raw[9]) / 3)
    assert shown[15] == pytest.approx(raw[12])  # ... and ends at the next look


def test_economy_looks_for_a_missing_face_no_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    from mtclar.engine.face.detector import Detector

    searched: list[int] = []
    whole = Detector.__call__
    monkeypatch.setattr(Detector, "__call__", lambda self, image: searched.append(1) or whole(self, image))
    empty = np.full((120, 160, 3), 90, np.uint8)
    for looks, most in ((EVERY_FRAME, 30), (ECONOMY, 11)):
        searched.clear()
        with Tracker.open(looks=looks) as tracker:
            for seq in range(30):
                assert tracker(empty, seq / FPS) == ()
        assert most - 3 < len(searched) <= most
