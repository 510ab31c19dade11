"""The sources of frames: webcams, RTSP, browsers, files, the demo clip and synthetic pictures; opened by name."""

import re

from mtclar.engine.errors import UsageError
from mtclar.stream.registry import resolve
from mtclar.stream.sources.base import FORMS, Source

SOURCES = {
    "webcam": "mtclar.stream.sources.webcam:open_webcam",
    "rtsp": "mtclar.stream.sources.rtsp:open_rtsp",
    "rtsps": "mtclar.stream.sources.rtsp:open_rtsp",
    "browser": "mtclar.stream.sources.browser:open_browser",
    "demo": "mtclar.stream.sources.video:open_demo",
    "synthetic": "mtclar.stream.sources.synthetic:open_synthetic",
    "file": "mtclar.stream.sources.video:open_file_source",
}
"""Name -> `module:factory`. A factory takes the whole spec, a stream id or None, and whether to loop a file."""


def open_source(
    spec: str, *, stream_id: str | None = None, realtime: bool = False, loop: bool = False
) -> Source:
    """The source that `spec` names, checked as far as that is possible without waiting for a network.

    `spec` is a path, `/dev/videoN`, or one of SOURCES followed by nothing, `:`, `?` or `://`; `module:factory://...`
    opens a source of your own. `realtime` plays a file as if it were live, by its own times (`run --freshness paced`
    does the same in the pipeline). `loop` repeats a file without end. Raises UsageError for an invalid spec,
    SourceError for a camera or file that cannot be read.
    """
    spec = spec.strip()
    if not spec:
        raise UsageError("the source is empty", f"write {FORMS}")
    source: Source = resolve(_name(spec), SOURCES, "source")(spec, stream_id, loop)
    if realtime and not source.live:
        from mtclar.stream.sources.pace import PacedSource

        return PacedSource(source)
    return source


def _name(spec: str) -> str:
    """The entry of SOURCES that opens `spec`."""
    scheme, separator, _ = spec.partition("://")
    if separator and "/" not in scheme:
        return scheme.lower() if scheme.lower() in SOURCES else scheme
    if re.match(r"/dev/video\d", spec):
        return "webcam"
    word = re.split("[:?]", spec, maxsplit=1)[0]
    return word if word in SOURCES else "file"


__all__ = ["SOURCES", "Source", "open_source"]
