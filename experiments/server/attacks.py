"""A server under attack: memory and messages of its viewers. The table "Attacks" of docs/results/reliability.md.

    python -m experiments.server.attacks --write

Every attack has `mtclar-stream run` with a token in a process of its own, a viewer of each kind of delivery, and
attackers in a third process that connect again at once when they are closed.
"""

import argparse
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.support.faults.attacks import ATTACKS, SOURCES, TOKEN, Outcome, under_attack
from tests.support.faults.tracker_process import Running
from tools.docs.figures import table
from tools.docs.generated import replace_section

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results" / "reliability.md"
RESULT = ROOT / "docs" / "results" / "data" / "attacks.json"
NAMES: dict[str | None, str] = {
    None: "no attack",
    "pings": "16 strangers send pings of 125 bytes and never read",
    "frozen": "64 viewers with the token never read",
    "pictures": "50 clients with the token send 4 MB of a picture that does not end",
    "subscribes": "50 viewers with the token subscribe 40 times a second",
    "headers": "300 strangers send 1 MB of headers that do not end",
}


def measure(name: str | None, seconds: float) -> Outcome:
    """One attack on a server of its own, or None."""
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder) / "token"
        token.touch(mode=0o600)
        token.write_text(TOKEN)
        with Running(*SOURCES, "--token-file", token) as run:
            return under_attack(name, run, seconds)


def row(name: str | None, outcome: Outcome) -> list[str]:
    """One line of the table."""
    return [
        NAMES[name],
        str(outcome.made),
        f"{100 * outcome.latest / outcome.made:.1f} %",
        f"{100 * outcome.every / outcome.made:.1f} %",
        f"{outcome.mb_before:.0f} -> {outcome.mb_most:.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory and messages of a server under attack.")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="for each attack")
    parser.add_argument("--only", choices=sorted(ATTACKS), help="this attack alone")
    parser.add_argument(
        "--write", action="store_true", help="write docs/results/data/attacks.json and the table"
    )
    args = parser.parse_args()
    load = os.getloadavg()[0]
    outcomes: dict[str | None, Outcome] = {}
    for name in (None, *ATTACKS):
        if args.only is None or args.only == name:
            outcomes[name] = measure(name, args.seconds)
            print(*row(name, outcomes[name]), sep=" | ", flush=True)
    if args.write:
        head = ["attack", "messages made", "got with `latest`", "got with `all`", "memory, MB"]
        lines = table(head, [row(name, outcome) for name, outcome in outcomes.items()])
        text = f"{args.seconds:g} s each; {os.cpu_count()} cores, load {load:.1f} when it began.\n\n{lines}"
        RESULT.write_text(
            json.dumps({NAMES[name]: asdict(outcome) for name, outcome in outcomes.items()}, indent=1) + "\n"
        )
        replace_section(PAGE, "attacks", text)


if __name__ == "__main__":
    main()
