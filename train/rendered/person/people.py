"""Rendered people: shape, look, strength of motion and resting face, all drawn from the person's id."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from mtclar.train.rendered.drawing.paint import Colour, Look
from mtclar.train.rendered.drawing.renderer import Renderer
from mtclar.train.rendered.person.expressions import Weights
from mtclar.train.rendered.person.hair import Cut
from mtclar.train.rendered.person.head import Head, Material, load_head, sided

ETHNICITIES = ("african", "asian", "caucasian")  # MakeHuman's names of its shape morphs
HEAD_SHAPES = ("oval", "round", "square", "rectangular", "triangular", "diamond", "invertedtriangular")
HAIR_COLOURS: tuple[Colour, ...] = (
    (62, 44, 33),
    (30, 24, 22),
    (18, 15, 14),
    (120, 90, 60),
    (170, 140, 95),
    (110, 60, 35),
    (150, 150, 150),
)
IRIS_COLOURS: tuple[Colour, ...] = ((89, 69, 48), (60, 45, 32), (105, 85, 50), (88, 110, 90), (95, 125, 150))
BALD = -3.0  # decimetres by which the hairline is higher than usual
DARK_HAIR = 3  # number of dark colours at the start of HAIR_COLOURS

SPREAD: Mapping[str, float] = {"brow": 0.25, "eye": 0.25, "jaw": 0.2, "nose": 0.3, "mouth": 0.2}
"""Log-normal spread, from person to person, of how strongly each part of the face moves."""

RESTING: Mapping[str, float] = {
    "mouthFrown": 0.18,
    "mouthSmile": 0.10,
    "browDown": 0.18,
    "browInnerUp": 0.15,
    "eyeSquint": 0.2,
    "eyeWide": 0.15,
    "mouthPress": 0.2,
    "jawOpen": 0.05,
    "browOuterUp": 0.12,
    "mouthUpperUp": 0.06,
}
"""Standard deviation over people of the face units at rest; half of all people have none of a unit."""


class HairWorn(TypedDict):
    """The fields of a Look that describe the hairstyle."""

    hairline: float
    hair_volume: float
    cut: Cut | None


@dataclass(frozen=True, slots=True)
class About:
    """The attributes by which error tables group people."""

    age_group: Literal["child", "adult", "old"]
    sex: Literal["female", "male", "between"]
    skin_tone: float  # 0 light .. 1 dark: 1 - relative luminance of the skin, scaled to the palette
    ethnicity: tuple[float, float, float]  # shares of ETHNICITIES in the shape


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One rendered person."""

    person_id: int
    shape: NDArray[np.float64]  # [V, 3] rest pose, decimetres
    look: Look
    gains: Mapping[str, float]  # face unit -> how strongly this person moves it
    resting: Mapping[str, float]  # face unit -> weight at rest
    about: About

    @classmethod
    def sample(cls, person_id: int, head: Head | None = None) -> "Person":
        """The person of this id; deterministic."""
        head = head or load_head()
        rng = np.random.default_rng([5, person_id])
        shape, sex, ages, ethnicity = _shape(rng, head)
        look, tone = _look(rng, old=ages["old"], african=ethnicity[0])
        about = About(
            age_group="child" if ages["child"] > 0.3 else "old" if ages["old"] > 0.5 else "adult",
            sex="female" if sex > 2 / 3 else "male" if sex < 1 / 3 else "between",
            skin_tone=tone,
            ethnicity=(ethnicity[0], ethnicity[1], ethnicity[2]),
        )
        return cls(person_id, shape, look, _gains(rng, head), _resting(rng, head), about)

    def shows(self, weights: Mapping[str, float], head: Head | None = None) -> Weights:
        """This person's face units, by full name, for `weights`: scaled by the gains, added to the resting face."""
        head = head or load_head()
        units = dict(self.resting)
        for name, weight in weights.items():
            for unit in sided(name, head):
                units[unit] = units.get(unit, 0.0) + weight * self.gains[unit]
        return units

    def renderer(self, size: tuple[int, int], *, supersample: int = 1, texture_side: int = 1024) -> Renderer:
        """A renderer of this person at `size` (width, height)."""
        return Renderer(
            load_head(),
            self.shape,
            self.look,
            size,
            supersample=supersample,
            texture_side=texture_side,
            seed=self.person_id,
        )


