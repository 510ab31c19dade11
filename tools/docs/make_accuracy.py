"""Makes tables and plot of docs/explanation/accuracy.md again, with the bundled networks: `mtclar-stream evaluate`.

    python -m tools.docs.make_accuracy --ferplus path/to/ferplus

Rendered test people are made at the first use (some minutes) and kept in the user's cache folder. Without --ferplus the
tables of FER+ stay as they are. The reports themselves are kept in docs/results, and the plot is drawn from those.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtclar.cli.commands.networks.evaluate import decimal, percent
from mtclar.train.accuracy.methods import MTCLAR
from tools.arguments import parser_of
from tools.docs.generated import replace_section

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "explanation" / "accuracy.md"
PLOT = DOCS / "images" / "accuracy.png"
RENDERED, FERPLUS = (DOCS / "results" / "data" / f"accuracy-{name}.json" for name in ("rendered", "ferplus"))
FIELDS = ("ccc", "pcc", "rmse", "sagr")
HEADER = "| labels | method | CCC | PCC | RMSE | SAGR | within the 90 % interval, % |\n|---|---|---|---|---|---|---|"

Json = Mapping[str, Any]


def evaluate(out: Path, *arguments: str) -> Json:
    """What `mtclar-stream evaluate --json` says, kept in the file `out`."""
    command = [sys.executable, "-m", "mtclar.cli.main", "evaluate", *arguments, "--json", str(out)]
    subprocess.run(command, check=True)
    return read(out)


def read(path: Path) -> Json:
    """A report that was kept."""
    content: Json = json.loads(path.read_text())
    return content


def rows(label: str, methods: Json) -> list[str]:
    """Table rows of one number of labels: valence / arousal in each cell."""
    found = []
    for method, of in methods.items():
        valence, arousal = of["valence"], of["arousal"]
        cells = [f"{decimal(valence[field])} / {decimal(arousal[field])}" for field in FIELDS]
        if method == MTCLAR:
            cells = [f"**{cell}**" for cell in cells]
        cells.append(f"{percent(valence['coverage'])} / {percent(arousal['coverage'])}")
        found.append(f"| {label} | {method} | {' | '.join(cells)} |")
    return found


def few_labels(report: Json) -> str:
    """The table by number of labels, and on how many people it rests."""
    lines = [HEADER]
    for k, methods in report["shots"].items():
        lines += rows(k, methods)
    for k, people in report["subjects"].items():
        if people["left_out"]:
            lines.append(
                f"\nWith {k} labels {people['used']} people; {people['left_out']} have too few pictures."
            )
    return "\n".join(lines)


def whole_clips(report: Json) -> str:
    """The table of clips of which every 20th frame is labelled."""
    clips = report["clips"]
    said = (
        f"{clips['clips']} clips, {clips['labelled']:,} labelled frames, {clips['queries']:,} others scored."
    )
    return "\n".join([f"{said}\n\n{HEADER}", *rows(f"1 in {clips['every']}", clips["methods"])])


def ferplus(report: Json) -> str:
    """Accuracy, recall by class, and the proxy."""
    classes = report["classes"]
    recall = classes["recall"]
    return (
        f"Accuracy over eight expressions, one view of each picture: **{classes['accuracy']:.4f}** on the majority "
        f"subset (n = {classes['n']:,}), {classes['accuracy_all']:.4f} on all (n = {report['n']:,}).\n\n"
        f"| | {' | '.join(recall)} |\n|---|{'---|' * len(recall)}\n"
        f"| recall, majority subset | {' | '.join(decimal(of['recall']) for of in recall.values())} |\n"
        f"| n | {' | '.join(str(of['n']) for of in recall.values())} |\n\n"
        f"Valence and arousal, against a proxy (n = {report['n']:,}):\n\n{few_labels(report)}"
    )


def write(name: str, content: str, report: Json) -> None:
    """New content between the marks of that name."""
    head = f"Encoder `{report['encoder_sha256'][:12]}` on {report['backend']}, {report['seeds']} draws."
    replace_section(PAGE, name, f"{head}\n\n{content}")


def plot(ferplus: Json, rendered: Json) -> None:
    """RMSE over the number of labels on both sets of single pictures, and RMSE of each method on whole clips."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 3, figsize=(11, 6), layout="constrained", sharey="row")
    colours: dict[str, str] = {}
    sets = (("FER+ PrivateTest, labels of strangers", ferplus), ("rendered people, own labels", rendered))
    for row, dimension in zip(axes, ("valence", "arousal"), strict=True):
        for ax, (title, report) in zip(row, sets, strict=False):
            shots = {int(k): methods for k, methods in report["shots"].items()}
            for number, method in enumerate(shots[max(shots)]):
                known = [k for k in shots if method in shots[k]]
                colour = colours.setdefault(method, f"C{number}")
                (style, width) = ("-", 2.5) if method == MTCLAR else ("--", 1.2)
                line = [shots[k][method][dimension]["rmse"] for k in known]
                ax.plot(known, line, style, color=colour, linewidth=width, marker=".", label=method)
            ax.set_xticks(list(shots))
            ax.set_title(title, fontsize=10)
            ax.set_xlabel("labelled pictures")
        row[0].set_ylabel(f"RMSE of {dimension}")
        clips = rendered["clips"]
        methods = list(clips["methods"])
        bars = [clips["methods"][method][dimension]["rmse"] for method in methods]
        row[2].bar(methods, bars, color=[colours.get(method, "0.6") for method in methods])
        row[2].set_xticks(methods, methods, rotation=35, ha="right", rotation_mode="anchor", fontsize=8)
        row[2].set_title(f"rendered clips, 1 frame in {clips['every']} labelled", fontsize=10)
        row[2].yaxis.set_tick_params(labelleft=True)
    axes[0][0].legend(fontsize=8)
    for ax in axes.flat:
        ax.set_ylim(0)
        ax.grid(alpha=0.3)
    figure.savefig(PLOT, dpi=110)


def main() -> None:
    """Evaluates and rewrites the page."""
    parser = parser_of(__doc__)
    parser.add_argument("--ferplus", type=Path, help="FER+ folder")
    parser.add_argument("--workers", type=int, default=1, help="processes that render (%(default)s)")
    given = parser.parse_args()
    RENDERED.parent.mkdir(exist_ok=True)
    rendered = evaluate(RENDERED, "--dataset", "rendered", "--workers", str(given.workers))
    write("rendered-pictures", few_labels(rendered), rendered)
    write("rendered-clips", whole_clips(rendered), rendered)
    if given.ferplus:
        report = evaluate(FERPLUS, "--dataset", "ferplus", "--root", str(given.ferplus))
        write("ferplus", ferplus(report), report)
    plot(read(FERPLUS), rendered)
    print(f"wrote {PAGE} and {PLOT}")


if __name__ == "__main__":
    main()
