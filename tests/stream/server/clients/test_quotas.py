"""Limits: who counts as one address, attempts that refill slowly, descriptors that are kept back."""

import resource

import pytest

from mtclar.stream.server.clients.quotas import AddressBuckets, address_of, allow_descriptors
from mtclar.stream.server.limits import DESCRIPTORS_KEPT, Limits


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        (("192.0.2.7", 4711), "192.0.2.7"),
        (("::ffff:192.0.2.7", 4711, 0, 0), "192.0.2.7"),
        (("2001:db8:1:2:aaaa::1", 4711, 0, 0), "2001:db8:1:2::"),
        (("2001:db8:1:2:bbbb::9", 4711, 0, 0), "2001:db8:1:2::"),
        (("2001:db8:1:3::1", 4711, 0, 0), "2001:db8:1:3::"),
        (("fe80::1%eth0", 4711, 0, 2), "fe80::"),
        ("", "unknown"),
        (None, "unknown"),
        (("somewhere", 1), "somewhere"),
    ],
)
def test_an_ipv6_host_has_a_whole_network_of_addresses(peer: object, expected: str) -> None:
    assert address_of(peer) == expected


def test_the_tokens_of_an_address_run_out_and_come_back_one_by_one() -> None:
    now_s = [100.0]
    buckets = AddressBuckets(3, 1 / 6.0, clock=lambda: now_s[0])
    assert [buckets.take("a") for _ in range(4)] == [True, True, True, False]
    assert buckets.take("b")
    now_s[0] += 5.9
    assert not buckets.take("a")
    now_s[0] += 0.2
    assert [buckets.take("a") for _ in range(2)] == [True, False]
    now_s[0] += 1000  # no more than at first, however long it was quiet
    assert [buckets.take("a") for _ in range(4)] == [True, True, True, False]


def test_addresses_are_not_remembered_without_end() -> None:
    buckets = AddressBuckets(1, 0.0, clock=lambda: 0.0)
    for number in range(10_000):
        buckets.take(str(number))
    assert len(buckets) < 5_000
    assert not buckets.take("9999")


def test_connections_fit_into_the_descriptors() -> None:
    limits = Limits(clients=1000, clients_per_address=300, pages=64)
    assert limits.for_descriptors(4096) is limits
    fitted = limits.for_descriptors(256)
    assert fitted.clients + fitted.pages == 256 - DESCRIPTORS_KEPT
    assert fitted.clients_per_address == fitted.clients == 64
    least = limits.for_descriptors(10)
    assert (least.clients, least.pages) == (1, 1)
    assert fitted.handshake_s == limits.handshake_s


def test_the_process_may_open_as_many_files_as_the_system_lets_it() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
        assert allow_descriptors(256) == min(soft, 512)
        wanted = min(hard, 1024) if hard != resource.RLIM_INFINITY else 1024
        assert allow_descriptors(wanted) == wanted
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == wanted
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_sandbox_that_forbids_more_files_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("not here")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert allow_descriptors(1024) == 256
