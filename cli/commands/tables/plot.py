"""`mtclar-stream plot`: figures of tables, as PNG, SVG or one HTML page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.cli.options import expanded, with_options
from mtclar.cli.options_of_tables import SegmentsOption, TableOptions, TablesArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure

    from mtclar.label.analysis.segments import Segment
    from mtclar.label.analysis.series import Series

KINDS = ("time", "plane", "groups", "quality")


@with_options
def command(
    tables: TablesArgument,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE.png|.svg|.html",
            help="The figure; a .html file has all kinds and the statistics.",
            callback=expanded,
        ),
    ],
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="time: values with 90 % intervals and segments. plane: density and path. groups: means with 95 % "
            "bands over participants, of each segment. quality: sd, states and drift. By default time; of .html all.",
        ),
    ] = None,
    segments: SegmentsOption = None,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Segment whose mean is subtracted, in kind groups."),
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of the tables whose values are the groups of kind groups, without --segments.",
        ),
    ] = None,
    *,
    options: TableOptions,
) -> None:
    """Draw tables of values over time, on the affect plane, as means of groups, or their quality.

    The same tables give the same file, byte by byte. An HTML page loads nothing from elsewhere.
    """
    from mtclar.cli.display.terminal import Terminal, print_text
    from mtclar.cli.files.outputs import Output, require_safe
    from mtclar.cli.options_of_tables import keep_font_cache, segment_file
    from mtclar.engine.errors import UsageError
    from mtclar.engine.files.reading import expand_home
    from mtclar.engine.files.writing import write_whole
    from mtclar.label.analysis.figure_file import figure_file, require_format
    from mtclar.label.analysis.segment_table import long_table
    from mtclar.label.analysis.tables import read_series, table_files

    keep_font_cache()
    require_format(out)
    page = out.suffix.lower() == ".html"
    for name in kind or ():
        if name not in KINDS:
            raise UsageError(f"unknown --kind {name!r}", f"one of {', '.join(KINDS)}")
    if baseline is not None and segments is None:
        raise UsageError("--baseline needs --segments", "name the file that has the baseline's start and end")
    files = table_files(expand_home(path) for path in tables)
    require_safe([Output("--out", out)], {"TABLE": files, "--segments": segment_file(segments)})
    series = read_series(files, options.reading(group_by))
    chosen = options.segments_of(segments, series)
    wanted = kind or (_possible(series) if page else KINDS[:1])
    figures = {
        title: draw() for name, (title, draw) in _drawings(series, chosen, baseline).items() if name in wanted
    }
    statistics = [long_table(series, chosen, baseline)] if page else []
    write_whole(out, figure_file(figures, out, statistics))
    print_text(Terminal(), f"Written: {out}")


def _possible(series: "Sequence[Series]") -> "Sequence[str]":
    """KINDS, without the plane if no frame has both values."""
    both = any((one.values == one.values).all(axis=1).any() for one in series)
    return [name for name in KINDS if both or name != "plane"]


def _drawings(
    series: "Sequence[Series]", segments: "Sequence[Segment]", baseline: str | None
) -> "Mapping[str, tuple[str, Callable[[], Figure]]]":
    """Title and drawing of each of KINDS."""
    from mtclar.label.analysis import figures
    from mtclar.label.analysis.group_means import group_means

    since = "the start of the segment" if segments else "the first frame"
    return {
        "time": ("Over time", lambda: figures.time_figure(series, segments)),
        "plane": ("Affect plane", lambda: figures.plane_figure(series)),
        "groups": ("Means", lambda: figures.group_figure(group_means(series, segments, baseline), since)),
        "quality": ("Quality", lambda: figures.quality_figure(series)),
    }
