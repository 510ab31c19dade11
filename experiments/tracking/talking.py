"""How often talking is seen, and where nobody talks, and the error of arousal during talks with and without that.

    python -m experiments.tracking.talking CLIPS --people 1000:1006 [--photos PEOPLE] [--clip FILE]
        [--dropped SILENT]

CLIPS is a folder for clips of rendered people, 8 s each, with expressions that change by a script all the time; from
TALK on they also say random syllables, which differ from those of the training pictures. Clips that are there are kept.
`--dropped` also measures them, the demo's clip and the clips of SILENT, where nobody talks, with frames dropped at
random. `--photos` adds photos of test people that stay, move, or change into another photo
(experiments.tracking.moved_photos), `--clip` a real video.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
from numpy.typing import NDArray

from experiments.tracking.moved_photos import (
    FADE,
    FPS,
    MOVES,
    SECONDS,
    SIZE,
    SWITCH,
    placed,
    shown,
    test_photos,
)
from mtclar.engine.data_types import Faces
from mtclar.engine.tracker import Tracker
from mtclar.stream import demo_clip
from mtclar.stream.sources import open_source
from mtclar.train.rendered import clips
from mtclar.train.rendered.__main__ import people
from mtclar.train.rendered.clip_set import SPAN
from mtclar.train.rendered.person.people import Person
from mtclar.train.rendered.pictures import sample_background, sample_light
from tools.arguments import parser_of

CLIP_S = 8.0
TALK = (3.0, 7.0)  # from, to
DEMO_TALKS = ((12.6, 14.2), (20.2, 21.4), (29.2, 30.4))  # train/rendered/demo.py
AFTER_S = 1.5  # a talk, in which it may still be said
KEPT_FPS = (FPS, 15, 10, 7.5)
DROPS = 4  # random choices of frames
SOON_S = 0.8  # of a talk, before which it cannot be known

Syllable = tuple[float, float, float, str]
"""Start, length, opening of the jaw and shape of the lips."""
SHAPES = ("mouthFunnel", "mouthLowerDown", "mouthStretch")


def syllables(rng: np.random.Generator) -> list[Syllable]:
    """Words of random syllables with pauses between them."""
    said: list[Syllable] = []
    time_s = TALK[0]
    while time_s < TALK[1]:
        for _ in range(rng.integers(4, 12)):
            length_s = float(rng.uniform(0.13, 0.3))
            said.append((time_s, length_s, float(rng.uniform(0.08, 0.35)), str(rng.choice(SHAPES))))
            time_s += length_s * float(rng.uniform(0.75, 1.0))
        time_s += float(rng.uniform(0.1, 0.45))
    return [one for one in said if one[0] + one[1] <= TALK[1]]


def mouth_at(said: list[Syllable], time_s: float) -> Mapping[str, float]:
    """Face units of a mouth that says them."""
    weights: dict[str, float] = {}
    for start, length_s, jaw, shape in said:
        if start <= time_s <= start + length_s:
            opening = jaw * math.sin(math.pi * (time_s - start) / length_s) ** 2
            units = [shape] if shape == "mouthFunnel" else [f"{shape}Left", f"{shape}Right"]
            for unit, weight in [("jawOpen", opening), *((unit, 0.6 * opening) for unit in units)]:
                weights[unit] = weights.get(unit, 0.0) + weight
    return weights


def make_clip(person_id: int, folder: Path) -> Path:
    """Renders the clip of a person into `folder` unless it exists."""
    video = folder / f"{person_id}.mp4"
    if video.is_file():
        return video
    rng, person = np.random.default_rng([23, person_id]), Person.sample(person_id)
    script = clips.random_script(rng, CLIP_S)
    light = clips.LitAt(0.0, sample_light(rng, person.look))
    script, said = replace(script, talks=[TALK], lights=[light]), syllables(rng)
    background = np.asarray(cv2.resize(sample_background(rng), SIZE), np.float32)
    truth: list[tuple[float, float, float]] = []

    def images() -> Iterator[NDArray[np.uint8]]:
        for frame in clips.render_clip(person, script, SIZE, FPS, background=background, span=SPAN):
            truth.append((frame.time_s, frame.valence, frame.arousal))
            yield frame.image

    with mock.patch.object(clips, "talking", lambda _, time_s: mouth_at(said, time_s)):
        clips.encode_h264(images(), video, SIZE, FPS)
    clips.write_labels(truth, video.with_suffix(".csv"))
    return video


def silent(faces: Faces) -> Faces:
    return replace(faces, crops=tuple(replace(crop, talking=False) for crop in faces.crops))


def measured(video: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Times [T], whether the person was said to talk [T], and smoothed V/A without and with that [2, T, 2]."""
    times, said, values = [], [], []
    with (
        Tracker.open(max_faces=1) as without,
        Tracker.open(max_faces=1) as tracker,
        closing(open_source(str(video))) as source,
    ):
        for frame in source.frames():
            faces = tracker.find(frame)
            both = [t.estimate(frame, seen) for t, seen in ((without, silent(faces)), (tracker, faces))]
            if faces.crops and both[1][0].valence is not None:
                times.append(frame.pts_s)
                said.append("talking" in both[1][0].caveats)
                values.append([(one[0].valence, one[0].arousal) for one in both])
    return np.array(times), np.array(said, bool), np.array(values, float).swapaxes(0, 1)


