"""A real RTSP camera (GStreamer's server with a real face): read over TCP, UDP and TLS, lost, found again."""

import ssl
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.faults.proxy import Proxy
from support.faults.rtsp import RtspServer, is_installed

from mtclar.engine.address import without_credentials
from mtclar.engine.errors import SourceError, UsageError
from mtclar.engine.tracker import Tracker
from mtclar.stream.pipeline.pipeline import Pipeline, PipelineOptions
from mtclar.stream.pipeline.reader import RetryPolicy
from mtclar.stream.sources import open_source
from mtclar.stream.sources.network import NetworkStream


def test_a_camera_that_is_killed_and_comes_back(
    rtsp_server: Any, tracker: Any, collector: Any, eventually: Any
) -> None:
    source = open_source(rtsp_server.url)
    assert (source.live, source.size) == (True, None)
    pipeline = Pipeline(source, tracker, sinks=[collector])
    with pipeline:
        eventually(lambda: len(collector.messages) >= 25)
        assert source.size == (640, 480)
        assert collector.messages[0].clock == "arrival"
        rtsp_server.kill()
        eventually(lambda: "reconnecting" in collector.states())
        before = len(collector.messages)
        rtsp_server.start()
        eventually(lambda: len(collector.messages) >= before + 25)
        assert pipeline.error is None
    assert pipeline.summary().reconnects == 1
    for earlier, later in pairwise(collector.messages):
        assert later.seq == earlier.seq + 1
        assert later.frame > earlier.frame
        assert later.pts_s > earlier.pts_s
        if later.clock == earlier.clock:  # by the sender's clock a picture is older than by its arrival
            assert later.t_capture_s > earlier.t_capture_s
    assert collector.states()[:2] == ["connecting", "live"]


def test_a_server_that_is_not_there_yet(
    rtsp_server: Any, tracker: Any, collector: Any, eventually: Any
) -> None:
    rtsp_server.kill()
    source = open_source(rtsp_server.url)
    retry = RetryPolicy(first_retry_s=0.2)
    with Pipeline(source, tracker, [collector], PipelineOptions(retry=retry)):
        eventually(lambda: "reconnecting" in collector.states())
        rtsp_server.start()
        eventually(lambda: len(collector.messages) >= 5)


def test_a_real_face_is_found_in_the_stream(rtsp_server: Any, collector: Any, eventually: Any) -> None:
    with (
        Tracker.open() as tracker,
        Pipeline(open_source(rtsp_server.url), tracker, sinks=[collector]) as pipeline,
    ):
        eventually(lambda: sum(bool(m.faces) for m in collector.messages) >= 10 or pipeline.error)
        assert pipeline.error is None
    (face,) = next(m.faces for m in reversed(collector.messages) if m.faces)
    assert face.valence is None or -1 <= face.valence <= 1
    x0, y0, x1, y1 = face.box
    assert 0 < x1 - x0 < 320
    assert 0 < y1 - y0 < 320
    assert not face.calibrated


def test_a_camera_that_refuses_tcp_gives_a_hint(rtsp_pictures: Path) -> None:
    if not is_installed():
        pytest.skip("GStreamer's RTSP server is not installed")
    for options in ("", "#transport=udp"):
        server = RtspServer(rtsp_pictures, only_udp=True)
        server.start()
        try:
            frames = open_source(server.url + options).frames()
            if options:
                assert next(frames).image.shape == (480, 640, 3)
                continue
            with pytest.raises(SourceError) as refused:
                next(frames)
            assert "#transport=udp" in refused.value.what
        finally:
            server.kill()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_capture_times_come_from_sender_reports(
    rtsp_server: Any, tracker: Any, collector: Any, eventually: Any, transport: str
) -> None:
    source = open_source(f"{rtsp_server.url}#transport={transport}")
    assert source.label == rtsp_server.url
    with Pipeline(source, tracker, sinks=[collector]) as pipeline:
        eventually(lambda: sum(m.clock == "rtcp" for m in collector.messages) >= 25 or pipeline.error)
        assert pipeline.error is None
    clocks = [message.clock for message in collector.messages]
    first = clocks.index("rtcp")  # GStreamer's first report comes after a second or two
    assert set(clocks[:first]) == {"arrival"}
    assert set(clocks[first:]) == {"rtcp"}
    for message in collector.messages[first:]:
        # Taken by the server before it arrived here: encoded, sent, decoded.
        assert 0 <= message.latency_ms.queue < 2000
    steps_s = [b.t_capture_s - a.t_capture_s for a, b in pairwise(collector.messages[first:])]
    frames = [b.frame - a.frame for a, b in pairwise(collector.messages[first:])]
    for step_s, count in zip(steps_s, frames, strict=True):  # the camera's rhythm, not that of arrival
        assert step_s == pytest.approx(count / 25, abs=0.005)


def test_arrival_is_the_time_where_that_is_asked_for(
    rtsp_server: Any, tracker: Any, collector: Any, eventually: Any
) -> None:
    with Pipeline(open_source(f"{rtsp_server.url}#clock=arrival"), tracker, sinks=[collector]):
        eventually(lambda: len(collector.messages) >= 75)
    assert {message.clock for message in collector.messages} == {"arrival"}


