"""Attacks from many connections: the memory stays, and viewers get their messages."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.faults.attacks import ATTACKS, SOURCES, TOKEN, under_attack
from support.faults.tracker_process import Running

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]
ATTACK_S = 10.0
LEAST_SHARE = (
    0.9  # of the newest messages; a machine that does nothing else has .99 (docs/results/reliability.md)
)
MOST_MB = 30.0


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_takes_neither_memory_nor_messages(
    running: Callable[..., Running], tmp_path: Path, name: str
) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    run = running(*SOURCES, "--token-file", token)
    outcome = under_attack(name, run, ATTACK_S)
    assert outcome.every == outcome.made
    assert outcome.latest >= LEAST_SHARE * outcome.made
    assert outcome.mb_most <= outcome.mb_before + MOST_MB
    assert run.end() == 0
    assert "traceback" not in run.output.lower()
