"""`mtclar-stream label`: label every frame of a video from a few labelled frames."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.cli.commands.recordings.label_many import ManyOptions, run_many
from mtclar.cli.files.passphrase import PassphraseFileOption
from mtclar.cli.options import NO_SUPPORT, BackendOption, ScaleOption, ThreadsOption, expanded, with_options
from mtclar.engine.files.reading import expand_home

if TYPE_CHECKING:
    from rich.console import Console

    from mtclar.label.analysis.segments import Segment
    from mtclar.label.job import FinishedJob, Job, OnStart
    from mtclar.label.labelling import FollowedFace, Settings
    from mtclar.label.scan.face_scan import Advance
    from mtclar.label.scan.recording import Recording

RENDER_SUFFIX = ".mp4"
LATE_S = 0.02  # from here on a later first frame is said
MAX_PEOPLE = 8  # that are listed
RATE_HZ = 5.0  # that of mtclar.label.scan.face_scan, which imports too much for --help; a test compares them


@with_options
def command(
    video: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="VIDEO|FOLDER...",
            help="Video files, or image folders (with --fps).",
            show_default=False,
        ),
    ] = None,
    support: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="The labelled frames: a table (time,valence,arousal; seconds from the first frame), an ELAN (.eaf) or "
            "NOVA (.annotation) file, or a support set recorded from this video. Give it once for each video.",
        ),
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Output file, once for each format: .csv, .parquet, .eaf (ELAN) or .annotation (NOVA). For several "
            "videos: a folder.",
        ),
    ] = None,
    suggest: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=200,
            metavar="N",
            help="Only propose the N most useful frames to label. --out is a contact sheet (.png) or a label file to "
            "fill in (.csv); pass existing labels with --support.",
        ),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(
            metavar="MANIFEST",
            help="Label many videos: a .csv or .parquet file with the columns video, support, out.",
            callback=expanded,
        ),
    ] = None,
    *,
    many: ManyOptions,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="Result of each of many videos; by default next to the manifest or in the output folder.",
            callback=expanded,
        ),
    ] = None,
    scale: ScaleOption = None,
    fps: Annotated[
        float | None, typer.Option(min=0.01, max=1000, help="Frame rate of an image folder.")
    ] = None,
    face: Annotated[
        str | None,
        typer.Option(
            metavar="N|X,Y@SECONDS",
            help="The labelled person, where there are several: a number that `label` printed (1,3: both are this "
            "person), or a point of the face at a time, in pixels. By default the one who is largest in most labelled "
            "frames.",
        ),
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="default, causal, nearest, similarity, or best: the mode with the lowest leave-one-out error.",
        ),
    ] = "default",
    rate: Annotated[
        float,
        typer.Option(
            min=0,
            max=1000,
            help="Scanned frames per second; 0: every frame, about five times slower.",
        ),
    ] = RATE_HZ,
    smooth: Annotated[
        bool, typer.Option(help="Smooth without lag (zero phase); never applied in mode causal.")
    ] = True,
    render: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.mp4",
            help="Also write the video with its sound, the face's box and a chart of the values.",
            callback=expanded,
        ),
    ] = None,
    segments: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --render: named segments to show, a table (name, start, end) or an ELAN file.",
            callback=expanded,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite the files of --out and --render; for one video.")
    ] = False,
    passphrase_file: PassphraseFileOption = None,
    backend: BackendOption = "auto",
    threads: ThreadsOption = 1,
) -> None:
    """Label every frame of a video from a few labelled frames.

    The output has one row for each frame with the columns of `run --csv`, among them time, valence, arousal, their sd,
    state, and the given labels: label_valence, label_arousal. Cells are empty if the person is not seen, if the face is
    too dark, blurred or turned, or if the frame cannot be decoded. One person is followed. An interrupted run resumes.
    """
    from dataclasses import replace

    from mtclar.engine.errors import UsageError
    from mtclar.label.job import Job
    from mtclar.label.labelling import Settings
    from mtclar.label.scan.people import FaceChoice
    from mtclar.label.values.modes import require_mode
    from mtclar.stream.label_formats.label_file import Scale

    require_mode(mode)
    choice = None if face is None else FaceChoice.parse(face)
    in_scale = None if scale is None else Scale.parse(scale)
    settings = Settings(mode, rate, smooth)
    if segments is not None and render is None:
        raise UsageError("--segments names the parts of a rendered video", "add --render FILE.mp4")
    videos, supports, outs = ([expand_home(path) for path in paths or ()] for paths in (video, support, out))
    if force and (suggest is not None or corpus is not None or len(videos) > 1):
        raise UsageError("--force works with one video only", "name other files, or remove the old ones")
    if suggest is not None:
        from mtclar.cli.commands.recordings.label_suggest import run as run_suggest

        others = (corpus, many.shard, report, render)
        if any(other is not None for other in others) or len(videos) != 1 or len(supports) > 1:
            raise UsageError(
                "--suggest takes one video, optionally --support and --out", "run it once for each video"
            )
        run_suggest(
            videos[0], supports, outs, fps, suggest, rate, choice, in_scale, passphrase_file, backend, threads
        )
        return
    if corpus is not None or len(videos) > 1:
        from mtclar.cli.commands.recordings.label_many import jobs_of_manifest, jobs_of_videos

        if render is not None:
            raise UsageError("--render works with one video only", "remove --render")
        if choice is not None:
            raise UsageError(
                "--face works with one video only",
                "for several videos, add the column `face` to a --corpus manifest",
            )
        if corpus is None:
            jobs, default_report = jobs_of_videos(videos, supports, outs, fps)
        elif videos or supports or outs:
            raise UsageError("--corpus replaces VIDEO, --support and --out", "remove them")
        else:
            jobs, default_report = jobs_of_manifest(corpus)
        if in_scale is not None:
            jobs = [replace(job, scale=job.scale or in_scale) for job in jobs]
        run_many(jobs, settings, many, report or default_report, passphrase_file)
        return
    if many.shard is not None or report is not None:
        raise UsageError(
            "--shard and --report need several videos", "name several videos, or use --corpus MANIFEST"
        )
    if len(videos) != 1 or len(supports) != 1 or not outs:
        raise UsageError(
            "one video needs one --support and --out", "label VIDEO --support labels.csv --out out.csv"
        )
    labels = None if str(supports[0]) == NO_SUPPORT else supports[0]
    job = Job(videos[0], labels, tuple(outs), fps, choice, in_scale)
    _label_one(job, settings, render, segments, force, passphrase_file, backend, threads)


def _label_one(
    job: "Job",
    settings: "Settings",
    render: Path | None,
    segments: Path | None,
    force: bool,
    passphrase_file: Path | None,
    backend: str,
    threads: int,
) -> None:
    from dataclasses import replace
    from functools import partial

    import cv2

    from mtclar.cli.display.terminal import Terminal, print_text
    from mtclar.cli.files.outputs import OVERWRITE, Output, always, never, require_safe
    from mtclar.cli.files.passphrase import passphrase_if_encrypted, passphrase_of_job
    from mtclar.engine.errors import UsageError
    from mtclar.label.job import run_job
    from mtclar.label.labelling import MAX_INTERPOLATION_S
    from mtclar.label.output.exports import exporter, output_files
    from mtclar.label.output.render import render as draw
    from mtclar.label.scan.face_scan import FaceScanner
    from mtclar.stream.sources.options import file_of
    from mtclar.stream.table.provenance import is_sidecar

    outputs = [
        Output("--out", file, always if force else is_sidecar, OVERWRITE)
        for path in job.outs
        for file in output_files(path)
    ]
    if render is not None:
        if render.suffix.lower() != RENDER_SUFFIX:
            raise UsageError(f"--render {render} does not end in {RENDER_SUFFIX}", "the only format is MP4")
        outputs.append(Output("--render", render, always if force else never, OVERWRITE))
    inputs = {
        "VIDEO": [file_of(job.video)],
        "--support": [path for path in (job.labels,) if path is not None],
        "--segments": () if segments is None else (segments,),
    }
    require_safe(outputs, inputs)
    for path in job.outs:
        exporter(path)
    cv2.setNumThreads(threads)
    named = () if segments is None else _segments_of(segments, job)
    ask = partial(passphrase_if_encrypted, file=passphrase_file)
    job = replace(job, passphrase=passphrase_of_job(job, ask))
    console = Terminal()
    with frame_progress() as on_start:
        with FaceScanner.open(backend=backend, threads=threads) as scanner:
            finished = run_job(job, scanner, settings, on_start)
        print_outcome(console, job, finished, settings.mode)
        if render is not None:
            table = finished.outcome.table
            boxes = finished.outcome.followed.scan.boxes_between(table.times_s, MAX_INTERPOLATION_S)
            draw(finished.recording, table, render, on_start(finished.recording), boxes, named)
            print_text(console, f"Written: {render}")
        finished.discard_journal()  # after rendering, so a run killed during rendering keeps its scan


def _segments_of(path: Path, job: "Job") -> "list[Segment]":
    """The segments of the job's video, in seconds from its first frame. Raises MtclarError."""
    from mtclar.engine.errors import UsageError
    from mtclar.label.analysis.segments import read_segments
    from mtclar.label.scan.recording import open_recording
    from mtclar.stream.label_formats.label_file import ELAN

    recording = open_recording(job.video, job.fps)
    of_media_file = path.suffix.lower() == ELAN  # whose times count from the beginning of the file
    found = read_segments(path, shift_s=-recording.first_frame_s if of_media_file else 0.0)
    if any(segment.unix for segment in found):
        raise UsageError(
            f"{path} has Unix times, and {job.video.name} has none", "give seconds from the first frame"
        )
    return [segment for segment in found if segment.recording in ("", Path(recording.name).stem)]


