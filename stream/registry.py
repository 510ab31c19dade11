"""Resolves the name of a source or sink to its factory; the factory's module is imported when it is chosen."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from mtclar.engine.errors import UsageError


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