def _shape(
    rng: np.random.Generator, head: Head
) -> tuple[NDArray[np.float64], float, dict[str, float], list[float]]:
    """Rest shape [V, 3], share of female, shares of the ages, shares of ETHNICITIES."""
    shape = head.mesh.copy()

    def morph(name: str, weight: float) -> None:
        head.morphs[name].add(shape, weight)

    female = float(rng.choice([0.0, 1.0, rng.uniform()], p=[0.35, 0.35, 0.3]))
    ethnicity = [float(share) for share in rng.dirichlet([0.45] * 3)]
    old = float(rng.choice([0.0, rng.uniform()], p=[0.45, 0.55]))
    child = 0.0 if old or rng.uniform() > 0.12 else float(rng.uniform(0.2, 0.6))
    ages = {"young": 1 - old - child, "old": old, "child": child}
    build = rng.uniform(-1, 1)  # thin .. heavy
    for sex, sex_share in (("female", female), ("male", 1 - female)):
        for age, age_share in ages.items():
            share = sex_share * age_share
            for name, part in zip(ETHNICITIES, ethnicity, strict=True):
                morph(f"{name}-{sex}-{age}", share * part)
            universal = f"universal-{sex}-{age}-averagemuscle-"
            morph(universal + "averageweight", share * (1 - abs(build)))
            morph(universal + ("maxweight" if build > 0 else "minweight"), share * abs(build))
    for name, weight in zip(
        HEAD_SHAPES, rng.dirichlet([0.3] * len(HEAD_SHAPES)) * rng.uniform(0, 0.8), strict=True
    ):
        morph(f"head-{name}", weight)
    for name in head.morphs:
        if name.endswith("-minus"):  # each local morph has a plus and a minus end
            amount = float(np.clip(rng.normal(0, 0.3), -0.8, 0.8))
            morph(name if amount < 0 else name.removesuffix("minus") + "plus", abs(amount))
    return level_eyes(shape, head), female, ages, ethnicity


def level_eyes(shape: NDArray[np.float64], head: Head) -> NDArray[np.float64]:
    """The shape [V, 3] moved so that the eyes are at the position of the base head."""
    eyes = head.vertices_of(Material.LEFT_EYE, Material.RIGHT_EYE)
    return np.asarray(shape + (head.base[eyes].mean(0) - shape[eyes].mean(0)))


def _look(rng: np.random.Generator, *, old: float, african: float) -> tuple[Look, float]:
    """Colours and hair, and how dark the skin is (0..1)."""
    tone = float(
        np.clip(rng.normal(0.15 + 0.65 * african, 0.22), 0, 1) if rng.uniform() < 0.5 else rng.uniform()
    )
    light, dark = np.array([226, 172, 142]), np.array([92, 60, 46])
    skin = (light * (1 - tone) + dark * tone) * rng.uniform(0.95, 1.04, 3)
    dark_haired = rng.uniform() < tone + 0.3
    hair = np.array(
        HAIR_COLOURS[rng.integers(DARK_HAIR if dark_haired else len(HAIR_COLOURS))]
    ) * rng.uniform(0.8, 1.2)
    if rng.uniform() < old:
        grey = rng.uniform(0.4, 1)
        hair = hair * (1 - grey) + rng.uniform(120, 200) * grey
    brow = np.minimum(
        hair * rng.uniform(0.7, 1.1), 0.8 * skin
    )  # brows lighter than the skin would be invisible
    look = Look(
        skin=_colour(skin),
        hair=_colour(hair),
        brow=_colour(brow),
        iris=IRIS_COLOURS[rng.integers(2 if tone > 0.5 else len(IRIS_COLOURS))],
        shirt=_colour(rng.uniform(20, 230, 3)),
        brow_drop=float(rng.uniform(0.045, 0.095)),
        **_hair(rng),
    )
    return look, tone


def _hair(rng: np.random.Generator) -> HairWorn:
    """Bald, a painted cap, or strands from short to shoulder length."""
    if rng.uniform() < 0.1:
        return {"hairline": BALD, "hair_volume": 0.0, "cut": None}
    hairline = float(rng.normal(0, 0.08))
    if rng.uniform() < 0.3:
        return {"hairline": hairline, "hair_volume": float(rng.uniform(0.04, 0.2)), "cut": None}
    cut = Cut(
        strands=1000,
        length=float(rng.choice([rng.uniform(0.25, 0.7), rng.uniform(0.7, 2.2)])),
        width=0.035,
        parting=float(rng.normal(0, 0.25)),
        body=float(rng.uniform(0.06, 0.22)),
        backwards=float(rng.uniform(0.1, 0.8)),
    )
    return {"hairline": hairline, "hair_volume": 0.04, "cut": cut}


def _colour(rgb: NDArray[np.floating]) -> Colour:
    red, green, blue = np.clip(rgb, 5, 235)
    return float(red), float(green), float(blue)


def _gains(rng: np.random.Generator, head: Head) -> dict[str, float]:
    """The gain of each face unit: a random gain for each part of the face, with a small variation per unit."""
    parts = {part: rng.lognormal(0, spread) for part, spread in SPREAD.items()}
    gains = {}
    for unit in head.units:
        part = next((p for p in SPREAD if unit.startswith(p)), "mouth")
        gains[unit] = float(np.clip(parts[part] * rng.lognormal(0, 0.12), 0.5, 1.6))
    return gains


def _resting(rng: np.random.Generator, head: Head) -> dict[str, float]:
    """Face-unit weights at rest, by full unit name."""
    resting: dict[str, float] = {}
    for name, spread in RESTING.items():
        weight = max(0.0, float(rng.normal(0, spread)))
        resting |= dict.fromkeys(sided(name, head), weight)
    return resting
