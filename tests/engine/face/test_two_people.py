"""Who is who among two people: through crossings, behind one another, gone for a moment; and looks by themselves."""

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.media.two_people import HEIGHT, Place, ids_of, scene, walk

from mtclar.engine.face.appearance import MEMORY_S, appearance_at, appearance_distance, blend_appearance
from mtclar.engine.face.detector import Detector
from mtclar.engine.face.face_tracker import FaceTracker
from mtclar.engine.face.landmarks import FaceMesh
from mtclar.engine.face.track_registry import HOLD_S


@pytest.fixture
def tracker(detector: Detector, face_mesh: FaceMesh) -> FaceTracker:
    return FaceTracker(detector, face_mesh)


def followed(
    tracker: FaceTracker,
    people: Mapping[str, Place],
    seconds: float,
    scales: Mapping[str, float] | None = None,
) -> Iterator[dict[str, int]]:
    """Who has which number, frame by frame."""
    for frame in scene(people, seconds, scales=scales):
        yield ids_of(tracker(frame), {name: place(frame.pts_s) for name, place in people.items()})


@pytest.mark.parametrize("seconds", [1.0, 2.5])
@pytest.mark.parametrize(
    "scales", [{"anna": 0.8, "ben": 0.8}, {"anna": 0.7, "ben": 0.9}, {"anna": 0.9, "ben": 0.7}]
)
def test_people_walking_past_each_other_keep_ids(
    tracker: FaceTracker, seconds: float, scales: Mapping[str, float]
) -> None:
    """Anna is hidden by Ben for a part of the way, also where she is the larger one."""
    people = {"anna": walk(160, 480, seconds), "ben": walk(480, 160, seconds)}
    seen = list(followed(tracker, people, seconds + 2.0, scales))
    assert len(set(seen[5].values())) == 2
    assert seen[-1] == seen[5]


def test_a_fast_walker_keeps_one_track(tracker: FaceTracker) -> None:
    place = walk(100, 540, 1.6)
    off, numbers = [], set()
    for frame in scene({"anna": place}, 3.5):
        for crop in tracker(frame).crops:
            numbers.add(crop.track_id)
            off.append(abs((crop.box[0] + crop.box[2]) / 2 - (place(frame.pts_s) or 0.0)))
    assert len(numbers) == 1
    assert max(off) < 15 + np.median(off)


def test_walking_behind_a_standing_person_keeps_ids(tracker: FaceTracker) -> None:
    people = {"anna": walk(110, 550, 1.2), "ben": lambda _: 330.0}
    seen = list(followed(tracker, people, 3.5))
    assert len(set(seen[5].values())) == 2
    assert seen[-1] == seen[5]


def test_approaching_people_keep_ids(tracker: FaceTracker) -> None:
    def there_and_back(start: float, end: float) -> Place:
        out, back = walk(start, end, 1.0), walk(end, start, 1.0, wait_s=2.5)
        return lambda t_s: out(t_s) if t_s < 2.5 else back(t_s)

    people = {"anna": there_and_back(160, 290), "ben": there_and_back(480, 330)}
    seen = list(followed(tracker, people, 5.0))
    assert len(set(seen[5].values())) == 2
    assert seen[-1] == seen[5]


def test_short_gap_keeps_the_track_id_long_gap_does_not(
    tracker: FaceTracker,
) -> None:
    gone_s = {"short": (1.0, 1.0 + 0.6 * HOLD_S), "long": (3.0, 3.5 + HOLD_S)}

    def anna(t_s: float) -> float | None:
        return None if any(start <= t_s < end for start, end in gone_s.values()) else 160.0

    seen = list(followed(tracker, {"anna": anna, "ben": lambda _: 480.0}, 6.0))
    between = seen[round(2.5 * 15)]
    assert between == seen[5]
    assert seen[-1]["ben"] == seen[5]["ben"]
    assert seen[-1]["anna"] not in seen[5].values()


def test_appearance_separates_two_people() -> None:
    def look(name: str, scale: float, shift: float = 0.0) -> np.ndarray:
        (frame,) = scene({name: lambda _: 300.0}, 1 / 15, scales={name: scale})
        middle, top = 300.0 + shift, HEIGHT - 210 * scale
        return appearance_at(frame.image, (middle - 60 * scale, top, middle + 60 * scale, top + 135 * scale))

    for name, other in (("anna", "ben"), ("ben", "anna")):
        again = max(
            appearance_distance(look(name, 0.8), look(name, 0.6)),
            appearance_distance(look(name, 0.8), look(name, 0.8, 4.0)),
        )
        assert again < 0.5 * appearance_distance(look(name, 0.8), look(other, 0.8))


@given(seed=st.integers(0, 1000), share=st.floats(0, 5))
def test_a_look_moves_towards_what_is_seen(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    before, now = (rng.random((12, 12, 3)).astype(np.float32) for _ in range(2))
    after = blend_appearance(before, now, share * MEMORY_S)
    assert appearance_distance(after, now) == pytest.approx(
        np.exp(-share) * appearance_distance(before, now), rel=1e-3, abs=1e-5
    )
    assert blend_appearance(None, now, 1.0) is now


def test_appearance_of_a_box_beyond_the_image() -> None:
    image = np.full((40, 40, 3), 51, np.uint8)
    np.testing.assert_allclose(appearance_at(image, (-30, -30, 10, 100)), 0.2, atol=1e-6)
    assert appearance_at(image[..., 0], (0, 0, 9, 9)).shape == (12, 12, 1)
