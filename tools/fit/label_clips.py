"""Labelled clips as mtclar.label.evaluation_protocol takes them, for the tools that fit and measure `label`."""

from collections.abc import Sequence
from pathlib import Path

from mtclar.cli.reports.clip_protocol import clips_of
from mtclar.label.evaluation_protocol import LabelledClip
from mtclar.train.accuracy.answers import Networks
from mtclar.train.data.labelled import Clip as Video
from mtclar.train.rendered.held_out import open_clip


def folder_clips(folder: Path) -> list[Video]:
    """What `python -m mtclar.train.rendered.clip_set` wrote."""
    return [open_clip(path, path.stem) for path in sorted(folder.glob("*.mp4"))]


def encoded_clips(networks: Networks, videos: Sequence[Video]) -> list[LabelledClip]:
    """Every frame followed, cut and encoded."""
    return clips_of(networks.of_clips(videos, lambda _: None))
