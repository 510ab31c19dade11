"""The beginning of a video without encoding it again, and as a folder of images."""

from pathlib import Path

import av
import numpy as np

RATE_HZ = 44_100
CLIP_S = 12.0
"""Of the bundled clip; its calibration labels lie within."""


def beginning(clip: Path, out: Path, seconds: float = CLIP_S, tone: bool = False) -> None:
    """The first seconds of a video, as they are; with a tone, if asked for, as its sound."""
    with av.open(str(clip)) as source, av.open(str(out), "w") as container:
        stream = source.streams.video[0]
        copied = container.add_stream_from_template(stream)
        sound = container.add_stream("aac", rate=RATE_HZ, layout="mono") if tone else None
        for packet in source.demux(stream):
            if packet.pts is not None and packet.pts * packet.time_base < seconds - 1e-6:
                packet.stream = copied
                container.mux(packet)
        if sound is not None:
            wave = 0.2 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
            frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], "fltp", "mono")
            frame.rate = RATE_HZ
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))


def as_images(video: Path, folder: Path) -> None:
    """Every frame of a video as a JPEG."""
    folder.mkdir()
    with av.open(str(video)) as source:
        for number, frame in enumerate(source.decode(video=0)):
            frame.to_image().save(folder / f"{number:05}.jpg", quality=90)
