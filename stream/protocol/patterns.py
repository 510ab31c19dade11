"""Patterns of stream names in `subscribe`."""

import re


def is_pattern(name: str) -> bool:
    """Whether the name stands for any number of streams, those to come included."""
    return "*" in name


def matches(pattern: str, stream: str) -> bool:
    """Whether a pattern stands for this stream: each `*` is any text."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), stream, re.DOTALL) is not None
