"""Picture sets: grey face crops of rendered people with their valence and arousal, found and cut by the engine.

A crop is larger than the encoder's view: its middle is exactly the engine's FRAMING; the border allows the shifts,
rotations and scales of augmentation.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import MtclarError
from mtclar.engine.files.writing import write_whole
from mtclar.train.rendered.drawing.paint import Look, linear
from mtclar.train.rendered.drawing.renderer import Light, View, unit_rows
from mtclar.train.rendered.face_crop import CROP_SIDE, FaceCropper
from mtclar.train.rendered.person.expressions import EXPRESSIONS, MAIN, NEUTRAL, Mixture, between, mixed
from mtclar.train.rendered.person.head import load_head
from mtclar.train.rendered.person.idle import distract
from mtclar.train.rendered.person.people import About, Person

PICTURE_SIDE = 224  # pixels of a rendered picture
PICTURES_A_SCENE = 10  # pictures that share light and background
NAMES = tuple(EXPRESSIONS)
EXPOSED_FOR = 0.30  # relative luminance of the skin for which the standard light is right
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear RGB
MAIN_ODDS = 2.0  # odds of each main expression against each other expression


@dataclass(frozen=True, slots=True, eq=False)
class PictureSet:
    """N crops of P people; the fields are the arrays of the npz file."""

    images: NDArray[np.uint8]  # [N, CROP_SIDE, CROP_SIDE] grey
    va: NDArray[np.float32]  # [N, 2] valence, arousal
    person: NDArray[np.int32]  # [N] person id
    expression: NDArray[np.float32]  # [N, E] how much of each of expression_name is shown; all 0: neutral
    expression_name: NDArray[np.str_]  # [E]
    people: NDArray[np.int32]  # [P] the ids
    age_group: NDArray[np.str_]  # [P]
    sex: NDArray[np.str_]  # [P]
    skin_tone: NDArray[np.float32]  # [P] 0 light .. 1 dark

    def save(self, path: Path) -> None:
        """Writes the npz file atomically; raises WriteError."""
        arrays = {name: getattr(self, name) for name in self.__slots__}
        write_whole(path, lambda file: np.savez(file, **arrays), private=False)

    @classmethod
    def load(cls, path: Path) -> "PictureSet":
        """Reads a file of `save`."""
        with np.load(path) as stored:
            return cls(**{name: stored[name] for name in cls.__slots__})


def sample_mixture(rng: np.random.Generator) -> dict[str, float]:
    """Neutral (empty), one expression at some intensity, or two blended."""
    kind = rng.uniform()
    expressions = [name for name in NAMES if name != NEUTRAL]
    odds = np.array([MAIN_ODDS if name in MAIN else 1.0 for name in expressions])
    first, second = (str(name) for name in rng.choice(expressions, 2, p=odds / odds.sum()))
    if kind < 0.12:
        return {}
    if kind < 0.5:
        return {first: float(rng.uniform(0.2, 1.15))}
    intensities = rng.uniform(0.3, 1.15, 2)
    return between({first: float(intensities[0])}, {second: float(intensities[1])}, float(rng.uniform()))


def sample_light(rng: np.random.Generator, look: Look) -> Light:
    """A key light from the front, a fill light from the other side and a rim light, with random strength and tint.

    Exposure partly compensates for the skin: dark skin gets more light than fair skin.
    """
    standard = Light()
    exposure = math.sqrt(EXPOSED_FOR / float(linear(look.skin) @ LUMINANCE))
    azimuth, elevation = rng.uniform(-1.2, 1.2), rng.uniform(-0.1, 1.0)
    key = [
        math.sin(azimuth) * math.cos(elevation),
        math.sin(elevation),
        math.cos(azimuth) * math.cos(elevation),
    ]
    fill = rng.normal([-0.5 * np.sign(azimuth), 0.2, 0.7], 0.3)
    strength = exposure * rng.uniform(0.45, 1.3, (3, 1)) * rng.uniform(0.9, 1.1, (3, 3))
    towards = unit_rows(np.array([key, fill, standard.towards[2]]))
    return Light(towards, standard.colour * strength, exposure * standard.ambient)


def sample_background(rng: np.random.Generator) -> NDArray[np.float32]:
    """A blurred grey pattern [side, side, 3] in linear light."""
    level = rng.uniform(0.02, 0.7)
    cells = rng.uniform(0, 0.5, (6, 6)).astype(np.float32)
    pattern = cv2.resize(cells, (PICTURE_SIDE, PICTURE_SIDE), interpolation=cv2.INTER_CUBIC)
    return np.repeat(np.clip(level + pattern - 0.25, 0, 1)[..., None], 3, axis=2)


def sample_view(rng: np.random.Generator) -> View:
    """A head turned roughly towards the camera, as in webcam pictures."""
    return View(
        yaw=math.radians(float(np.clip(rng.normal(0, 11), -27, 27))),
        pitch=math.radians(float(np.clip(rng.normal(0, 7), -16, 16))),
        roll=math.radians(float(rng.normal(0, 6))),
        shift=(float(rng.normal(0, 0.08)), float(rng.normal(0, 0.06))),
        distance=float(rng.uniform(8, 16)),
        span=float(rng.uniform(3.0, 3.8)),
    )


def degrade(crop: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Degrades a crop [S, S] as cameras do: blur, gamma, contrast, noise, JPEG; mildly, because it has 56 pixels."""
    grey: NDArray[np.floating] = crop.astype(np.float32)
    if rng.uniform() < 0.3 and (sigma := float(rng.uniform(0, 0.9))) > 0.15:
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma), np.float32)
    grey = 255 * (grey / 255) ** math.exp(rng.normal(0, 0.25))
    grey = 128 + (grey - 128) * rng.uniform(0.75, 1.2) + rng.uniform(-20, 20)
    noisy = grey + rng.normal(0, rng.choice([0, 1, 2, 4]), grey.shape)
    degraded = np.clip(noisy, 0, 255).astype(np.uint8)
    if rng.uniform() < 0.6:
        quality = int(rng.integers(35, 95))
        _, jpeg = cv2.imencode(".jpg", degraded, [cv2.IMWRITE_JPEG_QUALITY, quality])
        degraded = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE), np.uint8)
    return degraded


