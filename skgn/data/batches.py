r"""Rows that are taken in batches, in the coordinates of the first layer.

Four ways to hold them, chosen by what X is:

==================  =====================================================================
DenseRows           one copy of X, standardised and perhaps rotated; a batch is gathered
MappedRows          X stays where it is (a memory map); a batch is gathered, then
                    standardised
EncodedBatches      raw X stays where it is; a batch is gathered, and encoded columns
                    are written to it, the steps as standardised ones at once
SparseRows          one copy of the stored entries, scaled; a batch is centred
                    implicitly
==================  =====================================================================

Dense batches are written to one buffer, which the next batch overwrites.
"""

from copy import copy
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skgn.data.columns import Standardisation
from skgn.data.encoding import EncodedRows
from skgn.data.inputs import DenseInputs, Inputs, SparseInputs
from skgn.linalg.products import matmul, row_chunks
from skgn.typing import Array


class BatchRows(Protocol):
    """Rows in the coordinates of the first layer.

    Attributes
    ----------
    shape : (int, int)
        Rows and coordinates; the column of ones does not count.
    dtype : dtype
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]

    def batch(self, index: NDArray[Any]) -> Inputs:
        """Return some rows, good until the next batch is asked for."""


class Gathered:
    """Dense batches in a buffer that is used again and again."""

    def __init__(self, width: int, dtype: Any):
        self.width = width
        self.dtype = np.dtype(dtype)
        self.buffer = np.empty((0, width), dtype)

    def of_rows(self, m: int) -> Array:
        """Return the buffer for `m` rows."""
        if len(self.buffer) < m:
            self.buffer = np.empty((m, self.width), self.dtype)
        return self.buffer[:m]


class DenseRows:
    """``[1 T]`` in memory, T of shape (m, r): standardised columns, rotated or not."""

    def __init__(self, tilde: Array):
        self.tilde = tilde
        self.shape = (tilde.shape[0], tilde.shape[1] - 1)
        self.dtype = tilde.dtype
        self._gathered = Gathered(tilde.shape[1], tilde.dtype)

    @classmethod
    def copied(cls, X: Any) -> "DenseRows":
        """Copy dense or encoded `X` as it is."""
        tilde = np.empty((X.shape[0], 1 + X.shape[1]), dtype=X.dtype)
        tilde[:, 0] = 1
        if isinstance(X, EncodedRows):
            X.encode(out=tilde[:, 1:])
        else:
            tilde[:, 1:] = X
        return cls(tilde)

    @property
    def columns(self) -> Array:
        """T, which may be written to."""
        return self.tilde[:, 1:]

    def rotate(self, basis: Array) -> None:
        """Rotate T by `basis`, (n, n), in place and chunk by chunk."""
        for rows in row_chunks(*self.shape):
            part = self.columns[rows]
            matmul(part.copy(), basis, out=part)

    def batch(self, index: NDArray[Any]) -> DenseInputs:
        """See :class:`BatchRows`."""
        tilde = self._gathered.of_rows(len(index))
        # the index is a permutation's: "clip" only spares the check, and a copy
        self.tilde.take(index, axis=0, out=tilde, mode="clip")
        return DenseInputs(tilde)


class MappedRows:
    """Dense X that is not copied; the rows `kept`, all if None, belong to the fit."""

    def __init__(
        self, X: Array, columns: Standardisation, kept: NDArray[Any] | None = None
    ):
        self.X = X
        self.columns = columns
        self.kept = kept
        self.shape = (X.shape[0] if kept is None else len(kept), X.shape[1])
        self.dtype = X.dtype
        self._gathered = Gathered(1 + X.shape[1], X.dtype)

    def batch(self, index: NDArray[Any]) -> DenseInputs:
        """See :class:`BatchRows`."""
        if self.kept is not None:
            index = self.kept[index]
        tilde = self._gathered.of_rows(len(index))
        tilde[:, 0] = 1
        # in the order of the file; the order of rows within a batch does not matter
        self.columns.apply(self.X[index], out=tilde[:, 1:])
        return DenseInputs(tilde)


class EncodedBatches:
    """Encoded rows that are not copied; the rows `kept` of the fit, all if None."""

    def __init__(
        self,
        X: EncodedRows,
        columns: Standardisation,
        kept: NDArray[Any] | None = None,
    ):
        self.X, self.kept = X, kept
        self.shape = (len(X) if kept is None else len(kept), X.shape[1])
        self.dtype = X.dtype
        start, steps = len(X.encoder.numbers), X.encoder.steps
        stop = start + len(steps.source)
        mean, scale = columns.mean, columns.scale
        steps = steps.standardised(mean[start:stop], scale[start:stop])
        self.steps = steps.astype(X.dtype)
        self.others = [
            (part, Standardisation(mean[part], scale[part]))
            for part in (slice(None, start), slice(stop, None))
        ]
        self._gathered = Gathered(1 + X.shape[1], X.dtype)

    def batch(self, index: NDArray[Any]) -> DenseInputs:
        """See :class:`BatchRows`."""
        if self.kept is not None:
            index = self.kept[index]
        tilde = self._gathered.of_rows(len(index))
        tilde[:, 0] = 1
        block = tilde[:, 1:]
        self.X.write(index, block, self.steps)
        for part, columns in self.others:
            columns.apply(block[:, part], out=block[:, part])
        return DenseInputs(tilde)


class SparseRows:
    """Sparse X in CSR form, its stored entries standardised."""

    def __init__(self, X: Any, columns: Standardisation):
        self.inputs = SparseInputs.standardised(X, columns)
        self.shape = X.shape
        self.dtype = X.dtype

    def batch(self, index: NDArray[Any]) -> SparseInputs:
        """See :class:`BatchRows`."""
        return self.inputs.take(index)


def make_rows(X: Any, columns: Standardisation) -> BatchRows:
    """Return rows in standardised columns, dense ones as a copy."""
    if sparse.issparse(X):
        return SparseRows(X, columns)
    return DenseRows(DenseInputs.standardised(X, columns).tilde)


def with_own_buffer(rows: BatchRows) -> BatchRows:
    """Return the same rows, for another network that takes batches at the same time."""
    gathered: Gathered | None = getattr(rows, "_gathered", None)
    if gathered is None:
        return rows
    own: Any = copy(rows)
    own._gathered = Gathered(gathered.width, gathered.dtype)
    return own
