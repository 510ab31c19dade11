"""Options written behind any source, such as `clip.mp4?rotate=90&flip=h&deinterlace=1&stream=1`."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Frame
from mtclar.engine.errors import UsageError
from mtclar.engine.files.reading import expand_home
from mtclar.stream.sources.base import Source, WrappedSource

Image = NDArray[np.uint8]

VALUES = {
    "rotate": ("0", "90", "180", "270"),
    "flip": ("h", "v", "hv"),
    "deinterlace": ("0", "1"),
}
STREAM = "stream"
HINT = "options: rotate=90, flip=h, deinterlace=1 and, of a file or network stream, stream=1; joined by &"


@dataclass(frozen=True, slots=True)
class PictureOptions:
    """How each picture is changed: first deinterlaced, then rotated, then flipped."""

    rotate_deg: int = 0  # clockwise
    flip: str = ""  # h: left and right exchanged, v: up and down, hv: both
    deinterlace: bool = False

    def __call__(self, image: Image) -> Image:
        """The changed picture; `image` is [H, W, 3] BGR."""
        if self == UNCHANGED:
            return image
        if self.deinterlace:
            image = _deinterlaced(image)
        image = np.rot90(image, -self.rotate_deg // 90)
        if "h" in self.flip:
            image = image[:, ::-1]
        if "v" in self.flip:
            image = image[::-1]
        return np.ascontiguousarray(image)

    def size(self, size: tuple[int, int] | None) -> tuple[int, int] | None:
        """Width and height of a changed picture of this size."""
        return size if size is None or self.rotate_deg % 180 == 0 else (size[1], size[0])


UNCHANGED = PictureOptions()


def take_options(spec: str, kind: str) -> tuple[str, PictureOptions]:
    """A source without its picture options, and these; `kind` is `file`, `network` or another entry of SOURCES.

    Options follow `?`. In a network address they follow `#`, or stand among the parameters of the camera, which keeps
    all others. Raises UsageError for a value that an option does not have.
    """
    given: dict[str, str] = {}
    if kind == "network":
        address, _, fragment = spec.partition("#")
        if "@" in fragment:  # perhaps of a password: no message may show it, and the source says what to do
            return spec, UNCHANGED
        address, _, query = address.partition("?")
        rest, query = _take(fragment, given), _take(query, given, strict=False)
        bare = _joined(_joined(address, "?", query), "#", rest)
    else:
        name, options = split_file(spec) if kind == "file" else spec.partition("?")[::2]
        bare = _joined(name, "?", _take(options, given))
    rotate_deg, flip = int(given.get("rotate", 0)), given.get("flip", "")
    return bare if given else spec, PictureOptions(rotate_deg, flip, given.get("deinterlace") == "1")


def split_file(spec: str) -> tuple[str, str]:
    """The path of a file and the options behind it; a `?` may also be a part of the name."""
    path, _, options = spec.rpartition("?")
    if not path or expand_home(spec).exists() or not expand_home(path).exists():
        return spec, ""
    return path, options


def file_of(spec: str | Path) -> Path:
    """The file that a source names, without options."""
    return expand_home(split_file(str(spec))[0])


def stream_number(options: str, what: str) -> int | None:
    """The video stream of `stream=N`; None without. Raises UsageError for anything else."""
    given = dict(parse_qsl(options, keep_blank_values=True))
    number = given.pop(STREAM, None)
    if given or (options and number is None):
        raise UsageError(f"{what} has no option '{next(iter(given), options)}'", HINT)
    if number is not None and not (number.isdecimal() and len(number) < 4):
        raise UsageError(f"'{number}' is not the number of a video stream", HINT)
    return None if number is None else int(number)


class ChangedSource(WrappedSource):
    """A source whose pictures are changed."""

    def __init__(self, source: Source, change: PictureOptions) -> None:
        super().__init__(source)
        self._change = change

    @property
    def size(self) -> tuple[int, int] | None:
        return self._change.size(self._source.size)

    def frames(self) -> Iterator[Frame]:
        for frame in self._source.frames():
            yield replace(frame, image=self._change(frame.image))


def changed(source: Source, change: PictureOptions) -> Source:
    """The source with its pictures changed."""
    return source if change == UNCHANGED else ChangedSource(source, change)


def _joined(text: str, mark: str, rest: str) -> str:
    return f"{text}{mark}{rest}" if rest else text


def _take(options: str, given: dict[str, str], strict: bool = True) -> str:
    """Moves the picture options among `options` to `given`; the rest as it was written."""
    rest = []
    for option in options.split("&") if options else ():
        name, _, value = option.partition("=")
        if name in VALUES and value in VALUES[name]:
            given[name] = value
        elif name in VALUES and strict:
            raise UsageError(f"'{option}' is not an option", f"{name} is one of {', '.join(VALUES[name])}")
        else:
            rest.append(option)
    return "&".join(rest)


def _deinterlaced(image: Image) -> Image:
    """The first field, with the lines between its own interpolated: no delay, and the same for every source."""
    import cv2

    field = image[::2]
    whole = np.repeat(field, 2, axis=0)[: image.shape[0]]
    middle = cv2.addWeighted(field[:-1], 0.5, field[1:], 0.5, 0)
    whole[1 : 2 * len(middle) : 2] = middle
    return whole
