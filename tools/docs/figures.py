"""The figures that README and docs/ quote, each from a stored result: blocks between markers, written by `make docs`.

    <!-- figures: NAME -->
    this text is replaced
    <!-- end of figures -->

`docs/results/demo.json` is the summary of `mtclar-stream demo`, `docs/results/bench.json` what `mtclar-stream
bench` measured, and `docs/results/real-faces.json` what `tools.fit.measure_real_faces` did. Nothing here computes: a
figure that is not stored is not shown.
"""

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"
DEMO, BENCH, FACES = (RESULTS / f"{name}.json" for name in ("demo", "bench", "real-faces"))
PEOPLE, VOTES = "real people", "strangers"  # sources in real-faces.json
SHOWN_LABELS = {PEOPLE: (0, 1, 5, 10), VOTES: (0,)}
PAGES = (ROOT / "README.md", ROOT / "docs" / "results" / "performance.md")
LINE_WIDTH = 118
BLOCK = re.compile(r"(<!-- figures: (\S+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)

METHODS = {
    "mtclar": "**calibrated**",
    "absolute": "absolute value, uncalibrated",
    "nearest": "label of the nearest support frame",
}


def with_figures(page: str) -> str:
    """The text of a page with every block written from the stored results."""
    return BLOCK.sub(lambda found: found[1] + wrapped(BLOCKS[found[2]]()) + found[3], page)


def wrapped(text: str) -> str:
    """Fill the paragraphs of a Markdown text to LINE_WIDTH columns; tables stay as they are."""
    paragraphs = [
        part if part.startswith("|") else textwrap.fill(part, LINE_WIDTH, break_on_hyphens=False)
        for part in text.rstrip("\n").split("\n\n")
    ]
    return "\n\n".join(paragraphs) + "\n"


def stored(path: Path) -> dict[str, Any]:
    """A stored result."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def summary_table() -> str:
    """Accuracy and speed in one look, real people first."""
    demo, bench = stored(DEMO), stored(BENCH)["end_to_end"]
    real = {of["labels"]: pair_of(of["ccc"]) for of in stored(FACES)["few_shot"] if of["source"] == PEOPLE}
    rendered = " / ".join(share(demo["ccc"][d]["mtclar"]) for d in ("valence", "arousal"))
    return table(
        ["", "figure"],
        [
            [
                "real people, press photos outside the training data",
                f"CCC {real[0]} (valence / arousal, against a proxy); with ten labels {real[10]}",
            ],
            ["a rendered unseen person, calibrated", f"CCC {rendered}"],
            ["video of real people with known valence and arousal", "not measured"],
            [
                "speed at 30 frames/s",
                f"{bench['cpu_cores']:.2f} cores; capture to client {milliseconds(bench)} (p50 / p95 / p99)",
            ],
        ],
    )


def demo_table() -> str:
    """The estimate against the clip's script, beside both baselines."""
    demo = stored(DEMO)
    rows = []
    for method, name in METHODS.items():
        figures = [share(demo[what][d][method]) for what in ("ccc", "rmse") for d in ("valence", "arousal")]
        if method == "mtclar":
            figures[:2] = [f"**{figure}**" for figure in figures[:2]]
        rows.append([name, *figures])
    return (
        f"On the bundled clip, a **rendered** person that the networks never saw, with known values (`make demo`; "
        f"{demo['scored_frames']} frames, none of them used for calibration; {demo['support_frames']} support "
        f"frames):\n\n" + table(["", "CCC valence", "CCC arousal", "RMSE valence", "RMSE arousal"], rows)
    )


def photographs() -> str:
    """Accuracy on faces of people that nothing was trained on: by number of labels, then by class."""
    faces = stored(FACES)
    rows = [
        [
            f"press photos of people, {of['labels']} labels"
            if of["source"] == PEOPLE
            else "FER+ by the crowd's votes",
            pair_of(of["ccc"]),
            pair_of(of["rmse"]),
            " / ".join(f"{100 * value:.0f} %" for value in of["within_90"]),
        ]
        for of in faces["few_shot"]
        if of["labels"] in SHOWN_LABELS.get(of["source"], ())
    ]
    recall = faces["recall"]["FER2013 labels"]
    found = ", ".join(f"{name} {share(value)}" for name, (value, _) in recall.items())
    scored = next(of["scored"] for of in faces["few_shot"] if of["source"] == PEOPLE)
    return (
        f"On **real people that the networks never saw** ({scored:,} press photos of 681 people; valence and arousal "
        f"are the centre of the class that one rater gave, a *proxy*):\n\n"
        + table(["", "CCC valence / arousal", "RMSE", "within the 90 % interval"], rows)
        + f"\nShare of each expression recognised, by FER2013's own labels: {found}. FER+ accuracy over eight "
        f"expressions, majority subset: {share(faces['ferplus_accuracy'][0])}. More, by class and by group of people: "
        f"[results](docs/results/real-faces.md).\n"
    )


def pair_of(values: Sequence[float]) -> str:
    """`.845 / .626`."""
    return " / ".join(map(share, values))


def speed_table() -> str:
    """What a reader of the README wants to know of speed."""
    bench = stored(BENCH)
    end = bench["end_to_end"]
    return f"{machine(bench)} (`make bench`):\n\n" + table(
        ["", ""],
        [
            ["every frame of a file", f"{end['unpaced_fps']:.0f} frames/s"],
            ["at 30 frames/s: capture to a client's socket, p50 / p95 / p99", milliseconds(end)],
            ["CPU at 30 frames/s", f"{end['cpu_cores']:.2f} cores"],
            ["memory", f"{end['peak_rss_mb']:.0f} MB"],
        ],
    )


def performance_table() -> str:
    """The same with what is to be reached, and the start of the command line."""
    bench, demo = stored(BENCH), stored(DEMO)
    end, start = bench["end_to_end"], bench["machine"]["start_up"]
    rows = [
        ["every frame of a file", f"{end['unpaced_fps']:.0f} frames/s", "100"],
        [
            "paced at 30 frames/s, capture to a client's socket p50 / p95 / p99",
            milliseconds(end),
            "p50 15 ms, p95 30 ms",
        ],
        ["`demo`: capture to its own websocket client p50 / p95 / p99", milliseconds(demo), ""],
        ["CPU while paced", f"{end['cpu_cores']:.2f} cores", "0.5"],
        ["peak memory", f"{end['peak_rss_mb']:.0f} MB", ""],
        [
            "`mtclar-stream --help` against a bare interpreter, alternating pairs",
            f"{start['ratio']:.1f} times ({start['help_ms']:.0f} ms vs. {start['bare_interpreter_ms']:.0f} ms)",
            "15 times",
        ],
    ]
    return f"{machine(bench)}:\n\n" + table(["", "result", "target"], rows)


def stages_table() -> str:
    """Where a frame's time goes."""
    bench = stored(BENCH)
    rows = [[stage, *(f"{of[p]:.2f}" for p in ("p50", "p95"))] for stage, of in bench["stages_ms"].items()]
    return f"{machine(bench)}, {bench['backend']}:\n\n" + table(["stage", "p50 ms", "p95 ms"], rows)


def machine(bench: Mapping[str, Any]) -> str:
    """Where the figures were measured, and how busy it was then."""
    of = bench["machine"]
    cores = "One core" if of["cores"] == 1 else f"{of['cores']} cores"
    return (
        f"{cores} of a virtual machine, no GPU, load {of['load_1min']:.1f} at the start, Python {of['python']}, "
        "640x480, one face, 15 support frames"
    )


def milliseconds(summary: Mapping[str, Any]) -> str:
    """`7.7 / 9.6 / 10.3 ms`."""
    return " / ".join(f"{summary['latency_ms'][p]:.1f}" for p in ("p50", "p95", "p99")) + " ms"


def share(value: float) -> str:
    """`.978`, as papers write what cannot be above 1."""
    return f"{value:.3f}".removeprefix("0")


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


BLOCKS = {
    "summary": summary_table,
    "demo": demo_table,
    "photographs": photographs,
    "speed": speed_table,
    "performance": performance_table,
    "stages": stages_table,
}
