"""The comparison of two support sets in the terminal."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from mtclar.calibrate.core.evaluation.comparison import Comparison
from mtclar.calibrate.core.evaluation.coverage import REGIONS
from mtclar.cli.display.terminal import print_text


def print_comparison(console: Console, comparison: Comparison, files: tuple[Path, Path]) -> None:
    """A column for each set, and which one is better."""
    both = (comparison.a, comparison.b)
    table = Table("", "A", "B", box=None)
    rows = (
        ("frames", [str(one.frames) for one in both]),
        ("different labels", [str(one.labels) for one in both]),
        ("regions of the grid", [f"{one.regions} of {len(REGIONS)}" for one in both]),
        ("error of its own labels (leave-one-out)", [f"{one.own_error:.2f}" for one in both]),
        ("error of the other's labels", [f"{one.other_error:.2f}" for one in both]),
        ("error of the labels of both", [f"{one.error:.2f}" for one in both]),
    )
    for name, values in rows:
        table.add_row(name, *values)
    for letter, file in zip("AB", files, strict=True):
        print_text(console, f"{letter}  {file}")
    console.print(table)
    print_text(console, f"Uncalibrated error of the labels of both: {comparison.uncalibrated:.2f}")
    if comparison.better is None:
        print_text(console, "Neither is better: over the labels of both, their errors hardly differ.")
    else:
        print_text(console, f"{comparison.better.upper()} is better over the labels of both.")
