"""Paints skin, lips, brows, hair and shirt of a person into a texture.

Painting uses the position of a texel on the *base* head (decimetres, see `head`), not on the morphed head: brows and
hair then follow the mesh of every person, because all people share UVs and vertex order.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.train.rendered.drawing.raster import rasterise, vertex_normals
from mtclar.train.rendered.person.hair import Cut
from mtclar.train.rendered.person.head import Head, Material, load_head

Colour = tuple[float, float, float]
"""sRGB, 0..255."""

GUTTER = 6  # texels painted beyond the edge of each UV island, for bilinear look-ups there


@dataclass(frozen=True, slots=True)
class Look:
    """The colours and hair of a person."""

    skin: Colour = (214, 164, 138)
    hair: Colour = (62, 44, 33)
    brow: Colour = (66, 47, 36)
    iris: Colour = (89, 69, 48)
    shirt: Colour = (52, 78, 112)
    brow_drop: float = 0.07  # decimetres below the usual line
    hairline: float = 0.0  # decimetres by which hair starts lower; -3 is bald
    hair_volume: float = 0.11  # decimetres that painted hair stands off the scalp
    cut: Cut | None = None  # strands on top of painted hair


LIGHT_SKIN: Colour = (214, 164, 138)  # the tone for which lips, lids and blush below were chosen


def linear(colour: Colour) -> NDArray[np.float64]:
    """sRGB 0..255 as linear light 0..1 (gamma 2.2)."""
    return (np.array(colour) / 255) ** 2.2


def smoothstep(low: float, high: float, x: NDArray[np.floating]) -> NDArray[np.floating]:
    """0 below `low`, 1 above `high`, smooth in between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def above_hairline(position: NDArray[np.floating], look: Look) -> NDArray[np.floating]:
    """Decimetres by which points [..., 3] of the base head lie above the hairline; negative is bare skin."""
    line = np.interp(
        position[..., 2],
        [-0.6, 0.0, 0.2, 0.42, 0.60, 0.72, 0.95, 1.25, 1.5],
        [6.75, 6.85, 7.35, 7.68, 7.52, 7.92, 8.10, 8.20, 8.22],
    )
    return position[..., 1] - line + look.hairline


def hair_offsets(head: Head, look: Look) -> NDArray[np.float64]:
    """Offsets [V, 3] that lift hair off the scalp of the base head."""
    x, y = np.abs(head.base[:, 0]), head.base[:, 1]
    share = smoothstep(-0.02, 0.25, above_hairline(head.base, look))
    share[(y < 6.6) | ((x > 0.74) & (y < 7.75))] = 0  # neck, ears
    share[head.vertices_of(*set(Material) - {Material.SKIN})] = 0
    return vertex_normals(head.base, head.triangle) * (look.hair_volume * share)[:, None]


