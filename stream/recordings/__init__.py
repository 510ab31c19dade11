"""Recordings of a run on disk: `rows` (a message as rows), `writer`, `reader`, `player` (serves one).

A recording is a folder: `manifest.json`, `faces/00001.parquet` and further parts, `events.jsonl`.
docs/recordings.md describes it.
"""

from mtclar.engine.errors import UsageError

try:
    import pyarrow as _pyarrow  # noqa: F401
except ImportError as error:
    raise UsageError(
        "recordings need pyarrow, which is not installed", "pip install 'mtclar-stream[parquet]'"
    ) from error

MANIFEST = "manifest.json"
EVENTS = "events.jsonl"
PART = "faces/{number:05}.parquet"
"""A complete part of the rows, about a minute."""

OPEN_PART = "faces/_{number:05}.arrows"
"""The part that is being written, an Arrow stream: readable up to its last whole batch. Replaced by PART.

Readers of Parquet folders leave out files that begin with `_`."""

FORMAT = "mtclar-recording"
VERSION = 1
