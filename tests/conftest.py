"""What all tests share: in CI every real component is installed, so a skipped test is a failure there."""

import os
import signal
from collections.abc import Generator

import pytest

# A shell without job control starts what it puts into the background with SIGINT ignored, and children inherit that:
# the commands under test would never see their Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped, and in CI nothing may be: {report.longrepr}"
    return report
