"""The data folder: a support set for each participant, a folder for each recorded session, tables of results."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mtclar.calibrate.web.rating_files import LABELS, exports_of, path_of_rater
from mtclar.engine.errors import UsageError
from mtclar.engine.support_set import is_encrypted
from mtclar.stream.label_formats.label_file import label_files

SUFFIX = ".mtclar"
LONGEST_NAME = 80
NOT_IN_NAMES = set('/\\:*?"<>|')  # of files, on any system


@dataclass(frozen=True, slots=True)
class StudioFolder:
    """Finds files by the names that the page knows them by. Every name is one file's, in its own folder."""

    root: Path

    @property
    def participants(self) -> Path:
        """Of support sets, NAME.mtclar."""
        return self.root / "participants"

    @property
    def sessions(self) -> Path:
        """Of recordings."""
        return self.root / "sessions"

    @property
    def results(self) -> Path:
        """Of tables of analysed files."""
        return self.root / "results"

    @property
    def ratings(self) -> Path:
        """Of the labels of raters, VIDEO.RATER.labels.csv."""
        return self.root / "ratings"

    def participant(self, name: str) -> Path:
        """The support set of a participant, which may not exist yet. Raises UsageError for a name of no file."""
        return self.participants / f"{_checked(name)}{SUFFIX}"

    def rating_target(self, video: Path, participant: str, rater: str | None) -> Path:
        """The support set that ratings of a video become: the participant's, or one of the rater.

        Raises UsageError.
        """
        target = self.participant(participant)
        if rater is not None:
            return path_of_rater(self.ratings / f"{video.stem}{target.suffix}", rater)
        if is_encrypted(target):
            raise UsageError(
                f"the calibration of {participant} is encrypted",
                "rate with a rater's name, or calibrate with a camera",
            )
        return target

    def session(self, name: str) -> Path:
        """The folder of a session. Raises UsageError when there is none."""
        return _existing(self.sessions / _checked(name), "session")

    def result(self, name: str) -> list[Path]:
        """A table of values with its JSON, or a rater's labels as table, ELAN and NOVA files.

        Raises UsageError when there is none.
        """
        rated = self.ratings / _checked(name)
        if not rated.is_file():
            table = _existing(self.results / name, "result")
            return [table, *_present([table.with_name(f"{name}.json")])]
        target = self.ratings / f"{name.removesuffix(LABELS)}{SUFFIX}"
        return [rated, *_present([file for out in exports_of(target) for file in label_files((), out)])]

    def tables(self) -> list[str]:
        """The names of all results, the newest first."""
        found = [*self.results.glob("*.csv"), *self.ratings.glob("*.csv")]
        return [path.name for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]


def _checked(name: str) -> str:
    """A name that is one file in one folder; raises UsageError."""
    fits = name.isprintable() and len(name) <= LONGEST_NAME and not NOT_IN_NAMES & set(name)
    if not fits or name != name.strip() or name.startswith("."):
        raise UsageError(
            f"'{name}' cannot be a name", 'use letters, digits, spaces and - _ ., not / \\ : * ? " < > |'
        )
    return name


def _present(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.is_file()]


def _existing(path: Path, kind: str) -> Path:
    if path.is_symlink() or not path.exists():
        raise UsageError(f"there is no {kind} '{path.name}'", "it may have been deleted meanwhile")
    return path
