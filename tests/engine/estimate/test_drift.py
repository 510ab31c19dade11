"""Drift: when a reason begins and ends, without flicker."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtclar.engine.data_types import Estimate, FaceCrop
from mtclar.engine.estimate.drift import ADVICE, LIMITS, MEMORY_S, RESTART_AFTER_S, DriftWatch
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.support_set import SupportSet

STEP_S = 0.04


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
        encoder=EncoderIdentity(),
        conditions=conditions if known else None,
    )


def crop(brightness: float = 110, sharpness: float = 250, yaw: float = 0, pitch: float = 0) -> FaceCrop:
    image = np.zeros((4, 4), np.uint8)
    return FaceCrop(image, (0, 0, 4, 4), np.zeros((1, 3)), (yaw, pitch, 0), sharpness, brightness, 0, 1.0)


def estimate(*, inside: bool = True) -> Estimate:
    return Estimate(0, 0, 0.1, 0.1, np.zeros(2, np.float32), 0, inside, (0.0, 0.0))


def after(watch: DriftWatch, seconds: float, from_s: float, face: FaceCrop, *, inside: bool = True) -> list:
    """What holds at every step of a while."""
    steps = round(seconds / STEP_S)
    return [watch(from_s + i * STEP_S, face, estimate(inside=inside)) for i in range(steps)]


def limit(reason: str) -> tuple[float, float]:
    return next((one.begin, one.end) for one in LIMITS if one.reason == reason)


@pytest.mark.parametrize(
    ("face", "reason"),
    [
        (crop(brightness=70, sharpness=160), "darker"),
        (crop(brightness=170, sharpness=400), "brighter"),
        (crop(sharpness=40), "blurred"),
        (crop(yaw=20), "turned"),
        (crop(yaw=-20), "turned"),
        (crop(pitch=-15), "turned"),
        (crop(pitch=15), "turned"),
    ],
)
def test_each_reason_begins_and_ends(face: FaceCrop, reason: str) -> None:
    watch = DriftWatch(support_set())
    held = after(watch, 20, 0, face)
    begun = next(i for i, now in enumerate(held) if now) * STEP_S
    assert begun == pytest.approx(MEMORY_S, abs=2 * STEP_S)
    assert set(held[round(begun / STEP_S) :]) == {(reason,)}
    back = after(watch, 40, 20, crop())
    ended = next(i for i, now in enumerate(back) if not now)
    assert set(back[ended:]) == {()}


def test_darkness_and_blur_are_told_apart() -> None:
    darker = crop(brightness=110 / 3, sharpness=250 / 9)  # as a camera shows a third of the light
    assert after(DriftWatch(support_set()), 20, 0, darker)[-1] == ("darker",)
    assert after(DriftWatch(support_set()), 20, 0, crop(sharpness=250 / 9))[-1] == ("blurred",)


def test_a_late_change_is_reported() -> None:
    watch = DriftWatch(support_set())
    assert set(after(watch, 60, 0, crop())) == {()}
    begin, end = limit("turned")
    turned = after(watch, 60, 60, crop(yaw=5 + 2 * begin))  # 5: the largest yaw of a support frame
    begun = next(i for i, now in enumerate(turned) if now) * STEP_S
    assert begun == pytest.approx(-MEMORY_S * np.log(1 - (5 + begin) / (5 + 2 * begin)), abs=3 * STEP_S)
    back = after(watch, 60, 120, crop())
    ended = next(i for i, now in enumerate(back) if not now) * STEP_S
    assert ended == pytest.approx(-MEMORY_S * np.log((5 + end) / (5 + 2 * begin)), abs=0.2)


def test_unlike_faces_are_reported() -> None:
    watch = DriftWatch(support_set())
    assert after(watch, 30, 0, crop(), inside=False)[-1] == ("unlike",)
    assert ADVICE["unlike"]


def test_some_uncovered_frames_are_nothing_unusual() -> None:
    watch = DriftWatch(support_set())
    for i in range(3000):
        assert watch(i * STEP_S, crop(), estimate(inside=i % 4 == 0)) == ()


def test_turning_to_both_sides_is_no_drift() -> None:
    watch = DriftWatch(support_set())
    for i in range(3000):
        assert watch(i * STEP_S, crop(yaw=30.0 * (-1) ** (i // 20)), estimate()) == ()


def test_hysteresis_between_the_limits() -> None:
    between = crop(brightness=100 / 1.15, sharpness=250 / 1.15)
    assert after(DriftWatch(support_set()), 60, 0, between)[-1] == ()
    watch = DriftWatch(support_set())
    after(watch, 20, 0, crop(brightness=70, sharpness=160))
    assert after(watch, 60, 20, between)[-1] == ("darker",)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_noise_about_a_limit_makes_no_flicker(seed: int) -> None:
    rng = np.random.default_rng(seed)
    watch = DriftWatch(support_set())
    at = 100 / np.exp(limit("darker")[0])
    held = [
        bool(watch(i * STEP_S, crop(brightness=float(at * np.exp(rng.normal(0, 0.1)))), estimate()))
        for i in range(1500)
    ]
    assert sum(one != other for one, other in pairwise(held)) <= 1


def test_support_without_conditions() -> None:
    watch = DriftWatch(support_set(known=False))
    assert after(watch, 20, 0, crop(brightness=1, yaw=90), inside=False)[-1] == ("unlike",)


def test_restart_after_a_long_gap_or_a_jump_back() -> None:
    for gap_s in (100.0, -15.0):
        watch = DriftWatch(support_set())
        assert after(watch, 20, 0, crop(), inside=False)[-1] == ("unlike",)
        assert watch(20 + gap_s, crop(), estimate(inside=False)) == ()


def test_short_gaps_are_bridged() -> None:
    watch = DriftWatch(support_set())
    assert after(watch, 20, 0, crop(yaw=40))[-1] == ("turned",)
    assert watch(20 + 0.1 * RESTART_AFTER_S, crop(), estimate()) == ("turned",)


@given(
    conditions=st.lists(st.tuples(*[st.floats(-1e4, 1e4, width=32)] * 4), min_size=2, max_size=2),
    face=st.tuples(*[st.floats(-1e4, 1e4)] * 4),
)
def test_strange_numbers_give_reasons_and_no_error(
    conditions: list[tuple[float, ...]], face: tuple[float, ...]
) -> None:
    watch = DriftWatch(replace(support_set(), conditions=np.array(conditions, np.float32)))
    said = after(watch, 2 * MEMORY_S, 0, crop(*face))[-1]
    assert set(said) <= set(ADVICE)