def test_a_camera_with_a_wrong_wall_clock_is_rejected(
    rtsp_server: Any, tracker: Any, collector: Any, eventually: Any
) -> None:
    def ahead() -> float:
        return time.time() + 3600.0  # the same as a camera that is an hour behind

    source = NetworkStream(rtsp_server.url, "cam", unix_clock=ahead)
    with Pipeline(source, tracker, sinks=[collector]):
        eventually(lambda: len(collector.messages) >= 75)
    assert {message.clock for message in collector.messages} == {"arrival"}


def test_over_tls_the_cameras_certificate_is_checked(
    rtsp_server: Any, certificate: tuple[Path, Path], tracker: Any, collector: Any, eventually: Any
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with Proxy(rtsp_server.port, context) as camera:
        url = f"rtsps://127.0.0.1:{camera.port}/clip"
        source = open_source(url)
        assert source.reachable()
        with pytest.raises(SourceError) as caught:
            next(iter(source.frames()))
        assert "certificate is not trusted" in caught.value.what  # which is what `status` says
        assert "#ca=FILE" in caught.value.hint
        for trusting in (f"{url}#ca={certificate[0]}", f"{url}#verify=no"):
            before = len(collector.messages)
            with Pipeline(open_source(trusting), tracker, sinks=[collector]) as pipeline:
                eventually(lambda before=before: len(collector.messages) >= before + 10 or pipeline.error)
                assert pipeline.error is None


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("rtsp://cam:99999/live", "port"),
        ("rtsp://cam:port/live", "port"),
        ("rtsp:///live", "no host"),
        ("rtsp://cam/live#transport=pigeon", "tcp, udp"),
        ("rtsps://cam/live#transport=udp", "one of: tcp"),
        ("rtsp://cam/live#verify=no", "rtsps://"),
        ("rtsps://cam/live#ca=/no/such.pem", "/no/such.pem"),
        ("rtsp://cam/live#hunter2", "#transport=udp"),
        ("rtsp://cam/live#hunter2=1", "#transport=udp"),
        ("rtsp://user:hun#ter2@cam/live", "port"),
        ("rtsp://user:hun#ter2@cam/live", "%23"),
        ("rtsp://user:hun/ter2@cam/live", "%2F"),
        ("rtsp://user:554#hunter2@cam/live", "#transport=udp"),
        ("rtsp://user:554#transport=hunter2@cam/live", "%23"),
        ("rtsp://user:554#rotate=hunter2@cam/live", "%23"),
        ("rtsp:/user:hunter2@cam/live", "no host"),
    ],
)
def test_an_address_that_cannot_be_is_said_without_its_secrets(address: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_source(address)
    text = f"{caught.value.what} {caught.value.hint}"
    assert says in text
    assert "ter2" not in text


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("rtsp://user:secret@cam.local:8554/main?token=secret#x", "rtsp://cam.local:8554/main"),
        ("rtsp://user:p%40ss@[fe80::1]/a", "rtsp://[fe80::1]/a"),
        ("rtsp://cam/live", "rtsp://cam/live"),
        ("rtsps://u@cam:99999/live", "rtsps://cam/live"),
        ("rtsp://cam:12/er2@host/x", "rtsp://host/x"),
        ("rtsp://cam:12/er2@host:554/x?token=1", "rtsp://host:554/x"),
        ("rtsp://cam:1@2/e@r@host/x", "rtsp://host/x"),
        ("rtsp://cam:12?er2@host/x", "rtsp://…"),
        ("rtsp://cam:12#er2@host/x", "rtsp://…"),
        ("rtsp://host/x?token=sec@ret", "rtsp://…"),
        ("rtsp://cam:[12@host/x", "rtsp://host/x"),
        ("rtsp://[12", "rtsp://…"),
        ("http://host/a@b", "http://b"),
    ],
)
def test_no_label_or_id_holds_credentials(url: str, label: str) -> None:
    assert without_credentials(url) == label


@pytest.mark.parametrize("sign", "/?@")
def test_a_password_with_a_sign_of_its_own_is_shown_nowhere_and_the_hint_says_how_to_write_it(
    sign: str,
) -> None:
    camera = open_source(f"rtsp://cam:12{sign}erase2@127.0.0.1:9/x")
    assert isinstance(camera, NetworkStream)
    with pytest.raises(SourceError) as caught:
        next(iter(camera.frames()))
    for text in (camera.label, camera.stream_id, caught.value.what, caught.value.hint):
        assert "12" not in text.replace("127", "")
        assert "erase2" not in text
    assert ("%2F" in caught.value.what) == (sign != "@")  # a second @ is no question: the last one counts


def test_an_rtsp_camera_hides_its_password_in_every_error() -> None:
    camera = open_source("rtsp://user:hunter2@127.0.0.1:9/live?key=hunter2")
    assert isinstance(camera, NetworkStream)
    assert "hunter2" not in camera.label + camera.stream_id
    with pytest.raises(SourceError) as caught:
        next(iter(camera.frames()))
    error: BaseException | None = caught.value
    assert "hunter2" not in str(error) + caught.value.hint
    assert caught.value.__suppress_context__
    assert camera.reachable() is False
