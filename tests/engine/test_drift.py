"""Drift: what begins and ends a reason, and that nothing flickers."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtclar.engine.crop import FRAMING
from mtclar.engine.drift import ADVICE, BEGIN, END, MEMORY_S, DriftWatch
from mtclar.engine.handover import Estimate, FaceCrop
from mtclar.engine.support import SupportSet

STEP_S = 0.04
BEGINS_S = -MEMORY_S * np.log(1 - BEGIN)  # when every frame is past the limit
ENDS_S = -MEMORY_S * np.log(END)  # from a share of one


def support_set(*, known: bool = True) -> SupportSet:
    """Brightness 100 to 120, sharpness 200 to 300, yaw -5 to 5, pitch 0."""
    conditions = np.array([[100, 200, -5, 0], [120, 300, 5, 0]], np.float32)
    return SupportSet(
        embeddings=np.eye(2, 4, dtype=np.float32),
        absolute=np.zeros((2, 2), np.float32),
        labels=np.zeros((2, 2), np.float32),
        quality=np.ones(2, np.float32),
        times_s=np.zeros(2),
        subject="anna",
        source="",
        created="2026-01-01T00:00:00+00:00",
        model_name="",
        model_sha256="",
        framing=FRAMING,
        conditions=conditions if known else None,
    )


def crop(brightness: float = 110, sharpness: float = 250, yaw: float = 0, pitch: float = 0) -> FaceCrop:
    image = np.zeros((4, 4), np.uint8)
    return FaceCrop(image, (0, 0, 4, 4), np.zeros((1, 3)), (yaw, pitch, 0), sharpness, brightness, 0, 1.0)


def estimate(*, inside: bool = True) -> Estimate:
    return Estimate(0, 0, 0.1, 0.1, np.zeros(2, np.float32), 0, inside)


def after(watch: DriftWatch, seconds: float, from_s: float, face: FaceCrop, *, inside: bool = True) -> list:
    """What holds at every step of a while."""
    steps = round(seconds / STEP_S)
    return [watch(from_s + i * STEP_S, face, estimate(inside=inside)) for i in range(steps)]


@pytest.mark.parametrize(
    ("face", "reason"),
    [
        (crop(brightness=45), "darker"),
        (crop(brightness=190), "brighter"),
        (crop(sharpness=40), "blurred"),
        (crop(yaw=20), "turned"),
        (crop(pitch=-15), "turned"),
    ],
)
def test_each_condition_begins_after_a_while_and_ends_after_a_while(face: FaceCrop, reason: str) -> None:
    watch = DriftWatch(support_set())
    held = after(watch, 20, 0, face)
    begun = next(i for i, now in enumerate(held) if now) * STEP_S
    assert begun == pytest.approx(BEGINS_S, abs=2 * STEP_S)
    assert held[-1] == (reason,)
    back = after(watch, 20, 20, crop())
    ended = next(i for i, now in enumerate(back) if not now) * STEP_S
    assert ended == pytest.approx(ENDS_S, abs=0.1)
    assert back[-1] == ()


def test_faces_unlike_the_support_set_are_said_after_a_while() -> None:
    watch = DriftWatch(support_set())
    assert after(watch, 30, 0, crop(), inside=False)[-1] == ("unlike",)
    assert ADVICE["unlike"]


def test_some_uncovered_frames_are_nothing_unusual() -> None:
    watch = DriftWatch(support_set())
    for i in range(3000):
        assert watch(i * STEP_S, crop(), estimate(inside=i % 2 == 0)) == ()


def test_between_the_limits_what_holds_goes_on_and_what_does_not_never_begins() -> None:
    between = crop(brightness=100 / 1.8)
    assert after(DriftWatch(support_set()), 60, 0, between)[-1] == ()
    watch = DriftWatch(support_set())
    after(watch, 20, 0, crop(brightness=40))
    assert after(watch, 60, 20, between)[-1] == ("darker",)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_noise_about_a_limit_makes_no_flicker(seed: int) -> None:
    rng = np.random.default_rng(seed)
    watch = DriftWatch(support_set())
    held = [
        bool(watch(i * STEP_S, crop(brightness=float(100 / 2.0 * np.exp(rng.normal(0, 0.1)))), estimate()))
        for i in range(1500)
    ]
    assert sum(one != other for one, other in pairwise(held)) <= 1


def test_sets_without_conditions_say_only_what_they_can() -> None:
    watch = DriftWatch(support_set(known=False))
    assert after(watch, 20, 0, crop(brightness=1, yaw=90), inside=False)[-1] == ("unlike",)


def test_a_long_gap_and_a_jump_back_begin_anew() -> None:
    for gap_s in (100.0, -15.0):
        watch = DriftWatch(support_set())
        assert after(watch, 20, 0, crop(), inside=False)[-1] == ("unlike",)
        assert watch(20 + gap_s, crop(), estimate(inside=False)) == ()
