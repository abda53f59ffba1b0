r"""The first layer's input ``Ã_0 = [1 X]``, dense or sparse, in standardised columns.

**Sparse X** is centred without being densified: with ``w_j`` the rows of ``W``,

    Ã_0 V = X (W / scale) + 1 (b - (mean / scale)' W),
    Ã_0' δ = [1'δ;  (X'δ - mean (1'δ)) / scale].

Dense X is copied once, standardised, with the column of ones in front.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skgn.data.columns import UNSEEN_LIMIT, Standardisation
from skgn.linalg.products import gram, matmul, row_chunks, weighted_gram
from skgn.typing import Array

#: Directions of a smaller share of the rows' largest variance than this are rounding.
RANK_TOLERANCE = 1e-12


class Inputs(Protocol):
    """The matrix ``Ã_0`` of shape (m, 1 + n), as the first layer uses it.

    Attributes
    ----------
    shape : (int, int)
        (m, n); the column of ones does not count.
    dtype : dtype
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]

    def product(self, V: Array, out: Array) -> Array:
        """Write ``Ã_0 V``, shape (m, h), to `out` and return it."""

    def adjoint(self, delta: Array) -> Array:
        """Return ``Ã_0' δ``, shape (1 + n, h)."""

    def gram(self, row_weights: Array) -> Array:
        """Return ``S_1 = Ã_0' diag(w) Ã_0``, shape (1 + n, 1 + n), in w's precision."""

    def gram_trace(self, row_weights: Array) -> float:
        """Return the trace of ``S_1``."""

    def take(self, index: NDArray[Any]) -> "Inputs":
        """Return some of the rows, as a copy."""

    def row_gram(self) -> Array:
        """Return ``X X'`` of the columns without the ones, shape (m, m), float64."""


class DenseInputs:
    """``[1 X]`` held as one dense matrix of shape (m, 1 + n)."""

    def __init__(self, tilde: Array):
        self.tilde = tilde
        self.shape = (tilde.shape[0], tilde.shape[1] - 1)
        self.dtype = tilde.dtype

    @classmethod
    def standardised(cls, X: Array, columns: Standardisation) -> "DenseInputs":
        """Copy `X` with standardised columns, in the precision of `X`."""
        tilde = np.empty((X.shape[0], 1 + X.shape[1]), dtype=X.dtype)
        tilde[:, 0] = 1
        columns.apply(X, out=tilde[:, 1:])
        return cls(tilde)

    def take(self, index: NDArray[Any]) -> "DenseInputs":
        """See :class:`Inputs`."""
        return DenseInputs(self.tilde[index])

    def product(self, V: Array, out: Array) -> Array:
        """See :class:`Inputs`."""
        return matmul(self.tilde, V, out=out)

    def adjoint(self, delta: Array) -> Array:
        """See :class:`Inputs`."""
        return matmul(self.tilde.T, delta)

    def gram(self, row_weights: Array) -> Array:
        """See :class:`Inputs`."""
        return weighted_gram(self.tilde, row_weights)

    def gram_trace(self, row_weights: Array) -> float:
        """See :class:`Inputs`."""
        return float(row_weights @ np.einsum("ij,ij->i", self.tilde, self.tilde))

    def row_gram(self) -> Array:
        """See :class:`Inputs`."""
        products = np.zeros((self.shape[0], self.shape[0]))
        for columns in row_chunks(self.shape[1], self.shape[0]):
            A = self.tilde[:, 1:][:, columns].astype(np.float64)
            products += gram(A.T)
        return products


class SparseInputs:
    """``[1 X]`` with sparse X in CSR form, centred and scaled implicitly."""

    def __init__(self, X: sparse.csr_array, columns: Standardisation):
        limit = UNSEEN_LIMIT[X.dtype.name]
        if X.nnz and max(X.data.max(), -X.data.min()) > limit * columns.scale.min():
            X = X.copy()
            with np.errstate(over="ignore"):
                bound = limit * columns.scale[X.indices]
            X.data = np.clip(X.data, -bound, bound).astype(X.dtype)
        self.X = X
        self.shape = X.shape
        self.dtype = X.dtype
        self.mean = columns.mean
        self.scale = columns.scale

    def take(self, index: NDArray[Any]) -> "SparseInputs":
        """See :class:`Inputs`."""
        return SparseInputs(self.X[index], Standardisation(self.mean, self.scale))

    def product(self, V: Array, out: Array) -> Array:
        """See :class:`Inputs`."""
        W = V[1:] / self.scale[:, None]
        out[:] = self.X @ W.astype(self.dtype, copy=False)
        out += (V[0] - self.mean @ W).astype(self.dtype, copy=False)
        return out

    def adjoint(self, delta: Array) -> Array:
        """See :class:`Inputs`."""
        result = np.empty((1 + self.shape[1], delta.shape[1]), dtype=self.dtype)
        result[0] = delta.sum(axis=0)
        centred = self.X.T @ delta - np.outer(self.mean, result[0])
        result[1:] = centred / self.scale[:, None]
        return result

    def gram(self, row_weights: Array) -> Array:
        """See :class:`Inputs`."""
        weights = row_weights.astype(np.float64)
        total = weights.sum()
        sums = self.X.T @ weights
        rows = self.X.multiply(np.sqrt(weights)[:, None]).tocsr()
        S = np.empty((1 + self.shape[1], 1 + self.shape[1]))
        S[0, 0] = total
        S[0, 1:] = S[1:, 0] = (sums - total * self.mean) / self.scale
        cross = np.outer(sums, self.mean)
        S[1:, 1:] = (rows.T @ rows).toarray()
        S[1:, 1:] += total * np.outer(self.mean, self.mean) - cross - cross.T
        S[1:, 1:] /= np.outer(self.scale, self.scale)
        return S.astype(row_weights.dtype, copy=False)

    def gram_trace(self, row_weights: Array) -> float:
        """See :class:`Inputs`."""
        weights = row_weights.astype(np.float64)
        total = weights.sum()
        squares = self.X.multiply(self.X).T @ weights
        centred = squares - 2 * self.mean * (self.X.T @ weights) + total * self.mean**2
        return float(total + (centred / self.scale**2).sum())

    def row_gram(self) -> Array:
        """See :class:`Inputs`."""
        scaled = self.X.multiply(1 / self.scale).tocsr()
        mean = self.mean / self.scale
        cross = scaled @ mean
        gram = (scaled @ scaled.T).toarray()
        return gram - cross - cross[:, None] + mean @ mean


def make_inputs(X: Any, columns: Standardisation) -> DenseInputs | SparseInputs:
    """Return ``Ã_0`` of a dense array or a CSR array under standardised columns."""
    if sparse.issparse(X):
        return SparseInputs(X, columns)
    return DenseInputs.standardised(X, columns)
