"""Hair strands: grown on the scalp, combed from a parting, kept outside the head, rendered as ribbons.

Each strand represents a lock of about a hundred hairs. Strands move rigidly with the head.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.train.rendered.drawing.raster import rasterise
from mtclar.train.rendered.person.head import Head, Material

CENTRE = np.array([0.0, 7.55, 0.45])  # decimetres: the head is star-shaped about this point
NECK_Y = 6.5  # lower surfaces do not push hair outwards
HANGS_Y = 7.5  # where the head is widest
NAPE_Y = 7.0  # no strand grows lower
EYES_X, EYES_Y, EYES_Z = 0.52, 7.85, 1.1  # no strand hangs before the eyes: within, below, in front of
GRID = (180, 90)  # cells of the table of the head's radius: azimuth, elevation
NODES = 14  # points of a strand


@dataclass(frozen=True, slots=True)
class Cut:
    """A hairstyle."""

    strands: int = 3000
    length: float = 1.9  # decimetres
    width: float = 0.016  # decimetres of a ribbon
    parting: float = 0.25  # decimetres to the person's left
    body: float = 0.13  # decimetres that the outermost hair stands off the head
    backwards: float = 0.35  # how far hair is combed away from the face


@dataclass(frozen=True, slots=True, eq=False)
class Strands:
    """Hair in the rest pose."""

    points: NDArray[np.float64]  # [S, NODES, 3] decimetres, root first
    tint: NDArray[np.float64]  # [S] brightness relative to the hair colour
    width: float  # decimetres


def head_radius(head: Head, shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance [elevation, azimuth] from CENTRE to the outermost skin, in cells of GRID; azimuth starts at the back."""
    corners = head.base[head.triangle]
    ear = (np.abs(corners[..., 0]).max(1) > 0.74) & (
        corners[..., 1].min(1) < 7.75
    )  # hair goes behind the ears
    keep = (head.material == Material.SKIN) & ~ear & (shape[head.triangle][:, :, 1].min(1) > NECK_Y)
    triangle = head.triangle[keep]
    columns, rows = _cells(shape - CENTRE)
    wide = np.ptp(columns[triangle], axis=1) > GRID[0] / 2  # crosses the seam at the back
    points = np.stack([columns, rows, np.linalg.norm(shape - CENTRE, axis=1)], 1)
    _, _, radius = rasterise(points, triangle[~wide], *GRID)
    for _ in range(max(GRID)):  # fill the seam, the pole and what lies below the neck from their neighbours
        empty = radius == 0
        if not empty.any():
            break
        around = np.stack([np.roll(radius, 1, 1), np.roll(radius, -1, 1), _down(radius), _up(radius)])
        known = (around > 0).sum(0)
        radius = np.where(empty & (known > 0), around.sum(0) / np.maximum(known, 1), radius)
    return np.asarray(radius, np.float64)


