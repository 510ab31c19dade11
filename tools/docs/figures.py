"""The figures that README and docs/ quote, each from a stored result: blocks between markers.

    python -m tools.docs.figures     # writes all blocks again; `make docs` measures first

A block looks like this:

    <!-- figures: NAME -->
    this text is replaced
    <!-- end of figures -->

In `docs/results/data`, `demo.json` is the summary of `mtclar-stream demo`, `bench.json` what `mtclar-stream bench`
measured, and `real-faces.json` what `tools.fit.measure_real_faces` did; real-faces-before.json is the same of the
networks before the first training on real faces. Nothing here computes: a figure that is not stored is not shown.
"""

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"
DEMO, BENCH, FACES, FACES_BEFORE = (
    RESULTS / "data" / f"{name}.json" for name in ("demo", "bench", "real-faces", "real-faces-before")
)
PEOPLE, VOTES = "real people", "strangers"  # sources in real-faces.json
SHOWN_LABELS = {PEOPLE: (0, 1, 5, 10), VOTES: (0,)}
SOURCES = {
    PEOPLE: "real people, test split",
    VOTES: "FER+ PrivateTest, the crowd's votes",
    "strangers, as collected": "the same, FER2013's labels",
    "strangers, as collected, balanced": "the same, every class alike often",
    "rendered": "rendered test people",
}
VOTED = "FER+ votes, majority"  # the recall with all classes
BEFORE_AFTER = (FACES_BEFORE, FACES)
PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "explanation" / "accuracy.md",
    RESULTS / "performance.md",
    RESULTS / "real-faces.md",
)
LINE_WIDTH = 118
BLOCK = re.compile(r"(<!-- figures: ([\w ]+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)

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
    real = {of["labels"]: of for of in stored(FACES)["few_shot"] if of["source"] == PEOPLE}
    rendered = " / ".join(share(demo["ccc"][d]["mtclar"]) for d in ("valence", "arousal"))
    return table(
        ["", "figure"],
        [
            [
                "real people, press photos outside the training data",
                f"CCC {pair_of(real[0]['ccc'])} (valence / arousal, against a proxy); with five labels "
                f"{pair_of(real[5]['ccc'])}, the same faces without {pair_of(real[5]['without_labels']['ccc'])}",
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
            f"press photos, {of['labels']} {'label' if of['labels'] == 1 else 'labels'}; {of['people']} people"
            if of["source"] == PEOPLE
            else "FER+ by the crowd's votes",
            pair_of(of["ccc"]),
            pair_of(of["without_labels"]["ccc"]) if of["labels"] else "",
            pair_of(of["rmse"]),
            pair_of(of["without_labels"]["rmse"]) if of["labels"] else "",
            " / ".join(f"{100 * value:.0f} %" for value in of["within_90"]),
        ]
        for of in faces["few_shot"]
        if of["labels"] in SHOWN_LABELS.get(of["source"], ())
    ]
    recall = faces["recall"]["FER2013 labels"]
    found = ", ".join(f"{name} {share(value)}" for name, (value, _) in recall.items())
    everyone = next(of for of in faces["few_shot"] if of["source"] == PEOPLE)
    return (
        f"On **real people that the networks never saw** ({everyone['scored']:,} press photos of {everyone['people']} "
        f"people; valence and arousal are the centre of the class that one rater gave, a *proxy*). Few people have "
        f"many photos, so each row is about other people; beside it, the same faces without labels:\n\n"
        + table(
            [
                "",
                "CCC valence / arousal",
                "without labels",
                "RMSE",
                "without labels",
                "within the 90 % interval",
            ],
            rows,
        )
        + f"\nShare of each expression recognised, by FER2013's own labels: {found}. FER+ accuracy over eight "
        f"expressions, majority subset: {share(faces['ferplus_accuracy'][0])}. More, by class and by group of people: "
        f"[results](docs/results/real-faces.md).\n"
    )


def real_people() -> str:
    """Real people by number of labels, and each class of them."""
    faces = stored(FACES)
    rows = [
        [
            str(of["labels"]),
            f"{of['scored']:,}",
            *(pair_of(of[what]) for what in ("ccc", "rmse")),
            percents(of["within_90"]),
        ]
        for of in faces["few_shot"]
        if of["source"] == PEOPLE
    ]
    classes = [
        [
            name,
            str(count),
            f"{found:.2f}".removeprefix("0"),
            *(signed(faces["mean_of_class"][name][i : i + 2]) for i in (0, 2)),
        ]
        for name, (found, count) in faces["recall"][PEOPLE].items()
    ]
    return (
        f"Encoder `{faces['encoder']}` on {faces['backend']}, press photos of people outside the training data:\n\n"
        + table(["labels", "faces scored", "CCC V / A", "RMSE V / A", "in the 90 % interval, % V / A"], rows)
        + "\nEach class of them, without labels; few people show the rare ones:\n\n"
        + table(["class", "faces", "recognised", "mean V / A", "centre of the class"], classes)
    )


def face_labels() -> str:
    """Every source by number of labels, before and after."""
    before, after = (
        {(of["source"], of["labels"]): of for of in stored(path)["few_shot"]} for path in BEFORE_AFTER
    )
    rows = [
        [
            SOURCES[source],
            str(labels),
            *(pair_of(of[what]) for what in ("ccc", "rmse") for of in (before[source, labels], now)),
            *(percents(of["within_90"]) for of in (before[source, labels], now)),
        ]
        for (source, labels), now in after.items()
        if labels in SHOWN_LABELS[PEOPLE]
    ]
    head = ["faces", "K", "CCC before", "CCC after", "RMSE before", "RMSE after", "in 90 %, before", "after"]
    accuracy = [[f"{value:.4f}" for value in stored(path)["ferplus_accuracy"]] for path in BEFORE_AFTER]
    return table(head, rows) + (
        f"\nFER+ accuracy with the crowd's prior put back, one view: {accuracy[1][0]} (before {accuracy[0][0]}) on the "
        f"majority subset, {accuracy[1][1]} ({accuracy[0][1]}) on all.\n"
    )


def face_classes() -> str:
    """Recall of each class by source, and the mean V/A of real people, before and after."""
    before, after = map(stored, BEFORE_AFTER)
    sources = after["recall"]
    rows = []
    for name in sources[VOTED]:
        cells = [name]
        for source, recall in sources.items():
            if name not in recall:
                cells.append("")
                continue
            found, count = recall[name]
            was = before["recall"][source][name][0]
            cells.append(f"{was:.2f}, {found:.2f} (n = {count})".replace("0.", "."))
        rows.append(cells)
    means = [
        [name, *(signed(of) for of in (before["mean_of_class"][name][:2], now[:2], now[2:]))]
        for name, now in after["mean_of_class"].items()
    ]
    return (
        "Share recognised, before and after (no prior put back after), and number of faces:\n\n"
        + table(["", *sources], rows)
        + "\nMean V/A of the real people of each class:\n\n"
        + table(["", "before", "after", "centre of the class"], means)
    )


def face_groups() -> str:
    """Mean V/A of a rest face and of a smile by group of people, before and after."""
    before, after = (stored(path)["london"] for path in BEFORE_AFTER)
    rows = [
        [
            name.replace("_", " "),
            str(now["people"]),
            *(signed(of[face]) for face in ("rest", "smile") for of in (before[name], now)),
        ]
        for name, now in after.items()
    ]
    return table(["group", "people", "rest before", "rest after", "smile before", "smile after"], rows)


def signed(values: Sequence[float]) -> str:
    """`-.06 / .08`."""
    return " / ".join(f"{value:.2f}".replace("0.", ".").replace("-.00", ".00") for value in values)


def percents(values: Sequence[float]) -> str:
    """`96 / 98`."""
    return " / ".join(f"{100 * value:.0f}" for value in values)


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


def latency_table() -> str:
    """Capture to a client's socket by rate, number of streams and faces in each picture."""
    bench = stored(BENCH)
    rows = [
        [
            *(f"{of[name]:g}" for name in ("fps", "streams", "faces")),
            *(f"{of['latency_ms'][p]:.1f}" for p in ("p50", "p95", "p99")),
            f"{100 * of['answered_share']:.0f} %",
            f"{of['cpu_cores']:.2f}",
            f"{of['collections_ms']['longest']:.2f}",
        ]
        for of in bench["latency"]
    ]
    head = ["frames/s", "streams", "faces each", "p50 ms", "p95 ms", "p99 ms", "frames answered", "cores"]
    return f"{bench['backend']}, {bench['machine']['cores']} cores, 640x480, 15 support frames:\n\n" + table(
        [*head, "longest collection ms"], rows
    )


def machine(bench: Mapping[str, Any]) -> str:
    """Where the figures were measured, and how busy it was then."""
    of = bench["machine"]
    cores = "One core" if of["cores"] == 1 else f"{of['cores']} cores"
    busy = "other work paused" if of.get("other_work_paused") else f"load {of['load_1min']:.1f} at the start"
    return (
        f"{cores} of a virtual machine ({of['cpu']}: {', '.join(of['instruction_sets'])}), no GPU, {busy}, "
        f"Python {of['python']}, 640x480, one face, 15 support frames"
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
    "real people": real_people,
    "face labels": face_labels,
    "face classes": face_classes,
    "face groups": face_groups,
    "speed": speed_table,
    "performance": performance_table,
    "stages": stages_table,
    "latency": latency_table,
}


def write_pages() -> None:
    """Writes every block of every page from the stored results."""
    for page in PAGES:
        page.write_text(with_figures(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write_pages()
