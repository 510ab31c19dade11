"""`label` on many videos: which jobs, the progress, and what is said at the end."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtclar.label.corpus.ledger import Entry
    from mtclar.label.job import Job
    from mtclar.label.labelling import Settings

REPORT = "label-report.jsonl"
SHOWN = 10  # failures in the terminal; the report has all


def of_videos(
    videos: Sequence[Path], supports: Sequence[Path], outs: Sequence[Path], fps: float | None
) -> "tuple[list[Job], Path]":
    """The jobs, each to FOLDER/<name of its video>.csv, and the report in the same folder. Raises UsageError."""
    from mtclar.engine.errors import UsageError
    from mtclar.label.corpus.manifest import require_apart
    from mtclar.label.job import Job

    if len(supports) != len(videos):
        raise UsageError(
            f"{len(videos)} videos and {len(supports)} --support",
            "one --support for each video, in the same order",
        )
    if len(outs) != 1 or outs[0].suffix:
        raise UsageError("several videos need one --out FOLDER", "each gets a CSV file of its name there")
    pairs = zip(videos, supports, strict=True)
    jobs = [
        Job(video, support, (outs[0] / f"{video.name if video.is_dir() else video.stem}.csv",), fps)
        for video, support in pairs
    ]
    require_apart(jobs, "--out")
    return jobs, outs[0] / REPORT


def of_manifest(manifest: Path) -> "tuple[list[Job], Path]":
    """The jobs, and the report beside the manifest. Raises UsageError."""
    from mtclar.label.corpus.manifest import read_manifest

    return read_manifest(manifest), manifest.with_name(f"{manifest.stem}-report.jsonl")


def run_many(
    jobs: "Sequence[Job]",
    settings: "Settings",
    engine: str,
    workers: int,
    shard: str | None,
    report: Path,
    passphrase_file: Path | None,
) -> None:
    """Works all of them off; passphrases are asked for before the first.

    Raises MtclarError when not one could be labelled, UsageError for a wrong request.
    """
    import time
    from dataclasses import replace

    from mtclar.cli.passphrase import passphrase_if_encrypted
    from mtclar.cli.terminal import Terminal, counted, progress_bars, say
    from mtclar.engine.errors import MtclarError, UsageError
    from mtclar.label.corpus.engines import ENGINES, run_corpus
    from mtclar.label.corpus.ledger import Ledger
    from mtclar.label.corpus.manifest import shard as part_of

    if engine not in ENGINES:
        raise UsageError(f"there is no engine '{engine}'", f"one of: {', '.join(ENGINES)}")
    absolute = [replace(job, outs=tuple(out.absolute() for out in job.outs)) for job in jobs]
    chosen = [  # the report knows an output from whichever folder the command is run
        replace(job, passphrase=passphrase_if_encrypted(job.support, passphrase_file))
        for job in part_of(absolute, shard)
    ]
    if shard is not None:  # each part its own ledger: machines must not write one file
        report = report.with_name(f"{report.stem}-{shard.replace('/', 'of')}{report.suffix}")
    console = Terminal()
    if not chosen:
        say(console, f"Part {shard} has no video.")
        return
    start_s = time.monotonic()
    with Ledger(report) as ledger, progress_bars() as bars:
        task = bars.add_task("videos", total=len(chosen))
        entries = run_corpus(chosen, settings, ENGINES[engine], workers, ledger, lambda _: bars.advance(task))
    spent_s = time.monotonic() - start_s
    by_status: dict[str, list[Entry]] = {status: [] for status in ("done", "kept", "failed")}
    for entry in entries:
        by_status[entry.status].append(entry)
    done, kept, failed = by_status.values()
    say(
        console,
        f"{counted(len(done), 'video')} labelled, {len(kept):,} kept from before, {len(failed):,} failed.",
    )
    for entry in failed[:SHOWN]:
        say(console, f"{entry.video}: {entry.reason}", "yellow")
    if len(failed) > SHOWN:
        say(console, f"... and {len(failed) - SHOWN:,} more", "yellow")
    if done:
        video_s = sum(entry.video_s for entry in done)
        processor_s = sum(entry.processor_s for entry in done)
        say(
            console,
            f"{_lasting(video_s)} of video in {_lasting(spent_s)}; {video_s / max(processor_s, 1e-6):.1f} hours of "
            "video for an hour of a core.",
        )
    say(console, f"Report: {report}")
    if failed and not done and not kept:
        raise MtclarError("not one video could be labelled", f"{report} says why")


def _lasting(seconds: float) -> str:
    """In hours, or in seconds while it is short."""
    return f"{seconds / 3600:.2f} hours" if seconds >= 360 else f"{seconds:.1f} seconds"
