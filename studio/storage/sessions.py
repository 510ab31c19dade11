"""The recorded sessions: what the page shows of each, and deleting one."""

import shutil
from pathlib import Path
from typing import Any

from mtclar.engine.errors import MtclarError, WriteError
from mtclar.stream.recordings import MANIFEST
from mtclar.stream.recordings.reader import Recording
from mtclar.studio.storage.folder import StudioFolder


class Sessions:
    """Lists them, reading a finished one once."""

    def __init__(self, folder: StudioFolder) -> None:
        self._folder = folder
        self._finished: dict[str, dict[str, Any]] = {}

    def listed(self) -> list[dict[str, Any]]:
        """As the state shows them, the newest first."""
        names = [path.parent.name for path in self._folder.sessions.glob(f"*/{MANIFEST}")]
        return [self._read(name) for name in sorted(names, reverse=True)]

    def delete(self, name: str) -> None:
        """Deletes a session with all its files. Raises UsageError or WriteError."""
        folder = self._folder.session(name)
        Recording(folder)  # raises for a folder that is none
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise WriteError(
                f"cannot delete {folder}: {error.strerror or error}", "check its permissions"
            ) from error
        self._finished.pop(name, None)

    def _read(self, name: str) -> dict[str, Any]:
        if name not in self._finished:
            shown = _shown(self._folder.sessions / name)
            if not shown["complete"]:
                return shown
            self._finished[name] = shown
        return self._finished[name]


def _shown(folder: Path) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": folder.name,
        "session": "",
        "participant": "",
        "started": "",
        "length_s": None,
        "sources": [],
        "video": False,
        "complete": False,
        "problem": "",
    }
    try:
        recording = Recording(folder)
        span = None if recording.ended is None else recording.span()
    except MtclarError as error:
        return shown | {"problem": error.what}
    length_s = None if span is None else round(span[1] - span[0], 1)
    return shown | {
        "session": recording.session,
        "participant": recording.participant,
        "started": recording.started,
        "length_s": length_s,
        "sources": [stream.label for stream in recording.streams],
        "video": any(folder.glob("video-*.mkv")),
        "complete": recording.ended is not None,
    }
