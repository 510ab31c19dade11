"""Which worker should have which stream, from given facts."""

import pytest

from mtclar.stream.fleet.placement import Facts, Member, Owner, targets, to_release


def facts(*members: Member, owners: dict[str, str | None], wishes: dict[str, str] | None = None) -> Facts:
    return Facts(
        {member.name: member for member in members},
        {stream: Owner(worker, 1, 1) for stream, worker in owners.items() if worker != "never"},
        wishes or {},
        frozenset(owners),
    )


def test_streams_without_a_living_worker_are_free() -> None:
    known = facts(Member("a"), owners={"x": "a", "y": "dead", "z": None, "new": "never"})
    assert known.free == ["new", "y", "z"]


def test_free_streams_are_spread_over_idle_workers() -> None:
    known = facts(Member("a"), Member("b"), owners=dict.fromkeys(("s1", "s2", "s3", "s4"), None))
    assert list(targets(known).values()) == ["a", "b", "a", "b"]


def test_a_busy_worker_gets_less() -> None:
    known = facts(Member("a", 0.8, 4), Member("b", 0.2, 4), owners=dict.fromkeys(("s1", "s2", "s3"), None))
    assert set(targets(known).values()) == {"b"}


def test_what_was_just_taken_counts_before_it_is_measured() -> None:
    known = facts(Member("a", 0.0, 4), Member("b", 0.4, 2), owners={"s1": None})
    assert targets(known) == {"s1": "b"}


def test_a_drained_worker_gets_nothing_and_a_wish_is_heard() -> None:
    known = facts(
        Member("a", draining=True),
        Member("b"),
        Member("c"),
        owners={"s1": None, "s2": None},
        wishes={"s1": "c", "s2": "a"},
    )
    assert targets(known) == {"s1": "c", "s2": "b"}
    assert targets(facts(Member("a", draining=True), owners={"s1": None})) == {}


@pytest.mark.parametrize(
    ("loads", "given"),
    [
        ((0.6, 0.2), "s3"),  # three streams against one
        ((0.6, 0.4), None),  # three against two
        ((0.3, 0.25), None),
    ],
)
def test_a_busy_worker_gives_a_stream_to_an_idle_one(loads: tuple[float, float], given: str | None) -> None:
    counts = (3, round(loads[1] / 0.2))
    known = facts(
        Member("a", loads[0], counts[0]),
        Member("b", loads[1], counts[1]),
        owners=dict.fromkeys(("s1", "s2", "s3"), "a"),
    )
    assert to_release(known, "a", {"s1", "s2", "s3"}, balance=True) == given
    assert to_release(known, "a", {"s1", "s2", "s3"}, balance=False) is None


def test_drains_and_wishes_are_released_if_another_can_take_them() -> None:
    owners: dict[str, str | None] = {"s1": "a", "s2": "a"}
    wished = facts(Member("a"), Member("b"), owners=owners, wishes={"s2": "b"})
    assert to_release(wished, "a", {"s1", "s2"}, balance=False) == "s2"
    drained = facts(Member("a", draining=True), Member("b"), owners=owners)
    assert to_release(drained, "a", {"s1", "s2"}, balance=False) == "s1"
    alone = facts(Member("a", draining=True), owners=owners)
    assert to_release(alone, "a", {"s1", "s2"}, balance=False) is None


def test_a_stream_that_belongs_here_is_not_given_away_for_balance() -> None:
    known = facts(
        Member("a", 0.8, 2), Member("b"), owners={"s1": "a", "s2": "a"}, wishes={"s1": "a", "s2": "a"}
    )
    assert to_release(known, "a", {"s1", "s2"}, balance=True) is None
