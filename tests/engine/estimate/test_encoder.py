"""The encoder behind numpy arrays, on a graph whose answers are known."""

import numpy as np
import pytest

from mtclar.engine.errors import ModelError
from mtclar.engine.estimate.encoder import Encoder


def test_rows_are_those_of_the_crops(tiny_encoder) -> None:
    crops = np.zeros((3, 8, 8), np.uint8)
    crops[1, :4, :4] = 200  # the first quadrant is 150 above the mean of the four, the others 50 below
    encoded = tiny_encoder(crops)
    np.testing.assert_allclose(encoded.embedding[1], [150, -50, -50, -50])
    np.testing.assert_allclose(encoded.absolute, [[0, 0], [150 / 255, -50 / 255], [0, 0]], rtol=1e-6)
    assert encoded.expression.shape == (3, 8)
    assert tiny_encoder.size == 8
    assert tiny_encoder.embedding_dim == 4


def test_no_crop_gives_no_row(tiny_encoder) -> None:
    encoded = tiny_encoder(np.zeros((0, 8, 8), np.uint8))
    assert encoded.embedding.shape == (0, 4)
    assert encoded.absolute.shape == (0, 2)
    assert encoded.expression.shape == (0, 8)


@pytest.mark.parametrize(
    "crops", [np.zeros((1, 8, 8), np.float32), np.zeros((8, 8), np.uint8), np.zeros((1, 9, 8), np.uint8)]
)
def test_other_arrays_are_refused(tiny_encoder, crops) -> None:
    with pytest.raises(ValueError, match=r"uint8 \[B, 8, 8\]"):
        tiny_encoder(crops)


def test_another_graph_is_refused(tiny_pair) -> None:
    with pytest.raises(ModelError, match="not an encoder"):
        Encoder(tiny_pair)
