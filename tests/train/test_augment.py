"""Augmentation: repeatable, in range, framed as at run time, and of changing strength."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")

from mtclar.train.augment import AugmentConfig, augment, centre

STILL = AugmentConfig(
    rotate_deg=0, scale=0, stretch=0, shift=0, blur_share=0, gamma=0, side_light=0, noise=0, erase_share=0
)


def pictures(side: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, side, side), dtype=np.uint8))


def random(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_repeatable_and_in_range() -> None:
    images = pictures(56)
    first = augment(images, 48, 48 / 56, AugmentConfig(), random())
    assert first.shape == (6, 48, 48)
    assert first.min() >= 0
    assert first.max() <= 255
    assert torch.equal(first, augment(images, 48, 48 / 56, AugmentConfig(), random()))
    assert not torch.equal(first, augment(images, 48, 48 / 56, AugmentConfig(), random(4)))


@pytest.mark.parametrize("side", [48, 56])
def test_without_strength_only_mirroring_is_left(side: int) -> None:
    images = pictures(side)
    core = 48 / side
    changed = augment(images, 48, core, STILL, random())
    expected = centre(images, 48, core)
    mirrored = expected.flip(2)
    same = (changed - expected).abs().amax((1, 2)) < 1e-2
    turned = (changed - mirrored).abs().amax((1, 2)) < 1e-2
    assert torch.all(same ^ turned)
    assert 0 < same.sum() < len(images)


def test_centre_is_the_middle() -> None:
    images = pictures(56)
    assert torch.equal(centre(images, 48, 48 / 56), images[:, 4:52, 4:52].float())
    assert torch.equal(centre(pictures(48), 48, 1.0), pictures(48).float())
    assert centre(pictures(112), 48, 96 / 112).shape == (6, 48, 48)


def test_erasing_hides_one_rectangle_of_each_chosen_picture() -> None:
    from dataclasses import replace

    changed = augment(pictures(48), 48, 1.0, replace(STILL, erase_share=1.0, erase_side=(6, 6)), random())
    for picture in changed:
        values, counts = picture.unique(return_counts=True)
        assert counts.max() >= 36
        assert 60 < values[counts.argmax()] < 200
