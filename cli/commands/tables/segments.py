"""`mtclar-stream segments`: statistics of each segment of each recording, as long and wide tables."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.cli.options import expanded, with_options
from mtclar.cli.options_of_tables import SegmentsOption, TableOptions, TablesArgument

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.table import Table


MAX_SHOWN = 40  # rows on the terminal; the files have all


@with_options
def command(
    tables: TablesArgument,
    segments: SegmentsOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", help="Write one row for each recording and segment.", callback=expanded
        ),
    ] = None,
    wide: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Write one row for each recording, with columns such as stress_valence_mean.",
            callback=expanded,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Segment whose mean is subtracted, in columns of their own."),
    ] = None,
    *,
    options: TableOptions,
) -> None:
    """Statistics of each segment and of each whole recording.

    Mean, sd, standard error and effective number of frames (neighbouring frames resemble each other), median,
    quantiles, slope, peak, seconds in each quadrant, share of frames with a value, and with --baseline the difference
    from the mean of that segment.
    """
    from mtclar.cli.display.terminal import Terminal, counted, print_text
    from mtclar.cli.files.outputs import Output, require_safe
    from mtclar.cli.options_of_tables import segment_file
    from mtclar.engine.errors import UsageError
    from mtclar.engine.files.reading import expand_home
    from mtclar.engine.files.writing import write_together
    from mtclar.label.analysis.segment_table import as_csv, long_table, wide_table
    from mtclar.label.analysis.tables import read_series, table_files

    if baseline is not None and segments is None:
        raise UsageError("--baseline needs --segments", "name the file that has the baseline's start and end")
    files = table_files(expand_home(path) for path in tables)
    outputs = [Output(name, path) for name, path in (("--out", out), ("--wide", wide)) if path is not None]
    require_safe(outputs, {"TABLE": files, "--segments": segment_file(segments)})
    series = read_series(files, options.reading())
    chosen = options.segments_of(segments, series)
    long = long_table(series, chosen, baseline)
    contents = {out: long, wide: wide_table(long)}
    write_together({path: as_csv(table) for path, table in contents.items() if path is not None})
    console = Terminal()
    console.print(_shown(long.head(MAX_SHOWN), baseline))
    if len(long) > MAX_SHOWN:
        print_text(console, f"... and {counted(len(long) - MAX_SHOWN, 'more row')}.")
    empty = long[(long.frames == 0)]
    for row in empty.head(MAX_SHOWN).itertuples():
        text = f"{row.recording}: {row.segment} ({row.start:g} to {row.end:g} s) has no frame."
        print_text(console, text, "yellow")
    for output in outputs:
        print_text(console, f"Written: {output.path}")


def _shown(long: "DataFrame", baseline: str | None) -> "Table":
    """The most important columns for the terminal."""
    from rich import box
    from rich.table import Table

    from mtclar.label.analysis.segment_table import key_of
    from mtclar.label.analysis.segments import WHOLE
    from mtclar.label.analysis.series import names_of

    caption = "mean ±sd" if baseline is None else f"mean ±sd; Δ: mean less that of {baseline}"
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), caption=caption, caption_justify="left")
    for name, width in (("recording", 12), ("segment", 10)):
        table.add_column(name, overflow="fold", min_width=width)
    axes = ("valence", "arousal")
    for name in ("s", "valid", *axes, *(() if baseline is None else ("ΔV", "ΔA"))):
        table.add_column(name, justify="right", no_wrap=True)
    rows = long.to_dict("records")
    names = names_of([key_of(row) for row in rows])
    for row in rows:
        number = f" {row['occurrence']}" if row["occurrence"] > 1 else ""
        cells = [f"{row[f'{axis}_mean']:+.2f} ±{row[f'{axis}_sd']:.2f}" for axis in axes]
        if baseline is not None:
            cells += [f"{row[f'{axis}_from_baseline']:+.2f}" for axis in axes]
        table.add_row(
            names[key_of(row)] if row["segment"] == WHOLE else "",  # it comes first
            f"{row['segment']}{number}",
            f"{row['end'] - row['start']:.1f}",
            "-" if row["frames"] == 0 else f"{100 * row['valid_share']:.0f}%",
            *(
                "-" if row["valid_frames"] == 0 else cell.replace("+nan", "-").replace("nan", "-")
                for cell in cells
            ),
        )
    return table
