"""Many videos, for `label` and `analyse`: build the jobs, run them with a progress bar, print a summary."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mtclar.cli.display.terminal import Terminal
    from mtclar.label.corpus.ledger import LedgerEntry
    from mtclar.label.job import Job
    from mtclar.label.labelling import Settings

REPORT = "label-report.jsonl"
MAX_SHOWN = 10  # failures printed; the report lists all


@dataclass(frozen=True)
class ManyOptions:
    """Where many videos are computed, and what a failure means."""

    engine: Annotated[str, typer.Option(metavar="local|ray", help="Engine that runs many videos.")] = "local"
    workers: Annotated[int, typer.Option(min=1, help="Number of videos in parallel, one core each.")] = 1
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only every N-th video, starting with the I-th.")
    ] = None
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Exit with 0 although a video failed or is missing.")
    ] = False


def jobs_of_videos(
    videos: Sequence[Path], supports: Sequence[Path], outs: Sequence[Path], fps: float | None
) -> "tuple[list[Job], Path]":
    """Jobs that write FOLDER/<video name>.csv, and the report path in that folder. Raises UsageError."""
    from mtclar.engine.errors import UsageError
    from mtclar.label.corpus.manifest import require_distinct_outputs
    from mtclar.label.job import Job

    if len(supports) != len(videos):
        raise UsageError(
            f"{len(videos)} videos, but {len(supports)} --support",
            "give one --support for each video, in the same order",
        )
    if len(outs) != 1 or outs[0].suffix:
        raise UsageError("several videos need one --out FOLDER", "each video gets a CSV file in that folder")
    pairs = zip(videos, supports, strict=True)
    jobs = [
        Job(video, support, (outs[0] / f"{video.name if video.is_dir() else video.stem}.csv",), fps)
        for video, support in pairs
    ]
    require_distinct_outputs(jobs, "--out")
    return jobs, outs[0] / REPORT


def jobs_of_manifest(manifest: Path) -> "tuple[list[Job], Path]":
    """The jobs of a manifest, and the report path next to it. Raises UsageError."""
    from mtclar.label.corpus.manifest import read_manifest

    return read_manifest(manifest), manifest.with_name(f"{manifest.stem}-report.jsonl")


def run_many(
    jobs: "Sequence[Job]",
    settings: "Settings",
    many: ManyOptions,
    report: Path,
    passphrase_file: Path | None,
    verb: str = "labelled",
) -> None:
    """Run all jobs; passphrases are requested before the first job. `verb` says what they do.

    Raises MtclarError if a video failed, or with --keep-going if every video failed; UsageError for invalid options.
    """
    import time
    from dataclasses import replace
    from functools import cache

    from mtclar.cli.display.terminal import Terminal, counted, print_text, progress_bars
    from mtclar.cli.files.passphrase import passphrase_if_encrypted, passphrase_of_job
    from mtclar.engine.errors import MtclarError, UsageError
    from mtclar.label.corpus.engines import ENGINES, run_corpus
    from mtclar.label.corpus.ledger import Ledger
    from mtclar.label.corpus.manifest import shard as part_of

    if many.engine not in ENGINES:
        raise UsageError(f"unknown engine '{many.engine}'", f"choose one of: {', '.join(ENGINES)}")
    ask = cache(lambda path: passphrase_if_encrypted(path, passphrase_file))
    absolute = [replace(job, outs=tuple(out.absolute() for out in job.outs)) for job in jobs]
    chosen = [  # absolute paths, so that the report is valid from every working folder
        replace(job, passphrase=passphrase_of_job(job, ask)) for job in part_of(absolute, many.shard)
    ]
    if many.shard is not None:  # one ledger per shard: several machines must not write one file
        report = report.with_name(f"{report.stem}-{many.shard.replace('/', 'of')}{report.suffix}")
    console = Terminal()
    if not chosen:
        print_text(console, f"Shard {many.shard} contains no video.")
        return
    start_s = time.monotonic()
    with Ledger(report) as ledger, progress_bars() as bars:
        task = bars.add_task("videos", total=len(chosen))
        entries = run_corpus(
            chosen,
            settings,
            ENGINES[many.engine],
            many.workers,
            ledger,
            lambda entry: _print_entry(console, entry) if len(chosen) <= MAX_SHOWN else None,
            lambda finished: bars.update(task, completed=finished),
        )
    spent_s = time.monotonic() - start_s
    by_status: dict[str, list[LedgerEntry]] = {status: [] for status in ("done", "kept", "failed")}
    for entry in entries:
        by_status[entry.status].append(entry)
    done, kept, failed = by_status.values()
    print_text(
        console,
        f"{counted(len(done), 'video')} {verb}, {len(kept):,} kept from an earlier run, {len(failed):,} failed.",
    )
    told = [(entry.video, entry.reason or entry.warning) for entry in (*failed, *done)]
    told = [(name, text) for name, text in told if text]
    for name, text in told[:MAX_SHOWN]:
        print_text(console, f"{name}: {text}", "yellow")
    if len(told) > MAX_SHOWN:
        print_text(console, f"... and {len(told) - MAX_SHOWN:,} more", "yellow")
    if done:
        video_s = sum(entry.video_s for entry in done)
        processor_s = sum(entry.processor_s for entry in done)
        print_text(
            console,
            f"{_duration(video_s)} of video in {_duration(spent_s)}; {video_s / max(processor_s, 1e-6):.1f} hours of "
            "video per core hour.",
        )
    print_text(console, f"Report: {report}")
    if failed and not done and not kept:
        raise MtclarError(f"no video could be {verb}", f"the reasons are in {report}")
    if failed and not many.keep_going:
        raise MtclarError(
            f"{counted(len(failed), 'video')} could not be {verb}; the others are complete",
            f"the reasons are in {report}; --keep-going exits with 0",
        )


def _print_entry(console: "Terminal", entry: "LedgerEntry") -> None:
    """One line for a finished video, where there are few."""
    from mtclar.cli.display.terminal import counted, print_text

    if entry.status == "done":
        people = "1 person" if entry.faces == 1 else f"{entry.faces} people"
        text = f"{counted(entry.frames, 'frame')}, {entry.valued:,} with a value, {people} -> {entry.out}"
        print_text(console, f"{Path(entry.video).name}: {text}")


def _duration(seconds: float) -> str:
    """A duration in hours, or in seconds below 360 s."""
    return f"{seconds / 3600:.2f} hours" if seconds >= 360 else f"{seconds:.1f} seconds"
