"""Columns of OpenFace, Py-feat and FaceReader, by which their tables are known, as the columns of our tables.

OpenFace 2 (github.com/TadasBaltrusaitis/OpenFace/wiki/Output-Format) measures action units and no valence: one of its
columns can be chosen for an axis. Py-feat's newer detectors give valence and arousal. Where a program gives emotions
only, valence is the intensity of happiness less that of the strongest negative emotion, as FaceReader's methodology
note defines it; arousal stays without values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NEGATIVE = {
    "anger": ("anger", "angry"),
    "disgust": ("disgust", "disgusted"),
    "fear": ("fear", "scared"),
    "sadness": ("sadness", "sad"),
}
HAPPINESS = ("happiness", "happy")


@dataclass(frozen=True, slots=True)
class Program:
    """How a table of one program is recognised and read; all names in lower case."""

    name: str
    known_by: frozenset[str]  # columns that it always has, and that other programs do not have together
    time: str = ""  # column in seconds, or as h:mm:ss; empty: frame / fps
    valid: str = ""  # column that is 1 where the face was tracked
    face: str = ""


PROGRAMS: Sequence[Program] = (
    Program("OpenFace", frozenset({"timestamp", "confidence", "success"}), "timestamp", "success", "face_id"),
    Program("Py-feat", frozenset({"facescore", "frame"})),
    Program("FaceReader", frozenset({"video time"}), "video time"),
)

FAILED = frozenset({"find_failed", "fit_failed", "unknown"})
"""What FaceReader writes in place of a number."""


def program_of(columns: Sequence[str]) -> Program | None:
    """The program whose table has these columns (lower case); None for our own tables and for any other table."""
    return next((program for program in PROGRAMS if program.known_by <= set(columns)), None)


def emotion_columns(columns: Sequence[str]) -> Mapping[str, str] | None:
    """The columns of happiness and of the negative emotions; None without happiness or without any negative one."""
    wanted = {"happiness": HAPPINESS, **NEGATIVE}
    found = {emotion: name for emotion, names in wanted.items() for name in columns if name in names}
    return found if "happiness" in found and len(found) > 1 else None
