"""The support sets that `run` is given: which files, and what the terminal says about them."""

import logging
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mtclar.cli.display.terminal import counted, print_text
from mtclar.cli.options import NO_SUPPORT, default_support_path
from mtclar.engine.errors import UsageError
from mtclar.engine.files.reading import expand_home
from mtclar.engine.support_set import SupportSet

log = logging.getLogger(__name__)


def support_paths(named: Sequence[str] | None) -> list[Path]:
    """The named support sets, or the default one if it exists."""
    if not named:
        try:
            default = default_support_path()
            return [default] if default.exists() else []
        except (UsageError, OSError) as error:  # without a home folder, or with another user's
            log.warning("no default support set: %s", error)
            return []
    if NO_SUPPORT in named and len(named) > 1:
        raise UsageError("--support none cannot be combined with support sets", "remove them, or `none`")
    return [expand_home(name) for name in named if name != NO_SUPPORT]


def print_supports(
    console: Console, paths: Sequence[Path], supports: Sequence[SupportSet], asked_for_none: bool
) -> None:
    """Prints the support sets, or that there is none."""
    for path, support in zip(paths, supports, strict=True):
        support.log_warning()
        print_text(console, f"Support    {path} ({counted(len(support), 'frame')} of '{support.subject}')")
    if len(supports) > 1:
        print_text(
            console,
            f"Subjects of new faces, from left to right: {', '.join(support.subject for support in supports)}; a "
            "client corrects it by `assign` (docs/protocol).",
        )
    if not supports:
        reason = "--support none" if asked_for_none else "make a support set with `mtclar-stream calibrate`"
        print_text(console, f"Not calibrated ({reason}): using the uncalibrated model.", "yellow")
