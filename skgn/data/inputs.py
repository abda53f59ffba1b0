r"""The first layer's input ``Ã_0 = [1 X]``, dense or sparse, in standardised columns.

Dense X is copied once, standardised, with the column of ones in front.

**Sparse X** keeps its zeros. Its stored entries are copied, divided by the scales. With
this X and the offset ``o = mean / scale``,

    Ã_0 V = X W + 1 (b - o'W),          Ã_0' δ = [1'δ;  X'δ - o (1'δ)],

and the Gram matrix is ``X'ΩX - s o' - o s' + o o'``, ``s`` the weighted sums. Where the
mean is many deviations, the difference would lose the digits that count: at 1e8
deviations, all 16 of ``X'ΩX``. But such a column has next to no zeros. A share p of them
makes the deviation ``sqrt(p (1 - p))`` means or more, so that below ``1 / FAR`` means, p
is less than 1/256. These columns lose nothing if all their entries are stored, and are
centred like dense ones. So are constant columns, in which the difference is not to be a
rounding error: where nothing else varies, it would be fitted.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skgn.data.columns import UNSEEN_LIMIT, Standardisation, with_columns
from skgn.data.encoding import EncodedRows
from skgn.linalg.products import gram, matmul, row_chunks, weighted_gram
from skgn.typing import Array

#: Directions of a smaller share of the rows' largest variance than this are rounding.
RANK_TOLERANCE = 1e-12

#: Encoded rows that are held at a time.
PART = 2048


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

    def adjoint(self, delta: Array, out: Array | None = None) -> Array:
        """Return ``Ã_0' δ``, shape (1 + n, h), written to `out` if that is given."""

    def gram(self, row_weights: Array) -> Array:
        """Return ``S_1 = Ã_0' diag(w) Ã_0``, shape (1 + n, 1 + n), in w's precision."""

    def gram_trace(self, row_weights: Array) -> float:
        """Return the trace of ``S_1``."""

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

    def take(self, index: NDArray[Any] | slice) -> "DenseInputs":
        """Return some of the rows; of a slice, not a copy."""
        return DenseInputs(self.tilde[index])

    def product(self, V: Array, out: Array) -> Array:
        """See :class:`Inputs`."""
        return matmul(self.tilde, V, out=out)

    def adjoint(self, delta: Array, out: Array | None = None) -> Array:
        """See :class:`Inputs`."""
        return matmul(self.tilde.T, delta, out=out)

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


class EncodedInputs:
    """``[1 X]`` of encoded rows, of which no more than a part is ever held.

    For products that are needed once per fit.
    """

    def __init__(self, rows: EncodedRows, columns: Standardisation):
        self.rows, self.columns = rows, columns
        self.shape, self.dtype = rows.shape, rows.dtype

    def _parts(self) -> Iterator[tuple[slice, DenseInputs]]:
        for start in range(0, self.shape[0], PART):
            rows = slice(start, min(start + PART, self.shape[0]))
            yield rows, DenseInputs.standardised(self.rows[rows], self.columns)

    def product(self, V: Array, out: Array) -> Array:
        """See :class:`Inputs`."""
        for rows, part in self._parts():
            part.product(V, out=out[rows])
        return out

    def adjoint(self, delta: Array, out: Array | None = None) -> Array:
        """See :class:`Inputs`."""
        shape = 1 + self.shape[1], delta.shape[1]
        result = np.empty(shape, dtype=self.dtype) if out is None else out
        result[:] = 0
        for rows, part in self._parts():
            result += part.adjoint(delta[rows])
        return result

    def gram(self, row_weights: Array) -> Array:
        """See :class:`Inputs`."""
        side = 1 + self.shape[1]
        S = np.zeros((side, side), np.result_type(self.dtype, row_weights))
        for rows, part in self._parts():
            S += part.gram(row_weights[rows])
        return S

    def gram_trace(self, row_weights: Array) -> float:
        """See :class:`Inputs`."""
        return sum(part.gram_trace(row_weights[rows]) for rows, part in self._parts())

    def row_gram(self) -> Array:
        """See :class:`Inputs`."""
        return DenseInputs.standardised(self.rows[:], self.columns).row_gram()


