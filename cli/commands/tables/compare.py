"""`mtclar-stream compare`: how far two tables agree, such as a rater's and this program's, or two programs'."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.cli.options import expanded
from mtclar.cli.options_of_tables import CalibratedOption, FpsOption, OnePersonOption

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.table import Table

MAX_LAG_S = (
    5.0  # that of mtclar.label.analysis.agreement, which imports too much for --help; a test compares them
)
MAX_SHOWN = 40  # rows on the terminal; the file has all

TABLE_HELP = (
    "Table or folder of tables: of `run --csv`, `label`, `analyse`, a rater, OpenFace, Py-feat, FaceReader."
)


def _column(side: str, example: str) -> typer.models.OptionInfo:
    help_text = f"Column of {side} to use as valence or arousal, such as {example}. Repeatable."
    option = typer.Option(f"--column-{side.lower()}", metavar="AXIS=COLUMN", help=help_text)
    assert isinstance(option, typer.models.OptionInfo)
    return option


def command(
    a: Annotated[Path, typer.Argument(metavar="A", help=TABLE_HELP, callback=expanded)],
    b: Annotated[Path, typer.Argument(metavar="B", help="What it is compared with.", callback=expanded)],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", help="Write one row for each recording and axis.", callback=expanded
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png|.svg|.html",
            help="Draw both series, the Bland-Altman plot and the correlation by lag.",
            callback=expanded,
        ),
    ] = None,
    max_lag: Annotated[
        float, typer.Option(min=0, max=600, metavar="SECONDS", help="Longest lag that is tried.")
    ] = MAX_LAG_S,
    shift: Annotated[float, typer.Option(metavar="SECONDS", help="Added to the times of B.")] = 0.0,
    column_a: Annotated[list[str] | None, _column("A", "valence=label_valence")] = None,
    column_b: Annotated[list[str] | None, _column("B", "valence=AU12_r")] = None,
    scale_a: Annotated[
        str | None, typer.Option(metavar="LOW:HIGH", help="Range of the values of A, such as 1:9.")
    ] = None,
    scale_b: Annotated[str | None, typer.Option(metavar="LOW:HIGH", help="Range of the values of B.")] = None,
    fps: FpsOption = None,
    one_person: OnePersonOption = False,
    calibrated: CalibratedOption = False,
) -> None:
    """Compare two tables: CCC, Pearson correlation, RMSE, ICC(2,1), lag, bias and limits of agreement.

    Recordings are paired by name, or by participant and session. The series with more frames is interpolated at the
    times of the other one. A positive lag means that B is later, a positive bias that B is higher.
    """
    from dataclasses import replace

    from mtclar.cli.display.terminal import Terminal, counted, print_text
    from mtclar.cli.files.outputs import Output, require_safe
    from mtclar.cli.options_of_tables import keep_font_cache
    from mtclar.engine.errors import UsageError
    from mtclar.engine.files.writing import write_together
    from mtclar.label.analysis.agreement import agreement_table, pair_up
    from mtclar.label.analysis.segment_table import as_csv
    from mtclar.label.analysis.tables import Reading, parse_columns, read_series, table_files
    from mtclar.stream.label_formats.label import Scale

    outputs = [Output(name, path) for name, path in (("--out", out), ("--plot", plot)) if path is not None]
    require_safe(outputs, {"A": table_files([a]), "B": table_files([b])})
    both = []
    for path, columns, scale in ((a, column_a, scale_a), (b, column_b, scale_b)):
        in_scale = None if scale is None else Scale.parse(scale)
        reading = Reading(parse_columns(columns or ()), in_scale, fps, one_person, calibrated)
        both.append(read_series([path], reading))
    of_a, of_b = both
    if shift:
        of_b = [replace(one, times_s=one.times_s + shift) for one in of_b]
    pairs, left = pair_up(of_a, of_b)
    if not pairs:
        raise UsageError(
            "no recording of A belongs to one of B",
            "give the tables of one recording the same name, or compare two files",
        )
    table = agreement_table(pairs, max_lag)
    contents = {}
    if out is not None:
        contents[out] = as_csv(table)
    if plot is not None:
        keep_font_cache()
        from mtclar.label.analysis.agreement_figure import agreement_figure
        from mtclar.label.analysis.figure_file import figure_file

        contents[plot] = figure_file(
            {"Agreement": agreement_figure(pairs, a.stem, b.stem, max_lag)}, plot, [table]
        )
    write_together(contents)
    console = Terminal()
    console.print(_shown(table.tail(MAX_SHOWN)))
    if len(table) > MAX_SHOWN:
        print_text(console, f"... and {counted(len(table) - MAX_SHOWN, 'row')} before.")
    for one in left[:MAX_SHOWN]:
        print_text(console, f"Only in one of the two: {one.key}.", "yellow")
    for output in outputs:
        print_text(console, f"Written: {output.path}")


def _shown(agreement: "DataFrame") -> "Table":
    from rich import box
    from rich.table import Table

    from mtclar.cli.commands.networks.evaluate import decimal

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("recording", overflow="fold")
    table.add_column("axis", no_wrap=True)
    for name in ("n", "CCC", "PCC", "RMSE", "ICC", "bias", "lag s"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in agreement.to_dict("records"):
        cells = [decimal(row[name]) for name in ("ccc", "pcc", "rmse", "icc_2_1")]
        cells += [f"{row['bias']:+.3f}", f"{row['lag_s']:+.2f}"]
        table.add_row(
            row["pair"], row["axis"], f"{row['n']:,}", *(cell.replace("+nan", "-") for cell in cells)
        )
    return table
