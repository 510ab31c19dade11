"""The wall clock of one process, which can be set while it runs. Its monotonic clock and its sleeps are true.

Debian 12's libfaketime cannot do that: with a true monotonic clock its `clock_nanosleep` fails (issue 426 there).
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")


class WallClock:
    """Give `environment` to the process. `folder` is the test's own; without a C compiler the test is skipped."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            pytest.skip("there is no C compiler: `.ci/system` installs gcc")
        library = folder / "wall_clock.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
        self._file = folder / "wall_clock_ahead"
        self._file.write_bytes(bytes(8))
        self.environment = os.environ | {"LD_PRELOAD": str(library), "WALL_CLOCK_AHEAD": str(self._file)}

    def set(self, ahead_s: float) -> None:
        """So many seconds ahead of the true time, from now on."""
        with self._file.open("r+b") as file:  # in place: the process maps this file
            file.write(int(ahead_s * 1e9).to_bytes(8, "little", signed=True))
