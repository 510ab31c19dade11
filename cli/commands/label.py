"""`mtclar-stream label`: a whole video labelled from a few of its frames."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.cli.options import BackendOption, ThreadsOption, expanded
from mtclar.cli.passphrase import PassphraseFileOption

if TYPE_CHECKING:
    from rich.console import Console

    from mtclar.label.face_scan import Advance
    from mtclar.label.job import Done, Job, Started
    from mtclar.label.labelling import Settings
    from mtclar.label.recording import Recording

RENDERED = ".mp4"
RATE_HZ = 5.0  # as in mtclar.label.face_scan, which a test compares


def command(
    video: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="VIDEO|FOLDER...",
            help="Video files, or folders of pictures (with --fps).",
            show_default=False,
        ),
    ] = None,
    support: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="The labelled frames: a CSV file (time,valence,arousal; seconds from the first frame), or a support "
            "set recorded from this video. Once for each video.",
        ),
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Where to write, once for each format: .csv, .parquet, .eaf (ELAN) or .annotation (NOVA); a folder "
            "for several videos.",
        ),
    ] = None,
    suggest: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=200,
            metavar="N",
            help="Label nothing: say which N frames are most worth a label. --out is a contact sheet (.png) or a label "
            "file to fill in (.csv); labels that there are go into --support.",
        ),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(
            metavar="MANIFEST",
            help="Many videos: a .csv or .parquet file with the columns video, support, out.",
            callback=expanded,
        ),
    ] = None,
    engine: Annotated[str, typer.Option(metavar="local|ray", help="What works off many videos.")] = "local",
    workers: Annotated[int, typer.Option(min=1, help="Videos at a time, one core each.")] = 1,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only every N-th video from the I-th on.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="What became of each of many videos; beside the manifest or in the folder by default.",
            callback=expanded,
        ),
    ] = None,
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
    passphrase_file: PassphraseFileOption = None,
    backend: BackendOption = "auto",
    threads: ThreadsOption = 1,
) -> None:
    """Label every frame of a video from a few labelled ones.

    One row a frame: frame,time,valence,arousal,valence_sd,arousal_sd,state. A cell is empty where there is no honest
    value: no face, a face too dark, blurred or turned to be read, a frame that cannot be decoded. A run that was
    stopped goes on where it was.
    """
    from mtclar.engine.errors import UsageError
    from mtclar.label.labelling import Settings
    from mtclar.label.modes import require_mode

    require_mode(mode)
    settings = Settings(mode, rate, smooth)
    videos, supports, outs = ([path.expanduser() for path in paths or ()] for paths in (video, support, out))
    if suggest is not None:
        from mtclar.cli.commands.label_suggest import run as run_suggest

        others = (corpus, shard, report, render)
        if any(other is not None for other in others) or len(videos) != 1 or len(supports) > 1:
            raise UsageError(
                "--suggest takes one video, perhaps its --support, and --out", "for one video at a time"
            )
        run_suggest(videos[0], supports, outs, fps, suggest, rate, passphrase_file, backend, threads)
        return
    if corpus is not None or len(videos) > 1:
        from mtclar.cli.commands.label_many import of_manifest, of_videos, run_many

        if render is not None:
            raise UsageError("--render is for one video", "leave it out")
        if corpus is None:
            jobs, place = of_videos(videos, supports, outs, fps)
        elif videos or supports or outs:
            raise UsageError("--corpus says it all", "leave videos, --support and --out out")
        else:
            jobs, place = of_manifest(corpus)
        run_many(jobs, settings, engine, workers, shard, report or place, passphrase_file)
        return
    if shard is not None or report is not None:
        raise UsageError("--shard and --report are for many videos", "name several, or --corpus MANIFEST")
    if len(videos) != 1 or len(supports) != 1 or not outs:
        raise UsageError(
            "one video needs one --support and an --out", "label VIDEO --support labels.csv --out out.csv"
        )
    _one(videos[0], supports[0], outs, fps, settings, render, passphrase_file, backend, threads)


def _one(
    video: Path,
    support: Path,
    outs: Sequence[Path],
    fps: float | None,
    settings: "Settings",
    render: Path | None,
    passphrase_file: Path | None,
    backend: str,
    threads: int,
) -> None:
    import cv2

    from mtclar.cli.outputs import Output, require_safe
    from mtclar.cli.passphrase import passphrase_if_encrypted
    from mtclar.cli.terminal import Terminal, say
    from mtclar.engine.errors import UsageError
    from mtclar.label.face_scan import Looker
    from mtclar.label.job import Job, run
    from mtclar.label.output.exports import exporter, files_of
    from mtclar.label.output.render import render as draw

    outputs = [Output("--out", file) for path in outs for file in files_of(path)]
    if render is not None:
        if render.suffix.lower() != RENDERED:
            raise UsageError(f"--render {render} does not end in {RENDERED}", "it is written as MP4 alone")
        outputs.append(Output("--render", render))
    require_safe(outputs, {"VIDEO": [video], "--support": [support]})
    for path in outs:
        exporter(path)
    cv2.setNumThreads(threads)
    job = Job(video, support, tuple(outs), fps, passphrase_if_encrypted(support, passphrase_file))
    console = Terminal()
    with frames_done() as started:
        with Looker.open(backend=backend, threads=threads) as looker:
            done = run(job, looker, settings, started)
        say_outcome(console, job, done, settings.mode)
        if render is not None:
            draw(done.recording, done.outcome.table, render, started(done.recording))
            say(console, f"Written: {render}")
        done.forget()  # only now: a run that was killed while it drew need not look at the video again


@contextmanager
def frames_done() -> "Iterator[Started]":
    """A bar for each recording that is worked on."""
    from mtclar.cli.terminal import progress_bars

    with progress_bars() as bars:

        def started(recording: "Recording") -> "Advance":
            task = bars.add_task(recording.name, total=len(recording.times_s))
            return lambda count: bars.advance(task, count)

        yield started


def say_outcome(console: "Console", job: "Job", done: "Done", asked: str) -> None:
    """How many frames got a value and why others did not, how far off left-out labels were, what was not used."""
    from collections import Counter

    import numpy as np

    from mtclar.cli.terminal import counted, say
    from mtclar.label.face_scan import OK, STATES
    from mtclar.label.modes import BEST, ENOUGH

    outcome = done.outcome
    table = outcome.table
    valued = int((~np.isnan(table.values).any(axis=1)).sum())
    say(
        console,
        f"{job.video}: {counted(len(table), 'frame')}, {valued:,} with values, from {counted(outcome.used, 'label')}.",
    )
    empty = Counter(table.state[np.isnan(table.values).any(axis=1)].tolist())
    if empty:
        early = empty.pop(STATES[OK], 0)  # a causal mode has nothing to say yet
        reasons = ", ".join(
            [f"{state.replace('_', ' ')} {n:,}" for state, n in empty.most_common()]
            + [f"looked at before the first label {early:,}"] * bool(early)
        )
        say(console, f"Without a value: {reasons}.")
    for text in outcome.unused:
        say(console, f"Not used: the label in {text}.", "yellow")
    if asked == BEST and not outcome.rmse:
        say(
            console,
            f"Mode {outcome.mode}: too few labels to tell which mode is best; {ENOUGH} are needed.",
            "yellow",
        )
    if outcome.rmse:
        valence, arousal = outcome.rmse[outcome.mode]
        say(
            console,
            f"Mode {outcome.mode}: labels left out in turn are predicted with an RMSE of {valence:.3f} / {arousal:.3f} "
            "(valence / arousal).",
        )
    for file in done.files:
        say(console, f"Written: {file}")
