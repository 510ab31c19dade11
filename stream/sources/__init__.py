"""The sources of frames, opened by name: webcams, network streams, browsers, files, stdin, synthetic pictures.

`base` is their protocol, `options` are those behind any address. `webcam`, `network`, `browser`, `pipe`, `video`,
`folder` and `synthetic` are the sources; `decoding` makes pictures of bytes, `times` and `pace` make times.
"""

import re
from pathlib import Path

from mtclar.engine.errors import UsageError
from mtclar.stream.registry import resolve
from mtclar.stream.sources.base import FORMS, Source

SOURCES = {
    "webcam": "mtclar.stream.sources.webcam:open_webcam",
    "rtsp": "mtclar.stream.sources.network:open_network",
    "rtsps": "mtclar.stream.sources.network:open_network",
    "http": "mtclar.stream.sources.network:open_network",
    "https": "mtclar.stream.sources.network:open_network",
    "rtmp": "mtclar.stream.sources.network:open_network",
    "rtmps": "mtclar.stream.sources.network:open_network",
    "srt": "mtclar.stream.sources.network:open_srt",
    "pipe": "mtclar.stream.sources.pipe:open_pipe",
    "browser": "mtclar.stream.sources.browser:open_browser",
    "demo": "mtclar.stream.sources.video:open_demo",
    "synthetic": "mtclar.stream.sources.synthetic:open_synthetic",
    "file": "mtclar.stream.sources.video:open_file_source",
}
"""Name -> `module:factory`. A factory takes the whole spec, a stream id or None, and whether to loop a file."""

NETWORK = frozenset({"rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "srt"})
"""The entries of SOURCES whose options follow `#`: what follows `?` belongs to the camera."""


def open_source(
    spec: str, *, stream_id: str | None = None, realtime: bool = False, loop: bool = False
) -> Source:
    """The source that `spec` names, checked as far as that is possible without waiting for a network.

    `spec` is a path, `/dev/videoN`, or one of SOURCES followed by nothing, `:`, `?` or `://`; `module:factory://...`
    opens a source of your own. The options of docs/live/sources.md may follow. `realtime` plays a file as if it were
    live, by its own times (`run --freshness paced` does the same in the pipeline). `loop` repeats a file without end.
    Raises UsageError for an invalid spec, SourceError for a camera or file that cannot be read.
    """
    if not spec.strip():
        raise UsageError("the source is empty", f"write {FORMS}")
    from mtclar.stream.sources.options import UNCHANGED, changed, take_options  # it brings numpy

    name = name_of(spec)
    spec = spec if name == "file" else spec.strip()
    change = UNCHANGED
    if name != "browser":  # its uploads are looked up by the type of the source
        spec, change = take_options(spec, "network" if name in NETWORK else name)
    source: Source = resolve(name, SOURCES, "source")(spec, stream_id, loop)
    source = changed(source, change)
    if realtime and not source.live:
        from mtclar.stream.sources.pace import PacedSource

        return PacedSource(source)
    return source


def name_of(spec: str) -> str:
    """The entry of SOURCES that opens `spec`."""
    if spec not in SOURCES and Path(spec).is_file():
        return "file"
    spec = spec.strip()
    scheme, separator, _ = spec.partition("://")
    if separator and "/" not in scheme:
        return scheme.lower() if scheme.lower() in SOURCES else scheme
    if re.match(r"/dev/(video\d|v4l/)", spec):
        return "webcam"
    if re.match(r"-(\?|$)", spec):
        return "pipe"
    word = re.split("[:?]", spec, maxsplit=1)[0]
    return word if word in SOURCES else "file"


__all__ = ["SOURCES", "Source", "open_source"]
