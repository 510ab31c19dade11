"""The wall clock of one process, which can be set while it runs: Debian's libfaketime. Its monotonic clock is true."""

import os
from pathlib import Path

import pytest

LIBRARIES = (
    Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"),
    Path("/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1"),
)


class WallClock:
    """Give `environment` to the process. `folder` is the test's own; without libfaketime the test is skipped."""

    def __init__(self, folder: Path) -> None:
        library = next((path for path in LIBRARIES if path.exists()), None)
        if library is None:
            pytest.skip("libfaketime is not installed: `.ci/system` installs it")
        self._file = folder / "wall clock"
        self.set(0)
        self.environment = os.environ | {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, ahead_s: float) -> None:
        """So many seconds ahead of the true time, from now on."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{ahead_s:+g}\n")
        fresh.replace(self._file)  # it is read at any moment
