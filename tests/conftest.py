"""What all tests share: in CI every real component is installed, so a skipped test is a failure there."""

import os
import signal
import subprocess
from collections.abc import Generator, Iterator
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
    "cli/test_outputs.py",
    "cli/test_secrets.py",
    "cli/test_terminal.py",
    "end_to_end",
    "engine/backends/test_engine_cache.py",
    "engine/backends/test_quantized_onnx.py",
    "engine/backends/test_real_cuda.py",
    "engine/backends/test_tensorrt_builder.py",
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
    "label/corpus",
    "label/test_analysed.py",
    "label/test_labelling.py",
    "label/test_suggest.py",
    "packaging/test_deploy.py",
    "packaging/test_docs.py",
    "packaging/test_extending.py",
    "packaging/test_privacy.py",
    "packaging/test_release.py",
    "packaging/test_site.py",
    "packaging/test_snippets.py",
    "packaging/test_wheel.py",
    "packaging/test_without_posix.py",
    "stream/client",
    "stream/fleet/test_gateway.py",
    "stream/fleet/test_workers.py",
    "stream/markers",
    "stream/recordings",
    "stream/server",
    "stream/sinks/test_lsl.py",
    "stream/sinks/test_lsl_xdf.py",
    "stream/sinks/test_mqtt.py",
    "stream/sinks/test_nats.py",
    "stream/sinks/test_prometheus.py",
    "stream/sinks/test_websocket.py",
    "stream/sources/test_folder.py",
    "stream/sources/test_network.py",
    "stream/sources/test_pipe.py",
    "stream/sources/test_rtmp.py",
    "stream/sources/test_rtsp.py",
    "stream/test_node_client.py",
    "stream/test_time.py",
    "tools",
    "train",
)
"""Not in `make unit`: they start processes, servers or browsers, compile or train, or run the networks for seconds."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz-seconds", type=float, default=1.0, help="how long each test of tests/fuzz looks for faults"
    )


def is_slow(path: Path) -> bool:
    return str(path).startswith(tuple(str(TESTS / name) for name in SLOW))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make unit` does not even import the slow files: that alone takes seconds."""
    return True if config.option.markexpr == "unit" and is_slow(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not is_slow(item.path):
            item.add_marker(pytest.mark.unit)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n`, a file stays in one worker, with what its fixtures made; the browser tests share one browser."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
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
