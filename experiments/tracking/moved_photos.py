"""Video of real faces with a known course: photos that stay, move, come nearer, or change into another photo.

    python -m experiments.tracking.moved_photos --people PEOPLE [--clip FILE] [--write]

PEOPLE is the folder of mtclar.train.data.real_people; only people of the test split are shown. A photo that does not
change its expression must not change its value: what is left is jitter, drift with the framing, and spikes. Two photos
of one person, the first neutral and the second happy, give the lag. All clips are encoded as H.264 and pass through
the whole tracker. `--clip` adds the jitter of a real video. `--write` puts the tables into docs/results/real-faces.md.
"""

import argparse
import csv
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine import models
from mtclar.engine.tracker import Tracker
from mtclar.stream.sources import open_source
from mtclar.train.data.real_people import LABELS, PICTURES, split_of
from mtclar.train.rendered.clips import encode_h264
from tools.docs.figures import table, wrapped
from tools.docs.generated import replace_section

Array = NDArray[Any]
Picture = NDArray[np.uint8]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results" / "real-faces.md"
FPS = 25
SECONDS = 3.0
SIZE = (320, 240)  # of a frame
FACE = 0.9  # a photo's side at rest over the height of the frame: the face takes half of the photo
PHOTOS = 24  # each of another person
PAIRS = 24  # of photos of one person
CRF = 28  # H.264: a low rate of bits
NOISE = 2.0  # sd of the sensor noise, grey levels
SETTLED = FPS // 2  # frames after which the smoother has settled
SPIKE = 0.2  # a smoothed value so far from the clip's median
FADE = 5  # frames in which one photo changes into another
SWITCH = FPS  # the frame in which that begins

Placing = tuple[float, float, float]
"""Shift to the right and down in heights of the frame, and size over that at rest."""

MOVES: Mapping[str, Callable[[float], Placing]] = {
    "still": lambda share: (0.0, 0.0, 1.0),  # noqa: ARG005
    "moved sideways and up": lambda share: (
        0.2 * np.sin(2 * np.pi * share),
        0.08 * np.sin(4 * np.pi * share),
        1.0,
    ),
    "further away, to half the size": lambda share: (0.0, 0.0, 2.0**-share),
}


