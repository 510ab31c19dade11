"""Where frames come from: webcams, RTSP, browsers, files, the demo clip and synthetic pictures, opened by name."""

import re
from pathlib import Path

from mtclar.engine.errors import UsageError
from mtclar.stream.sources.base import KINDS, Source


def open_source(
    spec: str, *, stream_id: str | None = None, realtime: bool = False, loop: bool = False
) -> Source:
    """The source that `spec` names, checked as far as that is possible without waiting for a network.

    `realtime` plays a file as if it were live, by its own times (`run --freshness paced` does the same in the
    pipeline). `loop` begins a file again at its end. Raises UsageError for what cannot be a source, SourceError for a
    camera or file that cannot be read.
    """
    source = _open(spec.strip(), stream_id, loop)
    if realtime and not source.live:
        from mtclar.stream.sources.pace import PacedSource

        return PacedSource(source)
    return source


def _open(spec: str, stream_id: str | None, loop: bool) -> Source:
    # Each kind is imported when it is chosen: cv2 and av cost start-up time, and neither is needed by the other.
    if not spec:
        raise UsageError("the source is empty", f"a source is {KINDS}")
    if match := re.fullmatch(r"(?:webcam(?::([^?]+))?|/dev/video(\d+))(?:\?(.*))?", spec):
        from mtclar.stream.sources.webcam import Webcam, parse_mode

        which = match[1] or match[2] or "0"
        mode = None if match[3] is None else parse_mode(match[3])
        return Webcam(
            int(which) if which.isdecimal() else which, stream_id or f"webcam-{_name(which)}", mode=mode
        )
    if re.match(r"rtsps?://", spec, re.IGNORECASE):
        from mtclar.stream.sources.rtsp import RtspCamera

        return RtspCamera(spec, stream_id or _name(re.sub(r".*@|^\w+://|[?#].*", "", spec)))
    if spec == "browser":
        from mtclar.stream.sources.browser import BrowserSource

        return BrowserSource(stream_id or "browser")
    if spec == "demo":
        from mtclar.stream import demo_clip
        from mtclar.stream.sources.video import VideoFile

        return VideoFile(demo_clip.clip_path(), stream_id or "demo", label="demo", loop=loop)
    if re.match(r"synthetic(?=$|[:?])", spec):
        from mtclar.stream.sources.synthetic import open_synthetic

        return open_synthetic(spec, stream_id or "synthetic")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", spec):
        scheme = spec.split(":", 1)[0]
        raise UsageError(f"sources of the kind '{scheme}://' are not known", f"a source is {KINDS}")
    from mtclar.stream.sources.video import VideoFile

    try:
        path = Path(spec).expanduser()
    except (RuntimeError, ValueError) as error:
        user = spec.partition("/")[0]
        raise UsageError(f"{user!r} is nobody's home folder", "write the whole path") from error
    return VideoFile(path, stream_id or _name(path.stem), loop=loop)


def _name(text: str) -> str:
    """A stream id from a path or address: letters, digits, dot, dash and underscore."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")[:64] or "stream"


__all__ = ["KINDS", "Source", "open_source"]
