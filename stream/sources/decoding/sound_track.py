"""The sound of a media file as a track for browsers: Opus in WebM, mono, with times from the first frame."""

import io

import av

from mtclar.stream.sources.decoding.frames import readable_frames
from mtclar.stream.sources.decoding.media_file import MediaFile

RATE_HZ = 48_000
BITS_PER_S = 40_000  # clear speech; an hour has 18 MB


def sound_track(file: MediaFile) -> bytes | None:
    """The track of the best sound; None for a silent file. Sound that cannot be read ends where it breaks off."""
    out = io.BytesIO()
    written = False
    with file.open() as (opened, _):
        source = opened.streams.best("audio")
        if source is None or source.codec_context is None:
            return None
        resampler = av.AudioResampler("s16", "mono", RATE_HZ)
        with av.open(out, "w", format="webm") as container:
            stream = container.add_stream("libopus", rate=RATE_HZ)
            stream.layout = "mono"
            stream.bit_rate = BITS_PER_S
            for frame in readable_frames(opened, source):
                for part in resampler.resample(frame):
                    if part.pts is None or part.time_base is None:
                        continue
                    starts_s = float(part.pts * part.time_base) - file.first_frame_s
                    if starts_s < 0:
                        continue  # before the first frame, less than a packet
                    part.pts = round(starts_s * RATE_HZ)
                    container.mux(stream.encode(part))
                    written = True
            container.mux(stream.encode(None))
    return out.getvalue() if written else None
