"""Face crops of rendered people before and after a change, the input of drift.py.

    python -m experiments.tracking.drift_scenes FOLDER --people 960:972

Each person gets FOLDER/<id>.npz: a clip to calibrate on, a longer one with other expressions in the same light and
pose, and the beginning of that one again with one thing changed. The engine's own tracker finds and cuts the faces;
they are stored as pictures, so that another encoder needs no new rendering. A person who is there is kept.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import FaceCrop, Frame
from mtclar.engine.files.writing import write_whole
from mtclar.engine.tracker import Tracker
from mtclar.train.rendered.__main__ import people as people_range
from mtclar.train.rendered.clip_set import SIZE, SPAN
from mtclar.train.rendered.clips import ClipFrame, LitAt, Script, random_script, render_clip
from mtclar.train.rendered.drawing.renderer import Light, unit_rows
from mtclar.train.rendered.person.people import Person
from mtclar.train.rendered.pictures import sample_background, sample_light
from tools.arguments import parser_of

FPS = 4.0
CALIBRATION_S, UNCHANGED_S, CHANGED_S = 8.0, 16.0, 5.0
CALIBRATION, UNCHANGED = "calibration", "unchanged"
BLUR_PX = 2.5  # of the frame

NUMBERS = (
    "brightness",
    "sharpness",
    "yaw_deg",
    "pitch_deg",
    "roll_deg",
    "score",
    "valence",
    "arousal",
)  # of a frame, after its box


@dataclass(frozen=True)
class Scene:
    """The frames of one scene in which the face was found."""

    images: NDArray[np.uint8]  # [n, S, S]
    boxes: NDArray[np.float32]  # [n, 4]
    numbers: NDArray[np.float32]  # [n, len(NUMBERS)]
    frames: int  # of the scene, those without a face included

    def __len__(self) -> int:
        return len(self.images)

    @property
    def va(self) -> NDArray[np.float32]:
        """[n, 2] the script's valence and arousal."""
        return np.clip(self.numbers[:, -2:], -1, 1)

    def crops(self) -> list[FaceCrop]:
        """As the tracker cut them, without their landmarks."""
        nowhere = np.zeros((0, 3), np.float32)
        made = []
        for image, box, numbers in zip(self.images, self.boxes, self.numbers, strict=True):
            brightness, sharpness, yaw, pitch, roll, score = (float(number) for number in numbers[:6])
            x0, y0, x1, y1 = (float(edge) for edge in box)
            crop = FaceCrop(
                image, (x0, y0, x1, y1), nowhere, (yaw, pitch, roll), sharpness, brightness, 0, score
            )
            made.append(crop)
        return made

    @classmethod
    def seen(cls, clip: Iterable[ClipFrame], tracker: Tracker) -> Self:
        """Follows the face of a clip."""
        tracker.reset()
        images, boxes, numbers, count = [], [], [], 0
        for shown in clip:
            found = tracker.find(Frame(shown.image, count, shown.time_s, "file", shown.time_s, "scene")).crops
            count += 1
            if found:
                crop = found[0]
                images.append(crop.image)
                boxes.append(crop.box)
                of = (crop.brightness, crop.sharpness, *crop.pose_deg, crop.score)
                numbers.append((*of, shown.valence, shown.arousal))
        side = tracker.encoder.size
        return cls(
            np.array(images, np.uint8).reshape(-1, side, side),
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(numbers, np.float32).reshape(-1, len(NUMBERS)),
            count,
        )


def changes(script: Script, light: Light) -> dict[str, tuple[Script, float]]:
    """What changes, by name: the script with it, and the picture's height in decimetres."""

    def lit(other: Light) -> tuple[Script, float]:
        return replace(script, lights=[LitAt(0.0, other)]), SPAN

    def dimmed(share: float) -> tuple[Script, float]:
        return lit(Light(light.towards, light.colour * share, light.ambient * share))

    def turned(yaw_deg: float = 0.0, pitch_deg: float = 0.0) -> tuple[Script, float]:
        yaw, pitch = math.radians(yaw_deg), math.radians(pitch_deg)
        moved = [replace(turn, yaw=turn.yaw + yaw, pitch=turn.pitch + pitch) for turn in script.turns]
        return replace(script, turns=moved), SPAN

    side = -np.sign(light.towards[0, 0]) or 1.0  # not where the light comes from
    from_the_side = unit_rows(np.array([[side, 0.1, 0.25], *light.towards[1:]]))
    key = np.stack([2.0 * light.colour[0], 0.2 * light.colour[1], light.colour[2]])
    return {
        "half the light": dimmed(0.5),
        "a seventh of the light": dimmed(0.15),
        "twice the light": dimmed(2.0),
        "light from the side": lit(Light(from_the_side, key, 0.3 * light.ambient)),
        "turned by 15 degrees": turned(yaw_deg=15.0),
        "turned by 29 degrees": turned(yaw_deg=29.0),
        "looking down by 20 degrees": turned(pitch_deg=20.0),
        "1.6 times nearer": (script, SPAN / 1.6),
    }


def scenes_of(person_id: int, tracker: Tracker) -> dict[str, Scene]:
    """Everything of one person; the expressions are the same in all scenes but the calibration."""
    rng = np.random.default_rng([23, person_id])
    person = Person.sample(person_id)
    background = np.asarray(cv2.resize(sample_background(rng), SIZE), np.float32)
    light = sample_light(rng, person.look)
    first, second = (
        replace(random_script(rng, seconds), lights=[LitAt(0.0, light)])
        for seconds in (CALIBRATION_S, UNCHANGED_S)
    )

    def clip(script: Script, span: float = SPAN) -> list[ClipFrame]:
        return list(render_clip(person, script, SIZE, FPS, background=background, span=span))

    unchanged = clip(second)
    blurred = [
        replace(frame, image=np.asarray(cv2.GaussianBlur(frame.image, (0, 0), BLUR_PX), np.uint8))
        for frame in unchanged[: round(CHANGED_S * FPS)]
    ]
    shown: Mapping[str, Iterable[ClipFrame]] = {
        CALIBRATION: clip(first),
        UNCHANGED: unchanged,
        "out of focus": blurred,
    } | {
        name: clip(replace(script, seconds=CHANGED_S), span)
        for name, (script, span) in changes(second, light).items()
    }
    return {name: Scene.seen(frames, tracker) for name, frames in shown.items()}


def save(scenes: Mapping[str, Scene], path: Path) -> None:
    """One npz, whole or not at all."""
    arrays = {
        f"{number} {name}": getattr(scene, name)
        for number, scene in enumerate(scenes.values())
        for name in ("images", "boxes", "numbers", "frames")
    }
    write_whole(path, lambda file: np.savez_compressed(file, names=np.array(list(scenes)), **arrays))


def load(path: Path) -> dict[str, Scene]:
    """What `save` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        return {
            str(name): Scene(
                stored[f"{number} images"],
                stored[f"{number} boxes"],
                stored[f"{number} numbers"],
                int(stored[f"{number} frames"]),
            )
            for number, name in enumerate(stored["names"])
        }


def main() -> None:
    """Renders those that are not there."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=people_range, required=True, metavar="A:B")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with Tracker.open(max_faces=1) as tracker:
        for person_id in options.people:
            path = options.folder / f"{person_id}.npz"
            if not path.is_file():
                save(scenes_of(person_id, tracker), path)
                print(f"{path}: rendered", flush=True)


if __name__ == "__main__":
    main()