def pictures_of(
    person: Person, count: int, cropper: FaceCropper
) -> Iterator[tuple[NDArray[np.uint8], Mixture]]:
    """`count` crops [CROP_SIDE, CROP_SIDE] of a person with their expressions; deterministic.

    A picture without a detected face is replaced; the function stops after more than `count` such pictures.
    """
    head = load_head()
    renderer = person.renderer((PICTURE_SIDE, PICTURE_SIDE))
    rng = np.random.default_rng([9, person.person_id])
    made, missed = 0, 0
    light, background = sample_light(rng, person.look), sample_background(rng)
    while made < count and missed <= count:
        if made % PICTURES_A_SCENE == 0:
            light, background = sample_light(rng, person.look), sample_background(rng)
        mixture = sample_mixture(rng)
        weights = distract(person.shows(mixed(mixture)[0], head), rng, head)
        crop = cropper(renderer.render(weights, sample_view(rng), light, background))
        if crop is None:
            missed += 1
            continue
        made += 1
        yield degrade(crop, rng), mixture


def _person_pictures(
    person_id: int, count: int
) -> tuple[int, About, list[tuple[NDArray[np.uint8], Mixture]]]:
    """All pictures of one person; runs in a worker process."""
    cv2.setNumThreads(1)
    person = Person.sample(person_id)
    with FaceCropper() as cropper:
        return person_id, person.about, list(pictures_of(person, count, cropper))


def make_pictures(ids: range, count: int, *, workers: int = 1) -> PictureSet:
    """`count` pictures of each person in `ids`; the result does not depend on the number of workers.

    Raises MtclarError when a worker was killed.
    """
    if workers > 1:
        try:
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                made = list(pool.map(_person_pictures, ids, [count] * len(ids)))
        except BrokenProcessPool as error:
            raise MtclarError(
                "a process that rendered people was killed", "memory may be full: one worker needs least"
            ) from error
    else:
        made = [_person_pictures(person_id, count) for person_id in ids]
    rows = [(person_id, crop, mixture) for person_id, _, pictures in made for crop, mixture in pictures]
    return PictureSet(
        images=np.array([crop for _, crop, _ in rows], np.uint8).reshape(-1, CROP_SIDE, CROP_SIDE),
        va=np.array([mixed(mixture)[1] for _, _, mixture in rows], np.float32).reshape(-1, 2),
        person=np.array([person_id for person_id, _, _ in rows], np.int32),
        expression=np.array(
            [[mixture.get(n, 0.0) for n in NAMES] for _, _, mixture in rows], np.float32
        ).reshape(-1, len(NAMES)),
        expression_name=np.array(NAMES),
        people=np.array([person_id for person_id, _, _ in made], np.int32),
        age_group=np.array([about.age_group for _, about, _ in made]),
        sex=np.array([about.sex for _, about, _ in made]),
        skin_tone=np.array([about.skin_tone for _, about, _ in made], np.float32),
    )
