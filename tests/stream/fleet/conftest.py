"""Fixtures of the fleet's tests: one nats-server for a module."""

from collections.abc import Iterator

import pytest
from support.peers.nats_server import NatsServer, nats_server


@pytest.fixture(scope="module")
def bus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A real nats-server with JetStream."""
    with nats_server(tmp_path_factory.mktemp("nats")) as server:
        yield server
