"""What all tests share: in CI every real component is installed, so a skipped test is a failure there."""

import os
import signal
import subprocess
from collections.abc import Generator, Iterator
from itertools import compress
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

# How long one example takes is the machine's affair: timings belong to `make bench`.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# A shell without job control starts what it puts into the background with SIGINT ignored, and children inherit that:
# the commands under test would never see their Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

SMALL_DISK_KIB = 32
TESTS = Path(__file__).parent
SLOW = (
    "calibrate/web",
    "cli/commands",
    "cli/service",
    "cli/test_odd_files.py",
    "cli/files",
    "cli/test_secrets.py",
    "cli/display/test_terminal.py",
    "end_to_end",
    "engine/backends/test_engine_cache.py",
    "engine/backends/test_quantized_onnx.py",
    "engine/backends/test_real_cuda.py",
    "engine/backends/test_tensorrt_builder.py",
    "engine/backends/test_tensorrt_refusals.py",
    "engine/backends/test_tensorrt_session.py",
    "engine/estimate/test_label_convergence.py",
    "engine/face/test_cut_off.py",
    "engine/face/test_real_mediapipe.py",
    "engine/face/test_two_people.py",
    "examples",
    "experiments",
    "faults",
    "fuzz",
    "label/analysis/test_agreement.py",
    "label/analysis/test_bids.py",
    "label/analysis/test_figures.py",
    "label/analysis/test_statistics.py",
    "label/corpus",
    "label/output/test_render.py",
    "label/test_analysed.py",
    "label/test_labelling.py",
    "label/test_suggest.py",
    "packaging/test_ci.py",
    "packaging/test_deploy.py",
    "packaging/test_docs.py",
    "packaging/test_fleet_deploy.py",
    "packaging/test_extending.py",
    "packaging/test_privacy.py",
    "packaging/test_release.py",
    "packaging/test_site.py",
    "packaging/test_snippets.py",
    "packaging/test_wheel.py",
    "packaging/test_without_posix.py",
    "stream/client",
    "stream/fleet/test_gateway.py",
    "stream/fleet/test_recorder.py",
    "stream/fleet/test_requests.py",
    "stream/fleet/test_workers.py",
    "stream/markers",
    "stream/pipeline/test_overlap.py",
    "stream/recordings",
    "stream/server",
    "stream/sinks/test_lsl.py",
    "stream/sinks/test_lsl_xdf.py",
    "stream/sinks/test_mqtt.py",
    "stream/sinks/test_nats.py",
    "stream/sinks/test_prometheus.py",
    "stream/sinks/test_recorder.py",
    "stream/sinks/test_websocket.py",
    "stream/sources/test_folder.py",
    "stream/sources/test_http.py",
    "stream/sources/test_network.py",
    "stream/sources/test_pipe.py",
    "stream/sources/test_rtmp.py",
    "stream/sources/test_webcam_drivers.py",
    "stream/test_node_client.py",
    "stream/test_time.py",
    "studio/test_studio.py",
    "tools",
    "train",
)
"""Not in `make unit`: they start processes, servers or browsers, compile or train, or run the networks for seconds."""

NO_EXTRAS = (
    "calibrate/web",
    "cli/commands/calibration",
    "cli/commands/live",
    "cli/service",
    "cli/test_odd_files.py",
    "cli/files",
    "cli/test_secrets.py",
    "cli/display/test_terminal.py",
    "end_to_end",
    "fuzz",
    "packaging/test_docs.py",
    "packaging/test_extending.py",
    "packaging/test_wheel.py",
    "packaging/test_without_posix.py",
    "stream/client",
    "stream/recordings",
    "stream/server",
    "stream/sources",
)
"""Tests of code that imports nothing which only an extra brings (tests/packaging/test_ci.py): `.ci/run` does not repeat
the slow ones that passed in its bare clone."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz-seconds", type=float, default=1.0, help="how long each test of tests/fuzz looks for faults"
    )
    parser.addoption("--passed-to", type=Path, help="add the names of the tests that passed to this file")
    parser.addoption("--passed-in", type=Path, help="leave out slow tests of NO_EXTRAS that this file names")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.passed_to and not hasattr(config, "workerinput"):  # a worker reports to its controller
        config.pluginmanager.register(Passed(config.option.passed_to))


class Passed:
    """Adds the names of the tests of a session that passed, and were not skipped, to a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._passed: set[str] = set()
        self._others: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:
            self._others.add(report.nodeid)
        elif report.when == "call":
            self._passed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        with self._file.open("a") as file:
            file.writelines(f"{name}\n" for name in sorted(self._passed - self._others))


def is_slow(path: Path) -> bool:
    return is_of(path, SLOW)


def is_of(path: Path, names: tuple[str, ...]) -> bool:
    return str(path).startswith(tuple(str(TESTS / name) for name in names))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make unit` does not even import the slow files: that alone takes seconds."""
    return True if config.option.markexpr == "unit" and is_slow(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if not is_slow(item.path):
            item.add_marker(pytest.mark.unit)
    if config.option.passed_in:
        passed = set(config.option.passed_in.read_text().split("\n"))
        known = [
            item.nodeid in passed and is_slow(item.path) and is_of(item.path, NO_EXTRAS) for item in items
        ]
        config.hook.pytest_deselected(items=list(compress(items, known)))
        items[:] = [item for item, is_known in zip(items, known, strict=True) if not is_known]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n`, a file stays in one worker, with what its fixtures made; the browser tests share one browser.

    Pages of the documentation share nothing and take minutes together: each may go to any worker.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith("tests/packaging/test_snippets.py::test_the_commands_and_programs"):
                return nodeid
            return "browser" if nodeid.startswith("tests/end_to_end/") else nodeid.partition("::")[0]

    return ByFile(config, log)


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
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return fail_if_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return fail_if_skipped((yield))


def fail_if_skipped(report: Report) -> Report:
    """In CI every real component is installed: nothing may be skipped there."""
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: skipped, and in CI nothing may be: {report.longrepr}"
    return report
