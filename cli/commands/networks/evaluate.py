"""`mtclar-stream evaluate`: accuracy on public data sets, rendered people or your own photos, with few-shot use."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.cli.options import BackendOption, ThreadsOption

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

    from mtclar.train.accuracy.figures import Figures
    from mtclar.train.accuracy.report import Report
    from mtclar.train.progress import Advance, Progress

SHOTS = "0,1,3,5,10"
SEEDS = 20
MAX_SHOTS = 500  # labelled photos of a person, far more than realistic use
MAX_SHOWN = 10  # unreadable pictures that are named; --json lists all
MAX_REPORT_BYTES = 2**24
REPORT_KEYS = {"n", "no_face", "classes", "shots"}
PROTOCOL_KEYS = {"n", "no_face", "protocol", "methods"}
CACHE = "evaluate"  # folder below the user's cache folder
COMPARISON = (
    "few-shot constants",
    "fit them: tools/fit/fit_fewshot.py --models DIR, docs/results/few-shot.md",
)
LABELLING = ("labelling constants", "only the bundled encoder has fitted ones, docs/results/label.md")
"""Constants that belong to one encoder, and advice for constants of another encoder."""


def command(
    dataset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="ferplus, affectnet, afew-va, aff-wild2 or rendered."),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the data set; not for rendered.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Split of the data set; its test split by default.")
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Your own photos: columns path (relative to the file), valence, arousal, and perhaps subject.",
        ),
    ] = None,
    shots: Annotated[
        str,
        typer.Option(metavar="K,K,...", help="Number of labelled photos of each person; 0: none."),
    ] = SHOTS,
    seeds: Annotated[int, typer.Option(min=1, help="Number of random draws of the labelled photos.")] = SEEDS,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the full report as JSON.", dir_okay=False),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Networks written by `export`, optionally with their compare.json; the bundled networks by default.",
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Label clips from a few of their own frames: every-20 as published, first-3, random-3, spread-3 or "
            "share-6 (percent).",
        ),
    ] = None,
    curve: Annotated[
        bool, typer.Option("--curve", help="With --protocol: also label 1 to 20 % of the frames.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that render people; all cores by default.")
    ] = None,
    backend: BackendOption = "auto",
    threads: ThreadsOption = 1,
) -> None:
    """Measure accuracy with and without labels of a person, compared with simple baselines.

    FER+ is a folder with labels.csv and sheets, or with fer2013.csv and fer2013new.csv. Rendered people are generated
    on first use (a few minutes) and cached. If the data set has subjects, labelled and scored photos are different
    photos of the same person; otherwise they are photos of any person.

    With --protocol: label videos as `label` does, compared with the last label, interpolation, the absolute value and
    the published rule.
    """

    from mtclar.cli.display.terminal import Terminal, print_text
    from mtclar.cli.files.outputs import Output, require_safe
    from mtclar.cli.reports import clip_protocol
    from mtclar.engine.errors import MtclarError, UsageError
    from mtclar.engine.files.reading import user_folder
    from mtclar.engine.files.writing import write_json
    from mtclar.engine.installation.machine import usable_cores
    from mtclar.train.accuracy.answers import Networks
    from mtclar.train.accuracy.datasets import CLIPS, RENDERED, open_dataset, open_photos
    from mtclar.train.accuracy.evaluation import evaluate
    from mtclar.train.rendered.held_out import HeldOut

    if (dataset is None) == (photos is None):
        raise UsageError("name either --dataset or --photos", "for example: --dataset rendered")
    if protocol is not None:
        from mtclar.label.evaluation_protocol import require_plan

        require_plan(protocol)
        if photos is not None:
            raise UsageError("--protocol needs video clips, and --photos are single images", "use --dataset")
    elif curve:
        raise UsageError("--curve needs --protocol", "for example: --protocol every-20 --curve")
    if photos is not None and (root is not None or split is not None):
        raise UsageError(
            "--photos cannot be combined with --root or --split", "paths are relative to the CSV file"
        )
    if json_file is not None:
        hint = "name another file; only an earlier report is overwritten"
        inputs = {} if photos is None else {"--photos": [photos]}
        require_safe([Output("--json", json_file, is_report, hint)], inputs)
    ks = shots_of(shots)
    with _stages() as progress:
        if photos is not None:
            opened = open_photos(photos)
        else:
            cache = user_folder("cache") / CACHE
            held_out = HeldOut(cache, workers=workers or usable_cores())
            if protocol is not None and dataset == RENDERED and split is None:
                split = CLIPS
            opened = open_dataset(str(dataset), root, split, held_out, progress)
        with Networks(models, backend=backend, threads=threads) as networks:
            if protocol is not None:
                of_clips = clip_protocol.evaluate(opened, networks, protocol, curve=curve, progress=progress)
            else:
                report = evaluate(opened, networks, ks, seeds, progress)
    console = Terminal()
    if protocol is not None:
        clip_protocol.print_report(console, of_clips)
        if json_file is not None:
            write_json(json_file, of_clips.as_json())
            print_text(console, f"Written: {json_file}")
        _fail_if_unreadable(console, of_clips.unreadable)
        return
    answers = report.answers
    if not len(answers):
        _fail_if_unreadable(console, answers.unreadable)
        raise MtclarError(
            f"no face was found in any of {answers.no_face} images",
            "the face must fill at least a tenth of the image",
        )
    print_report(console, report)
    if json_file is not None:
        write_json(json_file, report.as_json())
        print_text(console, f"Written: {json_file}")
    _fail_if_unreadable(console, answers.unreadable)


def _fail_if_unreadable(console: "Console", unreadable: "Sequence[str]") -> None:
    """Name the pictures that cannot be read; after the report, so that one bad photo ends no evaluation."""
    from mtclar.cli.display.terminal import counted, print_text
    from mtclar.engine.errors import MtclarError

    for text in unreadable[:MAX_SHOWN]:
        print_text(console, f"{text}.", "yellow")
    if len(unreadable) > MAX_SHOWN:
        print_text(console, f"... and {len(unreadable) - MAX_SHOWN:,} more", "yellow")
    if unreadable:
        raise MtclarError(
            f"{counted(len(unreadable), 'picture')} could not be read; the report covers the others",
            "repair or remove them",
        )


def shots_of(text: str) -> list[int]:
    """Parse `0,1,5` into sorted unique numbers. Raises UsageError."""
    from mtclar.engine.errors import UsageError

    try:
        ks = sorted({int(part) for part in text.split(",")})
    except ValueError:
        ks = []
    if not ks or ks[0] < 0 or ks[-1] > MAX_SHOTS:
        raise UsageError(
            f"--shots {text!r} is not a list of numbers from 0 to {MAX_SHOTS}",
            f"for example: --shots {SHOTS}",
        )
    return ks


def is_report(path: Path) -> bool:
    """Whether the file at `path` is empty or an earlier report, which may be overwritten."""
    import json

    from mtclar.engine.files.reading import read_ordinary

    try:
        content = read_ordinary(path, MAX_REPORT_BYTES)
        keys = set(json.loads(content)) if content else REPORT_KEYS
        return keys >= REPORT_KEYS or keys >= PROTOCOL_KEYS
    except (OSError, ValueError, TypeError):
        return False


@contextmanager
def _stages() -> "Iterator[Progress]":
    """Show a progress bar for each stage."""
    from mtclar.cli.display.terminal import progress_bars

    with progress_bars() as bars:

        def progress(stage: str, total: int) -> "Advance":
            task = bars.add_task(stage, total=total)
            return lambda count: bars.advance(task, count)

        yield progress


def print_report(console: "Console", report: "Report") -> None:
    """Print the counts, the eight classes, a table by number of labels, and whole clips."""
    from mtclar.cli.display.terminal import print_text
    from mtclar.train.accuracy.report import PROXY

    for line in report.summary():
        print_text(console, line)
    warn_of_other_encoder(console, COMPARISON, report.constants_encoder, report.card.sha256)
    if report.proxy:
        print_text(console, f"Valence and arousal are against {PROXY}.", "yellow")
    groups = [(str(shots.k), shots.figures) for shots in report.shots if shots.figures]
    if groups:
        console.print(accuracy_table("labels", groups))
    if report.clips is not None:
        clips = report.clips
        print_text(
            console,
            f"{clips.clips} whole clips, every {clips.every}th frame labelled ({clips.labelled:,}), "
            f"the other {clips.queries:,} scored:",
        )
        console.print(accuracy_table("labels", [(f"1 in {clips.every}", clips.figures)]))


def warn_of_other_encoder(
    console: "Console", constants: tuple[str, str], fitted_to: str, encoder: str
) -> None:
    """Warn if the constants were fitted to another encoder (sha256) than the measured one."""
    from mtclar.cli.display.terminal import print_text

    if fitted_to != encoder:
        what, advice = constants
        text = f"warning: the {what} were fitted to encoder {fitted_to[:12]}, not to this one; {advice}"
        print_text(console, text, "yellow")


def accuracy_table(
    first: str, groups: "Sequence[tuple[str, Mapping[str, tuple[Figures, Figures]]]]"
) -> "Table":
    """A table with one row for each method, valence/arousal in each cell, a line between groups."""
    from rich import box
    from rich.table import Table

    from mtclar.train.accuracy.figures import CLAIMED
    from mtclar.train.accuracy.methods import MTCLAR

    table = Table(
        caption="valence/arousal in each cell", caption_justify="left", box=box.SIMPLE_HEAD, padding=0
    )
    table.add_column(first)
    table.add_column("method")
    for column in ("CCC", "PCC", "RMSE", "SAGR", f"% in {CLAIMED:.0%}"):
        table.add_column(column, justify="right")
    for name, by_method in groups:
        for number, (method, (valence, arousal)) in enumerate(by_method.items()):
            cells = [
                f"{decimal(getattr(valence, field))}/{decimal(getattr(arousal, field))}"
                for field in ("ccc", "pcc", "rmse", "sagr")
            ]
            cells.append(f"{percent(valence.coverage)}/{percent(arousal.coverage)}")
            last = number == len(by_method) - 1
            style = "bold" if method == MTCLAR else None
            table.add_row("" if number else name, method, *cells, style=style, end_section=last)
    return table


def decimal(value: float | None) -> str:
    """Format as `.123`, `-.012`, `1.000`; a dash for an undefined value."""
    import math

    if value is None or not math.isfinite(value):
        return "-"
    text = f"{round(value, 3) + 0.0:.3f}"  # + 0.0 turns -0.0 into 0.0
    return text.replace("0.", ".", 1) if abs(value) < 0.9995 else text


def percent(share: float | None) -> str:
    """Format a share as `93`; a dash for a method without an interval."""
    return "-" if share is None else f"{100 * share:.0f}"
