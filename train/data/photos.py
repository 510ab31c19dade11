"""Loads the user's photos from a CSV file with path, valence, arousal and, optionally, subject."""

from pathlib import Path

import numpy as np

from mtclar.engine.errors import UsageError
from mtclar.train.data.labelled import UNKNOWN, DatasetError, Stills, csv_rows, is_file, va_of

COLUMNS = ("path", "valence", "arousal")
SUBJECT = "subject"
EXAMPLE = (
    f"the first line is `{','.join(COLUMNS)}` (and `,{SUBJECT}` if known), "
    "the next ones look like `anna.jpg,0.5,-0.1`"
)


def load(path: Path) -> Stills:
    """Reads a CSV with the columns path (relative to the file), valence, arousal and, optionally, subject.

    Further columns are ignored; an empty subject means that the person is unknown. Raises UsageError when the file does
    not exist, or for a line that is broken or whose photo is missing or repeated.
    """
    try:
        return _stills(path)
    except DatasetError as error:  # the file is an argument of the user
        raise UsageError(error.what, error.hint or EXAMPLE) from error


def _stills(path: Path) -> Stills:
    """Raises UsageError or DatasetError."""
    files, values, subjects, named = [], [], [], []
    place_of: dict[Path, str] = {}
    for where, row in csv_rows(path, COLUMNS, optional=(SUBJECT,)):
        if not row["path"]:
            raise DatasetError(f"{where}: no path")
        file = path.parent / row["path"]
        if not is_file(file):
            raise DatasetError(f"{where}: there is no photo {file}", "paths are relative to the CSV file")
        earlier = place_of.setdefault(file.resolve(), where)
        if earlier != where:  # otherwise a photo could be support and query at once
            raise DatasetError(
                f"{where}: the photo {file} is already named in {earlier}", "name each photo once"
            )
        files.append(file)
        named.append(where)
        values.append(va_of(row["valence"], row["arousal"], where))
        subjects.append(row.get(SUBJECT, "").strip())
    if not files:
        raise DatasetError(f"{path} names no photo")
    return Stills(
        files=files,
        va=np.array(values, np.float32),
        expression=np.full(len(files), UNKNOWN, np.int64),
        subject=np.array(subjects) if any(subjects) else None,
        named=named,
    )
