"""What it changes to keep the values of a face that has not changed, on real and rendered faces.

    python -m experiments.tracking.still_faces --people PEOPLE [--clip FILE ...] [--write]

PEOPLE is the folder of mtclar.train.data.real_people; only people of the test split are shown. Every clip passes
through a tracker that measures every frame and one that skips; the error is the difference of their smoothed values.
A third one measures every frame too, of which one differs by noise of a grey level: what that changes is no error of
skipping (landmarks that follow one another from frame to frame can go another way after any change).
`--write` puts the table into docs/results/performance.md.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from experiments.tracking.moved_photos import test_photos
from mtclar.engine import models
from mtclar.engine.data_types import Frame
from mtclar.engine.face.stillness import Looks
from mtclar.engine.tracker import Tracker
from mtclar.stream import demo_clip
from mtclar.stream.sources import open_source
from mtclar.train.rendered.clips import Hold, Script, encode_h264, render_clip
from mtclar.train.rendered.person.people import Person
from mtclar.train.rendered.pictures import sample_background
from tools.arguments import parser_of
from tools.docs.figures import table, wrapped
from tools.docs.generated import replace_section

Picture = NDArray[np.uint8]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results" / "performance.md"
FPS = 30
SECONDS = 5.0
ONSET_S = 8.0  # of an expression that comes slowly
SIZE = (640, 480)
FACE = 1.0  # a photo's side over the height of the frame
PHOTOS = 4  # each of another person, and as many pairs
PEOPLE = 2  # rendered
FIELDS = 16  # of noise, drawn once; each frame takes one, shifted
BOUND = 0.005
DISTURBED = 20  # frame in which the third tracker sees noise


def shown(photo: Picture, rng: np.random.Generator, noise: float, shift: float = 0.0) -> Picture:
    """A frame [H, W, 3] with the photo [S, S] in its middle, moved right by `shift` pixels, with sensor noise."""
    width, height = SIZE
    scale = FACE * height / len(photo)
    place = np.array([[scale, 0, (width - height) / 2 + shift], [0, scale, 0]])
    grey = cv2.warpAffine(photo, place, SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    colour = np.repeat(grey[..., None], 3, axis=2)
    if not noise:
        return np.asarray(colour, np.uint8)
    field = np.roll(noise_fields()[rng.integers(FIELDS)], rng.integers(0, SIZE[1], 2), (0, 1))
    return np.asarray(np.clip(colour + noise * field, 0, 255), np.uint8)


@cache
def noise_fields() -> NDArray[np.float32]:
    """White noise [FIELDS, H, W, 3] of sd 1."""
    return np.random.default_rng(70).standard_normal((FIELDS, SIZE[1], SIZE[0], 3), np.float32)


def still(photo: Picture, number: int, noise: float) -> Iterator[Picture]:
    rng = np.random.default_rng([71, number])
    return (shown(photo, rng, noise) for _ in range(round(SECONDS * FPS)))


def breathing(photo: Picture, number: int) -> Iterator[Picture]:
    """The head sways by a pixel every four seconds."""
    rng = np.random.default_rng([72, number])
    for i in range(round(SECONDS * FPS)):
        yield shown(photo, rng, 2.0, np.sin(2 * np.pi * i / FPS / 4))


def jpeg(images: Iterator[Picture]) -> Iterator[Picture]:
    """As a webcam sends them."""
    for image in images:
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
        yield np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def onset(before: Picture, after: Picture, number: int) -> Iterator[Picture]:
    """One photo becomes another within ONSET_S."""
    rng = np.random.default_rng([73, number])
    for i in range(round((ONSET_S + 2) * FPS)):
        share = float(np.clip((i / FPS - 1) / ONSET_S, 0, 1))
        yield shown(((1 - share) * before + share * after).astype(np.uint8), rng, 2.0)


def rendered(person_id: int) -> Iterator[Picture]:
    """A head that does not move, on which an expression comes within ONSET_S."""
    expression = ("happy", "angry", "surprised", "sad")[person_id % 4]
    script = Script(ONSET_S + 2, [Hold(0, 1), Hold(1 + ONSET_S, 2 + ONSET_S, {expression: 1.0})], sway=0.0)
    rng = np.random.default_rng([74, person_id])
    background = np.asarray(cv2.resize(sample_background(rng), SIZE), np.float32)
    frames = render_clip(Person.sample(person_id), script, SIZE, FPS, background=background)
    return (frame.image for frame in frames)


def h264(images: Iterator[Picture]) -> Iterator[Picture]:
    """The same through a camera's H.264."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        encode_h264(images, path, SIZE, FPS, crf=28)
        yield from film(str(path))


def film(path: str) -> Iterator[Picture]:
    with closing(open_source(path)) as source:
        for frame in source.frames():
            yield frame.image


