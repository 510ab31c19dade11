"""`mtclar-stream analyse`: valence and arousal of recordings, offline, from a person's support set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.cli.commands.recordings.label_many import ManyOptions, run_many
from mtclar.cli.files.passphrase import PassphraseFileOption
from mtclar.cli.options import ParticipantOption, ScaleOption, SessionOption, expanded, with_options
from mtclar.engine.files.reading import expand_home

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtclar.label.job import Job

REPORT = "analyse-report.jsonl"
LAYOUTS = ("tables", "bids")
FORMATS = {"csv": ".csv", "parquet": ".parquet"}


@with_options
def command(
    video: Annotated[
        list[Path],
        typer.Argument(
            metavar="VIDEO|FOLDER|MANIFEST...",
            help="Video files, folders of videos, image folders (with --fps), or manifests (.csv, .parquet) with the "
            "column video, and optionally participant, session, task, run, support, labels, start, segments, fps, face "
            "and scale.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder of the tables.", callback=expanded)
    ],
    support: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|none",
            help="The person's support set, recorded anywhere. Without one: the uncalibrated model.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Labels of frames of this video, as for `label`; they count together with the support set.",
            callback=expanded,
        ),
    ] = None,
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--format", metavar="csv|parquet", help="Format of the tables; repeatable. By default csv."
        ),
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            metavar="tables|bids",
            help="bids: also a BIDS data set in the folder `bids` of --out, with the segments as events.",
        ),
    ] = LAYOUTS[0],
    participant: ParticipantOption = "",
    session: SessionOption = "",
    start: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="When the recording began, for the column t_unix: 2026-03-01T14:05:12+01:00.",
            show_default=False,
        ),
    ] = "",
    fps: Annotated[
        float | None, typer.Option(min=0.01, max=1000, help="Frame rate of image folders.")
    ] = None,
    face: Annotated[
        str | None,
        typer.Option(
            metavar="N|X,Y@SECONDS",
            help="Whose support set it is, where there are several people in one video: the number of the track, or a "
            "point of the face at a time, in pixels. By default the largest face of the labels, or of the video.",
        ),
    ] = None,
    scale: ScaleOption = None,
    rate: Annotated[
        float,
        typer.Option(
            min=0, max=1000, help="Scanned frames per second; 0: every frame; 5 is about four times faster."
        ),
    ] = 0.0,
    smooth: Annotated[bool, typer.Option(help="Smooth without lag, forwards and backwards.")] = True,
    blendshapes: Annotated[bool, typer.Option(help="Also write the 51 blendshapes of each face.")] = False,
    *,
    many: ManyOptions,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Analyse recordings offline: every frame of every face, from the support set of a person.

    Each video gets a table in --out with the columns of `run --csv`: one row for each face and frame. People are told
    apart by their looks, each is one track; the support set applies to one of them. Values are smoothed without lag. A
    stopped or killed run goes on where it was when the same command is repeated. Nothing is served.

    \b
    mtclar-stream analyse trial1.mp4 trial2.mp4 --support anna.mtclar --out results
    mtclar-stream analyse videos/ --out results --workers 4 --format parquet
    mtclar-stream analyse manifest.csv --out results --workers 4
    """
    from dataclasses import replace

    from mtclar.engine.errors import UsageError
    from mtclar.label.corpus.recordings import NO_SUPPORT, Recorded, recording_jobs
    from mtclar.label.labelling import Settings
    from mtclar.label.scan.people import FaceChoice
    from mtclar.stream.label_formats.label_file import Scale

    if unknown := [name for name in form or () if name not in FORMATS]:
        raise UsageError(f"there is no format '{unknown[0]}'", f"one of: {', '.join(FORMATS)}")
    if layout not in LAYOUTS:
        raise UsageError(f"there is no layout '{layout}'", f"one of: {', '.join(LAYOUTS)}")
    data_set = out / layout
    if layout == "bids":
        from mtclar.label.analysis.bids import require_own_or_new_folder
        from mtclar.label.analysis.tables import require_pandas

        if many.shard is not None:
            raise UsageError("a part of the videos is no data set", "after all parts: mtclar-stream bids")
        require_pandas()
        require_own_or_new_folder(data_set)
    chosen = None if support is None or str(support) == NO_SUPPORT else expand_home(support)
    common = Recorded(chosen, labels, participant, session, start, fps)
    suffixes = [FORMATS[name] for name in dict.fromkeys(form or ["csv"])]
    jobs = recording_jobs([expand_home(path) for path in video], out, suffixes, common)
    if face is not None and len(jobs) > 1:
        raise UsageError("--face is for one video", "for several, add the column `face` to a manifest")
    choice = None if face is None else FaceChoice.parse(face)
    in_scale = None if scale is None else Scale.parse(scale)
    jobs = [replace(job, face=job.face or choice, scale=job.scale or in_scale) for job in jobs]
    settings = Settings(rate_hz=rate, smooth=smooth, everyone=True, blendshapes=blendshapes)
    run_many(jobs, settings, many, out / REPORT, passphrase_file, verb="analysed")
    if layout == "bids":
        _write_data_set([job for job in jobs if job.outs[0].exists()], data_set)


def _write_data_set(jobs: "Sequence[Job]", folder: Path) -> None:
    """The tables of these jobs as a BIDS data set; of a recording with a support set, the face that it is of."""
    from dataclasses import replace

    from mtclar.cli.display.terminal import Terminal, print_text
    from mtclar.label.analysis.bids import bids_files, update_bids
    from mtclar.label.analysis.segments import read_segments
    from mtclar.label.analysis.tables import Reading, read_series

    series, segments = [], []
    for job in jobs:
        table = job.outs[0]
        series += read_series([table], Reading(calibrated=job.support is not None))
        if job.segments is not None:
            own = [one for one in read_segments(job.segments) if one.recording in ("", table.stem)]
            segments += [replace(one, recording=table.stem) for one in own]
    update_bids(bids_files(series, segments), folder)
    print_text(Terminal(), f"Written: {folder}")
