"""Makes the tables of docs/accuracy.md again, with the bundled networks: `mtclar-stream evaluate` and nothing else.

    python tools/make_accuracy.py --ferplus path/to/ferplus

Rendered test people are made at the first use (some minutes) and kept in the user's cache folder. Without --ferplus the
tables of FER+ stay as they are.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generated import replace_section

from mtclar.cli.evaluate import decimal, percent
from mtclar.train.accuracy.methods import MTCLAR

PAGE = Path(__file__).resolve().parents[1] / "docs" / "accuracy.md"
FIELDS = ("ccc", "pcc", "rmse", "sagr")
HEADER = "| labels | method | CCC | PCC | RMSE | SAGR | within the 90 % interval, % |\n|---|---|---|---|---|---|---|"

Json = Mapping[str, Any]


def evaluate(*arguments: str) -> Json:
    """What `mtclar-stream evaluate --json` says."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json"
        command = [sys.executable, "-m", "mtclar.cli.main", "evaluate", *arguments, "--json", str(out)]
        subprocess.run(command, check=True)
        content: Json = json.loads(out.read_text())
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
    head = f"Encoder `{report['encoder_sha256'][:12]}`, {report['seeds']} draws."
    replace_section(PAGE, name, f"{head}\n\n{content}")


def main() -> None:
    """Evaluates and rewrites the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ferplus", type=Path, help="FER+ folder")
    parser.add_argument("--workers", type=int, default=1, help="processes that render (%(default)s)")
    given = parser.parse_args()
    rendered = evaluate("--dataset", "rendered", "--workers", str(given.workers))
    write("rendered-pictures", few_labels(rendered), rendered)
    write("rendered-clips", whole_clips(rendered), rendered)
    if given.ferplus:
        report = evaluate("--dataset", "ferplus", "--root", str(given.ferplus))
        write("ferplus", ferplus(report), report)
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
