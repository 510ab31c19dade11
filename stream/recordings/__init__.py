"""Recordings of a run on disk: `rows` (a message as rows), `writer`, `reader`, `media_time` (of files), `playback`,
`player` (serves one), `video`.

A recording is a folder: `manifest.json`, `faces/00001.parquet` and further parts, `events.jsonl` and perhaps videos.
docs/live/recordings.md describes it.
"""

import re

from mtclar.engine.errors import UsageError
from mtclar.engine.installation.extras import install_command

try:
    import pyarrow as _pyarrow  # noqa: F401
except ImportError as error:
    raise UsageError("recordings need pyarrow, which is not installed", install_command("parquet")) from error

MANIFEST = "manifest.json"
EVENTS = "events.jsonl"
PART = "faces/{number:05}.parquet"
"""A complete part of the rows, about a minute."""

OPEN_PART = "faces/_{number:05}.arrows"
"""The part that is being written, an Arrow stream: readable up to its last whole batch. Replaced by PART.

Readers of Parquet folders leave out files that begin with `_`."""

VIDEO = "video-{stream}-{number}.mkv"
"""A video of a stream; a second one begins after a failure."""

FORMAT = "mtclar-recording"
VERSION = 1


def file_name(text: str) -> str:
    """A name as part of a file's name: what is no letter, digit, `.`, `-` or `_` becomes `-`."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")[:80] or "unnamed"
