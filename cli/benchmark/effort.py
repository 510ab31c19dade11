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
class Effort:
    """The amount of each measurement."""

    frames: int  # of each stage and of a comparison; twice as many unpaced
    paced_s: float
    start_ups: int
    sizes: Sizes


FULL = Effort(frames=500, paced_s=20.0, start_ups=10, sizes=Sizes())
QUICK = Effort(
    frames=150,
    paced_s=8.0,
    start_ups=0,
    sizes=Sizes(streams=(1, 2), faces=(1, 4), support=(1, 16, 256), batch=(1, 4, 16), frames=45, rounds=20),
)
