"""Renders a picture of a person from rest shape, look and face-unit weights; deterministic."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.train.rendered.drawing.paint import Look, above_hairline, hair_offsets, linear, paint, smoothstep
from mtclar.train.rendered.drawing.raster import rasterise, vertex_normals
from mtclar.train.rendered.drawing.shading import shade
from mtclar.train.rendered.person.hair import Strands, grow, ribbon_triangles, ribbons
from mtclar.train.rendered.person.head import Head, Material, sided

NECK = np.array([0.0, 6.5, 0.35])  # decimetres: the head turns about this point
EYE_LEVEL = 7.25  # decimetres: height of the camera's target
DEPTH_SIDE = 512  # texels of the shadow map ...
DEPTH_SPAN = 5.0  # ... over this many decimetres
FACE_DEPTH = 1.0  # decimetres from the origin to the plane of the face


@dataclass(frozen=True, slots=True)
class View:
    """Rotation of the head (radians) and position of the camera (decimetres)."""

    yaw: float = 0.0  # > 0: to the person's left
    pitch: float = 0.0  # > 0: down
    roll: float = 0.0  # > 0: counter-clockwise in the picture
    shift: tuple[float, float] = (0.0, 0.0)  # of the camera: right, up
    distance: float = 13.0
    span: float = 3.9  # height of the picture in the plane of the face


def unit_rows(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rows [N, 3] scaled to length 1."""
    return np.asarray(rows, np.float64) / np.linalg.norm(rows, axis=1, keepdims=True)


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """Three lights, of which the first casts shadows, and ambient light."""

    towards: NDArray[np.float64] = field(  # [3, 3] unit vectors: key, fill, rim
        default_factory=lambda: unit_rows(np.array([[-0.55, 0.55, 0.8], [0.8, 0.15, 0.6], [0.2, 0.6, -0.8]]))
    )
    colour: NDArray[np.float64] = field(  # [3, 3] RGB in linear light
        default_factory=lambda: np.array([[1.15, 1.08, 1.0], [0.32, 0.35, 0.40], [0.25, 0.25, 0.28]])
    )
    ambient: float = 0.42


