"""Your own photos: a CSV with a path, a valence and an arousal each, and perhaps who is shown."""

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
    """Reads a CSV with the columns path (relative to it), valence, arousal and, if there is one, subject.

    Further columns are ignored; a photo whose subject is empty is of nobody known. Raises UsageError when there is no
    such file, or with the line that is broken, whose photo is missing or was named before.
    """
    try:
        return _stills(path)
    except DatasetError as error:  # a table of one's own is like any other argument
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
        if earlier != where:  # labelled and scored photos would be the same one
            raise DatasetError(
                f"{where}: the photo {file} was named before: {earlier}", "name each photo once"
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
