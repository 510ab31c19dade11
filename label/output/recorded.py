"""The faces of a recording of `run` as tables of `label`, for ELAN and NOVA: one for each stream and person."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from mtclar.engine.data_types import Affect
from mtclar.label.output.table import Table
from mtclar.stream.protocol.messages import MarkMessage
from mtclar.stream.recordings.reader import Recording

ABSENT = "no_face"
"""State of a frame of the stream without this face."""

NO_VALUE = (np.nan, np.nan)


@dataclass(slots=True)
class _StreamFrames:
    """The frames of one stream so far."""

    t_s: list[float] = field(default_factory=list)  # capture times
    faces: defaultdict[str, dict[int, Affect]] = field(
        default_factory=lambda: defaultdict(dict)
    )  # by name and frame


def tables_of(recording: Recording) -> Mapping[tuple[str, str], Table]:
    """By stream and name of the face: its subject, or `face-N` by its track.

    Every table has all frames of its stream, in the order of their capture. `first_frame_s` counts from the stream's
    video, if there is one.
    """
    streams: defaultdict[str, _StreamFrames] = defaultdict(_StreamFrames)
    zeros_s = {info.stream: _zero_s(recording, info.stream) for info in recording.streams}
    for _, message in recording.frames():
        frames = streams[message.stream]
        if message.t_capture_s < zeros_s[message.stream]:
            continue  # the video began a little later
        if frames.t_s and message.t_capture_s <= frames.t_s[-1]:
            continue  # the camera's clock was replaced by another one: once at most
        for face in message.faces:
            frames.faces[face.subject or f"face-{face.track_id}"][len(frames.t_s)] = face
        frames.t_s.append(message.t_capture_s)
    return {
        (stream, name): replace(_table(frames.t_s, faces), first_frame_s=frames.t_s[0] - zeros_s[stream])
        for stream, frames in streams.items()
        for name, faces in frames.faces.items()
    }


def marks_of(recording: Recording, stream: str) -> list[tuple[float, str]]:
    """The marks of a stream: seconds on the same clock, and the label; those before its beginning are at 0."""
    zero_s = _zero_s(recording, stream)
    return [
        (max(0.0, event.t_s - zero_s), event.label)
        for _, event in recording.events()
        if isinstance(event, MarkMessage) and event.stream in (None, stream)
    ]


def _zero_s(recording: Recording, stream: str) -> float:
    """The capture time of the first frame of a stream's video, or without one of the stream."""
    if (video := recording.video(stream)) is not None:
        return video[1]
    return next((message.t_capture_s for _, message in recording.frames() if message.stream == stream), 0.0)


def _table(t_s: list[float], faces: Mapping[int, Affect]) -> Table:
    values, sds = np.full((len(t_s), 2), np.nan), np.full((len(t_s), 2), np.nan)
    state = np.full(len(t_s), ABSENT, "<U16")
    for frame, face in faces.items():
        state[frame] = face.state
        if face.valence is not None and face.arousal is not None:
            values[frame] = face.valence, face.arousal
        if face.valence_sd is not None and face.arousal_sd is not None:
            sds[frame] = face.valence_sd, face.arousal_sd
    times_s = np.array(t_s) - t_s[0]
    return Table(times_s, values, sds, state, np.full((len(t_s), 2), NO_VALUE))
