"""Reads a recording: its manifest, its rows part by part, and all messages in the order in which they were sent."""

import heapq
import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from av.error import FFmpegError
from numpy.typing import NDArray
from pyarrow import parquet

from mtclar.engine.errors import UsageError
from mtclar.engine.files.reading import open_ordinary, read_ordinary
from mtclar.stream.protocol.messages import (
    AffectMessage,
    ClockMessage,
    MarkMessage,
    ModelInfo,
    StatusMessage,
    StreamInfo,
    SubjectInfo,
    SubjectsMessage,
)
from mtclar.stream.protocol.server_messages import decode_server
from mtclar.stream.recordings import EVENTS, FORMAT, MANIFEST, OPEN_PART, PART, VERSION, VIDEO, file_name
from mtclar.stream.recordings.rows import SCHEMA, messages_of
from mtclar.stream.recordings.video import first_capture_s

log = logging.getLogger(__name__)

MAX_MANIFEST_BYTES = 64 * 2**20
SENT, PTS = "t_message", "time"
ADDED_LATER = "caveats"
"""A column that older recordings do not have."""
DAMAGE = (ValueError, KeyError, TypeError, AttributeError, IndexError)
"""What parsing damaged JSON raises; UnicodeDecodeError and JSONDecodeError are ValueErrors."""

Event = MarkMessage | StatusMessage | ClockMessage | SubjectsMessage
Timed = tuple[float, AffectMessage | Event]
"""A message, and when it was sent: seconds on the clock of t_capture."""


def find_recording(path: Path) -> Path:
    """The folder of the recording: `path`, or the only recording in it. Raises UsageError."""
    if (path / MANIFEST).is_file():
        return path
    if not path.is_dir():
        raise UsageError(f"there is no recording {path}", "name a folder that `run --record` has written")
    found = sorted(manifest.parent for manifest in path.glob(f"*/{MANIFEST}"))
    if not found:
        raise UsageError(
            f"{path} is no recording: it has no {MANIFEST}", "name a folder that `run --record` has written"
        )
    if len(found) > 1:
        shown = ", ".join(folder.name for folder in found[-5:])
        raise UsageError(f"{path} has {len(found)} recordings", f"name one of them, such as {shown}")
    return found[0]


class Recording:
    """One recording. Raises UsageError when it is none, is of a newer version, or damaged.

    A recording whose process was killed has no `ended`; its rows end with the last flush.
    """

    def __init__(self, path: Path) -> None:
        self.folder = find_recording(path)
        manifest = self._read_manifest()
        try:
            self.participant: str = manifest["participant"]
            self.session: str = manifest["session"]
            self.started: str = manifest["started"]
            self.ended: str | None = manifest["ended"]
            self.unix_s, self.monotonic_s = (
                float(manifest["clock"]["unix"]),
                float(manifest["clock"]["monotonic"]),
            )
            self.model = None if manifest["model"] is None else ModelInfo(**manifest["model"])
            self.streams = tuple(map(_stream_info, manifest["streams"]))
            self.support_sets: Mapping[str, Sequence[Mapping[str, Any]]] = manifest["support_sets"]
            self._parts = self._find_parts([part["file"] for part in manifest["parts"]])
        except DAMAGE as error:
            raise self._damaged(MANIFEST, error) from error

    def frames(
        self, since_s: float = -math.inf, *, since_pts_s: float = -math.inf
    ) -> Iterator[tuple[float, AffectMessage]]:
        """The `affect` messages sent at `since_s` or later, with the times at which they were sent.

        `since_pts_s`: of them those with this time of the source or a later one.
        """
        for path in self._parts:
            times = self._times_of(path)
            if times is None or times[1] < since_s:
                continue
            if since_pts_s > -math.inf and (self._times_of(path, PTS) or times)[1] < since_pts_s:
                continue
            for sent_s, message in self._messages_of(path):
                if sent_s >= since_s and message.pts_s >= since_pts_s:
                    yield sent_s, message

    def progress(self) -> tuple[NDArray[np.str_], NDArray[np.float64], NDArray[np.float64]]:
        """Of each of N frames the stream, when it was sent, and its time of the source."""
        frames = [frame for path in self._parts for frame in self._progress_of(path)]
        times = np.array([frame[1:] for frame in frames], float).reshape(-1, 2)
        return np.array([frame[0] for frame in frames], np.str_), times[:, 0], times[:, 1]

    def span(self) -> tuple[float, float] | None:
        """When the first and the last message was sent; None without a message."""
        spans = [times for path in self._parts if (times := self._times_of(path)) is not None]
        moments = [*(t_s for t_s, _ in self.events()), *(t_s for span in spans for t_s in span)]
        return (min(moments), max(moments)) if moments else None

    def video(self, stream: str) -> tuple[Path, float] | None:
        """The first video of a stream and the capture time of its first frame; None without a usable one."""
        path = self.folder / VIDEO.format(stream=file_name(stream), number=1)
        try:
            return path, first_capture_s(path)
        except (OSError, FFmpegError, *DAMAGE):
            return None

    def events(self) -> Iterator[tuple[float, Event]]:
        """All other messages with the times at which they were sent."""
        path = self.folder / EVENTS
        try:
            with open_ordinary(path) as file:
                lines = file.read().split(b"\n")
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
        for number, line in enumerate(lines[:-1], 1):  # what follows the last newline was never complete
            try:
                fields = json.loads(line)
                event = _event(fields["message"])
                yield float(fields["t_message"]), event
            except DAMAGE as error:
                raise self._damaged(f"{EVENTS}, line {number}", error) from error

    def messages(self, since_s: float = -math.inf) -> Iterator[Timed]:
        """Frames and events sent at `since_s` or later, in the order in which they were sent."""
        events = (timed for timed in self.events() if timed[0] >= since_s)
        return heapq.merge(events, self.frames(since_s), key=itemgetter(0))

    def _messages_of(self, path: Path) -> list[tuple[float, AffectMessage]]:
        try:
            return list(messages_of(_read_part(path)))
        except (pyarrow.ArrowException, OverflowError, *DAMAGE) as error:
            raise self._damaged(path.name, error) from error
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror or error}") from error

    def _times_of(self, path: Path, column: str = SENT) -> tuple[float, float] | None:
        """The least and the greatest time of a part: from its statistics, if it is complete and sound."""
        if path.suffix == ".parquet":
            with suppress(pyarrow.ArrowException, OSError, *DAMAGE):
                return _extremes(parquet.read_metadata(path), column)
        times = [sent_s if column == SENT else message.pts_s for sent_s, message in self._messages_of(path)]
        return (min(times), max(times)) if times else None

    def _progress_of(self, path: Path) -> Iterator[tuple[str, float, float]]:
        """Stream, moment and time of the source of each frame; without the other columns, if the part is sound."""
        if path.suffix == ".parquet":
            with suppress(pyarrow.ArrowException, OSError, *DAMAGE):
                names = ["stream", SENT, PTS]
                table = parquet.read_table(
                    path, columns=names, schema=SCHEMA, page_checksum_verification=True
                )
                return zip(*(table[name].to_pylist() for name in names), strict=True)
        return ((message.stream, sent_s, message.pts_s) for sent_s, message in self._messages_of(path))

    def _read_manifest(self) -> dict[str, Any]:
        path = self.folder / MANIFEST
        try:
            manifest = json.loads(read_ordinary(path, MAX_MANIFEST_BYTES))
            if manifest["format"] != FORMAT:
                raise UsageError(
                    f"{path} is not the manifest of a recording", "name a folder of `run --record`"
                )
            if manifest["version"] > VERSION:
                raise UsageError(
                    f"{self.folder} was written by a newer version of mtclar-stream", "update this one"
                )
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
        except (RecursionError, *DAMAGE) as error:
            raise self._damaged(MANIFEST, error) from error
        return dict(manifest)

    def _find_parts(self, listed: Sequence[str]) -> list[Path]:
        """The parts in order, each in the form that is there; the last one may be without rows."""
        found = []
        for number in range(1, 10**9):
            whole, unfinished = (self.folder / name.format(number=number) for name in (PART, OPEN_PART))
            if whole.exists():
                found.append(whole)
            elif unfinished.exists():
                found.append(unfinished)
            else:
                break
        if missing := sorted(set(listed) - {path.relative_to(self.folder).as_posix() for path in found}):
            raise UsageError(f"{self.folder} is incomplete: {missing[0]} is missing", "copy the whole folder")
        return found

    def _damaged(self, where: str, error: Exception) -> UsageError:
        return UsageError(
            f"{self.folder} is damaged: {where}: {error}", "copy the recording again, if there is a copy"
        )