def placed(photo: Picture, place: Placing, rng: np.random.Generator) -> Picture:
    """A frame [H, W, 3] that shows the photo [S, S] at this place, with sensor noise."""
    width, height = SIZE
    scale = FACE * place[2] * height / photo.shape[0]
    middle = np.array([width / 2 + place[0] * height, height / 2 + place[1] * height])
    corner = middle - scale * photo.shape[0] / 2
    moved = cv2.warpAffine(
        photo,
        np.array([[scale, 0, corner[0]], [0, scale, corner[1]]]),
        SIZE,
        flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    noisy = moved + rng.normal(0, NOISE, moved.shape)
    return np.asarray(np.repeat(np.clip(noisy, 0, 255).astype(np.uint8)[..., None], 3, axis=2))


def tracked(tracker: Tracker, path: Path) -> tuple[Array, Array]:
    """V/A of every measured frame as the encoder says and as smoothed, [T, 2] each; nan where it was not measured."""
    raw, smooth = [], []
    tracker.reset()
    with closing(open_source(str(path))) as source:
        for frame in source.frames():
            faces = tracker(frame)
            face = faces[0] if faces and faces[0].state == "ok" else None
            estimate = None if face is None else face.raw
            raw.append((np.nan, np.nan) if estimate is None else (estimate.valence, estimate.arousal))
            smooth.append((np.nan, np.nan) if face is None else (face.valence, face.arousal))
    return np.array(raw, float), np.array(smooth, float)


def shown(tracker: Tracker, images: Iterator[Picture]) -> tuple[Array, Array]:
    """The same for a clip of these images."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        encode_h264(images, path, SIZE, FPS, crf=CRF)
        return tracked(tracker, path)


def rms(x: Array) -> Array:
    """Root mean square [2] of [n, 2], without nan."""
    return np.asarray(np.sqrt(np.nanmean(x**2, axis=0)))


def both(x: Array, digits: int = 3) -> str:
    return f"{x[0]:.{digits}f} / {x[1]:.{digits}f}"


def moves_table(tracker: Tracker, photos: list[Picture]) -> str:
    """Jitter, drift and spikes of photos whose expression does not change."""
    rows = []
    for name, move in MOVES.items():
        raws, smooths, ends = [], [], []
        for number, photo in enumerate(photos):
            rng = np.random.default_rng([61, number])
            count = round(SECONDS * FPS)
            raw, smooth = shown(tracker, (placed(photo, move(i / (count - 1)), rng) for i in range(count)))
            raws.append(raw)
            if (
                not np.isfinite(smooth[SETTLED : 2 * SETTLED]).any()
                or not np.isfinite(smooth[-SETTLED:]).any()
            ):
                continue
            smooths.append(smooth[SETTLED:])
            ends.append(np.nanmean(smooth[-SETTLED:], 0) - np.nanmean(smooth[SETTLED : 2 * SETTLED], 0))
        off = np.concatenate([smooth - np.nanmedian(smooth, axis=0) for smooth in smooths])
        spikes = np.abs(off[np.isfinite(off[:, 0])]).max(1) > SPIKE
        rows.append(
            [
                name,
                f"{100 * np.mean([np.isfinite(raw[:, 0]).mean() for raw in raws]):.0f} %",
                both(rms(np.concatenate([np.diff(raw, axis=0) for raw in raws]))),
                both(rms(np.concatenate([np.diff(smooth, axis=0) for smooth in smooths]))),
                both(rms(np.array(ends))),
                both(np.nanmax(np.abs(off), axis=0), 2),
                f"{100 * spikes.mean():.1f} %",
            ]
        )
    head = ["a photo for 3 s", "measured", "frame to frame, raw", "smoothed", "end less start, smoothed"]
    return table([*head, "largest departure from the median", f"beyond {SPIKE:g}"], rows)


def lag_line(tracker: Tracker, pairs: list[tuple[Picture, Picture]]) -> str:
    """How long after the middle of a change the smoothed valence has made half and nine tenths of it."""
    halves, most, over = [], [], []
    for number, (before, after) in enumerate(pairs):
        rng = np.random.default_rng([67, number])

        def image(i: int, before: Picture = before, after: Picture = after, rng: Any = rng) -> Picture:
            share = float(np.clip((i - SWITCH) / FADE, 0, 1))
            mixed = (1 - share) * before + share * after
            return placed(mixed.astype(np.uint8), (0.0, 0.0, 1.0), rng)

        _, smooth = shown(tracker, (image(i) for i in range(round(SECONDS * FPS))))
        valence = smooth[:, 0]
        if not np.isfinite(valence[SETTLED:SWITCH]).any() or not np.isfinite(valence[-SETTLED:]).any():
            continue
        start, end = np.nanmean(valence[SETTLED:SWITCH]), np.nanmean(valence[-SETTLED:])
        if not end - start > 2 * SPIKE:
            continue
        made = (valence - start) / (end - start)
        first = [int(np.flatnonzero(made >= share)[0]) - SWITCH - FADE / 2 for share in (0.5, 0.9)]
        halves.append(first[0])
        most.append(first[1])
        over.append(float(np.nanmax(made)))
    half, nine = (1000 * np.median(x) / FPS for x in (halves, most))
    return (
        f"**Lag.** Of {len(pairs)} changes from a neutral to a happy photo of one person within {1000 * FADE // FPS} "
        f"ms, {len(halves)} move valence by more than {2 * SPIKE:g}. There the smoothed valence has made half of the "
        f"change {half:.0f} ms after the middle of the fade (median), nine tenths {nine:.0f} ms after it, and goes "
        f"{100 * (np.median(over) - 1):.0f} % beyond its end (median)."
    )


def clip_line(tracker: Tracker, path: Path) -> str:
    """Jitter and range of a real video."""
    raw, smooth = tracked(tracker, path)
    low, high = np.nanpercentile(smooth[SETTLED:], (5, 95), axis=0)
    return (
        f"**A real video** (`{path.name}`, {len(raw)} frames): measured in "
        f"{100 * np.isfinite(raw[:, 0]).mean():.0f} % of the frames; from frame to frame "
        f"{both(rms(np.diff(raw, axis=0)))} raw and {both(rms(np.diff(smooth[SETTLED:], axis=0)))} smoothed; smoothed "
        f"values from {both(low, 2)} to {both(high, 2)} (5 and 95 %); largest step of a smoothed value "
        f"{both(np.nanmax(np.abs(np.diff(smooth[SETTLED:], axis=0)), axis=0), 2)}."
    )


def test_photos(folder: Path) -> tuple[list[Picture], list[tuple[Picture, Picture]]]:
    """Photos of test people, one of each, and pairs of a neutral and a happy photo of one person."""
    with (folder / LABELS).open(newline="") as file, zipfile.ZipFile(folder / PICTURES) as packed:
        members = {Path(name).name: name for name in packed.namelist()}
        by_person: dict[str, dict[str, str]] = {}
        for row in csv.DictReader(file):
            if split_of(row["person"]) == "test":
                by_person.setdefault(row["person"], {})[row["expression"]] = row["name"]

        def read(name: str) -> Picture:
            coded = np.frombuffer(packed.read(members[name]), np.uint8)
            return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)

        people = np.random.default_rng(59).permutation(sorted(by_person))
        singles = [read(next(iter(by_person[person].values()))) for person in people[:PHOTOS]]
        changing = [by_person[p] for p in people if {"neutral", "happiness"} <= set(by_person[p])]
        return singles, [(read(own["neutral"]), read(own["happiness"])) for own in changing[:PAIRS]]


def main() -> None:
    """Prints or writes the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=Path, required=True, help="folder with labels.csv and photos.zip")
    parser.add_argument("--clip", type=Path, help="a real video of a face")
    parser.add_argument("--write", action="store_true", help="into docs/results/real-faces.md")
    options = parser.parse_args()
    photos, pairs = test_photos(options.people)
    with Tracker.open(max_faces=1) as tracker:
        parts = [
            f"Encoder `{models.card('encoder').sha256[:12]}`, no support set, {len(photos)} people.",
            moves_table(tracker, photos).strip(),
            lag_line(tracker, pairs),
        ]
        if options.clip:
            parts.append(clip_line(tracker, options.clip))
    text = wrapped("\n\n".join(parts))
    if options.write:
        replace_section(PAGE, "video", text)
    print(text)


if __name__ == "__main__":
    main()
