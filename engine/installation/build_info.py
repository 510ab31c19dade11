"""Which build of the program this is: its commit, stored in the wheel by `make release`; a checkout has it in .git."""

import json
import re
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("build.json")
CHECKOUT = Path(__file__).parents[2]
UNKNOWN = "unknown"
REFERENCE = re.compile(r"ref: (refs/[\w./-]+)")


@cache
def commit() -> str:
    """The commit as 40 hex digits; of a checkout with " (checkout)", since files may have changed; or "unknown"."""
    try:
        return str(json.loads(FILE.read_text(encoding="utf-8"))["commit"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        return f"{_checked_out(CHECKOUT / '.git')} (checkout)"
    except (OSError, LookupError):
        return UNKNOWN


def _checked_out(folder: Path) -> str:
    """The commit of a .git folder, without running git. Raises OSError, LookupError."""
    head = (folder / "HEAD").read_text(encoding="utf-8").strip()
    if not (reference := REFERENCE.fullmatch(head)):
        return head
    if (loose := folder / reference[1]).is_file():
        return loose.read_text(encoding="utf-8").strip()
    rows = (folder / "packed-refs").read_text(encoding="utf-8").splitlines()
    packed = {name: commit for commit, name in (row.split() for row in rows if row[:1] not in "#^")}
    return packed[reference[1]]
