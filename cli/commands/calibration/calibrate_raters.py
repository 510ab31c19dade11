"""`mtclar-stream calibrate raters A B`: how far the raters of a recording agree, and their mean as labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.cli.options import ScaleOption, expanded

if TYPE_CHECKING:
    from rich.table import Table

    from mtclar.calibrate.core.raters import CommonRatings


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE FILE...",
            help="The label files of two or more raters: .csv, ELAN (.eaf), NOVA (.annotation).",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the mean of the raters as labels: .csv, .eaf or .annotation.",
            callback=expanded,
        ),
    ] = None,
    scale: ScaleOption = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file named with --out.")] = False,
) -> None:
    """Compare the raters of one recording: CCC, ICC(2,1), ICC(2,k); write their mean as labels.

    Compared are the moments that all of them rated. `calibrate --labels` and `label --support` take the mean.

    \b
    Examples:
      mtclar-stream calibrate raters anna.ben.labels.csv anna.cleo.labels.csv
      mtclar-stream calibrate raters ben.eaf cleo.eaf dora.eaf --out mean.csv
    """
    from mtclar.calibrate.core.raters import common_ratings
    from mtclar.cli.display.terminal import Terminal, counted, print_text
    from mtclar.cli.files.outputs import OVERWRITE, Output, always, never, require_safe
    from mtclar.engine.errors import UsageError
    from mtclar.engine.files.reading import expand_home
    from mtclar.engine.files.writing import write_together
    from mtclar.stream.label_formats.label_file import Scale, label_files, read_labels

    paths = [expand_home(path) for path in files]
    if out is not None:
        outputs = label_files((), out)  # raises for an unknown suffix
        require_safe(
            [Output("--out", path, always if force else never, OVERWRITE) for path in outputs],
            {"FILE": paths},
        )
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("a file is named twice", "name each rater's file once")
    given = None if scale is None else Scale.parse(scale)
    common = common_ratings([(_name(path), read_labels(path, given)) for path in paths])
    console = Terminal()
    console.print(_table(common))
    print_text(
        console,
        f"{counted(len(common.times_s), 'moment')} rated by all {len(common.raters)}: {', '.join(common.raters)}. "
        "ICC(2,1) is of single ratings, ICC(2,k) of their mean.",
    )
    if out is not None:
        written = label_files(common.mean, out)
        write_together(written)
        for path in written:
            print_text(console, f"Written: {path}")


def _name(path: Path) -> str:
    """The rater of a file: anna.ben.labels.csv -> ben."""
    stem = path.name.removesuffix(path.suffix).removesuffix(".labels")
    return stem.rpartition(".")[2] or stem


def _table(common: "CommonRatings") -> "Table":
    from rich.table import Table

    table = Table("axis", "CCC", "ICC(2,1)", "ICC(2,k)", box=None)
    for axis, found in zip(("valence", "arousal"), common.agreement, strict=True):
        table.add_row(axis, *(f"{value:.2f}" for value in (found.ccc, found.icc, found.icc_mean)))
    return table
