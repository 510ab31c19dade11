"""Makes the bundled demo clip: `python -m mtclar.train.rendered.demo stream/demo_clip`.

The first seconds show the main expressions, from which the demo takes its support frames. The rest shows other
expressions, blends and strengths in another order, while the head turns, the light changes and the person talks.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.train.rendered.clips import (
    ClipFrame,
    Hold,
    LitAt,
    Script,
    Turn,
    encode_h264,
    render_clip,
    write_labels,
)
from mtclar.train.rendered.drawing.renderer import Light, unit_rows
from mtclar.train.rendered.person.hair import Cut
from mtclar.train.rendered.person.head import load_head
from mtclar.train.rendered.person.people import ETHNICITIES, Person, level_eyes
from mtclar.train.rendered.splits import DEMO

SIZE = (640, 480)
FPS = 25
CRF = 21
SPAN = 3.5  # height of the picture in decimetres
AVERAGENESS = 0.55  # weight of the average woman in the shape
CALIBRATION_END_S = 9.6
LABELS_PER_HOLD = 3


def demo_person() -> Person:
    """The person of the clip, from the demo split, with finer hair than in picture sets."""
    person = Person.sample(DEMO[1])
    cut = Cut(strands=7000, length=1.45, width=0.014, parting=0.32, body=0.12, backwards=0.55)
    look = replace(
        person.look,
        skin=(202, 150, 124),
        hair=(58, 38, 28),
        brow=(52, 36, 28),
        shirt=(44, 74, 92),
        hairline=0.06,
        hair_volume=0.03,
        cut=cut,
    )
    shape = (1 - AVERAGENESS) * person.shape + AVERAGENESS * average_woman()
    resting = {unit: 0.1 * weight for unit, weight in person.resting.items()}
    return replace(person, shape=shape, look=look, resting=resting)


def average_woman() -> NDArray[np.float64]:
    """The rest shape [V, 3] of a young woman, averaged over the ethnicities."""
    head = load_head()
    shape = head.mesh.copy()
    for ethnicity in ETHNICITIES:
        head.morphs[f"{ethnicity}-female-young"].add(shape, 1 / len(ETHNICITIES))
    head.morphs["universal-female-young-averagemuscle-averageweight"].add(shape, 1.0)
    return level_eyes(shape, head)


def demo_light(*, key: float = 1.0, side: float = -0.6, warmth: float = 1.0) -> Light:
    """Light of a window on one side, a bright room on the other side and a lamp behind."""
    return Light(
        unit_rows(np.array([[side, 0.5, 0.75], [-0.9 * np.sign(side), 0.1, 0.55], [0.5, 0.75, -0.7]])),
        np.array([[1.05, 1.0, 0.95], [0.34, 0.34, 0.36], [0.55, 0.5, 0.42]])
        * np.array([key, 1.0, 1.0])[:, None]
        * np.array([warmth, 1.0, 1 / warmth]),
        0.50,
    )


def demo_script() -> Script:
    """The script of the clip, 40 seconds."""
    holds = [
        Hold(0.0, 1.3),
        Hold(1.9, 3.1, {"happy": 1.0}),
        Hold(3.8, 4.9, {"surprised": 1.0}),
        Hold(5.7, 6.9, {"sad": 1.0}),
        Hold(7.6, 8.8, {"angry": 1.0}),
        Hold(9.4, 10.6),
        Hold(11.4, 12.4, {"content": 1.0}),
        Hold(13.0, 14.4, {"happy": 0.6}),
        Hold(15.0, 15.9, {"surprised": 0.5, "happy": 0.5}),
        Hold(16.6, 17.6, {"surprised": 1.0}),
        Hold(18.2, 18.8, {"afraid": 0.9}),
        Hold(19.6, 20.8),
        Hold(21.5, 22.6, {"angry": 0.55}),
        Hold(23.2, 24.2, {"angry": 0.5, "sad": 0.5}),
        Hold(24.9, 26.2, {"sad": 0.8}),
        Hold(27.0, 28.2, {"tired": 0.9}),
        Hold(29.0, 30.2, {"content": 0.7}),
        Hold(30.9, 32.0, {"happy": 1.0}),
        Hold(32.6, 33.5, {"happy": 0.35}),
        Hold(34.2, 35.2, {"disgusted": 0.8}),
        Hold(35.9, 36.8, {"angry": 0.9}),
        Hold(37.6, 38.4, {"surprised": 0.6}),
        Hold(39.1, 40.1),
    ]
    blinks = (
        1.6,
        3.45,
        5.3,
        7.25,
        9.1,
        11.0,
        13.7,
        16.2,
        18.95,
        19.15,
        22.9,
        25.6,
        28.5,
        31.3,
        33.8,
        36.3,
        38.8,
    )
    turns = (
        Turn(0.0),
        Turn(10.5),
        Turn(12.5, yaw=0.24, pitch=-0.03),
        Turn(14.5, yaw=0.05, roll=0.05),
        Turn(17.0, yaw=-0.05, pitch=0.04),
        Turn(20.0, yaw=-0.30, pitch=0.05),
        Turn(22.5, yaw=-0.12, pitch=-0.08),
        Turn(25.5, pitch=0.14, roll=-0.06),
        Turn(28.0, pitch=0.10, roll=-0.04),
        Turn(30.5, yaw=0.18, roll=0.07),
        Turn(33.0, yaw=0.05),
        Turn(35.0, yaw=-0.15, roll=-0.05),
        Turn(37.0),
        Turn(40.0),
    )
    day, cloud = demo_light(), demo_light(key=0.55)
    lamp = demo_light(key=0.9, side=0.7, warmth=1.07)
    lights = [(0, day), (17, day), (18.5, cloud), (23, cloud), (25, lamp), (33, lamp), (36, day)]
    return Script(
        40.0,
        holds,
        blinks,
        talks=((12.6, 14.2), (20.2, 21.4), (29.2, 30.4)),
        turns=turns,
        lights=[LitAt(time_s, light) for time_s, light in lights],
    )


def room() -> NDArray[np.float32]:
    """An out-of-focus room [H, W, 3] in linear light: a wall, a window, a shelf with books, a lamp."""
    width, height = SIZE
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    wall = np.array([0.30, 0.29, 0.27]) * (1.05 - 0.45 * x - 0.2 * y)[..., None]
    picture = wall.astype(np.float32)

    def box(x0: float, y0: float, x1: float, y1: float, colour: tuple[float, float, float]) -> None:
        picture[int(y0 * height) : int(y1 * height), int(x0 * width) : int(x1 * width)] = colour

    box(0.0, 0.0, 0.17, 0.62, (0.85, 0.92, 1.0))
    box(0.075, 0.0, 0.09, 0.62, (0.34, 0.33, 0.31))
    box(0.0, 0.62, 0.20, 0.66, (0.40, 0.38, 0.35))
    rng = np.random.default_rng(7)
    for shelf in (0.12, 0.36, 0.60):
        left = 0.76
        while left < 1.0:
            thick, tall = rng.uniform(0.012, 0.035), rng.uniform(0.12, 0.19)
            colour = 0.5 * np.array([0.22, 0.15, 0.11]) + 0.5 * (
                rng.uniform(0.05, 0.25) + rng.uniform(-0.05, 0.07, 3)
            )
            box(left, shelf + 0.2 - tall, left + thick, shelf + 0.2, (colour[0], colour[1], colour[2]))
            left += thick + (0.03 if rng.uniform() < 0.12 else 0.002)
        box(0.74, shelf + 0.2, 1.0, shelf + 0.22, (0.16, 0.10, 0.06))
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 9), np.float32)


def demo_frames() -> Iterator[ClipFrame]:
    """All frames of the clip."""
    return render_clip(
        demo_person(),
        demo_script(),
        SIZE,
        FPS,
        background=room(),
        span=SPAN,
        supersample=2,
        texture_side=2048,
    )


def calibration_times(script: Script) -> list[float]:
    """LABELS_PER_HOLD frame times of each of the first holds: full expression, open eyes."""
    chosen: list[float] = []
    for hold in script.holds:
        times = [n / FPS for n in range(math.ceil(hold.start_s * FPS), math.floor(hold.end_s * FPS) + 1)]
        steady = [time_s for time_s in times if script.held(time_s)]
        if hold.end_s > CALIBRATION_END_S:
            break
        picks = np.linspace(0, len(steady) - 1, LABELS_PER_HOLD + 2)[1:-1]
        chosen += [steady[round(pick)] for pick in picks]
    return chosen


def main() -> None:
    """Renders and writes clip.mp4, clip.csv and calibration.csv."""
    parser = argparse.ArgumentParser(prog="python -m mtclar.train.rendered.demo", description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    script, truth = demo_script(), []

    def images() -> Iterator[NDArray[np.uint8]]:
        for frame in demo_frames():
            truth.append((frame.time_s, frame.valence, frame.arousal))
            yield frame.image

    encode_h264(images(), folder / "clip.mp4", SIZE, FPS, CRF)
    write_labels(truth, folder / "clip.csv")
    labels = [(time_s, *script.affect(time_s)) for time_s in calibration_times(script)]
    write_labels(labels, folder / "calibration.csv")
    size_mb = (folder / "clip.mp4").stat().st_size / 1e6
    print(f"{folder}: {len(truth)} frames, {size_mb:.2f} MB, {len(labels)} labels")


if __name__ == "__main__":
    main()
