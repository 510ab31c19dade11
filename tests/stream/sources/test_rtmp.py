"""RTMP from a real server on loopback: its times, and a server that goes and comes back."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
from support.media.video_clips import picture
from support.peers.rtmp_server import RtmpServer
from support.pipeline_parts import assert_it_comes_back

from mtclar.engine.tracker import Tracker
from mtclar.stream.sources import open_source


@pytest.fixture
def server() -> Iterator[RtmpServer]:
    server = RtmpServer()
    server.start()
    yield server
    server.stop()


def test_frames_have_the_times_of_the_stream(server: RtmpServer) -> None:
    source = open_source(server.url)
    frames = list(islice(source.frames(), 20))
    source.close()
    assert (source.live, source.size) == (True, (64, 48))
    assert [frame.pts_s for frame in frames] == pytest.approx([n / 25 for n in range(20)], abs=2e-3)


def test_the_first_picture_is_that_of_the_first_key_frame(server: RtmpServer) -> None:
    """The next one comes 10 s later."""
    source = open_source(server.url)
    frame = next(iter(source.frames()))
    source.close()
    differences = [np.abs(frame.image.astype(float) - picture(64, 48, n)).mean() for n in range(60)]
    assert np.argmin(differences) == 0


def test_a_server_that_goes_and_comes_back(
    server: RtmpServer, tracker: Tracker, collector: Any, eventually: Any
) -> None:
    assert_it_comes_back(server, tracker, collector, eventually)
