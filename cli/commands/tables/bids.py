"""`mtclar-stream bids`: tables as a BIDS data set."""

from pathlib import Path
from typing import Annotated

import typer

from mtclar.cli.options import expanded, with_options
from mtclar.cli.options_of_tables import SegmentsOption, TableOptions, TablesArgument


@with_options
def command(
    tables: TablesArgument,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The data set; a new or empty folder.", callback=expanded)
    ],
    segments: SegmentsOption = None,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What the participants did; by default that of tables named so by `analyse`, or affect.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="Name of the data set.")] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=1000, metavar="HZ", help="Sampling frequency; by default that of the frames."
        ),
    ] = None,
    *,
    options: TableOptions,
) -> None:
    """Write tables as a BIDS data set: valence and arousal as physiological recordings, segments as events.

    Participants and sessions are those of the tables; a recording without one is a participant of its own.
    """
    from mtclar.cli.display.terminal import Terminal, counted, print_text
    from mtclar.engine.files.reading import expand_home
    from mtclar.label.analysis.bids import bids_files, write_bids
    from mtclar.label.analysis.tables import read_series, table_files

    files = table_files(expand_home(path) for path in tables)
    series = read_series(files, options.reading())
    chosen = options.segments_of(segments, series)
    given = {"task": task, "name": name}
    content = bids_files(
        series, chosen, rate_hz=rate, **{key: text for key, text in given.items() if text is not None}
    )
    write_bids(content, out)
    text = f"Written: {out}, {counted(len(series), 'recording')} in {counted(len(content), 'file')}"
    print_text(Terminal(), text)
