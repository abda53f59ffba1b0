"""Products of matrices, on as many threads as they are worth; in chunks of rows.

Time on one thread divided by that on two, where half a millisecond of other work lies
between any two calls (two quiet cores, AMD EPYC, numpy 2.4.6, OpenBLAS 0.3.31):

=============================  ===============  =======  =======
work                           multiplications  float32  float64
=============================  ===============  =======  =======
300 x 100 by 100 x 100         3 million            1.6      1.7
600 x 103 by 103 x 100         6 million            1.6      1.9
500 x 257 by 257 x 128         16 million           1.8      1.8
1000 x 784 by 784 x 100        78 million           2.0      2.0
100 x 4000 by 4000 x 100       40 million           0.8      1.8
128 x 1000 by 1000 x 128       16 million           1.1      1.7
257 x 500 by 500 x 128         16 million           1.8      1.9
Gram matrix, 1000 x 257        66 million           0.9      1.5
Gram matrix, 20000 x 100       200 million          0.5      0.9
Gram matrix, 1000 x 500        250 million          1.0      1.6
Gram matrix, 1000 x 785        616 million          1.8      1.7
eigenpairs, side 257                                1.2      1.1
eigenpairs, side 785                                1.6      1.4
=============================  ===============  =======  =======

On quiet cores a second thread pays from some 3 million multiplications on, in either
precision, if the result is large enough to be divided. But a part that has to wait for a
busy core loses milliseconds, however small the product, and a small product has less than
that to win: hence ``PRODUCT``, which is larger.
"""

from collections.abc import Iterator

import numpy as np

from skgn._threads import more_threads
from skgn.linalg.lapack import blas, lapack
from skgn.linalg.scratch import scratch
from skgn.typing import Array

#: Number of array entries that a row chunk holds: one MiB in float64. Temporary
#: arrays of that size stay in the cache and are recycled by the allocator.
CHUNK_SIZE = 1 << 17

#: Products of fewer rows than this are slow.
CHUNK_ROWS = 256

#: Multiplications of a product that are worth a thread.
PRODUCT = 8_000_000

#: Entries of its result that are worth a thread.
RESULT = 1 << 14

#: Entries of a Gram matrix that are worth a thread, by the bytes of each.
GRAM = {4: 1 << 17, 8: 1 << 15}

#: Rows of a square matrix that are worth a thread of its decomposition.
SIDE = 256


def matmul(A: Array, B: Array, out: Array | None = None) -> Array:
    """Return ``A B`` of two matrices."""
    m, h = A.shape[0], B.shape[1]
    multiplications = m * B.size
    if multiplications < 2 * PRODUCT:
        return np.matmul(A, B, out=out)
    with more_threads(min(multiplications // PRODUCT, m * h // RESULT)):
        return np.matmul(A, B, out=out)


def gram(Z: Array) -> Array:
    """Return ``Z' Z``, which BLAS computes as a symmetric rank-k update.

    That takes about half the time of a general product.
    """
    m, n = Z.shape
    with more_threads(min(m * n**2 // PRODUCT, n**2 // GRAM[Z.itemsize])):
        product: Array = Z.T @ Z
    return product


def eigh(matrix: Array) -> tuple[Array, Array]:
    """Return eigenvalues, ascending, and eigenvectors of a symmetric matrix."""
    with more_threads(len(matrix) // SIDE):
        values, vectors = np.linalg.eigh(matrix)
    return values, vectors


def inverse(matrix: Array) -> Array:
    """Return the inverse of a symmetric matrix, positive definite but for rounding.

    By Cholesky's factor, in half the time of a general inverse.
    """
    with more_threads(len(matrix) // SIDE):
        root, failed = lapack("potrf", matrix.dtype)(matrix.T)
        if failed:
            return np.linalg.inv(matrix)
        half, _ = lapack("potri", matrix.dtype)(root, overwrite_c=True)
    # the upper triangle; the lower one is zero
    whole: Array = half + half.T
    diagonal = np.einsum("ii->i", whole)
    diagonal *= 0.5
    return whole


def row_chunks(m: int, n: int, copies: int = 1) -> Iterator[slice]:
    """Yield slices that cover `m` rows of `n` columns, some CHUNK_SIZE entries each.

    `copies` of the rows are worked on at the same time, stacked.
    """
    step = max(CHUNK_ROWS, CHUNK_SIZE // max(n, 1)) // copies
    for start in range(0, m, max(step, 1)):
        yield slice(start, min(start + max(step, 1), m))


def add_scaled(target: Array, factor: float, other: Array) -> None:
    """Add ``factor * other`` to `target` in place; both contiguous and of one shape."""
    if target.size:
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
        part = A[rows]
        Z = scratch("weighted_gram", part.shape, total.dtype)
        np.multiply(root[rows], part, out=Z)
        total += gram(Z)
    return total
