"""The Source protocol, and how sources are named."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # it brings numpy: help texts need FORMS alone
    from mtclar.engine.data_types import Frame

FORMS = (
    "webcam[:N or name], /dev/videoN, an address (rtsp://, http://, rtmp://), browser, a video file or folder, "
    "- (standard input), demo or synthetic[:WxH@FPS][?faces=N]"
)
"""How a source is written: in errors and in the help of every command."""

HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
HEIF_HINT = "convert them to JPEG, for example with `heif-convert IN.heic OUT.jpg` (Debian: libheif-examples)"
"""Photos of phones: OpenCV's wheels do not read them, and FFmpeg gives each of their tiles as a video."""


class Source(Protocol):
    """Where frames come from. One thread iterates `frames()`; any thread may read the properties or call `close`."""

    @property
    def stream_id(self) -> str:
        """The name of the stream in every message."""
        ...

    @property
    def label(self) -> str:
        """The source in words for people; never with a user name or password."""
        ...

    @property
    def live(self) -> bool:
        """True: an end is a failure and the reader reconnects; the newest frame wins. False: it ends, as a file does.

        The only place that decides it: freshness, reconnecting and the offer of the calibration page follow from it.
        """
        ...

    @property
    def size(self) -> tuple[int, int] | None:
        """Width, height in pixels; None until it is connected."""
        ...

    @property
    def fps(self) -> float | None:
        """Frames per second as the source announces them; None when unknown."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """The user's files that it reads, which nothing may overwrite; empty for live and generated sources."""
        ...

    def frames(self) -> "Iterator[Frame]":
        """One connection, from connecting to its end; raises SourceError when it fails. May be called again."""
        ...

    def reachable(self) -> bool | None:
        """Whether connecting is worth a try, found out within half a second; None when that cannot be known."""
        ...

    def close(self) -> None:
        """Ends the running `frames()` soon and for good; safe from any thread, and twice."""
        ...


def length_of(source: Source) -> float | None:
    """How long a recording is, in seconds: the attribute `length_s`, which a source need not have; None if unknown."""
    return getattr(source, "length_s", None)


def stream_name(text: str) -> str:
    """A stream id from a path or address: letters, digits, dot, dash and underscore; never a number.

    Readers of tables would turn a column of names such as 00 into numbers.
    """
    name = re.sub(r"[^\w.-]+", "-", text).strip("-.")[:64]
    return name if re.search(r"[^\W\d_]", name) else f"stream-{name}".rstrip("-")


class WrappedSource:
    """A source that passes everything on to another one; override what differs."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.stream_id, self.label, self.live = source.stream_id, source.label, source.live

    @property
    def size(self) -> tuple[int, int] | None:
        return self._source.size

    @property
    def fps(self) -> float | None:
        return self._source.fps

    @property
    def length_s(self) -> float | None:
        return length_of(self._source)

    @property
    def files(self) -> tuple[Path, ...]:
        return self._source.files

    def frames(self) -> "Iterator[Frame]":
        return self._source.frames()

    def reachable(self) -> bool | None:
        return self._source.reachable()

    def close(self) -> None:
        self._source.close()
