"""The encoder's outputs as a sequence: indexed, iterated, concatenated."""

import numpy as np
import pytest

from mtclar.engine.data_types import EXPRESSIONS, Encoded


@pytest.fixture
def four() -> Encoded:
    rng = np.random.default_rng(0)
    return Encoded(*(rng.normal(size=(4, n)).astype(np.float32) for n in (3, 2, len(EXPRESSIONS))))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (2, [2]),
        (-1, [3]),
        (np.int64(1), [1]),
        (slice(1, 3), [1, 2]),
        (np.array([3, 0, 3]), [3, 0, 3]),
        (np.array([True, False, True, False]), [0, 2]),
        (slice(0, 0), []),
    ],
)
def test_indexing(four: Encoded, rows: int | slice | np.ndarray, expected: list[int]) -> None:
    part = four[rows]
    assert len(part) == len(expected)
    for name in ("embedding", "absolute", "expression"):
        np.testing.assert_array_equal(getattr(part, name), getattr(four, name)[expected])


def test_index_out_of_range(four: Encoded) -> None:
    with pytest.raises(IndexError):
        four[4]


def test_concatenate_undoes_iteration(four: Encoded) -> None:
    parts = list(four)
    assert [len(part) for part in parts] == [1, 1, 1, 1]
    whole = Encoded.concatenate(parts)
    for name in ("embedding", "absolute", "expression"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(four, name))
    with pytest.raises(ValueError, match="nothing to concatenate"):
        Encoded.concatenate([])


def test_expression_is_zero_unless_given() -> None:
    encoded = Encoded(np.ones((2, 3), np.float32), np.ones((2, 2), np.float32))
    np.testing.assert_array_equal(encoded.expression, np.zeros((2, len(EXPRESSIONS))))
