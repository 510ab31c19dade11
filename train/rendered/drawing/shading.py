"""Computes the colour of each pixel of a rendered face under three lights: skin, eyes, teeth and hair; uses numba.

All colours are linear light. The first light casts shadows, computed with a depth map from its direction.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

IRIS_RADIUS = 0.067  # decimetres, in the plane of the iris
PUPIL_RADIUS = 0.028
SHADOW_BIAS = 0.05  # decimetres: a surface does not shade itself
SHADOW_REACH = 4  # texels of the depth map: width of the soft edge


@njit(cache=True, fastmath=True)
def _clip01(x: float) -> float:
    return min(max(x, 0.0), 1.0)


@njit(cache=True, fastmath=True)
def _weigh(
    rows: NDArray[np.float64], i: int, j: int, k: int, a: float, b: float, c: float
) -> tuple[float, float, float]:
    """The vector attribute `rows` [V, 3] at barycentric weights a, b, c of vertices i, j, k."""
    return (
        a * rows[i, 0] + b * rows[j, 0] + c * rows[k, 0],
        a * rows[i, 1] + b * rows[j, 1] + c * rows[k, 1],
        a * rows[i, 2] + b * rows[j, 2] + c * rows[k, 2],
    )


@njit(cache=True, fastmath=True)
def _texel(texture: NDArray[np.float32], u: float, v: float, channel: int) -> float:
    """`texture` [S, S, C] at u, v (v up), bilinear."""
    height, width = texture.shape[:2]
    fx, fy = u * width - 0.5, (1 - v) * height - 0.5
    x, y = min(max(int(fx), 0), width - 2), min(max(int(fy), 0), height - 2)
    dx, dy = fx - x, fy - y
    top = texture[y, x, channel] * (1 - dx) + texture[y, x + 1, channel] * dx
    bottom = texture[y + 1, x, channel] * (1 - dx) + texture[y + 1, x + 1, channel] * dx
    return top * (1 - dy) + bottom * dy


@njit(cache=True, fastmath=True)
def _eye(x: float, y: float, z: float, iris: NDArray[np.float64]) -> tuple[float, float, float]:
    """Colour of an eyeball at rest-pose offset x, y, z from its centre (z forwards): white, iris, pupil."""
    radius = math.sqrt(x * x + y * y) if z >= 0 else 1.0
    edge = _clip01((radius - 0.050) / 0.02)
    red, green, blue = 0.66, 0.60 - 0.09 * edge * edge, 0.56 - 0.10 * edge * edge
    if radius < IRIS_RADIUS:
        angle = math.atan2(y, x)
        fibre = 0.75 + 0.25 * math.sin(angle * 23 + 3 * math.sin(angle * 7))
        if radius > 0.055:  # the dark ring at the border
            fibre *= 0.4
        cover = _clip01((IRIS_RADIUS - radius) / 0.008)
        pupil = 1 - 0.95 * _clip01((PUPIL_RADIUS - radius) / 0.006)
        red = (red * (1 - cover) + iris[0] * fibre * cover) * pupil
        green = (green * (1 - cover) + iris[1] * fibre * cover) * pupil
        blue = (blue * (1 - cover) + iris[2] * fibre * cover) * pupil
    return red, green, blue


@njit(cache=True, fastmath=True)
def _lit_share(
    depth: NDArray[np.float32], matrix: NDArray[np.float64], x: float, y: float, z: float
) -> float:
    """How much of the first light reaches the point x, y, z: 0 in shadow, 1 in the light."""
    sx = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3]
    sy = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3]
    sz = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3]
    lit, samples = 0, 0
    for oy in range(-SHADOW_REACH, SHADOW_REACH + 1, 2):
        for ox in range(-SHADOW_REACH, SHADOW_REACH + 1, 2):
            column, row = int(sx) + ox, int(sy) + oy
            if 0 <= column < depth.shape[1] and 0 <= row < depth.shape[0]:
                samples += 1
                if depth[row, column] <= sz + SHADOW_BIAS:
                    lit += 1
    return lit / samples if samples > 0 else 1.0


@njit(cache=True, fastmath=True)
def shade(
    index: NDArray[np.int32],
    weights: NDArray[np.float32],
    triangle: NDArray[np.int32],
    triangle_uv: NDArray[np.int32],
    material: NDArray[np.int32],
    vertices: NDArray[np.float64],
    normals: NDArray[np.float64],
    rest: NDArray[np.float64],
    uv: NDArray[np.float64],
    texture: NDArray[np.float32],
    eyes: NDArray[np.float64],
    iris: NDArray[np.float64],
    hair: NDArray[np.float64],
    mouth_open: float,
    background: NDArray[np.float32],
    towards_light: NDArray[np.float64],
    light: NDArray[np.float64],
    ambient: float,
    camera: NDArray[np.float64],
    depth: NDArray[np.float32],
    to_depth: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Shades `index` [H, W] and `weights` [H, W, 2] of `rasterise` -> picture [H, W, 3], RGB in linear light.

    vertices, normals, rest [V, 3]: posed vertices, their normals, and the rest pose (which colours eyes and teeth).
    For vertices of hair the normal is the tangent of the strand and the rest pose is (tint, 0 root .. 1 tip, 0).
    texture [S, S, 5]: RGB, gloss, ambient occlusion of skin. eyes [2, 3]: eyeball centres at rest. iris, hair [3]: RGB.
    towards_light [L, 3] unit vectors, light [L, 3] their RGB. camera [3]. depth [D, D], to_depth [3, 4]: depth map of
    the first light and the affine map into it. mouth_open in [0, 1]: how much light reaches the teeth.
    """
    height, width = index.shape
    out = np.empty((height, width, 3), np.float32)
    for y in range(height):
        for x in range(width):
            t = index[y, x]
            if t < 0:
                for channel in range(3):
                    out[y, x, channel] = background[y, x, channel]
                continue
            b0, b1 = weights[y, x, 0], weights[y, x, 1]
            b2 = 1 - b0 - b1
            i, j, k = triangle[t]
            nx, ny, nz = _weigh(normals, i, j, k, b0, b1, b2)
            length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
            nx, ny, nz = nx / length, ny / length, nz / length
            px, py, pz = _weigh(vertices, i, j, k, b0, b1, b2)
            kind = material[t]
            gloss, shine, occlusion, wrap = 0.06, 18.0, 1.0, 0.25
            if kind == 0:
                r0, r1, r2 = triangle_uv[t]
                u = b0 * uv[r0, 0] + b1 * uv[r1, 0] + b2 * uv[r2, 0]
                v = b0 * uv[r0, 1] + b1 * uv[r1, 1] + b2 * uv[r2, 1]
                red, green, blue = (
                    _texel(texture, u, v, 0),
                    _texel(texture, u, v, 1),
                    _texel(texture, u, v, 2),
                )
                gloss, occlusion = _texel(texture, u, v, 3), _texel(texture, u, v, 4)
            else:
                rx, ry, rz = _weigh(rest, i, j, k, b0, b1, b2)
                if kind <= 2:
                    c = kind - 1
                    red, green, blue = _eye(rx - eyes[c, 0], ry - eyes[c, 1], rz - eyes[c, 2], iris)
                    wrap, gloss, shine, occlusion = 0.4, 1.2, 140.0, 0.85
                elif kind == 3:
                    red, green, blue = 0.88, 0.80, 0.70
                    occlusion = (1 - 0.8 * _clip01((abs(rx) - 0.10) / 0.16)) * mouth_open
                    gloss, shine = 0.3 * occlusion, 40.0
                elif kind == 5:
                    red, green, blue = hair[0] * rx, hair[1] * rx, hair[2] * rx
                    occlusion, gloss, shine = 0.5 + 0.5 * ry, 0.05 + 0.4 * hair[1], 45.0
                else:
                    red, green, blue = 0.40, 0.10, 0.10
                    occlusion, gloss = 0.6, 0.2
            vx, vy, vz = camera[0] - px, camera[1] - py, camera[2] - pz
            length = math.sqrt(vx * vx + vy * vy + vz * vz)
            vx, vy, vz = vx / length, vy / length, vz / length
            lit_red, lit_green, lit_blue, highlight = 0.0, 0.0, 0.0, 0.0
            for q in range(light.shape[0]):
                lx, ly, lz = towards_light[q]
                cosine = nx * lx + ny * ly + nz * lz
                visible = _lit_share(depth, to_depth, px, py, pz) if q == 0 else 1.0
                if kind == 3:  # lips and teeth scatter light: no hard shadow between them
                    visible = 0.55 + 0.45 * visible
                hx, hy, hz = lx + vx, ly + vy, lz + vz
                half = (nx * hx + ny * hy + nz * hz) / (math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9)
                if kind == 5:  # Kajiya and Kay: brightest where light falls across the strand
                    cosine = math.sqrt(max(0.0, 1 - cosine * cosine)) * 0.6
                    half = math.sqrt(max(0.0, 1 - half * half))
                half = max(0.0, half)
                # subsurface scattering softens the edge of the shadow, most for red
                visible_red = min(1.0, visible + 0.5 * (1 - visible) * visible)
                lit_red += light[q, 0] * max(0.0, (cosine + 1.3 * wrap) / (1 + 1.3 * wrap)) * visible_red
                lit_green += light[q, 1] * max(0.0, (cosine + 0.6 * wrap) / (1 + 0.6 * wrap)) * visible
                lit_blue += light[q, 2] * max(0.0, (cosine + 0.4 * wrap) / (1 + 0.4 * wrap)) * visible
                highlight += light[q, 1] * visible * gloss * half**shine * _clip01(4 * cosine)
            up = 0.5 + 0.5 * ny if kind != 5 else 0.6
            sky = ambient * (0.55 + 0.45 * up)
            rim = 0.0
            if kind == 0:
                rim = 0.03 * occlusion * (1 - max(0.0, nx * vx + ny * vy + nz * vz)) ** 4
            out[y, x, 0] = red * (lit_red + sky) * occlusion + highlight + rim
            out[y, x, 1] = green * (lit_green + sky) * occlusion + highlight + rim
            out[y, x, 2] = blue * (lit_blue + 1.05 * sky) * occlusion + highlight + rim
    return out
