"""Rendered people that several tests look at: small and rendered once."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from mtclar.train.rendered.expressions import mixed
from mtclar.train.rendered.people import Person
from mtclar.train.rendered.renderer import Light, View
from mtclar.train.rendered.splits import TEST

SIDE = 160
GREY = np.full((4, 4, 3), 0.3, np.float32)
Show = Callable[..., NDArray[np.uint8]]


@pytest.fixture(scope="session")
def person() -> Person:
    """Somebody of the test split."""
    return Person.sample(TEST[3])


@pytest.fixture(scope="session")
def show(person: Person) -> Show:
    """Renders that person with a mixture of expressions, seen as a View says: [SIDE, SIDE, 3] BGR."""
    renderer = person.renderer((SIDE, SIDE), texture_side=256)

    def render(mixture: Mapping[str, float] | None = None, view: View | None = None) -> NDArray[np.uint8]:
        weights = person.shows(mixed(mixture or {})[0])
        return renderer.render(weights, view or View(span=3.2), Light(), GREY)

    return render