def difference(
    measuring: Tracker, skipping: Tracker, disturbed: Tracker, images: Iterator[Picture]
) -> tuple[NDArray[np.float64], float]:
    """|V/A| [T, 4] of skipping and of disturbed less measuring, where all see a face; the share that was skipped."""
    errors, kept = [], 0
    rng = np.random.default_rng(75)
    for tracker in (measuring, skipping, disturbed):
        tracker.reset()
    for seq, image in enumerate(images):
        frame = replace(Frame.of(image, seq / FPS), seq=seq)
        other = frame
        if seq == DISTURBED:
            noise = rng.integers(-1, 2, image.shape)
            other = replace(frame, image=np.asarray(np.clip(image + noise, 0, 255), np.uint8))
        faces = skipping.find(frame)
        seen = [measuring(frame), skipping.estimate(frame, faces), disturbed(other)]
        if not all(affects and affects[0].valence is not None for affects in seen):
            continue
        kept += bool(faces.crops) and faces.crops[0].kept
        truth, mine, control = (np.array([of[0].valence, of[0].arousal], float) for of in seen)
        errors.append([*np.abs(mine - truth), *np.abs(control - truth)])
    return np.array(errors).reshape(-1, 4), kept / max(len(errors), 1)


def clips(people: Path, films: Sequence[Path]) -> dict[str, list[Callable[[], Iterator[Picture]]]]:
    """Kind of clip -> its clips."""
    singles, pairs = test_photos(people)
    photos, pairs = singles[:PHOTOS], pairs[:PHOTOS]

    def each(make: Callable[[Picture, int], Iterator[Picture]]) -> list[Callable[[], Iterator[Picture]]]:
        return [lambda p=photo, i=i: make(p, i) for i, photo in enumerate(photos)]  # type: ignore[misc]

    return {
        "a photo": each(lambda photo, i: still(photo, i, 0.0)),
        "a photo, sensor noise of 2 grey levels": each(lambda photo, i: still(photo, i, 2.0)),
        "a photo, sensor noise of 5 grey levels": each(lambda photo, i: still(photo, i, 5.0)),
        "a photo, noise of 3, as JPEG": each(lambda photo, i: jpeg(still(photo, i, 3.0))),
        "a photo, noise of 2, as H.264": each(lambda photo, i: h264(still(photo, i, 2.0))),
        "a photo that sways by a pixel": each(breathing),
        "a neutral photo becomes a happy one within 8 s": [
            lambda a=a, b=b, i=i: onset(a, b, i)  # type: ignore[misc]
            for i, (a, b) in enumerate(pairs)
        ],
        "rendered, an expression within 8 s": [
            lambda i=i: rendered(1000 + i)  # type: ignore[misc]
            for i in range(PEOPLE)
        ],
        "rendered, moving (the bundled clip)": [lambda: film(str(demo_clip.clip_path()))],
        **{f"a real video ({path.name})": [lambda path=path: film(str(path))] for path in films},  # type: ignore[misc]
    }


def measure(people: Path, films: Sequence[Path]) -> list[list[str]]:
    """Rows of the table."""
    rows = []
    with (
        Tracker.open(max_faces=1) as measuring,
        Tracker.open(max_faces=1, looks=Looks(skip_still=True)) as skipping,
        Tracker.open(max_faces=1) as disturbed,
    ):
        for name, made in clips(people, films).items():
            found = [difference(measuring, skipping, disturbed, make()) for make in made]
            errors = np.concatenate([errors for errors, _ in found])
            within = (errors[:, :2].max(1) <= BOUND).mean() if len(errors) else 0.0
            mean, most = errors.mean(0), errors.max(0)
            rows.append(
                [
                    name,
                    f"{100 * np.mean([share for _, share in found]):.1f} %",
                    f"{mean[0]:.4f} / {mean[1]:.4f}",
                    f"{most[0]:.4f} / {most[1]:.4f}",
                    f"{100 * within:.1f} %",
                    f"{most[2]:.4f} / {most[3]:.4f}",
                ]
            )
            print(" | ".join(rows[-1]), flush=True)
    return rows


def main() -> None:
    """Prints or writes the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--people", type=Path, required=True, help="folder with labels.csv and photos.zip")
    parser.add_argument("--clip", type=Path, nargs="*", default=[], help="real videos of a face")
    parser.add_argument("--write", action="store_true", help="into docs/results/performance.md")
    options = parser.parse_args()
    head = ["clip", "frames skipped", "mean error V / A", "largest", f"frames within {BOUND:g}"]
    head.append("largest after one noisy frame")
    text = wrapped(
        f"Encoder `{models.card('encoder').sha256[:12]}`, no support set, {FPS} frames/s, {PHOTOS} people of each "
        f"kind, {PEOPLE} rendered:\n\n" + table(head, measure(options.people, options.clip))
    )
    if options.write:
        replace_section(PAGE, "still faces", text)
    print(text)


if __name__ == "__main__":
    main()
