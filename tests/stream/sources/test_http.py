"""Network streams that are not RTSP, from real servers on loopback; SRT is refused with what to do."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from support.peers.mjpeg_server import MjpegServer
from support.pipeline_parts import assert_it_comes_back

from mtclar.engine.errors import SourceError, UsageError
from mtclar.engine.tracker import Tracker
from mtclar.stream.sources import open_source


@pytest.fixture
def camera() -> Iterator[MjpegServer]:
    server = MjpegServer()
    server.start()
    yield server
    server.stop()


def test_motion_jpeg_has_the_times_of_its_arrival(camera: MjpegServer) -> None:
    source = open_source(f"{camera.url}?action=stream")
    assert (source.live, source.size, source.label) == (True, None, camera.url)
    frames = list(islice(source.frames(), 15))
    source.close()
    assert source.size == (64, 48)
    assert all(frame.clock == "arrival" for frame in frames)
    for frame in frames:
        assert frame.pts_s == pytest.approx(frame.t_capture_s - frames[0].t_capture_s, abs=2e-3)


def test_a_camera_that_goes_and_comes_back(
    camera: MjpegServer, tracker: Tracker, collector: Any, eventually: Any
) -> None:
    assert_it_comes_back(camera, tracker, collector, eventually)


def test_its_picture_is_rotated(camera: MjpegServer) -> None:
    assert next(open_source(f"{camera.url}#rotate=90").frames()).image.shape == (64, 48, 3)


def test_a_user_name_and_password_are_sent(camera: MjpegServer) -> None:
    camera.authorization = "Basic dXNlcjpzZWNyZXQ="
    address = camera.url.replace("//", "//user:secret@")
    assert next(open_source(address).frames()).image.shape == (48, 64, 3)
    with pytest.raises(SourceError) as refused:
        next(open_source(address.replace("secret", "wrong")).frames())
    assert "wrong" not in f"{refused.value.what} {refused.value.hint}"


@pytest.mark.parametrize(("algorithm", "answered"), [("MD5", True), ("SHA-256", False)])
def test_digest_authentication_is_md5(camera: MjpegServer, algorithm: str, answered: bool) -> None:
    """docs/live/sources.md says so; a later FFmpeg that answers SHA-256 fails here."""
    camera.authorization = "never"
    camera.challenge = f'Digest realm="camera", nonce="abc", qop="auth", algorithm={algorithm}'
    with pytest.raises(SourceError):
        next(open_source(camera.url.replace("//", "//user:secret@")).frames())
    assert any(header is not None for header in camera.seen) is answered


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("srt://host:9000", "run --source -"),
        ("http://host/x#transport=udp", "#stream=1"),
        ("http://host/x#verify=no", "TLS"),
        ("http://", "host"),
        ("rtmp://host:x/live", "port"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(spec: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        open_source(spec)
    assert hint in refused.value.hint