@contextmanager
def frame_progress() -> "Iterator[OnStart]":
    """Show a progress bar for each recording."""
    from mtclar.cli.display.terminal import progress_bars

    with progress_bars() as bars:

        def on_start(recording: "Recording") -> "Advance":
            task = bars.add_task(recording.name, total=len(recording.times_s))
            return lambda count: bars.advance(task, count)

        yield on_start


def print_people(console: "Console", followed: "FollowedFace") -> None:
    """Print who was seen, if that is more than one person."""
    from mtclar.cli.display.terminal import print_text

    people, numbers = followed.people, ", ".join(map(str, followed.numbers))
    if len(people) < 2:
        return
    text = f"{len(people)} faces were seen; followed: face {numbers} (--face chooses another)."
    print_text(console, text, "yellow")
    for person in people[:MAX_PEOPLE]:
        print_text(console, f"  {person}")
    if len(people) > MAX_PEOPLE:
        print_text(console, f"  ... and {len(people) - MAX_PEOPLE} more")


def print_outcome(console: "Console", job: "Job", finished: "FinishedJob", requested: str) -> None:
    """Print the number of frames with values, the reasons for missing values, unused labels and the error."""
    from collections import Counter

    import numpy as np

    from mtclar.cli.display.terminal import counted, print_text
    from mtclar.label.scan.face_scan import OK, STATES
    from mtclar.label.values.modes import BEST, MIN_LABELS
    from mtclar.stream.label_formats.label_file import MAX_HZ

    outcome = finished.outcome
    table = outcome.table
    valued = int((~np.isnan(table.values).any(axis=1)).sum())
    print_text(
        console,
        f"{job.video}: {counted(len(table), 'frame')}, {valued:,} with values, from {counted(outcome.used, 'label')}.",
    )
    empty = Counter(table.state[np.isnan(table.values).any(axis=1)].tolist())
    if empty:
        early = empty.pop(STATES[OK], 0)  # mode causal has no value yet
        reasons = ", ".join(
            [f"{state.replace('_', ' ')} {n:,}" for state, n in empty.most_common()]
            + [f"before the first label {early:,}"] * bool(early)
        )
        print_text(console, f"Without a value: {reasons}.")
    print_people(console, outcome.followed)
    for text in finished.recording.warnings:
        print_text(console, f"{job.video}: {text}.", "yellow")
    if spare := outcome.given - outcome.used - len(outcome.unused):
        text = f"{counted(spare, 'labelled frame')} not used: {MAX_HZ:g} labels a second are enough."
        print_text(console, text)
    if (early_s := finished.recording.first_frame_s) >= LATE_S:
        text = (
            f"The first frame is {early_s:.2f} s after the beginning of the file. Times in tables count from "
        )
        text += "this frame, those in ELAN and NOVA files from the beginning of the file."
        print_text(console, text, "yellow")
    for text in outcome.unused:
        print_text(console, f"Not used: the label in {text}.", "yellow")
    if requested == BEST and not outcome.rmse:
        print_text(
            console,
            f"Mode {outcome.mode}: selecting the best mode needs at least {MIN_LABELS} labels.",
            "yellow",
        )
    if outcome.rmse:
        valence, arousal = outcome.rmse[outcome.mode]
        print_text(
            console,
            f"Mode {outcome.mode}: leave-one-out RMSE {valence:.3f} / {arousal:.3f} (valence / arousal).",
        )
    for file in finished.files:
        print_text(console, f"Written: {file}")
