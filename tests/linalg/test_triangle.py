"""Symmetric matrices by their lower triangle."""

import numpy as np
import pytest

from skgn.linalg.triangle import packed, unpacked


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 60, 1001])
def test_round_trip(n, dtype):
    half = np.random.default_rng(0).normal(size=(n, n)).astype(dtype)
    matrix = half + half.T
    triangle = packed(matrix)
    assert triangle.shape == (n * (n + 1) // 2,)
    back = unpacked(triangle)
    assert back.dtype == dtype
    assert np.array_equal(back, matrix)


def test_the_lower_triangle_is_what_stays():
    """As of a matrix whose two triangles have been rounded differently."""
    assert packed(np.array([[1.0, 9.0], [2.0, 3.0]])).tolist() == [1, 2, 3]
    assert unpacked(np.array([1.0, 2.0, 3.0])).tolist() == [[1, 2], [2, 3]]


@pytest.mark.parametrize("shape", [(2,), (4,), (5,), (3, 1)])
def test_no_triangle(shape):
    with pytest.raises(ValueError, match="no triangle"):
        unpacked(np.zeros(shape))
