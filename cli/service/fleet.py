"""What the commands of a fleet share: its modules, which need an extra."""

from importlib import import_module
from typing import Any

from mtclar.engine.errors import UsageError
from mtclar.engine.installation.extras import install_command


def fleet_module(name: str) -> Any:
    """A module of mtclar.stream.fleet. Raises UsageError without the extra."""
    try:
        return import_module(f"mtclar.stream.fleet.{name}")
    except ImportError as error:
        raise UsageError(f"NATS cannot be used: {error}", install_command("nats")) from error
