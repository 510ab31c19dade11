"""Fixtures of rendered people, small and rendered once. The renderer needs the extra [train]."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mtclar.train.rendered.drawing.renderer import View
    from mtclar.train.rendered.person.people import Person

SIDE = 160
GREY = np.full((4, 4, 3), 0.3, np.float32)
Show = Callable[..., NDArray[np.uint8]]


@pytest.fixture(scope="session")
def person() -> Person:
    """One person of the test split."""
    pytest.importorskip("numba", reason="the [train] extra is not installed")
    from mtclar.train.rendered.person.people import Person
    from mtclar.train.rendered.splits import TEST

    return Person.sample(TEST[3])


@pytest.fixture(scope="session")
def show(person: Person) -> Show:
    """Renders that person with a mixture of expressions in a View: [SIDE, SIDE, 3] BGR."""
    from mtclar.train.rendered.drawing.renderer import Light, View
    from mtclar.train.rendered.person.expressions import mixed

    renderer = person.renderer((SIDE, SIDE), texture_side=256)

    def render(mixture: Mapping[str, float] | None = None, view: View | None = None) -> NDArray[np.uint8]:
        weights = person.shows(mixed(mixture or {})[0])
        return renderer.render(weights, view or View(span=3.2), Light(), GREY)

    return render
