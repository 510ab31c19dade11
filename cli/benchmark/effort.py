"""How much `bench` measures: enough for published figures, or a quick check."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes that scaling measures."""

    streams: tuple[int, ...] = (1, 2, 4)
    faces: tuple[int, ...] = (1, 2, 4)
    support: tuple[int, ...] = (1, 4, 16, 64, 256)
    batch: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    frames: int = 150  # of each stream
    rounds: int = 60  # of each call


@dataclass(frozen=True, slots=True)
class Load:
    """What a server has to do while latency is measured."""

    fps: float = 30.0
    streams: int = 1
    faces: int = 1  # in each picture


@dataclass(frozen=True, slots=True)
class Effort:
    """The amount of each measurement."""

    frames: int  # of each stage and of a comparison; twice as many unpaced
    paced_s: float
    start_ups: int
    sizes: Sizes
    loads: tuple[Load, ...]
    load_s: float  # of each load


FULL = Effort(
    frames=500,
    paced_s=20.0,
    start_ups=10,
    sizes=Sizes(),
    loads=tuple(Load(fps, streams, faces) for streams in (1, 4) for faces in (1, 4) for fps in (30.0, 60.0)),
    load_s=8.0,
)
QUICK = Effort(
    frames=150,
    paced_s=8.0,
    start_ups=0,
    sizes=Sizes(streams=(1, 2), faces=(1, 4), support=(1, 16, 256), batch=(1, 4, 16), frames=45, rounds=20),
    loads=(Load(), Load(fps=60.0), Load(faces=4)),
    load_s=3.0,
)
