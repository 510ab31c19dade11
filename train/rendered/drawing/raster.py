"""Z-buffer rasteriser and vertex normals, compiled by numba: triangles in, per-pixel triangle ids and weights out."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, fastmath=True)
def rasterise(
    points: NDArray[np.float64], triangle: NDArray[np.int32], width: int, height: int
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Which triangle each pixel shows.

    points [V, 3]: x right and y down in pixels, and a depth key of which the largest wins (1/z in perspective).
    Returns triangle index [H, W] (-1: none), the first two barycentric weights [H, W, 2] (perspective-correct when the
    key is 1/z), and the key [H, W] (0: none). Back faces are drawn too.
    """
    index = np.full((height, width), -1, np.int32)
    weights = np.zeros((height, width, 2), np.float32)
    key = np.zeros((height, width), np.float32)
    for t in range(triangle.shape[0]):
        ax, ay, aq = points[triangle[t, 0]]
        bx, by, bq = points[triangle[t, 1]]
        cx, cy, cq = points[triangle[t, 2]]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9:
            continue
        x0 = max(0, math.floor(min(ax, bx, cx)))
        x1 = min(width - 1, math.ceil(max(ax, bx, cx)))
        y0 = max(0, math.floor(min(ay, by, cy)))
        y1 = min(height - 1, math.ceil(max(ay, by, cy)))
        for y in range(y0, y1 + 1):
            py = y + 0.5
            for x in range(x0, x1 + 1):
                px = x + 0.5
                w0 = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area
                w1 = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area
                w2 = 1 - w0 - w1
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                q = w0 * aq + w1 * bq + w2 * cq
                if q > key[y, x]:
                    key[y, x] = q
                    index[y, x] = t
                    weights[y, x, 0] = w0 * aq / q
                    weights[y, x, 1] = w1 * bq / q
    return index, weights, key


@njit(cache=True, fastmath=True)
def vertex_normals(vertices: NDArray[np.float64], triangle: NDArray[np.int32]) -> NDArray[np.float64]:
    """Unit normals [V, 3]: the mean of the normals of a vertex' triangles, weighted by their area."""
    normals = np.zeros_like(vertices)
    for t in range(triangle.shape[0]):
        a, b, c = triangle[t]
        ex, ey, ez = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        fx, fy, fz = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        nx, ny, nz = ey * fz - ez * fy, ez * fx - ex * fz, ex * fy - ey * fx
        for v in (a, b, c):
            normals[v, 0] += nx
            normals[v, 1] += ny
            normals[v, 2] += nz
    for v in range(normals.shape[0]):
        length = math.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2) + 1e-12
        normals[v] /= length
    return normals
