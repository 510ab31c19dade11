"""A small study of rendered people, to try the commands on: `python -m mtclar.train.rendered.study FOLDER`.

    FOLDER/manifest.csv               participant, task, run, video, support and segments of each recording
    FOLDER/trials.csv                 recording, name, start and end of each trial
    FOLDER/01/calibration.mp4, .csv   a recording with labels, from which `calibrate` makes FOLDER/01.mtclar
    FOLDER/01/film-1.mp4              a neutral face, then a pleasant and an unpleasant film, or reversed

The pictures are small and few a second, so that the study is made in half a minute.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.files.writing import require_writable, write_whole
from mtclar.train import extra
from mtclar.train.command_line import in_words
from mtclar.train.rendered.splits import TEST

PARTICIPANTS = {f"{number:02}": TEST[number + 1] for number in range(1, 7)}
SIZE = (320, 240)
FPS = 6
SPAN = 3.2  # height of the picture in decimetres
TASK = "film"
NEUTRAL = "neutral"
TRIALS = (
    (NEUTRAL, 0.0, 1.6),
    ("first", 2.2, 4.2),
    ("second", 4.8, 6.8),
)  # the name, or which film; start, end
FILMS: Sequence[tuple[tuple[str, str], tuple[str, str]]] = (
    (("pleasant", "happy"), ("unpleasant", "sad")),
    (("unpleasant", "angry"), ("pleasant", "content")),
    (("pleasant", "happy"), ("unpleasant", "disgusted")),
)
"""The two films of each recording: name of the trial, and what the face shows."""

SHOWN_AT_CALIBRATION = (NEUTRAL, "happy", "surprised", "sad", "angry", "content")
HOLD_S, CHANGE_S = 0.7, 0.5


def make_study(folder: Path) -> None:
    """Renders the study into a folder; files of an earlier study are written again. Raises MtclarError."""
    manifest = ["participant,task,run,video,support,segments"]
    trials = ["recording,name,start,end"]
    for participant, person_id in PARTICIPANTS.items():
        _calibration(person_id, folder / participant)
        for run, films in enumerate(FILMS, 1):
            video = f"{participant}/{TASK}-{run}.mp4"
            manifest.append(f"{participant},{TASK},{run},{video},{participant}.mtclar,trials.csv")
            recording = f"sub-{participant}_task-{TASK}_run-{run}"
            names = [NEUTRAL, *(name for name, _ in films)]
            trials += [
                f"{recording},{name},{start_s},{end_s}"
                for name, (_, start_s, end_s) in zip(names, TRIALS, strict=True)
            ]
            shown = [NEUTRAL, *(expression for _, expression in films)]
            holds = [(start_s, end_s, what) for what, (_, start_s, end_s) in zip(shown, TRIALS, strict=True)]
            _render(person_id, run, holds, folder / video)
    for name, lines in (("manifest.csv", manifest), ("trials.csv", trials)):
        _write_lines(lines, folder / name)


def _calibration(person_id: int, folder: Path) -> None:
    """The main expressions one after another, with two labels of each."""
    from mtclar.train.rendered.person.expressions import EXPRESSIONS

    starts = [number * (HOLD_S + CHANGE_S) for number in range(len(SHOWN_AT_CALIBRATION))]
    holds = [
        (start, start + HOLD_S, shown) for start, shown in zip(starts, SHOWN_AT_CALIBRATION, strict=True)
    ]
    _render(person_id, 0, holds, folder / "calibration.mp4")
    lines = ["time,valence,arousal"]
    for start_s, end_s, shown in holds:
        expression = EXPRESSIONS[shown]
        inside = np.arange(np.ceil(start_s * FPS), np.floor(end_s * FPS) + 1) / FPS
        lines += [f"{t_s:.3f},{expression.valence},{expression.arousal}" for t_s in inside[[0, -2]]]
    _write_lines(lines, folder / "calibration.csv")


def _render(person_id: int, number: int, holds: Sequence[tuple[float, float, str]], path: Path) -> None:
    """A clip that shows the expressions of `holds` (start, end, name); light and room are those of the number."""
    from mtclar.train.rendered.clips import Hold, LitAt, Script, encode_h264, render_clip
    from mtclar.train.rendered.person.people import Person
    from mtclar.train.rendered.pictures import sample_background, sample_light

    person, rng = Person.sample(person_id), np.random.default_rng([23, person_id, number])
    script = Script(
        holds[-1][1],
        [Hold(start, end, {} if what == NEUTRAL else {what: 1.0}) for start, end, what in holds],
        lights=[LitAt(0.0, sample_light(rng, person.look))],
    )
    clip = render_clip(
        person, script, SIZE, FPS, background=sample_background(rng), span=SPAN, texture_side=256
    )

    def images() -> Iterator[NDArray[np.uint8]]:
        return (frame.image for frame in clip)

    require_writable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part.mp4")
    encode_h264(images(), unfinished, SIZE, FPS)
    unfinished.replace(path)


def _write_lines(lines: Sequence[str], path: Path) -> None:
    write_whole(path, "".join(f"{line}\n" for line in lines).encode())


@in_words
def main() -> None:
    """Parses the command line and renders."""
    parser = argparse.ArgumentParser(
        prog="python -m mtclar.train.rendered.study",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    extra.require("numba", purpose="rendering people")
    make_study(folder)
    print(f"{folder}: {len(PARTICIPANTS)} participants, {len(PARTICIPANTS) * len(FILMS)} recordings")


if __name__ == "__main__":
    main()