def of_clips(videos: list[Path]) -> None:
    """Share of the frames said to be talking, and RMSE of V/A in them."""
    talks, quiet, starts, errors = [], [], [], []
    for video in videos:
        time_s, said, values = measured(video)
        truth = np.loadtxt(video.with_suffix(".csv"), delimiter=",", skiprows=1)
        talks.append(said[(time_s >= TALK[0] + SOON_S) & (time_s <= TALK[1])])
        quiet.append(said[time_s < TALK[0]])
        starts.append(float(time_s[said & (time_s >= TALK[0])].min(initial=math.inf)) - TALK[0])
        errors.append((values - truth[np.round(time_s * FPS).astype(int), 1:])[:, said])
    error = np.concatenate(errors, axis=1)
    print(
        f"{len(videos)} people: said to talk {np.concatenate(talks).mean():.3f} of the talk from {SOON_S} s on, "
        f"{np.concatenate(quiet).mean():.3f} before it; after {np.round(np.sort(starts), 2)} s"
    )
    for name, off in zip(("without", "with"), error, strict=True):
        print(f"  {name}: RMSE {np.sqrt((off**2).mean(0)).round(3)}, mean error {off.mean(0).round(3)}")


def said_of(tracker: Tracker, video: Path, kept_fps: float, seed: int) -> NDArray[np.float64]:
    """Source time and whether the person is said to talk [T, 2], with frames dropped at random."""
    rng = np.random.default_rng([5, seed])
    tracker.reset()
    with closing(open_source(str(video))) as source:
        kept = (frame for frame in source.frames() if kept_fps == FPS or rng.uniform() < kept_fps / FPS)
        found = [(frame.pts_s, tracker.find(frame).crops) for frame in kept]
    return np.array([(t_s, crops[0].talking) for t_s, crops in found if crops], float).reshape(-1, 2)


def of_dropped(videos: list[Path], folder: Path) -> None:
    """Share of the frames said to be talking, and the demo's talks found, at several frame rates."""
    demo = demo_clip.clip_path()
    with Tracker.open(max_faces=1) as tracker:
        for kept_fps in KEPT_FPS:
            drops = range(1 if kept_fps == FPS else DROPS)
            talk, demos, still = (
                [said_of(tracker, video, kept_fps, seed) for video in those for seed in drops]
                for those in (videos, [demo], sorted(folder.glob("*.mp4")))
            )
            every, mute = np.concatenate(talk), np.concatenate(demos)
            spoken = (every[:, 0] >= TALK[0] + SOON_S) & (every[:, 0] <= TALK[1])
            found = [
                one[(one[:, 0] >= a) & (one[:, 0] <= b), 1].any() for one in demos for a, b in DEMO_TALKS
            ]
            for a, b in DEMO_TALKS:
                mute = mute[(mute[:, 0] < a) | (mute[:, 0] > b + AFTER_S)]
            shares = [every[spoken, 1], every[every[:, 0] < TALK[0], 1], np.array(found), mute[:, 1]]
            shares.append(np.concatenate(still)[:, 1])
            print(
                f"{kept_fps:g} frames/s: talk {{:.3f}}, before it {{:.3f}}; demo's talks found {{:.3f}}, "
                "elsewhere {:.3f}; silent clips {:.4f}".format(*(share.mean() for share in shares))
            )


def of_photos(folder: Path) -> None:
    """Share of the frames said to be talking in photos whose mouth does not move."""
    photos, pairs = test_photos(folder)
    count = round(SECONDS * FPS)
    with Tracker.open(max_faces=1) as tracker:
        said: list[bool] = []
        find = tracker.find

        def noted(frame):  # type: ignore[no-untyped-def]
            faces = find(frame)
            said.extend(crop.talking for crop in faces.crops)
            return faces

        with mock.patch.object(tracker, "find", noted):
            for name, move in MOVES.items():
                said.clear()
                for number, photo in enumerate(photos):
                    rng = np.random.default_rng([61, number])
                    shown(tracker, (placed(photo, move(i / (count - 1)), rng) for i in range(count)))
                print(f"photos, {name}: {np.mean(said):.4f} of {len(said)} frames")
            said.clear()
            for number, (before, after) in enumerate(pairs):
                rng = np.random.default_rng([67, number])
                shares = np.clip((np.arange(count) - SWITCH) / FADE, 0, 1)
                mixed = (((1 - share) * before + share * after).astype(np.uint8) for share in shares)
                shown(tracker, (placed(image, (0.0, 0.0, 1.0), rng) for image in mixed))
            print(f"a neutral photo becomes a smile: {np.mean(said):.4f} of {len(said)} frames")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, metavar="CLIPS")
    parser.add_argument("--people", type=people, required=True, metavar="A:B")
    parser.add_argument("--photos", type=Path, help="folder with labels.csv and photos.zip")
    parser.add_argument(
        "--dropped", type=Path, metavar="SILENT", help="folder of clips in which nobody talks"
    )
    parser.add_argument("--clip", type=Path, help="a real video of a face")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    videos = [make_clip(person_id, options.folder) for person_id in options.people]
    of_clips(videos)
    if options.dropped:
        of_dropped(videos, options.dropped)
    if options.photos:
        of_photos(options.photos)
    if options.clip:
        time_s, said, values = measured(options.clip)
        for name, value in zip(("without", "with"), values[:, said], strict=True):
            steps = np.abs(np.diff(value, axis=0))
            print(
                f"{options.clip.name}, {name}: said to talk {said.mean():.2f} of {len(time_s)} frames; "
                f"mean V/A there {value.mean(0).round(2)}, sd {value.std(0).round(2)}, "
                f"largest step {steps.max(0).round(2)}"
            )


if __name__ == "__main__":
    main()
