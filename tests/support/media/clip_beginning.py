"""The beginning of a video without encoding it again."""

from pathlib import Path

import av

CLIP_S = 12.0
"""Of the bundled clip; its calibration labels lie within."""


def beginning(clip: Path, out: Path) -> None:
    """The first CLIP_S seconds of a video, as they are."""
    with av.open(str(clip)) as source, av.open(str(out), "w") as container:
        stream = source.streams.video[0]
        copied = container.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.pts is not None and packet.pts * packet.time_base < CLIP_S - 1e-6:
                packet.stream = copied
                container.mux(packet)
