"""Aff-Wild2 (Kollias & Zafeiriou 2019, arXiv:1811.07770): videos from the web, labelled frame by frame.

A text file for each person of each video, its first line `valence,arousal`, then one line a frame, in folders
Train_Set and Validation_Set anywhere below the root (text files of other tasks have other first lines and are
skipped); -5 means that the frame has no label. NAME_left.txt and NAME_right.txt are the two people of NAME's video.
Frame i is line i + 1: either cropped_aligned/NAME/00001.jpg (missing when no face was found), or the i-th frame of a
video file such as NAME.mp4, anywhere below the root.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

import av
import av.error
import numpy as np

from mtclar.engine.errors import UsageError
from mtclar.train.data.labelled import Clip, DatasetError, Picture, in_range, is_file, read_picture

log = logging.getLogger(__name__)

Split = Literal["train", "validation", "all"]
DEFAULT_SPLIT: Split = "validation"

HEADER = "valence,arousal"
IGNORED = -5.0
FRAMES_SHORT = 10  # videos of the data set have up to a few frames fewer than labels
FPS = 30.0  # of most of its videos; cropped frames come without times
FRAMES_FOLDER = "cropped_aligned"
FRAME_SUFFIX = ".jpg"
VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm")
SPLIT_FOLDERS: dict[str, Split] = {"train_set": "train", "validation_set": "validation"}


def load(root: Path, split: Split = DEFAULT_SPLIT) -> list[Clip]:
    """The clips of a split by name; `all` also takes text files that are in no folder of a split.

    Raises UsageError when there are none, DatasetError that names the broken file and line.
    """
    texts, frame_folders, videos = _walk(root)
    wanted = sorted(
        (path for path, found in texts.items() if split in ("all", found)), key=lambda path: path.name
    )
    if not wanted:
        raise UsageError(
            f"{root} has no {split} labels of Aff-Wild2: no text file with the first line '{HEADER}'"
            + ("" if split == "all" else f" in a folder {_folder_of(split)}"),
            f"name the folder that holds them; splits: {', '.join(get_args(Split))}",
        )
    return [_clip(path, frame_folders, videos) for path in wanted]


def _folder_of(split: Split) -> str:
    return next(name for name, found in SPLIT_FOLDERS.items() if found == split)


def _walk(root: Path) -> tuple[dict[Path, Split | None], dict[str, Path], dict[str, Path]]:
    """Text files with their split, folders of cropped frames by name, video files by name."""
    texts: dict[Path, Split | None] = {}
    frame_folders: dict[str, Path] = {}
    videos: dict[str, Path] = {}
    for place, folders, files in os.walk(root):
        folder = Path(place)
        if folder.name.startswith(FRAMES_FOLDER):
            frame_folders |= {name: folder / name for name in folders}
            folders.clear()  # millions of pictures are below
            continue
        folders.sort()
        parts = [part.lower() for part in folder.relative_to(root).parts]
        split = next((SPLIT_FOLDERS[part] for part in parts if part in SPLIT_FOLDERS), None)
        for name in files:
            path = folder / name
            if path.suffix.lower() in VIDEO_SUFFIXES:
                videos.setdefault(path.stem, path)
            elif path.suffix.lower() == ".txt" and _is_va(path):
                texts[path] = split
    return texts, frame_folders, videos


def _is_va(path: Path) -> bool:
    """Whether the first line is the header of V/A labels. Raises DatasetError for a file that cannot be read."""
    with _readable(path), path.open("rb") as file:
        first = file.readline(80).decode("utf-8-sig", "replace")
    return first.strip().replace(" ", "").lower() == HEADER


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns errors of reading and decoding into a DatasetError that names `path`."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not a text file: {error}") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error


def _clip(path: Path, frame_folders: dict[str, Path], videos: dict[str, Path]) -> Clip:
    name = path.stem
    va = np.array(list(_labels(path)), np.float32).reshape(-1, 2)
    if not len(va):
        raise DatasetError(f"{path} has no frame")
    if name in frame_folders:
        # Cropped frames show only the face of this file.
        return Clip(name, name, FPS, va, _cropped(frame_folders[name], len(va)))
    video, side = name, None
    for end in ("left", "right"):
        if name.endswith(f"_{end}"):
            video, side = name.removesuffix(f"_{end}"), end
    if name in videos:
        video, side = name, None
    if video not in videos:
        raise DatasetError(
            f"{path}: there is neither {FRAMES_FOLDER}/{name} nor a video {video} ({', '.join(VIDEO_SUFFIXES)})",
            "put the pictures or the videos below the same root",
        )
    fps = _fps(videos[video])
    return Clip(name, name, fps, va, _decoded(videos[video], len(va)), side=side)  # type: ignore[arg-type]


def _labels(path: Path) -> Iterator[tuple[float, float]]:
    """Valence and arousal of each line; nan, nan for a frame without a label."""
    with _readable(path):
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines[1:], start=2):
        where = f"{path}, line {number}"
        try:
            valence, arousal = (float(cell) for cell in line.split(","))
        except ValueError:
            raise DatasetError(f"{where}: {line!r} is not `valence,arousal`") from None
        if IGNORED in (valence, arousal):
            yield float("nan"), float("nan")
        elif in_range(valence) and in_range(arousal):
            yield valence, arousal
        else:
            raise DatasetError(f"{where}: {line!r} is not in [-1, 1], nor {IGNORED:g}")


def _cropped(folder: Path, count: int) -> Callable[[], Iterator[Picture | None]]:
    def picture(number: int) -> Picture | None:
        file = folder / f"{number:05d}{FRAME_SUFFIX}"
        return read_picture(file) if is_file(file) else None

    def pictures() -> Iterator[Picture | None]:
        return map(picture, range(1, count + 1))

    return pictures


def _decoded(path: Path, count: int) -> Callable[[], Iterator[Picture | None]]:
    def pictures() -> Iterator[Picture | None]:
        """Yields None for labels after the last frame of the video: some videos are a few frames short."""
        number = 0
        try:
            with av.open(str(path), metadata_errors="ignore") as container:
                for frame in container.decode(video=0):
                    if number == count:
                        return
                    yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                    number += 1
        except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
            raise DatasetError(f"{path}, frame {number}: it cannot be decoded: {error}") from error
        if count - number > FRAMES_SHORT:
            log.warning("%s breaks off: frames %d to %d of its labels are missing", path, number + 1, count)
        yield from [None] * (count - number)

    return pictures


def _fps(path: Path) -> float:
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            rate = container.streams.video[0].average_rate
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        raise DatasetError(f"{path} is not a video that can be read: {error}") from error
    return float(rate) if rate else FPS
