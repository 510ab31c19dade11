"""Time and memory of labelling a corpus: the tables of docs/results/corpus.md.

    python -m experiments.label.corpus [--write] [--clips N]

The clips of the rendered test people, every 20th frame labelled, through `mtclar-stream label --corpus` with one and
with two workers. Starting the networks is in the time on the clock and not in the processor time of the videos.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mtclar.cli.commands.networks.evaluate import CACHE
from mtclar.engine.files.reading import user_folder
from mtclar.train.progress import silent
from mtclar.train.rendered.held_out import HeldOut
from tools.arguments import parser_of
from tools.docs.figures import table
from tools.docs.generated import replace_section

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results" / "corpus.md"
EVERY = 20
MILLION_H = 1_000_000
CORES = 1_000
CORE_HOUR_EUR = 0.02  # an assumption, said on the page


def make_manifest(folder: Path, count: int) -> Path:
    """The first clips, their labels, and where the results go."""
    held_out = HeldOut(user_folder("cache") / CACHE)
    names = [clip.name for clip in held_out.load_clips(silent)[:count]]
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "support", "out"])
        for name in names:
            video = held_out.home / f"{name}-{held_out.seconds:g}s.mp4"
            lines = video.with_suffix(".csv").read_text().splitlines()
            (folder / f"{name}.csv").write_text("\n".join([lines[0], *lines[1::EVERY]]) + "\n")
            writer.writerow([video, f"{name}.csv", f"out/{name}.parquet"])
    return folder / "manifest.csv"


def run(count: int, workers: int) -> tuple[float, float, float, float]:
    """Hours of video, of processor and on the clock; bytes of Parquet for an hour of video."""
    with tempfile.TemporaryDirectory() as name:
        manifest = make_manifest(Path(name), count)
        command = [sys.executable, "-m", "mtclar.cli.main", "label", "--corpus", str(manifest)]
        start_s = time.monotonic()
        subprocess.run([*command, "--workers", str(workers)], check=True)
        spent_s = time.monotonic() - start_s
        report = manifest.with_name("manifest-report.jsonl")
        lines = [json.loads(line) for line in report.read_text().splitlines()]
        stored = sum(Path(line["out"]).stat().st_size for line in lines)
    assert all(line["status"] == "done" for line in lines)
    video_h = sum(line["video_s"] for line in lines) / 3600
    return video_h, sum(line["processor_s"] for line in lines) / 3600, spent_s / 3600, stored / video_h


def main() -> None:
    """Measures, prints and perhaps writes."""
    parser = parser_of(__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/results/corpus.md")
    parser.add_argument("--clips", type=int, default=24)
    given = parser.parse_args()
    rows, by_core = [], []
    load = os.getloadavg()[0]
    for workers in (1, 2):
        video_h, processor_h, clock_h, bytes_h = run(given.clips, workers)
        by_core.append(video_h / processor_h)
        rows.append([str(workers), f"{video_h / clock_h:.1f}", f"{by_core[-1]:.1f}"])
    throughput = table(
        ["workers", "hours of video an hour, on the clock", "hours of video an hour of a core"], rows
    )
    load_said = f"{given.clips} clips of 10 s, {os.cpu_count()} cores, load {load:.1f} when it began."
    core_h = MILLION_H / by_core[0]
    million = table(
        ["", ""],
        [
            ["core-hours", f"{core_h:,.0f}"],
            [f"on {CORES:,} cores", f"{core_h / CORES:.0f} hours"],
            [f"at {CORE_HOUR_EUR} EUR an hour of a core (assumed)", f"{core_h * CORE_HOUR_EUR:,.0f} EUR"],
            ["results as Parquet", f"{MILLION_H * bytes_h / 1e12:.1f} TB"],
        ],
    )
    for name, text in (("corpus-throughput", f"{load_said}\n\n{throughput}"), ("corpus-million", million)):
        print(text)
        if given.write:
            replace_section(PAGE, name, text)


if __name__ == "__main__":
    main()
