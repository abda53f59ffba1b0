r"""The first layer of a mini-batch fit: its coordinates, and ``S_1`` decomposed once.

=========================  =======================  ====================================
X                          coordinates              factor
=========================  =======================  ====================================
dense, n <= 512            principal axes, a copy   diagonal: solving is a division
dense, n > 512             columns, a copy          64 leading eigenpairs and the mean
                                                    of the other eigenvalues
dense, memory-mapped       columns, no copy         complete up to n = 512, else leading
                                                    eigenpairs
sparse                     columns, a copy of the   the same
                           stored entries
=========================  =======================  ====================================

Rotating costs ``2 m n²`` operations, once, and saves ``4 n² h`` per batch. For many
columns that no longer pays: leading eigenpairs take ``4 · 64 n h`` per batch, a half or
less of the ``4 B n h`` of a gradient over B rows. Twice as many gave no lower log-loss on
twenty tables and images.

The factor is that of at most 20,000 rows, drawn at random, where there are more.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skgn.data.batches import (
    BatchRows,
    DenseRows,
    EncodedBatches,
    MappedRows,
    SparseRows,
    with_own_buffer,
)
from skgn.data.columns import Standardisation
from skgn.data.encoding import EncodedRows, NumberRows
from skgn.data.first_layer import truncated_factor
from skgn.data.inputs import (
    DenseInputs,
    EncodedInputs,
    Inputs,
    SparseInputs,
    make_inputs,
)
from skgn.linalg.kronecker import Factor
from skgn.linalg.products import matmul
from skgn.typing import Array

#: Most columns that are rotated, or whose factor is complete.
MOST_ROTATED = 512

#: Leading eigenpairs that are kept of more columns.
LEADING = 64

#: Most rows that the factor is taken from.
SAMPLE_ROWS = 20_000

#: Largest number of columns whose matrix S_1 is formed to find its leading eigenpairs.
LARGEST_MATRIX = 4096


@dataclass(frozen=True)
class BatchedFirstLayer:
    """The training rows in the coordinates of the first layer.

    Attributes
    ----------
    columns : Standardisation
        What is done to the columns of X before anything else.
    rows : BatchRows of shape (m, n) or (m, r)
    factor : Factor
        ``S_1``, decomposed.
    basis : ndarray of shape (n, r) or None
        Principal axes, where they are the coordinates.
    """

    columns: Standardisation
    rows: BatchRows
    factor: Factor
    basis: Array | None = None

    def with_own_buffer(self) -> "BatchedFirstLayer":
        """Return the same coordinates and rows, for another network."""
        return replace(self, rows=with_own_buffer(self.rows))

    @classmethod
    def of(
        cls,
        X: Any,
        row_weights: Array,
        standardize: bool,
        random_state: np.random.RandomState,
        kept: NDArray[Any] | None = None,
        copy: bool = True,
    ) -> "BatchedFirstLayer":
        """Choose coordinates for `X`, (m, n), and decompose ``S_1``.

        Parameters
        ----------
        X : ndarray or csr_array of shape (m, n)
        row_weights : ndarray of shape (m,), float64
            Not negative, of sum 1.
        standardize : bool
            Whether to centre and scale the columns.
        random_state : RandomState
            Draws the sample of rows and the start of a truncated decomposition.
        kept : ndarray of int, optional
            The rows that belong to the fit, of X that is not copied.
        copy : bool
            Whether dense X may be copied.
        """
        if copy and not issparse(X):
            return cls._of_copy(X, row_weights, standardize, random_state)
        columns = Standardisation.none(X.shape[1])
        sample, weights = _sample(X, row_weights, random_state, kept)
        if standardize and isinstance(X, EncodedRows):
            columns = _of_numbers_and_sample(X, row_weights, sample, weights)
        elif standardize:
            columns = Standardisation.of(X, row_weights)
        inputs: Inputs
        if isinstance(sample, EncodedRows):
            inputs = EncodedInputs(sample, columns)
        else:
            inputs = make_inputs(sample, columns)
        factor = _factor(inputs, weights, standardize, random_state)
        if copy:
            return cls(columns, SparseRows(X, columns), factor)
        rows = EncodedBatches if isinstance(X, EncodedRows) else MappedRows
        return cls(columns, rows(X, columns, kept), factor)

    @classmethod
    def _of_copy(
        cls,
        X: Any,
        row_weights: Array,
        standardize: bool,
        random_state: np.random.RandomState,
    ) -> "BatchedFirstLayer":
        """Do the same with one copy of dense `X`, which all steps work on in place."""
        rows = DenseRows.copied(X)
        columns = Standardisation.none(X.shape[1])
        if standardize:
            columns = Standardisation.of(rows.columns, row_weights)
            columns.apply(rows.columns, out=rows.columns)
        tilde, weights = _sample(rows.tilde, row_weights, random_state, None)
        inputs = DenseInputs(tilde)
        if not standardize or X.shape[1] > MOST_ROTATED:
            factor = _factor(inputs, weights, standardize, random_state)
            return cls(columns, rows, factor)
        axes = _axes(inputs, weights)
        if axes.vectors is None:
            return cls(columns, rows, axes.bordered(1.0))
        rows.rotate(axes.vectors)
        return cls(columns, rows, Factor(axes.values, None).bordered(1.0), axes.vectors)

    @property
    def width(self) -> int:
        """Number of coordinates."""
        return self.rows.shape[1]

    def enter(self, V: Array) -> Array:
        """Return ``V_1`` given for standardised columns in the training coordinates."""
        if self.basis is None:
            return V
        return np.concatenate([V[:1], self.basis.T @ V[1:]])

    def leave(self, V: Array) -> Array:
        """Return ``V_1`` given in the training coordinates for standardised columns."""
        if self.basis is None:
            return V
        return np.concatenate([V[:1], self.basis @ V[1:]])

    def other_rows(self, X: Any) -> Inputs:
        """Return rows, (m', n), that the coordinates were not made of."""
        if self.basis is None:
            return make_inputs(X, self.columns)
        inputs = DenseInputs.standardised(X, self.columns)
        DenseRows(inputs.tilde).rotate(self.basis)
        return inputs


def _factor(
    inputs: Inputs, weights: Array, standardize: bool, random_state: np.random.RandomState
) -> Factor:
    """Return ``S_1`` of columns that are not rotated."""
    if inputs.shape[1] > MOST_ROTATED:
        return _leading_pairs(inputs, weights.astype(inputs.dtype), random_state)
    if standardize:
        return _axes(inputs, weights).bordered(1.0)
    return Factor.decompose(inputs.gram(weights)).astype(inputs.dtype)


def _axes(inputs: Inputs, weights: Array) -> Factor:
    """Return the eigenpairs of centred columns, in their precision.

    ``S_1`` is that of the columns then, and the column of ones apart.
    """
    return Factor.decompose(inputs.gram(weights)[1:, 1:]).astype(inputs.dtype)


def _of_numbers_and_sample(
    X: EncodedRows, row_weights: Array, sample: EncodedRows, weights: Array
) -> Standardisation:
    """Measure the numbers of all rows, and what else is encoded of some.

    All else is bounded. Numbers may have outliers, and each of them counts.
    """
    numbers = Standardisation.of(NumberRows(X), row_weights)
    columns = Standardisation.of(sample, weights)
    n = len(numbers.mean)
    columns.mean[:n], columns.scale[:n] = numbers.mean, numbers.scale
    return columns


def _sample(
    X: Any,
    row_weights: Array,
    random_state: np.random.RandomState,
    kept: NDArray[Any] | None,
) -> tuple[Any, Array]:
    """Return some rows, and their weights scaled to sum 1."""
    m = X.shape[0] if kept is None else len(kept)
    if m <= SAMPLE_ROWS and kept is None:
        return X, row_weights
    index = np.sort(random_state.permutation(m)[:SAMPLE_ROWS])
    if kept is not None:
        index = kept[index]
    weights = row_weights[index]
    some = X.take(index) if isinstance(X, EncodedRows) else X[index]
    return some, weights / weights.sum()


def _leading_pairs(
    inputs: Inputs, weights: Array, random_state: np.random.RandomState
) -> Factor:
    """Return the leading eigenpairs of ``S_1`` and the mean of the other eigenvalues."""
    if inputs.shape[1] > LARGEST_MATRIX or isinstance(inputs, SparseInputs):
        return truncated_factor(inputs, weights, random_state, LEADING)
    S = inputs.gram(weights)
    rank = min(LEADING, len(S))
    start = random_state.standard_normal((len(S), rank)).astype(S.dtype)
    return Factor.truncated(lambda V: matmul(S, V), float(np.trace(S)), start)
