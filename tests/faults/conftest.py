"""What the fault tests share with the stream tests: the small tracker, the collector, the real RTSP server."""

from ..stream.conftest import (  # noqa: TID252 (the tests have no absolute name)
    collector,
    eventually,
    face_pictures,
    rtsp_server,
    tracker,
)

__all__ = ["collector", "eventually", "face_pictures", "rtsp_server", "tracker"]