def _extremes(metadata: Any, name: str) -> tuple[float, float]:
    """The least and the greatest value in a column of a Parquet file. Raises ValueError where it does not say."""
    place = SCHEMA.get_field_index(name)  # lists, which have two levels, come after it
    groups = [metadata.row_group(number).column(place) for number in range(metadata.num_row_groups)]
    if not groups or any(one.path_in_schema != name or one.statistics is None for one in groups):
        raise ValueError("no statistics")
    return min(one.statistics.min for one in groups), max(one.statistics.max for one in groups)


def _read_part(path: Path) -> list[dict[str, Any]]:
    """The rows of a part. Damaged offsets would crash the conversion: they are checked before."""
    if path.suffix == ".parquet":
        if absent := set(SCHEMA.names) - {*parquet.read_schema(path).names, ADDED_LATER}:
            raise ValueError(f"there is no column {min(absent)}")  # it would be read as null
        table = parquet.read_table(path, schema=SCHEMA, page_checksum_verification=True)
        table.validate(full=True)
        return list(table.to_pylist())
    rows: list[dict[str, Any]] = []
    try:
        with open_ordinary(path) as file, pyarrow.ipc.open_stream(file) as batches:
            for batch in batches:
                batch.validate(full=True)
                known = pyarrow.schema([SCHEMA.field(name) for name in batch.schema.names])
                rows += ({ADDED_LATER: None} | row for row in batch.cast(known).to_pylist())
    except (pyarrow.ArrowException, OSError) as error:  # the process was killed while it wrote this batch
        log.warning("%s ends within a batch: %s", path, error)
    return rows


def _stream_info(fields: Mapping[str, Any]) -> StreamInfo:
    size = None if fields["size"] is None else (int(fields["size"][0]), int(fields["size"][1]))
    return StreamInfo(**{**fields, "size": size, "subjects": tuple(map(_subject_info, fields["subjects"]))})


def _subject_info(fields: Mapping[str, Any]) -> SubjectInfo:
    labels = tuple((float(valence), float(arousal)) for valence, arousal in fields["labels"])
    return SubjectInfo(fields["subject"], fields["frames"], labels)


def _event(message: dict[str, Any]) -> Event:
    event = decode_server(message)
    if not isinstance(event, Event):
        raise ValueError(f"a message of the type {message['type']!r}")
    return event
