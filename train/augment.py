"""Random changes of pictures that leave the expression alone: framing, light, resolution, occlusion.

Sessions differ in light, framing and sharpness far more than support frames can repair (a fixed shift for a whole
session brought V CCC from .90 to .46 in a simulation, and ten support frames did not help), so training sees them all.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor


@dataclass(frozen=True)
class AugmentConfig:
    """Ranges of the random changes; all are drawn uniformly unless said otherwise."""

    rotate_deg: float = 15.0
    scale: float = 0.18  # side of the view, +-
    stretch: float = 0.06  # width against height, +-
    shift: float = 0.12  # of half the side, +-
    blur_share: float = 0.25  # share of pictures made from fewer pixels
    blur_sides: tuple[int, int] = (18, 40)
    gamma: float = 0.5  # natural logarithm of the exponent, +-
    side_light: float = (
        0.3  # share of the grey level that a light from one side adds or takes at the border, +-
    )
    noise: float = 6.0  # grey levels: largest standard deviation of sensor noise
    erase_share: float = 0.15
    erase_side: tuple[int, int] = (6, 16)  # pixels


def augment(images: Tensor, size: int, core: float, config: AugmentConfig, random: Generator) -> Tensor:
    """images uint8 [B, S, S] -> float32 [B, size, size], grey levels 0..255, each picture changed at random.

    `core` is the side of the run-time view as a share of S: 1 for pictures framed as at run time, less for those cut
    wider, whose border appears where a changed framing looks beyond the view. Deterministic given `random`.
    """
    x = images.float().unsqueeze(1)  # [B, 1, S, S]
    x = _reframe(x, size, core, config, random)
    x = _fewer_pixels(x, config, random)
    x = _light(x, config, random)
    return _erase(x, config, random).squeeze(1)


def centre(images: Tensor, size: int, core: float) -> Tensor:
    """images uint8 [B, S, S] -> float32 [B, size, size]: the run-time view, unchanged; for evaluation."""
    if core == 1 and images.shape[-1] == size:
        return images.float()
    margin = round(images.shape[-1] * (1 - core) / 2)
    view = images[:, margin : images.shape[-1] - margin, margin : images.shape[-1] - margin].float()
    if view.shape[-1] != size:
        view = F.interpolate(view.unsqueeze(1), size=size, mode="bilinear", antialias=True).squeeze(1)
    return view


def _reframe(x: Tensor, size: int, core: float, config: AugmentConfig, random: Generator) -> Tensor:
    """Rotates, scales, stretches, shifts and mirrors in one resampling."""
    count = len(x)
    angle = math.radians(config.rotate_deg) * _spread(count, random)
    scale = core * (1 + config.scale * _spread(count, random))
    mirror = torch.where(torch.rand(count, generator=random) < 0.5, -1.0, 1.0)
    width = mirror * scale * (1 + config.stretch * _spread(count, random))
    affine = torch.zeros(count, 2, 3)
    affine[:, 0, 0], affine[:, 0, 1] = width * angle.cos(), -scale * angle.sin()
    affine[:, 1, 0], affine[:, 1, 1] = width * angle.sin(), scale * angle.cos()
    affine[:, :, 2] = config.shift * core * torch.stack([_spread(count, random), _spread(count, random)], 1)
    grid = F.affine_grid(affine, [count, 1, size, size], align_corners=False)
    return F.grid_sample(x, grid.to(x.device), padding_mode="border", align_corners=False)


def _fewer_pixels(x: Tensor, config: AugmentConfig, random: Generator) -> Tensor:
    """Some pictures shrunk and enlarged again, as a distant face or a soft lens gives; one size per batch."""
    low, high = config.blur_sides
    side = int(torch.randint(low, high + 1, (1,), generator=random))
    soft = F.interpolate(x, size=side, mode="bilinear", antialias=True)
    soft = F.interpolate(soft, size=x.shape[-1], mode="bilinear")
    chosen = torch.rand(len(x), 1, 1, 1, generator=random) < config.blur_share
    return torch.where(chosen.to(x.device), soft, x)


def _light(x: Tensor, config: AugmentConfig, random: Generator) -> Tensor:
    """Exposure (gamma), a light from one side, and sensor noise."""
    count, _, height, width = x.shape
    gamma = torch.exp(config.gamma * _spread(count, random)).to(x.device)
    direction = 2 * math.pi * torch.rand(count, generator=random)
    strength = config.side_light * _spread(count, random)
    across = torch.linspace(-1, 1, width).view(1, 1, 1, width) * (strength * direction.cos()).view(
        -1, 1, 1, 1
    )
    down = torch.linspace(-1, 1, height).view(1, 1, height, 1) * (strength * direction.sin()).view(
        -1, 1, 1, 1
    )
    noise = torch.randn(x.shape, generator=random) * config.noise
    noise *= torch.rand(count, 1, 1, 1, generator=random).square()  # mostly little
    bright = 255 * (x.clamp(0, 255) / 255) ** gamma.view(-1, 1, 1, 1)
    return (bright * (1 + (across + down).to(x.device)) + noise.to(x.device)).clamp(0, 255)


def _erase(x: Tensor, config: AugmentConfig, random: Generator) -> Tensor:
    """A rectangle of the picture's mean grey over some pictures (Zhong et al. 2020), as a hand or hair covers."""
    count, _, height, width = x.shape
    low, high = config.erase_side
    sides = torch.randint(low, high + 1, (2, count, 1), generator=random)
    corners = torch.rand(2, count, 1, generator=random)
    chosen = torch.rand(count, 1, generator=random) < config.erase_share
    spans = []
    for side, corner, length in zip(sides, corners, (height, width), strict=True):
        start = (corner * (length - side)).floor()
        position = torch.arange(length).view(1, -1)
        spans.append((position >= start) & (position < start + side))  # [B, length]
    hidden = (spans[0] & chosen).unsqueeze(2) & spans[1].unsqueeze(1)  # [B, H, W]
    return torch.where(hidden.unsqueeze(1).to(x.device), x.mean((2, 3), keepdim=True), x)


def _spread(count: int, random: Generator) -> Tensor:
    """[count] in -1..1."""
    return 2 * torch.rand(count, generator=random) - 1
