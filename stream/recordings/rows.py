"""An `affect` message as rows of a recording, and back without loss: one row per face, one for a frame without a face.

The names are those of the other tables where they mean the same. t_message is when the message left the tracker, on the
clock of t_capture; t_unix is t_capture on the wall clock of the recording's start.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow

from mtclar.engine.data_types import Affect, Estimate
from mtclar.stream.protocol.face import Face
from mtclar.stream.protocol.messages import AffectMessage, LatencyMs, ReceivedAffect

Row = dict[str, Any]

_F64, _F32S, _TEXT = pyarrow.float64(), pyarrow.list_(pyarrow.float32()), pyarrow.string()
_TEXTS = pyarrow.list_(_TEXT)

SCHEMA = pyarrow.schema(
    [
        ("t_unix", _F64),
        ("t_message", _F64),
        ("stream", _TEXT),
        ("seq", pyarrow.int64()),
        ("frame", pyarrow.int64()),
        ("t_capture", _F64),
        ("clock", _TEXT),
        ("time", _F64),
        ("frame_width", pyarrow.int32()),
        ("frame_height", pyarrow.int32()),
        *((f"{part}_ms", _F64) for part in ("queue", "track", "estimate")),
        ("dropped", pyarrow.int64()),
        ("true_valence", _F64),
        ("true_arousal", _F64),
        ("track", pyarrow.int64()),  # null: no face in this frame; so are all that follow
        ("subject", _TEXT),
        ("state", _TEXT),
        ("faults", _TEXTS),
        ("caveats", _TEXTS),  # null in recordings before it was known
        ("drift", _TEXTS),
        *((name, _F64) for name in ("valence", "arousal", "valence_sd", "arousal_sd")),
        *((f"raw_{name}", _F64) for name in ("valence", "arousal", "valence_sd", "arousal_sd")),
        *((f"absolute_{name}", _F64) for name in ("valence", "arousal")),
        ("in_support", pyarrow.bool_()),
        ("nearest", pyarrow.int64()),
        ("similarity", _F32S),
        *((name, _F64) for name in ("x", "y", "right", "bottom", "yaw", "pitch", "roll")),
        ("blendshapes", _F32S),
    ]
)
"""The columns of a part; null where there is no value."""


def rows_of(message: AffectMessage | ReceivedAffect, t_message_s: float, unix_offset_s: float) -> list[Row]:
    """The rows of one message; `unix_offset_s` is Unix time minus the monotonic clock.

    A received message has only what mtclar.v1 has: no sd and no absolute value of the raw estimate, one similarity.
    """
    truth_v, truth_a = message.truth or (None, None)
    frame: Row = {
        "t_unix": message.t_capture_s + unix_offset_s,
        "t_message": t_message_s,
        "stream": message.stream,
        "seq": message.seq,
        "frame": message.frame,
        "t_capture": message.t_capture_s,
        "clock": message.clock,
        "time": message.pts_s,
        "frame_width": message.size[0],
        "frame_height": message.size[1],
        "queue_ms": message.latency_ms.queue,
        "track_ms": message.latency_ms.track,
        "estimate_ms": message.latency_ms.estimate,
        "dropped": message.dropped,
        "true_valence": truth_v,
        "true_arousal": truth_a,
    }
    cells = (_received_cells(face) if isinstance(face, Face) else _face_cells(face) for face in message.faces)
    return [frame | one for one in cells] or [frame]


def messages_of(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[float, AffectMessage]]:
    """The messages of consecutive rows, each with the time at which it left the tracker.

    Raises TypeError or ValueError for times that are none.
    """
    start = 0
    for end in range(1, len(rows) + 1):
        first = rows[start]
        if end < len(rows) and (rows[end]["stream"], rows[end]["seq"]) == (first["stream"], first["seq"]):
            continue
        yield first["t_message"], _message(rows[start:end])
        start = end


def _face_cells(face: Affect) -> Row:
    cells: Row = {
        "track": int(face.track_id),
        "subject": face.subject,
        "state": face.state,
        "faults": list(face.quality_issues),
        "caveats": list(face.caveats),
        "drift": None if face.drift is None else list(face.drift),
        "valence": face.valence,
        "arousal": face.arousal,
        "valence_sd": face.valence_sd,
        "arousal_sd": face.arousal_sd,
        "blendshapes": face.blendshapes,
    }
    cells |= zip(("x", "y", "right", "bottom"), map(float, face.box), strict=True)
    if face.pose_deg is not None:
        cells |= zip(("yaw", "pitch", "roll"), map(float, face.pose_deg), strict=True)
    if (raw := face.raw) is not None:
        cells |= {
            "raw_valence": raw.valence,
            "raw_arousal": raw.arousal,
            "raw_valence_sd": raw.valence_sd,
            "raw_arousal_sd": raw.arousal_sd,
            "absolute_valence": raw.absolute[0],
            "absolute_arousal": raw.absolute[1],
            "in_support": bool(raw.in_support),
            "nearest": None if raw.nearest is None else int(raw.nearest),
            "similarity": raw.similarity,
        }
    return cells


def _received_cells(face: Face) -> Row:
    cells: Row = {
        "track": face.id,
        "subject": face.subject,
        "state": face.state,
        "faults": list(face.faults or ()),
        "caveats": list(face.caveats or ()),
        "drift": None if face.drift is None else list(face.drift),
        "valence": face.valence,
        "arousal": face.arousal,
    }
    if face.sd is not None:
        cells |= zip(("valence_sd", "arousal_sd"), face.sd, strict=True)
    if face.box is not None:
        x, y, width, height = face.box
        cells |= {"x": x, "y": y, "right": x + width, "bottom": y + height}
    if face.pose is not None:
        cells |= zip(("yaw", "pitch", "roll"), face.pose, strict=True)
    if face.raw is not None:
        nearest = face.nearest_similarity
        cells |= {
            "raw_valence": face.raw[0],
            "raw_arousal": face.raw[1],
            "in_support": bool(face.in_support),
            "nearest": None if nearest is None else 0,
            "similarity": [] if nearest is None else [nearest],
        }
    return cells


def _message(rows: Sequence[Mapping[str, Any]]) -> AffectMessage:
    row = rows[0]
    for name in ("t_message", "t_capture", "time"):
        if not math.isfinite(row[name]):
            raise ValueError(f"{name} is {row[name]}")
    return AffectMessage(
        stream=row["stream"],
        seq=row["seq"],
        frame=row["frame"],
        t_capture_s=row["t_capture"],
        clock=row["clock"],
        pts_s=row["time"],
        size=(row["frame_width"], row["frame_height"]),
        latency_ms=LatencyMs(row["queue_ms"], row["track_ms"], row["estimate_ms"]),
        dropped=row["dropped"],
        faces=tuple(_face(row) for row in rows if row["track"] is not None),
        truth=None if row["true_valence"] is None else (row["true_valence"], row["true_arousal"]),
    )


def _face(row: Mapping[str, Any]) -> Affect:
    raw = None
    if row["raw_valence"] is not None:
        raw = Estimate(
            row["raw_valence"],
            row["raw_arousal"],
            _number(row["raw_valence_sd"]),
            _number(row["raw_arousal_sd"]),
            np.asarray(row["similarity"], np.float32),
            row["nearest"],
            row["in_support"],
            (_number(row["absolute_valence"]), _number(row["absolute_arousal"])),
        )
    return Affect(
        track_id=row["track"],
        subject=row["subject"],
        state=row["state"],
        box=(row["x"], row["y"], row["right"], row["bottom"]),
        pose_deg=None if row["yaw"] is None else (row["yaw"], row["pitch"], row["roll"]),
        valence=row["valence"],
        arousal=row["arousal"],
        valence_sd=row["valence_sd"],
        arousal_sd=row["arousal_sd"],
        raw=raw,
        quality_issues=tuple(row["faults"]),
        drift=None if row["drift"] is None else tuple(row["drift"]),
        blendshapes=None if row["blendshapes"] is None else np.asarray(row["blendshapes"], np.float32),
        caveats=tuple(row["caveats"] or ()),
    )


def _number(cell: float | None) -> float:
    """NaN where a received message had no value."""
    return float("nan") if cell is None else cell
