"""Counts, percentiles and the summary file."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.errors import MtclarError
from mtclar.stream.pipeline.summary import LatencyHistogram, Meter, is_summary, peak_rss_mb


@given(st.lists(st.floats(0.01, 1e5), min_size=1, max_size=300), st.sampled_from([50, 95, 99]))
def test_percentiles_are_right_within_a_percent(values: list[float], percent: int) -> None:
    histogram = LatencyHistogram()
    for value in values:
        histogram.record(value)
    expected = float(np.percentile(values, percent, method="inverted_cdf"))
    assert histogram.percentile(percent) == pytest.approx(expected, rel=0.011)


@pytest.mark.parametrize("odd", [0.0, -3.0, 1e12])
def test_odd_latencies_are_counted_too(odd: float) -> None:
    histogram = LatencyHistogram()
    assert histogram.percentile(50) is None
    histogram.record(odd)
    assert histogram.count == 1
    assert histogram.percentile(50) is not None


def test_the_keys_of_the_summary(tmp_path: Path) -> None:
    now = [10.0]
    meter = Meter(lambda: now[0])
    meter.started()
    for n in range(51):
        now[0] = 10.0 + n / 25
        meter.answered(now[0] - 0.010, with_face=n > 0)
    path = tmp_path / "new" / "summary.json"
    meter.summary(dropped=3, backend="b", reconnects=0).write(path)
    written = json.loads(path.read_text())
    assert set(written) >= {
        "frames",
        "fps",
        "dropped",
        "messages_per_s",
        "latency_ms",
        "backend",
        "cpu_cores",
        "peak_rss_mb",
    }
    assert (written["frames"], written["dropped"], written["frames_with_face"]) == (51, 3, 50)
    assert written["fps"] == pytest.approx(25, abs=1)
    assert written["latency_ms"]["p95"] == pytest.approx(10, rel=0.01)
    assert list(tmp_path.joinpath("new").iterdir()) == [path]


def test_latency_to_the_socket_counts_where_it_is_known() -> None:
    meter = Meter(lambda: 1.0)
    meter.started()
    meter.answered(0.99, with_face=True)
    meter.sent(0.5)
    assert meter.summary(dropped=0, backend="b", reconnects=0).latency_ms["p50"] == pytest.approx(
        500, rel=0.01
    )


def test_a_run_without_a_frame_has_a_summary_too() -> None:
    summary = Meter().summary(dropped=0, backend="b", reconnects=0)
    assert (summary.frames, summary.fps, summary.latency_ms["p99"]) == (0, 0.0, None)


def test_a_summary_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MtclarError, match="cannot write"):
        Meter().summary(dropped=0, backend="b", reconnects=0).write(tmp_path / "file" / "summary.json")


def test_memory_is_a_plausible_figure() -> None:
    peak = peak_rss_mb()
    assert peak is not None
    assert 10 < peak < 100_000


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff\xfe", b"null", b"[[1]]", b'{"frames": 1}'])
def test_what_is_no_summary_is_not_taken_for_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "precious.json"
    path.write_bytes(content)
    assert not is_summary(path)
