"""Rendered test people at several yaws as whole frames, for robustness.py; rendered once and kept in a file."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.networks.degradations import clipped
from mtclar.train.rendered.clips import SENSOR_NOISE
from mtclar.train.rendered.drawing.renderer import View
from mtclar.train.rendered.person.expressions import mixed
from mtclar.train.rendered.person.head import load_head
from mtclar.train.rendered.person.people import Person
from mtclar.train.rendered.pictures import sample_background, sample_light, sample_mixture
from mtclar.train.rendered.splits import TEST

Array = NDArray[Any]

SIDE = 224  # pixels of a frame; the face takes about 60 % of it
PICTURES = 4  # of each person
YAWS = (0, 15, 25, 35, 45)  # degrees, to either side in turn


def frames(path: Path) -> dict[str, Array]:
    """Rendered test people at every yaw, the same faces in the same light; from the file, or made and kept there."""
    if not path.is_file():
        head, images, labels, yaws, faces = load_head(), [], [], [], []
        for person_id in TEST:
            person, rng = Person.sample(person_id), np.random.default_rng([29, person_id])
            renderer = person.renderer((SIDE, SIDE))
            light, background = sample_light(rng, person.look), sample_background(rng)
            for number in range(PICTURES):
                mixture = sample_mixture(rng)
                weights, va = mixed(mixture)
                shown = person.shows(weights, head)
                for yaw in YAWS:
                    turned = math.radians(yaw) * (-1) ** number
                    view = View(yaw=turned, pitch=0.0, roll=0.0, shift=(0.0, 0.0), distance=12.0, span=3.4)
                    picture = renderer.render(shown, view, light, background)
                    images.append(clipped(picture + rng.normal(0, SENSOR_NOISE, picture.shape)))
                    labels.append(np.clip(va, -1, 1))
                    yaws.append(yaw)
                    faces.append(person_id)
            print(f"person {person_id} rendered", flush=True)
        np.savez_compressed(
            path, images=np.array(images), va=np.array(labels), yaw=np.array(yaws), person=np.array(faces)
        )
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
