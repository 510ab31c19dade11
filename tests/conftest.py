"""What all tests share: in CI every real component is installed, so a skipped test is a failure there."""

import os
import signal
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long one example takes is the machine's affair: timings belong to `make bench`.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# A shell without job control starts what it puts into the background with SIGINT ignored, and children inherit that:
# the commands under test would never see their Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


SMALL_DISK_KIB = 32


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz-seconds", type=float, default=1.0, help="how long each test of tests/fuzz looks for faults"
    )


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty folder in which a few small files fit and a large one does not.

    A tiny file system of its own where the tests may mount one (root); elsewhere a limit on the size of any file, under
    which the same writes fail in the same place. Neither needs to be skipped anywhere.
    """
    folder = tmp_path / "small disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_KIB}k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, timeout=30).returncode == 0
    except FileNotFoundError:
        mounted = False
    if mounted:
        yield folder
        subprocess.run(["umount", str(folder)], check=True, timeout=30)
    else:
        import resource  # not on Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * SMALL_DISK_KIB, hard))
        yield folder
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped, and in CI nothing may be: {report.longrepr}"
    return report
