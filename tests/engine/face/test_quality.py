"""QualityLimits: each issue of a real face that was made worse, and only that issue."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mtclar.engine.data_types import FaceCrop
from mtclar.engine.face.crop import box_of, brightness, cut, pose_deg, sharpness
from mtclar.engine.face.quality import (
    CALIBRATION_LIMITS,
    RUN_LIMITS,
    QualityIssue,
    find_issues,
    quality_issues,
)

Change = Callable[[np.ndarray], np.ndarray]


@pytest.fixture
def crop_of(astronaut: np.ndarray, astronaut_points: np.ndarray) -> Callable[[Change], FaceCrop]:
    """The astronaut's crop after a change of the picture that moves nothing."""

    def make(change: Change) -> FaceCrop:
        image = cut(change(astronaut), astronaut_points)
        return FaceCrop(
            image=image,
            box=box_of(astronaut_points),
            landmarks=astronaut_points,
            pose_deg=pose_deg(astronaut_points),
            sharpness=sharpness(image),
            brightness=brightness(image),
            track_id=0,
            score=1.0,
        )

    return make


def brighter(factor: float, plus: float = 0.0) -> Change:
    return lambda image: np.clip(image * factor + plus, 0, 255).astype(np.uint8)


def blurred(sigma: float) -> Change:
    return lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), sigma))


@pytest.mark.parametrize(
    ("change", "run", "calibration"),
    [
        (brighter(1.0), (), ()),
        (brighter(0.5), (), ()),
        (brighter(0.25), (), ("too dark",)),
        (brighter(0.1), ("too dark",), ("too dark",)),
        (brighter(0.3, 165), (), ()),
        (brighter(0.15, 100), ("too little contrast",), ("too little contrast",)),
        (
            brighter(0.1, 230),
            ("too bright", "too little contrast"),
            ("too bright", "too little contrast"),
        ),
        (blurred(1.0), (), ()),
        (blurred(4.0), (), ("blurred",)),
        (blurred(7.0), ("blurred",), ("blurred",)),
    ],
    ids=[
        "as is",
        "half light",
        "dim",
        "dark",
        "light",
        "hazy",
        "washed out",
        "soft",
        "blurred",
        "very blurred",
    ],
)
def test_a_picture_made_worse(crop_of, change: Change, run: tuple, calibration: tuple) -> None:
    crop = crop_of(change)
    assert quality_issues(crop, RUN_LIMITS) == run
    assert quality_issues(crop, CALIBRATION_LIMITS) == calibration


@pytest.mark.parametrize("pose", [(42, 0, 0), (-42, 0, 0), (0, 28, 0), (0, -28, 0), (42, 28, 0)])
def test_a_turned_head_is_said_once(crop_of, pose: tuple) -> None:
    crop = replace(crop_of(brighter(1.0)), pose_deg=pose)
    assert quality_issues(crop, RUN_LIMITS) == ("turned away",)


def test_a_tilted_head_is_no_fault(crop_of) -> None:
    crop = replace(crop_of(brighter(1.0)), pose_deg=(0.0, 0.0, 60.0))  # the crop is cut with the eyes level
    assert quality_issues(crop, CALIBRATION_LIMITS) == ()


def test_issues_have_numbers_and_an_order(crop_of) -> None:
    crop = replace(crop_of(brighter(0.1)), box=(0.0, 0.0, 20.0, 18.0), pose_deg=(41.0, 0.0, 0.0))
    assert quality_issues(crop, RUN_LIMITS) == ("too small", "turned away", "too dark")
    small, turned, _ = find_issues(crop, RUN_LIMITS)
    assert small == QualityIssue("too small", 20.0, RUN_LIMITS.min_side_px, " px")
    assert str(turned) == "turned away (41° sideways, limit 38° sideways)"


def test_calibration_is_nowhere_more_lenient_than_run() -> None:
    for name in ("max_yaw_deg", "max_pitch_deg", "max_brightness"):
        assert getattr(CALIBRATION_LIMITS, name) <= getattr(RUN_LIMITS, name)
    for name in ("min_sharpness", "min_brightness", "min_side_px"):
        assert getattr(CALIBRATION_LIMITS, name) >= getattr(RUN_LIMITS, name)


def test_a_blink_is_measured_but_is_no_support_frame(crop_of: Callable[[Change], FaceCrop]) -> None:
    blinking = replace(crop_of(lambda image: image), eye_opening=0.5)
    assert quality_issues(blinking, RUN_LIMITS) == ()
    (issue,) = find_issues(blinking, CALIBRATION_LIMITS)
    assert str(issue) == "eyes closed (50% open, limit 75% open)"
