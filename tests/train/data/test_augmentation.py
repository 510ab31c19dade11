"""Camera augmentation: reproducible, in range, framed as at run time; each change separately."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")

from mtclar.train.data.augmentation import UNCHANGED, CameraConfig, centre, occluded, photograph


def pictures(side: int, count: int = 6) -> NDArray[np.uint8]:
    """Noise: every blur removes its high frequencies."""
    return np.random.default_rng(0).integers(0, 256, (count, side, side), dtype=np.uint8)


def smooth(side: int, count: int = 6) -> NDArray[np.uint8]:
    """Blurred noise, which resampling changes little."""
    return np.stack([cv2.GaussianBlur(picture, (0, 0), side / 10) for picture in pictures(side, count)])


def random(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


def detail(views: NDArray[np.float32]) -> float:
    """Mean variance of the Laplacian."""
    return float(np.mean([cv2.Laplacian(view, cv2.CV_32F).var() for view in views]))


@pytest.mark.parametrize(("side", "core"), [(48, 1.0), (56, 48 / 56), (112, 96 / 112)])
def test_repeatable_and_in_range(side: int, core: float) -> None:
    crops = pictures(side, 60)
    first = photograph(crops, 48, core, CameraConfig(), random())
    assert first.shape == (60, 48, 48)
    assert first.dtype == np.float32
    assert first.min() >= 0
    assert first.max() <= 255
    np.testing.assert_array_equal(first, photograph(crops, 48, core, CameraConfig(), random()))
    assert not np.array_equal(first, photograph(crops, 48, core, CameraConfig(), random(4)))


def test_empty_batch() -> None:
    assert photograph(pictures(48)[:0], 48, 1.0, CameraConfig(), random()).shape == (0, 48, 48)


@pytest.mark.parametrize("side", [48, 56, 112])
def test_unchanged_config_only_mirrors(side: int) -> None:
    crops, core = smooth(side, 12), 1.0 if side == 48 else 48 / 56
    changed = torch.from_numpy(photograph(crops, 48, core, UNCHANGED, random()))
    expected = centre(torch.from_numpy(crops), 48, core)
    same, turned = ((changed - view).abs().amax((1, 2)) < 4 for view in (expected, expected.flip(2)))
    assert torch.all(same ^ turned)
    assert 0 < same.sum() < len(crops)


def test_centre_is_the_middle() -> None:
    crops = torch.from_numpy(pictures(56))
    assert torch.equal(centre(crops, 48, 48 / 56), crops[:, 4:52, 4:52].float())
    whole = torch.from_numpy(pictures(48))
    assert torch.equal(centre(whole, 48, 1.0), whole.float())
    assert centre(torch.from_numpy(pictures(112)), 48, 96 / 112).shape == (6, 48, 48)


@pytest.mark.parametrize(
    "change",
    [
        {"resolution_share": 1.0, "resolution": (18, 30)},
        {"blur_share": 1.0, "blur": 0.05},
        {"motion_share": 1.0, "motion": 0.2},
    ],
)
def test_blur_reduces_detail(change: dict[str, object]) -> None:
    crops = pictures(48, 40)
    sharp = photograph(crops, 48, 1.0, UNCHANGED, random())
    blurred = photograph(crops, 48, 1.0, replace(UNCHANGED, **change), random())  # type: ignore[arg-type]
    assert detail(blurred) < 0.7 * detail(sharp)


@pytest.mark.parametrize(
    "change",
    [{"noise": 30.0}, {"sharpen_share": 1.0}, {"contrast": 1.5}, {"gamma": 1.0}, {"side_light": 0.9}],
)
def test_other_changes_change_the_picture(change: dict[str, float]) -> None:
    crops = smooth(48, 40)
    plain = photograph(crops, 48, 1.0, UNCHANGED, random())
    changed = photograph(crops, 48, 1.0, replace(UNCHANGED, **change), random())  # type: ignore[arg-type]
    assert np.abs(changed - plain).mean() > 2


def test_jpeg_compression_has_blocks() -> None:
    crops = smooth(48, 20)
    config = replace(UNCHANGED, jpeg_share=1.0, jpeg_quality=(5, 6))
    compressed = photograph(crops, 48, 1.0, config, random())
    steps = np.abs(np.diff(compressed, axis=1)).mean((0, 2))  # [47] between rows
    assert steps[7::8].mean() > 1.2 * np.delete(steps, np.arange(7, 47, 8)).mean()


@pytest.mark.parametrize("side", [48, 96])
def test_occlusion_changes_a_part_of_the_picture(side: int) -> None:
    face = smooth(side)[0].astype(np.float32)
    hidden = [(occluded(face, random(seed)) != face).mean() for seed in range(200)]
    assert min(hidden) > 0
    assert max(hidden) < 0.7
    assert np.std(hidden) > 0.05  # things of several sizes
