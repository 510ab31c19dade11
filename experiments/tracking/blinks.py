"""Error during blinks, with and without the rule that a blink does not lower arousal.

    python -m experiments.tracking.blinks CLIP.mp4 ...

A CLIP.csv with time, valence, arousal lies beside each clip; by default the demo clip and those of tests/label/clips.
"""

import argparse
import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from mtclar.engine import Frame, Tracker
from mtclar.engine.data_types import Faces
from mtclar.engine.face.features.eyes import BLINK_OPENING
from mtclar.stream import demo_clip

AFTER_FRAMES = 5  # the smoothed value still shows a blink


def frames(path: Path) -> Iterator[Frame]:
    with av.open(str(path)) as container:
        for seq, picture in enumerate(container.decode(video=0)):
            t_s = float(picture.time or 0.0)
            image = np.asarray(picture.to_ndarray(format="bgr24"), np.uint8)
            yield Frame(image, seq, t_s, "file", t_s, path.stem)


def truth_of(path: Path) -> np.ndarray:
    with path.with_suffix(".csv").open() as file:
        return np.array([[float(row["valence"]), float(row["arousal"])] for row in csv.DictReader(file)])


def eyes_open(faces: Faces) -> Faces:
    return replace(faces, crops=tuple(replace(crop, eye_opening=1.0) for crop in faces.crops))


def measure(path: Path) -> None:
    values: list[list[tuple[float, float]]] = [[], []]
    blinking, truth = [], truth_of(path)
    with Tracker.open(max_faces=1) as as_it_is, Tracker.open(max_faces=1) as without:
        for frame in frames(path):
            faces = as_it_is.find(frame)
            blinking.append(bool(faces.crops) and faces.crops[0].eye_opening < BLINK_OPENING)
            for i, (tracker, seen) in enumerate(((without, eyes_open(faces)), (as_it_is, faces))):
                (face,) = tracker.estimate(frame, seen)[:1]
                values[i].append((face.valence or 0.0, face.arousal or 0.0))
    marked = np.array(blinking)
    near = np.convolve(marked, np.ones(AFTER_FRAMES + 1))[: len(marked)] > 0
    starts = np.flatnonzero(marked[1:] & ~marked[:-1])
    line = f"{path.stem}: {len(marked)} frames, {len(starts)} blinks, {100 * marked.mean():.1f} % of frames"
    for name, of in zip(("without", "with"), values, strict=True):
        v = np.array(of)
        error = v - truth[: len(v)]
        rmse = [np.sqrt((error[where] ** 2).mean(0)) for where in (slice(None), near)]
        falls = [v[start, 1] - v[start + 1 : start + 6, 1].min() for start in starts]
        whole, blink = (f"{r[0]:.3f}/{r[1]:.3f}" for r in rmse)
        line += (
            f"\n  {name}: RMSE {whole}, at blinks {blink}; arousal falls by {np.mean(falls):.3f} on average"
        )
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    clips = [demo_clip.clip_path(), *sorted(Path("tests/label/clips").glob("*.mp4"))]
    parser.add_argument("clips", type=Path, nargs="*", default=clips)
    for path in parser.parse_args().clips:
        measure(path)


if __name__ == "__main__":
    main()
