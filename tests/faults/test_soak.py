"""Two minutes of faults in turn: nothing grows, no message is missing. `make soak` does the same for an hour."""

import pytest
from support.faults.rtsp import is_installed

from tools import soak

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

SECONDS = 120.0
EVERY_S = 12.0


def test_nothing_grows_and_nothing_is_lost() -> None:
    if not is_installed():
        pytest.skip("GStreamer's RTSP server is not installed")
    result = soak.soak(SECONDS, EVERY_S)
    assert {kind for _, kind in result.faults} >= {
        "connection cut",
        "server killed",
        "server frozen",
        "damaged packets",
        "crowd of clients",
        "client that never reads",
    }
    assert len(result.samples) > SECONDS / 4
    assert result.samples[-1].messages > 100
    assert result.findings() == []