class SparseInputs:
    """``[1 X]`` with scaled sparse X in CSR form, centred implicitly.

    Parameters
    ----------
    X : csr_array of shape (m, n)
        Divided by the scales.
    offset : ndarray of shape (n,), float64
        What is to be subtracted from the columns.
    """

    def __init__(self, X: sparse.csr_array, offset: Array):
        self.X = X
        self.shape = X.shape
        self.dtype = X.dtype
        self.offset = offset

    @classmethod
    def standardised(
        cls, X: sparse.csr_array, columns: Standardisation
    ) -> "SparseInputs":
        """Copy the stored entries of `X`, scaled.

        Columns that are far from zero, or constant, are centred.
        """
        scaled = X.data.astype(np.float64)
        limit = UNSEEN_LIMIT[X.dtype.name]
        with np.errstate(over="ignore"):
            scaled /= columns.scale[X.indices]
        data = np.clip(scaled, -limit, limit, out=scaled).astype(X.dtype, copy=False)
        own = sparse.csr_array((data, X.indices, X.indptr), X.shape)
        far = columns.far | constant_columns(X)
        if not far.any():
            return cls(own, columns.mean / columns.scale)
        block = np.empty((X.shape[0], np.count_nonzero(far)), X.dtype)
        centred = Standardisation(columns.mean[far], columns.scale[far])
        centred.apply(X[:, far].toarray(), out=block)
        offset = np.where(far, 0, columns.mean) / columns.scale
        return cls(with_columns(own, far, block), offset)

    def take(self, index: NDArray[Any] | slice) -> "SparseInputs":
        """Return some of the rows, as a copy."""
        return SparseInputs(self.X[index], self.offset)

    def product(self, V: Array, out: Array) -> Array:
        """See :class:`Inputs`."""
        out[:] = self.X @ V[1:]
        out += (V[0] - self.offset @ V[1:]).astype(self.dtype, copy=False)
        return out

    def adjoint(self, delta: Array, out: Array | None = None) -> Array:
        """See :class:`Inputs`."""
        shape = 1 + self.shape[1], delta.shape[1]
        result = np.empty(shape, dtype=self.dtype) if out is None else out
        result[0] = delta.sum(axis=0)
        result[1:] = self.X.T @ delta - np.outer(self.offset, result[0])
        return result

    def gram(self, row_weights: Array) -> Array:
        """See :class:`Inputs`."""
        weights = row_weights.astype(np.float64)
        total = weights.sum()
        sums = self.X.T @ weights
        rows = self.X.multiply(np.sqrt(weights)[:, None]).tocsr()
        S = np.empty((1 + self.shape[1], 1 + self.shape[1]))
        S[0, 0] = total
        S[0, 1:] = S[1:, 0] = sums - total * self.offset
        cross = np.outer(sums, self.offset)
        S[1:, 1:] = (rows.T @ rows).toarray()
        S[1:, 1:] += total * np.outer(self.offset, self.offset) - cross - cross.T
        return S.astype(row_weights.dtype, copy=False)

    def gram_trace(self, row_weights: Array) -> float:
        """See :class:`Inputs`."""
        weights = row_weights.astype(np.float64)
        total = weights.sum()
        squares = self.X.multiply(self.X).T @ weights
        sums = self.X.T @ weights
        centred = squares - 2 * self.offset * sums + total * self.offset**2
        return float(total + centred.sum())

    def row_gram(self) -> Array:
        """See :class:`Inputs`."""
        X = self.X.astype(np.float64)
        cross = X @ self.offset
        gram = (X @ X.T).toarray()
        return gram - cross - cross[:, None] + self.offset @ self.offset


def constant_columns(X: sparse.csr_array) -> NDArray[np.bool_]:
    """Return which columns have one and the same stored value in all rows."""
    constant = np.bincount(X.indices, minlength=X.shape[1]) == X.shape[0]
    if constant.any():
        part = X[:, constant]
        lowest, highest = part.min(axis=0).toarray(), part.max(axis=0).toarray()
        constant[constant] = (lowest == highest).ravel()
    return constant


def make_inputs(X: Any, columns: Standardisation) -> DenseInputs | SparseInputs:
    """Return ``Ã_0`` of a dense array or a CSR array under standardised columns."""
    if sparse.issparse(X):
        return SparseInputs.standardised(X, columns)
    return DenseInputs.standardised(X, columns)
