"""What the fault tests share with the stream tests: the small tracker, the collector, the real RTSP server, clips."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty.proxy import Proxy
from faulty.serving import Running

from ..cli.conftest import clips, face_clip, home, labels, long_clip  # noqa: TID252 (the tests have no absolute name)
from ..stream.conftest import (  # noqa: TID252
    collector,
    eventually,
    face_pictures,
    rtsp_server,
    tracker,
)


@pytest.fixture
def network(rtsp_server: Any) -> Iterator[Proxy]:
    """A network between the camera and this machine, good until it is told otherwise."""
    with Proxy(rtsp_server.port) as proxy:
        yield proxy


@pytest.fixture
def running() -> Iterator[Callable[..., Running]]:
    """Starts `mtclar-stream run`; whatever still runs at the end is ended."""
    started: list[Running] = []

    def start(*arguments: str | Path, **options: Any) -> Running:
        started.append(Running(*arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.wait()


__all__ = [
    "clips",
    "collector",
    "eventually",
    "face_clip",
    "face_pictures",
    "home",
    "labels",
    "long_clip",
    "network",
    "rtsp_server",
    "running",
    "tracker",
]
