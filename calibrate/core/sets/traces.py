"""Everything that a folder holds about one person: support sets, journals, files named after them, face pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtclar.calibrate.core import journal
from mtclar.engine.errors import MtclarError
from mtclar.engine.files.reading import read_ordinary
from mtclar.engine.support_set import SupportSet, is_encrypted

SUFFIX, PICTURE = ".mtclar", ".png"
MAX_PICTURE_BYTES = 2**20  # of a face crop


@dataclass(frozen=True, slots=True)
class Traces:
    """The files of one person, in order of path."""

    found: tuple[Path, ...]
    unknown: tuple[Path, ...]  # encrypted support sets that were not opened: perhaps this person's
    people: tuple[str, ...]  # subjects of all files in the folder


def find_traces(folder: Path, name: str, passphrase: Callable[[], str] | None = None) -> Traces:
    """The files of `name`, a subject or the name of a support set, in `folder` and its folders.

    A readable support set or journal belongs to its own subject, whatever its file is called. Any other file, such as
    an encrypted copy, a label table or what a killed process left, belongs to the person whose support set it is
    named after (anna.labels.csv and .anna.mtclar.0123abcd.part after anna.mtclar), and a picture to the person whose
    support set has this crop. `passphrase` is called only for encrypted files.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir()]
    supports = {path: _load(path, passphrase) for path in files if path.suffix == SUFFIX}
    subjects = {path: support.subject for path, support in supports.items() if support is not None}
    subjects |= {
        path: subject
        for path in files
        if journal.MARK in path.name and (subject := journal.subject_of(path, passphrase)) is not None
    }
    stems = {name} | {path.stem for path in supports if subjects.get(path) == name}
    own = [path for path in files if subjects.get(path, name if _named_after(path, stems) else None) == name]
    crops = [support.crops for path in own if (support := supports.get(path)) is not None]
    pixels = {crop.tobytes() for several in crops if several is not None for crop in several}
    pictures = [path for path in files if pixels and path.suffix == PICTURE and _pixels(path) in pixels]
    unknown = [path for path, support in supports.items() if support is None and path not in own]
    people = tuple(sorted(set(subjects.values())))
    return Traces(tuple(sorted({*own, *pictures})), tuple(filter(is_encrypted, unknown)), people)


def _named_after(path: Path, stems: set[str]) -> bool:
    name = path.name.removeprefix(".")
    return any(name == stem or name.startswith(f"{stem}.") for stem in stems)


def _load(path: Path, passphrase: Callable[[], str] | None) -> SupportSet | None:
    try:
        return SupportSet.load(path, passphrase)
    except MtclarError:
        return None


def _pixels(path: Path) -> bytes | None:
    import cv2

    try:
        image = cv2.imdecode(
            np.frombuffer(read_ordinary(path, MAX_PICTURE_BYTES), np.uint8), cv2.IMREAD_GRAYSCALE
        )
    except (OSError, cv2.error):
        return None
    return None if image is None else image.tobytes()
