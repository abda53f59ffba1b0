"""Weighted Gram matrices, in chunks of rows.

With ``Z = sqrt(w) A`` they are ``Z' Z``, which takes half the time of a general product
(:func:`skgn.linalg.products.gram`).
"""

from collections.abc import Iterator

import numpy as np

from skgn.linalg.lapack import blas
from skgn.linalg.products import gram
from skgn.typing import Array

#: Number of array entries that a row chunk holds: one MiB in float64. Temporary
#: arrays of that size stay in the cache and are recycled by the allocator.
CHUNK_SIZE = 1 << 17

#: Products of fewer rows than this are slow.
CHUNK_ROWS = 256


def row_chunks(m: int, n: int, copies: int = 1) -> Iterator[slice]:
    """Yield slices that cover `m` rows of `n` columns, some CHUNK_SIZE entries each.

    `copies` of the rows are worked on at the same time, stacked.
    """
    step = max(CHUNK_ROWS, CHUNK_SIZE // max(n, 1)) // copies
    for start in range(0, m, max(step, 1)):
        yield slice(start, min(start + max(step, 1), m))


def add_scaled(target: Array, factor: float, other: Array) -> None:
    """Add ``factor * other`` to `target` in place; both contiguous and of one shape."""
    axpy = blas("axpy", target.dtype)
    axpy(other.reshape(-1), target.reshape(-1), a=factor)


def weighted_gram(A: Array, row_weights: Array) -> Array:
    """Return ``A' diag(w) A``.

    Parameters
    ----------
    A : ndarray of shape (m, n)
    row_weights : ndarray of shape (m,)
        Not negative.

    Returns
    -------
    ndarray of shape (n, n), in the higher of the two precisions
    """
    m, n = A.shape
    if m and A.dtype == row_weights.dtype and np.all(row_weights == row_weights[0]):
        equal = gram(A)
        equal *= row_weights[0]
        return equal
    root = np.sqrt(row_weights)[:, None]
    total = np.zeros((n, n), dtype=np.result_type(A, row_weights))
    for rows in row_chunks(m, n):
        Z = root[rows] * A[rows]
        total += gram(Z)
    return total
