"""A sentence about a calibration: English text, and a key with values by which a page says it in another language."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sentence:
    """`key` names a wording in the tables of the pages; `values` are what it has in braces."""

    key: str
    text: str
    values: Mapping[str, str | int] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text
