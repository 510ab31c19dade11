"""The bundled clip of a rendered person, with the script of her valence and arousal. No real person is shown.

`clip.mp4` (640x480, 25 fps, 40 s), `clip.csv` (time,valence,arousal of every frame) and `calibration.csv` (the same of
a few frames of the first seconds, with which the demo calibrates) are made by
`python -m mtclar.train.rendered.demo`.
"""

from pathlib import Path

_FOLDER = Path(__file__).parent


def clip_path() -> Path:
    """The video."""
    return _FOLDER / "clip.mp4"


def script_path() -> Path:
    """Valence and arousal of every frame, in the format of labels.csv."""
    return _FOLDER / "clip.csv"


def calibration_path() -> Path:
    """The labelled frames of the first seconds, in the format of labels.csv."""
    return _FOLDER / "calibration.csv"
