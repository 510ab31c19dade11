"""The participants: what the page shows of each support set, and deleting one with everything kept beside it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mtclar.calibrate.core.evaluation.report import make_report, mean_rmse
from mtclar.calibrate.web.state import sentence_state
from mtclar.engine import models
from mtclar.engine.errors import MtclarError
from mtclar.engine.files.writing import delete_together
from mtclar.engine.support_set import SupportSet, is_encrypted
from mtclar.studio.storage.folder import SUFFIX, StudioFolder


@dataclass(frozen=True, slots=True)
class Participant:
    """One support set. Errors are leave-one-out RMSE in V/A units; None with too few labels, and of unreadable sets."""

    name: str
    labels: int = 0
    frames: int = 0
    created: str = ""  # ISO 8601
    error: float | None = None
    uncalibrated: float | None = None  # the error without the support set
    warning: str = ""  # why it may be no better than none
    warnings: tuple[dict[str, Any], ...] = ()  # its reasons: keys and values, as in `calibrate.state`
    encrypted: bool = False  # nothing else is known then
    problem: str = ""  # why it cannot be used


def read_participant(path: Path) -> Participant:
    """Reads a support set and leaves each label out once, which takes some hundredths of a second."""
    if is_encrypted(path):
        return Participant(path.stem, encrypted=True)
    try:
        support = SupportSet.load(path)
    except MtclarError as error:
        return Participant(path.stem, problem=error.what)
    if support.encoder.sha256 != models.card("encoder").sha256:
        return Participant(path.stem, problem="it was made with another network: calibrate again")
    report = make_report(support)
    return Participant(
        path.stem,
        labels=len(report.labels),
        frames=len(support),
        created=support.created,
        error=round(mean_rmse(report.calibrated), 3) if report.conclusive else None,
        uncalibrated=round(mean_rmse(report.absolute), 3) if report.conclusive else None,
        warning=report.warning,
        warnings=tuple(sentence_state(reason) for reason in report.warnings),
    )


class Participants:
    """Lists them, reading each file again only after it has changed."""

    def __init__(self, folder: StudioFolder) -> None:
        self._folder = folder
        self._known: dict[Path, tuple[tuple[int, int], Participant]] = {}

    def listed(self) -> list[dict[str, Any]]:
        """By name, as the state shows them."""
        found = []
        for path in self._paths():
            try:
                stat = path.stat()
            except OSError:  # deleted meanwhile
                continue
            version = (stat.st_mtime_ns, stat.st_size)
            known = self._known.get(path)
            if known is None or known[0] != version:
                known = self._known[path] = (version, read_participant(path))
            found.append(asdict(known[1]))
        return found

    def delete(self, name: str) -> None:
        """Deletes the support set and what is named after it: predecessors, journals, label files.

        Raises UsageError or WriteError.
        """
        self._folder.participant(name)  # raises for a name of no file
        names = {path.stem for path in self._paths()} | {name}
        files = [path for path in self._folder.participants.iterdir() if not path.is_dir()]
        delete_together([path for path in files if _named_after(path, names) == name])

    def _paths(self) -> list[Path]:
        found = self._folder.participants.glob(f"*{SUFFIX}")
        own = [path for path in found if ".previous" not in path.name and not path.name.startswith(".")]
        return sorted(own, key=lambda path: path.stem)


def _named_after(path: Path, names: set[str]) -> str | None:
    """The participant whose file this is: the longest name that begins the file's."""
    file = path.name.removeprefix(".")
    return max((name for name in names if file.startswith(f"{name}.")), key=len, default=None)
