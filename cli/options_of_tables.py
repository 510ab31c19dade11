"""Options of the commands that read finished tables: `segments`, `compare` and `plot`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtclar.label.analysis.segments import Segment
    from mtclar.label.analysis.series import Series
    from mtclar.label.analysis.tables import Reading

MARKS = "marks"

TablesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="TABLE...",
        help="Tables of `run --csv`, `label`, `analyse`, OpenFace, Py-feat or FaceReader, or folders of them.",
    ),
]
SegmentsOption = Annotated[
    str | None,
    typer.Option(
        "--segments",
        metavar="FILE|marks",
        help="Segments: a table with name, start, end (seconds from the first frame), an ELAN file, or `marks`: those "
        "made while the recording ran.",
    ),
]
TierOption = Annotated[
    list[str] | None,
    typer.Option("--tier", metavar="NAME", help="ELAN tier to read; all by default. Repeatable."),
]
ShiftOption = Annotated[
    float, typer.Option("--shift", metavar="SECONDS", help="Added to the times of the segments.")
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="AXIS=COLUMN",
        help="Column to use as valence or arousal, such as valence=AU12_r. Repeatable.",
    ),
]
FpsOption = Annotated[
    float | None,
    typer.Option("--fps", min=0.01, max=1000, help="Frame rate of a table without times, such as Py-feat's."),
]
OnePersonOption = Annotated[
    bool,
    typer.Option(
        "--one-person",
        help="All faces of a recording are one person, whose track was interrupted; the largest counts.",
    ),
]
CalibratedOption = Annotated[
    bool, typer.Option("--calibrated", help="Only faces to which a support set was applied.")
]


@dataclass(frozen=True)
class TableOptions:
    """How tables are read, and the segments of their recordings."""

    tier: TierOption = None
    shift: ShiftOption = 0.0
    column: ColumnOption = None
    fps: FpsOption = None
    one_person: OnePersonOption = False
    calibrated: CalibratedOption = False

    def reading(self, group_by: str | None = None) -> "Reading":
        """How to read the tables. Raises UsageError."""
        from mtclar.label.analysis.tables import Reading, parse_columns

        columns = parse_columns(self.column or ())
        return Reading(columns, None, self.fps, self.one_person, self.calibrated, group_by)

    def segments_of(self, option: str | None, series: "Sequence[Series]") -> "list[Segment]":
        """The segments that --segments names. Raises UsageError."""
        from mtclar.engine.errors import UsageError
        from mtclar.engine.files.reading import expand_home
        from mtclar.label.analysis.segments import read_segments, segments_of_marks

        if option == MARKS:
            return segments_of_marks(series)
        if option is None:
            if self.tier or self.shift:
                raise UsageError(
                    "--tier and --shift need --segments", "for example --segments session.eaf --tier task"
                )
            return []
        return read_segments(expand_home(option), self.tier or (), self.shift)


def segment_file(option: str | None) -> list[Path]:
    """The file that --segments names, if it names one."""
    return [] if option in (None, MARKS) else [Path(str(option))]


def keep_font_cache() -> None:
    """Makes matplotlib keep its list of fonts in this program's cache folder, not in a folder of its own."""
    import os
    from contextlib import suppress

    from mtclar.engine.errors import UsageError
    from mtclar.engine.files.reading import user_folder

    with suppress(UsageError):  # without a home folder matplotlib uses a temporary one
        os.environ.setdefault("MPLCONFIGDIR", str(user_folder("cache") / "matplotlib"))
