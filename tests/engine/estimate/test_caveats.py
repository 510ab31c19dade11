"""Caveats: a hidden mouth is one once it lasts, makes both values less certain, and does not talk."""

from dataclasses import replace

import numpy as np
import pytest

from mtclar.engine.data_types import FaceCrop
from mtclar.engine.estimate.caveats import HIDDEN_SD, Caveats, Qualified

FPS = 25
FACE = FaceCrop(
    image=np.zeros((48, 48), np.uint8),
    box=(0, 0, 40, 40),
    landmarks=np.zeros((468, 3), np.float32),
    pose_deg=(0, 0, 0),
    sharpness=100,
    brightness=100,
    track_id=0,
    score=1,
)


VALUE, SD = (0.5, 0.2), (0.1, 0.1)


def watched(odds: list[float | None], face: FaceCrop = FACE) -> list[Qualified]:
    caveats = Caveats()
    return [caveats(i / FPS, face, VALUE, SD, one) for i, one in enumerate(odds)]


def test_a_mouth_that_stays_hidden_makes_both_values_less_certain_and_leaves_them() -> None:
    seen = watched([-3.0] * FPS + [3.0] * FPS)
    assert not any("mouth hidden" in one.caveats for one in seen[:FPS])
    assert seen[-1].caveats == ("mouth hidden",)
    assert seen[-1].value == seen[0].value == VALUE
    assert seen[-1].sd == pytest.approx([np.hypot(0.1, more) for more in HIDDEN_SD])
    assert seen[0].sd == SD


def test_single_frames_do_not_count() -> None:
    seen = watched([-2.0] * FPS + [100.0] + [-2.0] * FPS + [100.0, 100.0] + [-2.0] * FPS)
    assert not any(one.caveats for one in seen)


def test_a_still_image_is_judged_by_itself() -> None:
    assert watched([1.0])[0].caveats == ("mouth hidden",)
    assert watched([-1.0])[0].caveats == ()


def test_without_a_probe_nothing_is_said() -> None:
    assert watched([None])[0] == Qualified((), VALUE, SD)


def test_a_hidden_mouth_does_not_talk() -> None:
    talking = replace(FACE, talking=True)
    assert watched([-1.0], talking)[0].caveats == ("talking",)
    assert watched([1.0], talking)[0].caveats == ("mouth hidden",)


def test_after_a_gap_the_mouth_is_judged_anew() -> None:
    caveats = Caveats()
    for i in range(FPS):
        caveats(i / FPS, FACE, VALUE, SD, 4.0)
    assert caveats(10.0, FACE, VALUE, SD, -0.5).caveats == ()
