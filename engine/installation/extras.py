"""How to install an optional extra: the command for this installation, for hints of errors."""

import json
import shlex
import shutil
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from urllib.parse import unquote, urlsplit

DISTRIBUTION = "mtclar-stream"


def install_command(extra: str) -> str:
    """The pip command that installs the packages of an extra.

    In a checkout it names that folder. Otherwise it names the packages: mtclar-stream itself is on no package index.
    """
    found = list(
        distributions(name=DISTRIBUTION)
    )  # two where a build left its metadata in the working folder
    if not found:  # imported from a folder that was never installed
        return f"{_pip()} install '{DISTRIBUTION}[{extra}]'"
    for checkout in filter(None, map(_checkout, found)):
        return f"{_pip()} install -e {shlex.quote(f'{checkout}[{extra}]')}"
    return f"{_pip()} install {' '.join(map(shlex.quote, _requirements(found[0], extra)))}"


def _pip() -> str:
    """`pip`, if that is the one of this Python."""
    found = shutil.which("pip")
    if found is not None and Path(found).parent == Path(sys.executable).parent:
        return "pip"
    return f"{shlex.quote(sys.executable)} -m pip"


def _checkout(installed: Distribution) -> Path | None:
    """The folder of an editable installation."""
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlsplit(origin["url"]).path))


def _requirements(installed: Distribution, extra: str) -> list[str]:
    """`torch>=2.6; extra == "train"` -> `torch>=2.6`, of that extra."""
    split = (text.partition(";") for text in installed.requires or ())
    return [name.strip() for name, _, marker in split if f'extra == "{extra}"' in marker.replace("'", '"')]
