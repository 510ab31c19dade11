"""Which worker should run which stream: every worker computes it from the same facts. No I/O, no clock."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

IMBALANCE = 1.5
"""A worker gives a stream away when it is busier than the idlest by the load of so many of its streams."""


@dataclass(frozen=True, slots=True)
class Member:
    """A worker that is alive."""

    name: str
    load: float = 0.0  # share of its processors in use, 0..1
    streams: int = 0
    draining: bool = False  # it takes no stream


@dataclass(frozen=True, slots=True)
class Owner:
    """Who has a stream, as the store says; `worker` is None after it was given away."""

    worker: str | None
    epoch: int
    revision: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the store says, and which workers are alive."""

    members: Mapping[str, Member]
    owners: Mapping[str, Owner]
    wishes: Mapping[str, str] = field(default_factory=dict)  # stream -> worker
    wanted: Set[str] = frozenset()  # all streams of the fleet

    @property
    def free(self) -> list[str]:
        """The wanted streams that no living worker has, by name."""
        return sorted(
            stream
            for stream in self.wanted
            if (owner := self.owners.get(stream)) is None or owner.worker not in self.members
        )


def targets(facts: Facts) -> dict[str, str]:
    """The worker that should take each free stream: the one that was wished for, else the least busy."""
    able = {name: member for name, member in facts.members.items() if not member.draining}
    if not able:
        return {}
    a_stream = _load_of_a_stream(facts)
    loads = {name: max(member.load, member.streams * a_stream) for name, member in able.items()}
    counts = {name: member.streams for name, member in able.items()}
    chosen = {}
    for stream in facts.free:
        wish = facts.wishes.get(stream)
        name = wish if wish in able else min(able, key=lambda one: (loads[one], counts[one], one))
        chosen[stream] = name
        loads[name] += a_stream
        counts[name] += 1
    return chosen


def to_release(facts: Facts, me: str, mine: Set[str], *, balance: bool) -> str | None:
    """A stream that this worker should give away now, if any: drained, wished elsewhere, or to a less busy worker."""
    others = [member for name, member in facts.members.items() if name != me and not member.draining]
    if not others or me not in facts.members:
        return None
    here = facts.members[me]
    able = {member.name for member in others}
    for stream in sorted(mine):
        if facts.wishes.get(stream) in able or here.draining:
            return stream
    if not balance or len(mine) < 2:
        return None
    a_stream = max(here.load, 1e-9) / len(mine)
    idlest = min(max(member.load, member.streams * _load_of_a_stream(facts)) for member in others)
    movable = sorted(stream for stream in mine if facts.wishes.get(stream) != me)
    return movable[-1] if movable and here.load - idlest > IMBALANCE * a_stream else None


def _load_of_a_stream(facts: Facts) -> float:
    """The mean load of a stream over all workers with a measured one; a small number before anything was measured."""
    measured = [member for member in facts.members.values() if member.streams and member.load > 0]
    streams, load = sum(one.streams for one in measured), sum(one.load for one in measured)
    return max(load / streams if streams else 0.0, 1e-6)
