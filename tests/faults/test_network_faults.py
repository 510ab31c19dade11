"""A network on a bad day: slow, lossy, damaging, silent, cut; seen through the whole chain behind a real camera."""

from itertools import pairwise
from typing import Any

import pytest
from support.faults.proxy import Proxy

from mtclar.stream.pipeline.pipeline import Pipeline, PipelineOptions
from mtclar.stream.pipeline.reader import RetryPolicy
from mtclar.stream.sources import open_source

from .conftest import Watch

pytestmark = pytest.mark.faults
QUICK = RetryPolicy(stall_s=1.0, stall_timeout_s=1.0, first_retry_s=0.2)
CUTS = 5


def url(network: Proxy, transport: str = "tcp") -> str:
    return f"rtsp://127.0.0.1:{network.port}/clip#transport={transport}"


def in_order(messages: list[Any]) -> bool:
    """No message is missing, none comes twice, and the source's time increases across reconnections."""
    return all(b.seq == a.seq + 1 and b.frame > a.frame and b.pts_s > a.pts_s for a, b in pairwise(messages))


def test_cut_again_and_again(network: Proxy, watch: Watch, collector: Any, eventually: Any) -> None:
    with watch(url(network), retry=QUICK) as pipeline:
        for cut in range(CUTS):
            before = len(collector.messages)
            eventually(lambda before=before: len(collector.messages) >= before + 5)
            network.cut()
            eventually(lambda cut=cut: collector.states().count("reconnecting") == cut + 1)
        eventually(lambda: collector.states()[-1] == "live")
        assert pipeline.summary().reconnects == CUTS
        assert pipeline.summary().abandoned == 0
    assert in_order(collector.messages)
    assert {status.reason for status in collector.statuses if status.state == "reconnecting"} <= {
        "the stream ended"
    }


def test_a_delay_is_seen_in_the_latency_and_disturbs_nothing(
    network: Proxy, watch: Watch, collector: Any, eventually: Any
) -> None:
    network.delay_s = 0.3
    with watch(url(network)):
        eventually(lambda: sum(m.clock == "rtcp" for m in collector.messages) >= 10)
    assert collector.states() == ["connecting", "live"]
    assert all(m.latency_ms.queue >= 300 for m in collector.messages if m.clock == "rtcp")
    assert in_order(collector.messages)


@pytest.mark.parametrize("trouble", ["loss", "damage"])
def test_lost_and_damaged_packets_cost_frames_only(
    network: Proxy, watch: Watch, collector: Any, eventually: Any, trouble: str
) -> None:
    with watch(url(network)):
        eventually(lambda: len(collector.messages) >= 10)
        setattr(network, trouble, 0.1)
        eventually(lambda: network.lost + network.damaged >= 20)
        setattr(network, trouble, 0.0)
        before = len(collector.messages)
        eventually(lambda: len(collector.messages) >= before + 25)
        eventually(lambda: collector.states()[-1] == "live")
    assert in_order(collector.messages)


@pytest.mark.parametrize("trouble", ["loss", "disorder"])
def test_lost_datagrams_cost_frames_late_ones_nothing(
    network: Proxy, watch: Watch, collector: Any, eventually: Any, trouble: str
) -> None:
    with watch(url(network, "udp")) as pipeline:
        eventually(lambda: len(collector.messages) >= 10)
        setattr(network, trouble, 0.1)
        eventually(lambda: network.lost + network.late >= 50)
        setattr(network, trouble, 0.0)
        before = len(collector.messages)
        eventually(lambda: len(collector.messages) >= before + 25)
        eventually(lambda: collector.states()[-1] == "live")
        assert pipeline.summary().reconnects == 0
    assert network.connections == 1
    assert in_order(collector.messages)
    steps_s = [b.pts_s - a.pts_s for a, b in pairwise(collector.messages)]
    if trouble == "loss":
        assert max(steps_s) > 1.5 / 25
    else:  # FFmpeg waits for them: no picture is missing (the tracker may have been slower than the camera, though)
        frames = [b.frame - a.frame for a, b in pairwise(collector.messages)]
        assert steps_s == pytest.approx([count / 25 for count in frames], abs=0.005)


