"""A small recording for tests: two people, one of whom leaves, marks, and a second stream without faces."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mtclar.stream.protocol.messages import (
    AffectMessage,
    MarkMessage,
    ModelInfo,
    StatusMessage,
    StreamInfo,
    SubjectInfo,
)

FRAMES = 50
START_S = 1000.0
STREAMS = (
    StreamInfo("cam", "webcam:0", True, (640, 480), 25.0, "latest", (SubjectInfo("anna", 1, ((0.5, 0.1),)),)),
    StreamInfo("door/2", "rtsp://door/", True, None, None, "latest"),
)
MARKS = (MarkMessage("trial 1", START_S + 0.5), MarkMessage("=2", START_S + 0.6, "cam"))


@pytest.fixture
def recording(tmp_path: Path, make_message: Callable[..., AffectMessage]) -> Path:
    """The folder of the recording: FRAMES frames of each stream, 25 a second; the second face is in every other one."""
    from mtclar.stream.recordings.writer import RecordingWriter

    writer = RecordingWriter(
        tmp_path / "recordings",
        session="P07",
        streams=STREAMS,
        model=ModelInfo("encoder-1", "ab" * 32, "onnxruntime"),
        support_sets={},
        clock=(1_800_000_000.0, START_S),
        program="mtclar-stream test",
    )
    for stream in STREAMS:
        writer.event(START_S, StatusMessage(stream.stream, "live"))
    for seq in range(FRAMES):
        t_s = START_S + seq / 25
        for stream, faces in (("cam", 1 + seq % 2), ("door/2", 0)):
            message = make_message(seq, stream=stream, faces=faces, t_s=t_s)
            others = tuple(replace(face, subject=None) for face in message.faces[1:])
            message = replace(message, faces=(*message.faces[:1], *others))
            writer.affect(t_s + 0.005, message)
        for mark in MARKS:
            if t_s <= mark.t_s < t_s + 0.04:
                writer.event(mark.t_s, mark)
    writer.event(START_S + FRAMES / 25, StatusMessage("cam", "reconnecting", 1.0, "no picture"))
    writer.close()
    return writer.folder
