"""What the fault tests share with the stream tests: the small tracker, the collector, the real RTSP server, clips."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.command_line import command, home
from support.faults.proxy import Proxy
from support.faults.rtsp import rtsp_pictures, rtsp_server
from support.faults.tracker_process import Running
from support.media.video_clips import clips, face_clip, labels, long_clip
from support.pipeline_parts import collector, eventually, make_message, tracker

from mtclar.stream.pipeline.pipeline import Pipeline, PipelineOptions
from mtclar.stream.sources import open_source

Watch = Callable[..., AbstractContextManager[Pipeline]]


@pytest.fixture
def watch(tracker: Any, collector: Any) -> Watch:
    """`watch(address, ...)` runs the whole chain behind that camera into `collector`; in the end it has not failed."""

    @contextmanager
    def following(address: str, **options: Any) -> Iterator[Pipeline]:
        source = open_source(address)
        with Pipeline(source, tracker, [collector], PipelineOptions(**options)) as pipeline:
            yield pipeline
            assert pipeline.error is None

    return following


@pytest.fixture
def network(rtsp_server: Any) -> Iterator[Proxy]:
    """A network between the camera and this machine, without faults at first."""
    with Proxy(rtsp_server.port) as proxy:
        yield proxy


@pytest.fixture
def running() -> Iterator[Callable[..., Running]]:
    """Starts `mtclar-stream run`; ends every process that still runs after the test."""
    started: list[Running] = []

    def start(*arguments: str | Path, **options: Any) -> Running:
        started.append(Running(*arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.wait()
