"""`mtclar-stream label`: a whole video labelled from a few of its frames."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.cli.options import BackendOption, ThreadsOption, expanded

if TYPE_CHECKING:
    from rich.console import Console

    from mtclar.label.job import Done, Job, Started
    from mtclar.label.looking import Advance
    from mtclar.label.reading import Recording

RATE_HZ = 5.0  # as in mtclar.label.looking, which a test compares


def command(
    video: Annotated[
        Path,
        typer.Argument(metavar="VIDEO|FOLDER", help="A video file, or a folder of pictures (with --fps)."),
    ],
    support: Annotated[
        Path,
        typer.Option(
            metavar="FILE.csv",
            help="The labelled frames: time,valence,arousal; seconds from the first frame.",
            callback=expanded,
        ),
    ],
    out: Annotated[
        list[Path],
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Where to write, once for each format: .csv, .parquet, .eaf (ELAN) or .annotation (NOVA).",
        ),
    ],
    fps: Annotated[
        float | None, typer.Option(min=0.01, max=1000, help="Pictures a second of a folder.")
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="default, causal, nearest, similarity, or best: the one of them that predicts left-out labels best.",
        ),
    ] = "default",
    rate: Annotated[
        float,
        typer.Option(
            min=0,
            max=1000,
            help="Frames looked at a second; 0: every one, which takes some five times as long.",
        ),
    ] = RATE_HZ,
    smooth: Annotated[bool, typer.Option(help="Smooth forwards and backwards; never with causal.")] = True,
    render: Annotated[
        Path | None,
        typer.Option(metavar="FILE.mp4", help="The video with the values drawn in.", callback=expanded),
    ] = None,
    backend: BackendOption = "auto",
    threads: ThreadsOption = 1,
) -> None:
    """Label every frame of a video from a few labelled ones.

    One row a frame: frame,time,valence,arousal,valence_sd,arousal_sd,state. A cell is empty where there is no honest
    value: no face, a face too dark, blurred or turned to be read, a frame that cannot be decoded. A run that was
    stopped goes on where it was.
    """
    import cv2

    from mtclar.cli.outputs import Output, require_safe
    from mtclar.cli.terminal import Terminal, say
    from mtclar.label.exports import exporter, files_of
    from mtclar.label.job import Job, run
    from mtclar.label.labelling import Settings
    from mtclar.label.looking import Looker
    from mtclar.label.render import render as draw
    from mtclar.label.rules import require_mode

    require_mode(mode)
    outs = tuple(path.expanduser() for path in out)
    outputs = [Output("--out", file) for path in outs for file in files_of(path)]
    if render is not None:
        outputs.append(Output("--render", render))
    require_safe(outputs, {"VIDEO": [video], "--support": [support]})
    for path in outs:
        exporter(path)
    cv2.setNumThreads(threads)
    job = Job(video.expanduser(), support, outs, fps)
    console = Terminal()
    with progress_bar() as started:
        with Looker.open(backend=backend, threads=threads) as looker:
            done = run(job, looker, Settings(mode, rate, smooth), started)
        done.forget()
        say_outcome(console, job, done)
        if render is not None:
            draw(done.recording, done.outcome.table, render, started(done.recording))
            say(console, f"Written: {render}")


@contextmanager
def progress_bar() -> "Iterator[Started]":
    """Frames done and the remaining time, on stderr; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:

        def started(recording: "Recording") -> "Advance":
            task = bars.add_task(recording.name, total=len(recording.times_s))
            return lambda count: bars.advance(task, count)

        yield started


def say_outcome(console: "Console", job: "Job", done: "Done") -> None:
    """How many frames got a value and why others did not, how far off left-out labels were, what was not used."""
    from collections import Counter

    import numpy as np

    from mtclar.cli.terminal import counted, say

    outcome = done.outcome
    table = outcome.table
    valued = int((~np.isnan(table.values).any(axis=1)).sum())
    say(
        console,
        f"{job.video}: {counted(len(table), 'frame')}, {valued:,} with values, from {counted(outcome.used, 'label')}.",
    )
    empty = Counter(table.state[np.isnan(table.values).any(axis=1)].tolist())
    if empty:
        reasons = ", ".join(f"{state.replace('_', ' ')} {n:,}" for state, n in empty.most_common())
        say(console, f"Without a value: {reasons}.")
    for text in outcome.unused:
        say(console, f"Not used: the label in {text}.", "yellow")
    if outcome.rmse:
        valence, arousal = outcome.rmse[outcome.mode]
        say(
            console,
            f"Mode {outcome.mode}: labels left out in turn are predicted with an RMSE of {valence:.3f} / {arousal:.3f} "
            "(valence / arousal).",
        )
    for file in done.files:
        say(console, f"Written: {file}")
