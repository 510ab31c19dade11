"""Writes valence and arousal of every frame of a video to a CSV file: python file_to_csv.py VIDEO OUT.csv."""

import sys
from contextlib import closing

from mtclar.engine import Tracker
from mtclar.stream import Pipeline, open_sink, open_source

video, out = sys.argv[1:]
with (
    closing(open_source(video)) as source,
    Tracker.open() as tracker,
    Pipeline(source, tracker, [open_sink(f"csv://{out}")]) as pipeline,
):
    pipeline.wait()
if pipeline.error is not None:  # the video, the tracker or the disk failed
    raise pipeline.error
print(f"{pipeline.summary().frames} frames in {out}")
