"""Symmetric matrices by their lower triangle, in half the room."""

import numpy as np

from skgn.typing import Array


def packed(matrix: Array) -> Array:
    """Return the lower triangle of a matrix of side n, row by row, of n (n + 1) / 2."""
    return matrix[np.tri(len(matrix), dtype=bool)]


def unpacked(triangle: Array) -> Array:
    """Return the symmetric matrix of a lower triangle.

    Raises
    ------
    ValueError
        If there is none with so many entries.
    """
    n = int(np.sqrt(2 * triangle.size))
    lower = np.tri(n, dtype=bool)
    if triangle.shape != (n * (n + 1) // 2,):
        raise ValueError(f"an array of shape {triangle.shape} is no triangle")
    matrix: Array = np.empty((n, n), triangle.dtype)
    matrix[lower] = triangle
    matrix.T[lower] = triangle
    return matrix
