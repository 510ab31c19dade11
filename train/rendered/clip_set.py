"""Clips of rendered people with their labels: `python -m mtclar.train.rendered.clip_set FOLDER --people 1000:1024`.

Each person gets FOLDER/<id>.mp4 and FOLDER/<id>.csv (time, valence, arousal of every frame). The script, the light and
the background are drawn from the person's id, so the pictures are the same on every machine. Their H.264 encoding
differs between runs by about a grey level (cause unknown), so figures of clips may change in the last digit. A clip
that exists with its labels is kept; the command does not overwrite one of the two files without the other.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import av.error
import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import UsageError, WriteError
from mtclar.engine.files.writing import require_writable
from mtclar.train import extra
from mtclar.train.command_line import in_words
from mtclar.train.rendered.__main__ import people

SIZE = (320, 240)
FPS = 25
SECONDS = 10.0
SPAN = 3.9  # height of the picture in decimetres: the face fills half of it
LIGHT_CHANGES_S = 5.0
LONGEST_S = 3600.0


def make_clip(person_id: int, folder: Path, seconds: float = SECONDS) -> Path:
    """Renders the clip and labels of a person into `folder` unless they exist; returns the path of the video.

    Raises OSError or av.error.FFmpegError when writing fails.
    """
    # Imported here because they need numba, which `main` checks first.
    from mtclar.train.rendered.clips import LitAt, encode_h264, random_script, render_clip, write_labels
    from mtclar.train.rendered.person.people import Person
    from mtclar.train.rendered.pictures import sample_background, sample_light

    video, labels = _files(person_id, folder)
    if video.is_file() and labels.is_file():
        return video
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([17, person_id])
    person = Person.sample(person_id)
    script = random_script(rng, seconds)
    times = np.arange(0.0, seconds + LIGHT_CHANGES_S, LIGHT_CHANGES_S)
    script = type(script)(
        script.seconds,
        script.holds,
        script.blinks,
        turns=script.turns,
        lights=[LitAt(float(time_s), sample_light(rng, person.look)) for time_s in times],
    )
    background = np.asarray(cv2.resize(sample_background(rng), SIZE), np.float32)
    truth: list[tuple[float, float, float]] = []

    def images() -> Iterator[NDArray[np.uint8]]:
        for frame in render_clip(person, script, SIZE, FPS, background=background, span=SPAN):
            truth.append((frame.time_s, frame.valence, frame.arousal))
            yield frame.image

    unfinished = video.with_suffix(".part.mp4")
    encode_h264(images(), unfinished, SIZE, FPS)
    write_labels(truth, labels)
    unfinished.replace(video)  # last: a clip that exists is complete
    return video


def require_room(person_id: int, folder: Path) -> None:
    """Raises UsageError when only one of the two files of a person exists, or when they cannot be written."""
    video, labels = _files(person_id, folder)
    for path, other in ((video, labels), (labels, video)):
        if path.is_file() and not other.exists():
            raise UsageError(f"{path} exists without {other.name}", "remove it, or name another folder")
        require_writable(path)


def _files(person_id: int, folder: Path) -> tuple[Path, Path]:
    """The video and its labels."""
    return folder / f"{person_id}.mp4", folder / f"{person_id}.csv"


def duration(text: str) -> float:
    """Parses a duration in seconds of at least one frame."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 / FPS <= seconds <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not from {1 / FPS:g} to {LONGEST_S:g} seconds")
    return seconds


@in_words
def main() -> None:
    """Parses the command line and renders."""
    parser = argparse.ArgumentParser(prog="python -m mtclar.train.rendered.clip_set", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=people, required=True, metavar="A:B", help="person ids A .. B-1")
    parser.add_argument("--seconds", type=duration, default=SECONDS, help="of each clip (%(default)s)")
    options = parser.parse_args()
    for person_id in options.people:
        require_room(person_id, options.folder)
    extra.require("numba", purpose="rendering people")
    try:
        for person_id in options.people:
            print(make_clip(person_id, options.folder, options.seconds), flush=True)
    except (av.error.FFmpegError, OSError) as error:
        raise WriteError(
            f"cannot write into {options.folder}: {error.strerror or error}",
            "free some space; finished clips are kept",
        ) from error


if __name__ == "__main__":
    main()
