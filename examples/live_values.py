"""Prints valence and arousal of every face of a camera: python live_values.py [SOURCE [SUPPORT_SET]]."""

import sys
from contextlib import closing
from pathlib import Path

from mtclar.engine import SupportSet, Tracker
from mtclar.stream import AffectMessage, Pipeline, Sink, open_source


class Print(Sink):
    """A sink gets every message of the pipeline on a thread of its own."""

    def affect(self, message: AffectMessage) -> None:
        for face in message.faces:
            if face.valence is not None and face.arousal is not None:
                print(f"{message.pts_s:7.2f} s  {face.subject}  V {face.valence:+.2f}  A {face.arousal:+.2f}")


source_name, *support_paths = sys.argv[1:] or ["webcam"]
supports = [SupportSet.load(Path(path)) for path in support_paths]
with (
    closing(open_source(source_name)) as source,  # a webcam, an RTSP address, a file
    Tracker.open(supports) as tracker,  # without a support set it is not calibrated to anybody
    Pipeline(source, tracker, [Print()]) as pipeline,
):
    pipeline.wait()
