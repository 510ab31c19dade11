"""An RTSP camera on a bad day: frozen and thawed, killed again and again, another size, garbage on its port."""

import socket
import threading
from pathlib import Path
from typing import Any

import cv2
import psutil
import pytest

from mtclar.stream.pipeline.reader import RetryPolicy

from .conftest import Watch

pytestmark = pytest.mark.faults
KILLS = 5


def test_a_frozen_server_is_a_stall_and_its_thaw_is_noticed(
    rtsp_server: Any, watch: Watch, collector: Any, eventually: Any
) -> None:
    with watch(rtsp_server.url) as pipeline:
        eventually(lambda: len(collector.messages) >= 10)
        process = psutil.Process()
        held = (process.num_fds(), process.num_threads())
        rtsp_server.freeze()
        eventually(lambda: "stalled" in collector.states())
        # A reader that failed would wait for ever; its error is clearer than a time-out.
        eventually(lambda: "reconnecting" in collector.states() or pipeline.error)
        assert pipeline.error is None
        before = len(collector.messages)
        rtsp_server.thaw()
        eventually(lambda: len(collector.messages) >= before + 10)
        eventually(lambda: collector.states()[-1] == "live")
        # The abandoned connection wakes up, finds that it is not needed, and frees its resources.
        eventually(lambda: (process.num_fds(), process.num_threads()) <= held)


def test_killed_again_and_again_nothing_piles_up(
    rtsp_server: Any, watch: Watch, collector: Any, eventually: Any
) -> None:
    process = psutil.Process()
    figures = []
    retry = RetryPolicy(first_retry_s=0.2)
    with watch(rtsp_server.url, retry=retry) as pipeline:
        for _ in range(KILLS):
            before = len(collector.messages)
            eventually(lambda before=before: len(collector.messages) >= before + 5)
            figures.append((process.num_fds(), threading.active_count()))
            rtsp_server.kill()
            eventually(lambda: collector.states()[-1] == "reconnecting")
            rtsp_server.start()
        eventually(lambda: collector.states()[-1] == "live")
    assert pipeline.summary().reconnects == KILLS
    descriptors, threads = zip(*figures, strict=True)
    assert max(descriptors[1:]) <= descriptors[0] + 2
    assert max(threads[1:]) <= threads[0] + 1


def test_a_camera_that_comes_back_with_another_size(
    rtsp_server: Any, watch: Watch, collector: Any, eventually: Any, tmp_path: Path
) -> None:
    for picture in sorted(rtsp_server.pictures.glob("*.jpg")):
        cv2.imwrite(str(tmp_path / picture.name), cv2.resize(cv2.imread(str(picture)), (320, 240)))
    with watch(rtsp_server.url):
        eventually(lambda: len(collector.messages) >= 5)
        rtsp_server.kill()
        rtsp_server.pictures = tmp_path
        rtsp_server.start()
        eventually(lambda: collector.messages[-1].size == (320, 240))


def test_garbage_on_the_cameras_port_is_a_failed_try_and_no_more(
    rtsp_server: Any, watch: Watch, collector: Any, eventually: Any
) -> None:
    rtsp_server.kill()
    stop = threading.Event()

    def babble(listening: socket.socket) -> None:
        listening.settimeout(0.1)
        while not stop.is_set():
            try:
                caller, _ = listening.accept()
            except TimeoutError:
                continue
            with caller:
                caller.settimeout(0.5)
                caller.sendall(b"\x00\xff RTSP/9.9 what?\r\n\r\n" * 50)

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", rtsp_server.port))
        listening.listen()
        thread = threading.Thread(target=babble, args=(listening,))
        thread.start()
        try:
            with watch(rtsp_server.url, retry=RetryPolicy(first_retry_s=0.1, max_retry_s=0.2)):
                eventually(lambda: collector.states().count("reconnecting") >= 3)
        finally:
            stop.set()
            thread.join(10)
    assert collector.messages == []
