"""Resolves names of sources, sinks and markers to their factories; a factory's module is imported when it is chosen."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from mtclar.engine.errors import UsageError
from mtclar.engine.installation.extras import install_command


def resolve(name: str, table: Mapping[str, str], kind: str) -> Any:
    """The factory that `name` stands for: an entry of `table`, or a `module:factory` of the user's own.

    `kind` is how messages call it. Raises UsageError when there is no such name, module or factory.
    """
    target = table.get(name, name)
    module, separator, factory = target.partition(":")
    if not (separator and module and factory):
        raise UsageError(
            f"there is no {kind} '{name}'",
            f"one of: {', '.join(table)}; or module:factory for one of your own",
        )
    if name in table:
        return getattr(import_module(module), factory)
    try:
        return getattr(import_module(module), factory)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"the {kind} '{name}' cannot be imported: {error}", "is its folder in PYTHONPATH?"
        ) from error


def resolve_with_extra(name: str, table: Mapping[str, str], kind: str) -> Any:
    """As `resolve`, for a table whose modules are called as the extras they need. Raises UsageError without one."""
    try:
        return resolve(name, table, kind)
    except (ImportError, RuntimeError) as error:  # pylsl raises the second where liblsl is missing
        reason = str(error).partition("\n")[0]
        extra = table[name].partition(":")[0].rpartition(".")[2]
        raise UsageError(f"the {kind} '{name}' cannot be loaded: {reason}", install_command(extra)) from error