@functools.lru_cache(maxsize=2)
def _surface(side: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The position of each texel on the base head [S, S, 3], and the mask of texels on the head [S, S]."""
    head = load_head()
    skin = head.material == Material.SKIN
    uv = head.uv[head.triangle_uv[skin]].reshape(-1, 2)
    points = np.stack([uv[:, 0] * side, (1 - uv[:, 1]) * side, np.ones(len(uv))], 1)
    corners = np.arange(len(uv), dtype=np.int32).reshape(-1, 3)
    index, weights, _ = rasterise(points, corners, side, side)
    full = np.dstack([weights, 1 - weights.sum(2)])  # [S, S, 3]
    position = (head.base[head.triangle[skin]][index] * full[..., None]).sum(2)
    return position.astype(np.float32), index >= 0


def _blend(
    under: NDArray[np.float32], over: NDArray[np.floating], cover: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Colours `under` [S, S, 3] covered by `over` ([3] or [S, S, 3]) with opacity `cover` [S, S]."""
    return (under * (1 - cover[..., None]) + over * cover[..., None]).astype(np.float32)


def paint(look: Look, side: int, seed: int) -> NDArray[np.float32]:
    """The texture [side, side, 5] of a person: RGB in linear light, gloss, ambient occlusion."""
    rng = np.random.default_rng(seed)
    head = load_head()
    position, covered = _surface(side)
    x, y, z = np.abs(position[..., 0]), position[..., 1], position[..., 2]
    masks = {name: _resized(mask, side) for name, mask in head.masks.items()}

    def noise(scale: int) -> NDArray[np.float32]:
        """Smooth noise of unit variance; about `side / scale` patches across."""
        cells = max(2, side // scale)
        field = cv2.resize(
            rng.standard_normal((cells, cells)).astype(np.float32),
            (side, side),
            interpolation=cv2.INTER_CUBIC,
        )
        return field / field.std()

    tone = linear(look.skin) / linear(LIGHT_SKIN)  # [3] factor of the skin tone on every colour
    skin = np.broadcast_to(linear(LIGHT_SKIN), (side, side, 3)).astype(np.float32)
    blush = np.exp(-(((x - 0.45) / 0.2) ** 2) - ((y - 7.15) / 0.18) ** 2)
    blush += 0.8 * np.exp(-((x / 0.14) ** 2) - ((y - 7.2) / 0.12) ** 2) * (z > 1.4)
    skin = skin * (1 + blush[..., None] * np.array([0.02, -0.16, -0.16], np.float32))
    skin *= (1 + 0.035 * noise(40) + 0.03 * noise(5))[..., None]
    sockets = np.exp(-(((x - 0.29) / 0.19) ** 2) - ((y - 7.53) / 0.12) ** 2)
    skin *= 1 - sockets[..., None] * np.array([0.10, 0.16, 0.14], np.float32)
    skin = _blend(skin, linear((190, 125, 105)), 0.5 * masks["ears"])
    lips = np.asarray(cv2.GaussianBlur(masks["lips"], (0, 0), 2.5 * side / 2048), np.float32)
    skin = _blend(skin, linear((168, 88, 84)), 0.8 * lips)
    skin = _blend(skin, linear((90, 28, 28)), masks["inside_mouth"])
    skin = (skin * tone).astype(np.float32)
    skin = _blend(skin, linear((48, 32, 28)), _lash_line(head, position) * (1 - masks["inside_mouth"]))
    skin = _blend(skin, linear(look.brow), _brows(look, x, y, z, noise))

    gloss = 0.05 + 0.12 * lips
    above = above_hairline(position, look)
    edge = (-0.05, 0.06) if look.cut is None else (0.0, 0.2)  # under strands it fades out
    hair = smoothstep(*edge, above + 0.018 * noise(5)) * (1 - np.clip(1.2 * masks["ears"], 0, 1))
    strands = 0.85 + 0.16 * np.sin(70 * x + 30 * z + 2 * noise(24)) + 0.10 * noise(4) + 0.1 * noise(16)
    skin = _blend(skin, linear(look.hair) * np.clip(strands, 0.4, 1.8)[..., None], hair)
    gloss = gloss * (1 - hair) + 0.10 * hair
    collar = 5.62 + 0.75 * (1 - np.exp(-((x / 0.9) ** 2))) - 0.15 * smoothstep(0.2, 1.2, z)
    shirt = smoothstep(-0.01, 0.01, collar - y)
    skin = _blend(skin, linear(look.shirt) * (1 + 0.05 * noise(3))[..., None], shirt)
    gloss = gloss * (1 - shirt)
    occlusion = 1 - 0.75 * masks["inside_mouth"]
    return _fill_gutter(np.dstack([skin, gloss, occlusion]).astype(np.float32), covered)


def _resized(mask: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """The mask at [side, side]."""
    return np.asarray(cv2.resize(mask, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)


def _lash_line(head: Head, position: NDArray[np.float32]) -> NDArray[np.floating]:
    """Opacity [S, S] of the dark rim between lids and eyeball, which represents the lashes."""
    centre = head.base[head.vertices_of(Material.LEFT_EYE)].mean(0)
    offset = np.dstack([np.abs(position[..., :1]), position[..., 1:]]) - centre
    distance = np.sqrt((offset**2).sum(2))
    upper = np.where(offset[..., 1] > 0.02, 0.88, 0.30)
    return (1 - smoothstep(0.160, 0.192, distance)) * (offset[..., 2] > 0.02) * upper


def _brows(
    look: Look,
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    z: NDArray[np.float32],
    noise: Callable[[int], NDArray[np.float32]],
) -> NDArray[np.floating]:
    """Opacity [S, S] of the brows: an arch over |x|, ragged at its edge, with single hairs in it."""
    arch = np.interp(
        x,
        [0.06, 0.12, 0.20, 0.28, 0.36, 0.44, 0.50, 0.56, 0.60],
        [7.735, 7.742, 7.757, 7.770, 7.777, 7.772, 7.755, 7.722, 7.69],
    )
    half_width = np.interp(x, [0.06, 0.12, 0.3, 0.45, 0.58], [0.034, 0.044, 0.040, 0.030, 0.012])
    distance = np.abs(y - (arch - look.brow_drop) + 0.004 * noise(6)) / half_width
    ends = smoothstep(0.07, 0.16, x) * (1 - smoothstep(0.50, 0.60, x))
    cover = (1 - smoothstep(0.35, 1.25, distance)) * ends * (z > 0.9)
    hairs = 0.5 + 0.5 * np.sin((1.6 * x + 2.2 * (y - arch)) * 190 + 2 * noise(30))
    return 0.85 * np.clip(cover * (0.75 + 0.25 * hairs), 0, 1)


def _fill_gutter(texture: NDArray[np.float32], covered: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The texture with its islands grown by GUTTER texels of their own border's colour."""
    known = covered.astype(np.float32)
    for _ in range(GUTTER):
        total = cv2.boxFilter(texture * known[..., None], -1, (3, 3), normalize=False)
        count = cv2.boxFilter(known, -1, (3, 3), normalize=False)
        border = (known == 0) & (count > 0)
        texture[border] = total[border] / count[border][:, None]
        known[border] = 1
    return texture