def test_a_camera_that_is_lost_over_udp_is_found_again(
    network: Proxy, watch: Watch, collector: Any, eventually: Any
) -> None:
    with watch(url(network, "udp"), retry=QUICK) as pipeline:
        eventually(lambda: len(collector.messages) >= 10)
        network.loss = 1.0  # the connection stands, and nothing comes
        eventually(lambda: "stalled" in collector.states())
        eventually(lambda: "reconnecting" in collector.states())
        network.loss = 0.0
        before = len(collector.messages)
        eventually(lambda: len(collector.messages) >= before + 25)
        eventually(lambda: collector.states()[-1] == "live")
        assert pipeline.summary().reconnects >= 1
    assert in_order(collector.messages)


def test_packets_without_pictures_are_a_lost_connection(
    network: Proxy, watch: Watch, collector: Any, eventually: Any
) -> None:
    retry = RetryPolicy(stall_s=60.0, reconnect_s=0.1)  # the watchdog has no part in this
    with watch(url(network), retry=retry):
        eventually(lambda: len(collector.messages) >= 10)
        network.damage = 1.0
        eventually(lambda: "reconnecting" in collector.states())
        network.damage = 0.0
        before = len(collector.messages)
        eventually(lambda: len(collector.messages) >= before + 25)
    reasons = [status.reason or "" for status in collector.statuses if status.state == "reconnecting"]
    assert any("cannot be decoded" in reason for reason in reasons)
    assert in_order(collector.messages)


def test_silence_is_a_stall_then_a_lost_connection(
    network: Proxy, watch: Watch, collector: Any, eventually: Any
) -> None:
    with watch(url(network), retry=QUICK):
        eventually(lambda: len(collector.messages) >= 10)
        network.freeze()
        eventually(lambda: "stalled" in collector.states())
        eventually(lambda: "reconnecting" in collector.states())
        network.thaw()
        before = len(collector.messages)
        eventually(lambda: len(collector.messages) >= before + 25)
        eventually(lambda: collector.states()[-1] == "live")
    assert in_order(collector.messages)


def test_a_short_silence_is_a_stall_and_no_reconnection(
    network: Proxy, watch: Watch, collector: Any, eventually: Any
) -> None:
    retry = RetryPolicy(stall_s=0.5, stall_timeout_s=15.0)
    with watch(url(network), retry=retry) as pipeline:
        eventually(lambda: len(collector.messages) >= 10)
        network.freeze()
        eventually(lambda: collector.states()[-1] == "stalled")
        network.thaw()
        eventually(lambda: collector.states()[-1] == "live")
        assert pipeline.summary().reconnects == 0
    assert collector.states() == ["connecting", "live", "stalled", "live"]
    assert network.connections == 1


def test_reconnecting_backs_off(network: Proxy, watch: Watch, collector: Any, eventually: Any) -> None:
    network.refuse()
    with watch(url(network), retry=RetryPolicy(first_retry_s=0.1, max_retry_s=0.8, jitter=0.0)):
        eventually(lambda: collector.states().count("reconnecting") >= 5)
        network.refuse(False)
        eventually(lambda: len(collector.messages) >= 5)
    pauses_s = [status.retry_s for status in collector.statuses if status.state == "reconnecting"]
    assert pauses_s[:5] == pytest.approx([0.1, 0.2, 0.4, 0.8, 0.8])


def test_a_lost_camera_does_not_affect_the_other(
    network: Proxy, rtsp_server: Any, tracker: Any, collector: Any, eventually: Any
) -> None:
    good, bad = type(collector)(), collector
    with (
        Pipeline(open_source(rtsp_server.url, stream_id="good"), type(tracker)(), [good]) as healthy,
        Pipeline(
            open_source(url(network), stream_id="bad"),
            tracker,
            [bad],
            PipelineOptions(retry=QUICK),
        ),
    ):
        eventually(lambda: len(good.messages) >= 10 and len(bad.messages) >= 10)
        network.refuse()
        network.cut()
        eventually(lambda: bad.states().count("reconnecting") >= 2)
        before = len(good.messages)
        eventually(lambda: len(good.messages) >= before + 25)
        network.refuse(False)
        eventually(lambda: bad.states()[-1] == "live")
        assert healthy.error is None
    assert good.states() == ["connecting", "live"]
    assert in_order(good.messages)
    assert in_order(bad.messages)
