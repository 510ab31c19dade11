"""A real RTSP camera (GStreamer's server with a real face): read, lost, found again."""

from itertools import pairwise
from typing import Any

from mtclar.engine.tracker import Tracker
from mtclar.stream.pipeline import Pipeline
from mtclar.stream.reader import Patience
from mtclar.stream.sources import open_source


def test_a_camera_that_is_killed_and_comes_back(
    rtsp_server: Any, tracker: Any, collector: Any, eventually: Any
) -> None:
    source = open_source(rtsp_server.url)
    assert (source.live, source.size) == (True, None)
    pipeline = Pipeline(source, tracker, sinks=[collector], on_status=collector.statuses.append)
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
        assert later.t_capture_s > earlier.t_capture_s
    assert collector.states()[:2] == ["connecting", "live"]


def test_a_server_that_is_not_there_yet(
    rtsp_server: Any, tracker: Any, collector: Any, eventually: Any
) -> None:
    rtsp_server.kill()
    source = open_source(rtsp_server.url)
    patience = Patience(first_retry_s=0.2)
    with Pipeline(source, tracker, sinks=[collector], on_status=collector.statuses.append, patience=patience):
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
