"""The head model of all rendered people: mesh, face units, shape morphs and painted masks, read from head.npz.

Coordinates are those of the MakeHuman base mesh: decimetres, x to the person's left, y up, z out of the face; the eyes
lie near y = 7.5. `tools/convert/build_head.py` makes the file from CC0 data (sources in NOTICE).
"""

import enum
import functools
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

STEP = 1e-3  # decimetres per stored int16 unit


class Material(enum.IntEnum):
    """The material of a triangle."""

    SKIN = 0  # with hair, brows and shirt, which are painted on it
    LEFT_EYE = 1
    RIGHT_EYE = 2
    TEETH = 3
    TONGUE = 4
    HAIR = 5  # strands, which the renderer adds; the head has no such triangle


@dataclass(frozen=True, slots=True, eq=False)
class Offsets:
    """Vertex offsets of one face unit or morph at weight 1, for the vertices that it moves."""

    vertex: NDArray[np.int64]  # [K]
    offset: NDArray[np.float64]  # [K, 3] decimetres

    def add(self, vertices: NDArray[np.float64], weight: float) -> None:
        """Moves `vertices` [V, 3] in place."""
        vertices[self.vertex] += weight * self.offset


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The shared topology, with its face units, morphs and masks."""

    mesh: NDArray[np.float64]  # [V, 3] sexless, ageless mesh to which shape morphs are added
    base: NDArray[np.float64]  # [V, 3] young adult on which skin, brows and hair are painted
    uv: NDArray[np.float64]  # [U, 2] in [0, 1], v up
    triangle: NDArray[np.int32]  # [T, 3] into vertices
    triangle_uv: NDArray[np.int32]  # [T, 3] into uv
    material: NDArray[np.int32]  # [T] Material
    units: dict[str, Offsets]  # the 52 face units, by ARKit's names
    morphs: dict[str, Offsets]  # shape, by MakeHuman's names
    masks: dict[str, NDArray[np.float32]]  # [S, S] in [0, 1] over uv, row 0 at v = 1

    def vertices_of(self, *materials: Material) -> NDArray[np.int64]:
        """Indices of the vertices of these materials, ascending."""
        return np.unique(self.triangle[np.isin(self.material, materials)]).astype(np.int64)


def sided(unit: str, head: Head) -> tuple[str, ...]:
    """The face units of a name: the unit itself, or its left and right units (`mouthSmile` is both corners)."""
    if unit in head.units:
        return (unit,)
    pair = (unit + "Left", unit + "Right")
    if pair[0] not in head.units:
        raise KeyError(f"no face unit called {unit}")
    return pair


@functools.cache
def load_head() -> Head:
    """The head in head.npz; read once per process."""
    with resources.files(__package__).joinpath("head.npz").open("rb") as file, np.load(file) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return Head(
        mesh=arrays["mesh"].astype(np.float64),
        base=arrays["base"].astype(np.float64),
        uv=arrays["uv"].astype(np.float64),
        triangle=arrays["triangle"].astype(np.int32),
        triangle_uv=arrays["triangle_uv"].astype(np.int32),
        material=arrays["material"].astype(np.int32),
        units=_offsets(arrays, "unit"),
        morphs=_offsets(arrays, "morph"),
        masks={k[5:]: a.astype(np.float32) / 255 for k, a in arrays.items() if k.startswith("mask_")},
    )


def _offsets(arrays: dict[str, NDArray[np.generic]], kind: str) -> dict[str, Offsets]:
    """The sparse table `kind` of head.npz, split by name."""
    ends = arrays[f"{kind}_end"].astype(np.int64)[:-1]
    vertices = np.split(arrays[f"{kind}_vertex"].astype(np.int64), ends)
    offsets = np.split(arrays[f"{kind}_offset"].astype(np.float64) * STEP, ends)
    return {str(n): Offsets(v, o) for n, v, o in zip(arrays[f"{kind}_name"], vertices, offsets, strict=True)}