class Renderer:
    """Renders one person at one picture size.

    `rest` [V, 3] is the person's rest shape (decimetres), `size` (width, height) in pixels. `supersample` is the
    factor by which it renders larger in both directions before averaging. `texture_side` in texels.
    """

    def __init__(
        self,
        head: Head,
        rest: NDArray[np.float64],
        look: Look,
        size: tuple[int, int],
        *,
        supersample: int = 1,
        texture_side: int = 1024,
        seed: int = 0,
    ) -> None:
        self.head = head
        self.rest = rest
        self.size = size
        self._drawn = (size[0] * supersample, size[1] * supersample)
        self._hair = hair_offsets(head, look)
        self._texture = paint(look, texture_side, seed)
        self._iris = linear(look.iris)
        self._hair_colour = linear(look.hair)
        sides = (Material.LEFT_EYE, Material.RIGHT_EYE)
        self._eyes = np.array([rest[head.vertices_of(side)].mean(0) for side in sides])
        self._with_head = smoothstep(5.9, 6.75, rest[:, 1])[
            :, None
        ]  # [V, 1] 1: turns with the head; 0: shoulders
        self._mesh = _Mesh(head.triangle, head.triangle_uv, head.material.astype(np.int32), rest)
        self._strands: Strands | None = None
        if look.cut is not None:
            above = np.asarray(above_hairline(head.base, look), np.float64)
            self._strands = grow(head, rest, above, look.cut, np.random.default_rng([3, seed]))
            self._mesh = _with_strands(self._mesh, self._strands)

    def render(
        self,
        weights: Mapping[str, float],
        view: View,
        light: Light,
        background: NDArray[np.float32],
    ) -> NDArray[np.uint8]:
        """The picture [H, W, 3] BGR. `background` [h, w, 3]: RGB in linear light, of any size."""
        width, height = self._drawn
        camera = np.array([view.shift[0], EYE_LEVEL + view.shift[1], view.distance])
        vertices, normals = self._posed(weights, view, camera)
        mesh = self._mesh
        focal = height / view.span * (view.distance - FACE_DEPTH)
        z = camera[2] - vertices[:, 2]
        points = np.stack(
            [
                width / 2 + focal * (vertices[:, 0] - camera[0]) / z,
                height / 2 - focal * (vertices[:, 1] - camera[1]) / z,
                1 / z,
            ],
            1,
        )
        index, barycentric, _ = rasterise(points, mesh.triangle, width, height)
        to_depth = _shadow_map(light.towards[0])
        seen_from_light = vertices @ to_depth[:, :3].T + to_depth[:, 3]
        _, _, depth = rasterise(seen_from_light, mesh.triangle, DEPTH_SIDE, DEPTH_SIDE)
        picture = shade(
            index,
            barycentric,
            mesh.triangle,
            mesh.triangle_uv,
            mesh.material,
            vertices,
            normals,
            mesh.rest,
            self.head.uv,
            self._texture,
            self._eyes,
            self._iris,
            self._hair_colour,
            _mouth_open(weights),
            _fitted(background, self._drawn),
            light.towards,
            light.colour,
            light.ambient,
            camera,
            depth,
            to_depth,
        )
        if self._drawn != self.size:
            picture = np.asarray(cv2.resize(picture, self.size, interpolation=cv2.INTER_AREA), np.float32)
        display = np.clip(picture[..., ::-1], 0, 1) ** (1 / 2.2)
        return (display * 255 + 0.5).astype(np.uint8)

    def _posed(
        self, weights: Mapping[str, float], view: View, camera: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Vertices [V, 3] with the face units applied and the head turned, strands included, and their normals."""
        vertices = self.rest + self._hair
        for name, weight in weights.items():
            for unit in sided(name, self.head):
                self.head.units[unit].add(vertices, weight)
        rotation = _rotation(view)
        turned = (vertices - NECK) @ rotation.T + NECK
        vertices = vertices * (1 - self._with_head) + turned * self._with_head
        normals = vertex_normals(vertices, self.head.triangle)
        if self._strands is None:
            return vertices, normals
        locks = (self._strands.points - NECK) @ rotation.T + NECK
        ribbon, tangent = ribbons(locks, self._strands.width, camera)
        return np.vstack([vertices, ribbon]), np.vstack([normals, tangent])


@dataclass(frozen=True, slots=True, eq=False)
class _Mesh:
    """The arrays that all pictures of a person share, including hair strands."""

    triangle: NDArray[np.int32]  # [T, 3]
    triangle_uv: NDArray[np.int32]  # [T, 3]
    material: NDArray[np.int32]  # [T]
    rest: NDArray[np.float64]  # [V, 3] rest pose; of hair: tint, 0 root .. 1 tip, 0


def _with_strands(mesh: _Mesh, strands: Strands) -> _Mesh:
    """The mesh with strands appended."""
    count, nodes = strands.points.shape[:2]
    triangle = ribbon_triangles(count)
    attributes = np.zeros((count, nodes, 2, 3))
    attributes[..., 0] = strands.tint[:, None, None]
    attributes[..., 1] = np.linspace(0, 1, nodes)[:, None]
    return _Mesh(
        np.vstack([mesh.triangle, triangle + np.int32(len(mesh.rest))]),
        np.vstack([mesh.triangle_uv, np.zeros_like(triangle)]),
        np.concatenate([mesh.material, np.full(len(triangle), Material.HAIR, np.int32)]),
        np.vstack([mesh.rest, attributes.reshape(-1, 3)]),
    )


def _rotation(view: View) -> NDArray[np.float64]:
    """The matrix [3, 3] that turns a head: pitch first, then yaw, then roll."""
    cy, sy = math.cos(view.yaw), math.sin(view.yaw)
    cp, sp = math.cos(view.pitch), math.sin(view.pitch)
    cr, sr = math.cos(view.roll), math.sin(view.roll)
    roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    return np.asarray(roll @ yaw @ pitch)


def _shadow_map(towards: NDArray[np.float64]) -> NDArray[np.float64]:
    """The affine map [3, 4] from space into the depth map of a light from direction `towards` [3]."""
    across = np.cross([0.0, 1.0, 0.0], towards)
    across /= np.linalg.norm(across)
    up = np.cross(towards, across)
    scale = DEPTH_SIDE / DEPTH_SPAN
    centre = np.array([0.0, 7.0, 0.5])
    rows = [[*(axis * scale), DEPTH_SIDE / 2 - scale * (axis @ centre)] for axis in (across, up)]
    return np.array([*rows, [*towards, 20.0]])  # 20: keeps the depth key above 0, which means empty


def _mouth_open(weights: Mapping[str, float]) -> float:
    """How much light reaches the teeth, 0..1."""
    jaw = weights.get("jawOpen", 0.0)
    lip = weights.get(
        "mouthLowerDown", 0.5 * sum(weights.get(f"mouthLowerDown{s}", 0.0) for s in ("Left", "Right"))
    )
    return min(1.0, max(0.0, 0.25 + 2.2 * jaw + 0.9 * lip))


def _fitted(background: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """The background at `size` (width, height)."""
    if background.shape[1::-1] == size:
        return background
    return np.asarray(cv2.resize(background, size, interpolation=cv2.INTER_CUBIC), np.float32).clip(0)