def _down(table: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.vstack([table[:1], table[:-1]])


def _up(table: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.vstack([table[1:], table[-1:]])


def _cells(offset: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Column and row (not rounded) of directions [..., 3] in a table of GRID."""
    azimuth = np.arctan2(offset[..., 0], offset[..., 2])
    elevation = np.arctan2(offset[..., 1], np.hypot(offset[..., 0], offset[..., 2]))
    return (azimuth / (2 * np.pi) + 0.5) * GRID[0], (0.5 - elevation / np.pi) * GRID[1]


def grow(
    head: Head,
    shape: NDArray[np.float64],
    above_hairline: NDArray[np.float64],
    cut: Cut,
    rng: np.random.Generator,
) -> Strands:
    """Hair on the rest shape [V, 3] of a person; `above_hairline` [V] is positive where hair grows."""
    roots, out = _roots(head, shape, above_hairline, cut.strands, rng)
    radius = head_radius(head, shape)
    side = np.sign(roots[:, 0] - cut.parting + rng.normal(0, 0.04, len(roots)))
    top = np.clip(out[:, 1], 0, 1)
    front = np.clip(roots[:, 2] - 0.3, 0, 1)
    comb = np.stack([side * (0.4 + 0.6 * top), -0.9 + 0.9 * top, -cut.backwards * (0.3 + 1.6 * front)], 1)
    comb += rng.normal(0, 0.12, comb.shape)
    heading = comb - (comb * out).sum(1, keepdims=True) * out + 0.12 * out
    layer = cut.body * rng.uniform(0.15, 1, len(roots)) ** 1.3
    step = cut.length * rng.uniform(0.8, 1.05, len(roots)) / (NODES - 1)
    curl = rng.normal(0, 0.10, (len(roots), 3))
    points = np.empty((len(roots), NODES, 3))
    points[:, 0] = roots - 0.02 * out
    for node in range(1, NODES):
        heading /= np.linalg.norm(heading, axis=1, keepdims=True)
        tip = points[:, node - 1] + step[:, None] * heading
        column, row = _cells(tip - CENTRE)
        skin = radius[
            np.clip(row.astype(int), 0, GRID[1] - 1),
            column.astype(int) % GRID[0],
        ]
        held = skin + layer * min(1, node / 3)
        distance = np.linalg.norm(tip - CENTRE, axis=1)
        lies = tip[:, 1] > HANGS_Y + layer  # below, hair hangs freely and the head only pushes it outwards
        pushed = np.where(lies, held, np.maximum(distance, held))
        tip = CENTRE + (tip - CENTRE) * (pushed / distance)[:, None]
        points[:, node] = tip
        travelled = tip - points[:, node - 1]
        heading = travelled / step[:, None] + np.array([0, -0.30, 0]) + 0.3 * curl
    tint = np.clip(rng.normal(1, 0.22, len(roots)), 0.5, 1.7)
    x, y, z = np.abs(points[..., 0]), points[..., 1], points[..., 2]
    clear = ~((x < EYES_X) & (y < EYES_Y) & (z > EYES_Z)).any(1)
    return Strands(points[clear], tint[clear], cut.width)


def _roots(
    head: Head,
    shape: NDArray[np.float64],
    above_hairline: NDArray[np.float64],
    count: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points [S, 3] spread evenly over the scalp, and the outward normals there."""
    scalp = (head.material == Material.SKIN) & (above_hairline[head.triangle].min(1) > 0.0)
    scalp &= shape[head.triangle][:, :, 1].min(1) > NAPE_Y
    corners = shape[head.triangle[scalp]]  # [T, 3, 3]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normals, axis=1)
    chosen = rng.choice(len(area), count, p=area / area.sum())
    a, b = np.sqrt(rng.uniform(size=count)), rng.uniform(size=count)
    share = np.stack([1 - a, a * (1 - b), a * b], 1)
    return (corners[chosen] * share[..., None]).sum(1), normals[chosen] / area[chosen, None]


def ribbons(
    points: NDArray[np.float64], width: float, camera: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strands [S, NODES, 3] as ribbons that face the camera [3]: vertices [S * NODES * 2, 3] and tangents, alike.

    They taper towards the tip. `ribbon_triangles` joins them.
    """
    tangents = np.gradient(points, axis=1)
    tangents /= np.linalg.norm(tangents, axis=2, keepdims=True)
    across = np.cross(tangents, camera - points)
    across /= np.linalg.norm(across, axis=2, keepdims=True) + 1e-9
    taper = np.linspace(1, 0.25, NODES)[:, None] ** 0.5
    half = 0.5 * width * taper * across
    vertices = np.stack([points - half, points + half], 2)
    return vertices.reshape(-1, 3), np.repeat(tangents[:, :, None], 2, axis=2).reshape(-1, 3)


def ribbon_triangles(strands: int) -> NDArray[np.int32]:
    """The triangles [S * (NODES - 1) * 2, 3] of the vertices that `ribbons` makes."""
    node = np.arange(NODES - 1) * 2
    strip = np.concatenate(
        [np.stack([node, node + 1, node + 2], 1), np.stack([node + 1, node + 3, node + 2], 1)]
    )
    return (np.arange(strands)[:, None, None] * NODES * 2 + strip).reshape(-1, 3).astype(np.int32)
