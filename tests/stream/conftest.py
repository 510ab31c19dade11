"""Fixtures of the stream's tests: clips, a small tracker, a running server, a real RTSP server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.faults.rtsp import rtsp_pictures, rtsp_server
from support.media.video_clips import make_clip
from support.peers.certificates import make_certificate
from support.pipeline_parts import cam_server, collector, eventually, make_message, make_tracker, tracker
from support.recordings import recording

from mtclar.stream.protocol.messages import Hello, StreamInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    with cam_server() as running:
        yield running


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))
