r"""Column statistics of rows that arrive chunk by chunk.

Weighted means and second moments of the chunks so far are merged exactly (Chan, Golub &
LeVeque, The American Statistician 37, 1983): with total weights a, b, means μ, ν and
centred moments M, N of the old and the new rows,

    μ <- μ + b/(a+b) (ν - μ),      M <- M + N + ab/(a+b) (ν - μ)(ν - μ)'.

``M / (a + b)``, divided by the scales, is the input factor ``S_1`` of all rows seen. Up
to LARGEST_MOMENTS columns the matrix is kept; beyond that, or for sparse rows, its
diagonal.

All of it is kept for columns divided by their largest size in the first chunk, so that no
square overflows or underflows.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from skgn.linalg.kronecker import Factor
from skgn.linalg.products import gram
from skgn.model.inputs import (
    Standardisation,
    centred_squares,
    column_range,
    common_scale,
    scale_of,
    scaled_sum,
)
from skgn.typing import Array

#: Most columns of which all second moments are kept.
LARGEST_MOMENTS = 1024


@dataclass(frozen=True)
class RunningColumns:
    """Statistics of the columns of all rows so far; an update returns a new object.

    Attributes
    ----------
    count : int
        Number of rows.
    total : float
        Sum of their weights.
    unit : ndarray of shape (n,), float64
        What the columns are divided by, in all that follows.
    mean, lowest, highest : ndarray of shape (n,), float64
    moments : ndarray of shape (n, n) or (n,), float64
        Weighted sum of the centred products, or of the centred squares.
    common : float or None
        Scale that the columns of wide sparse rows share: that of the first chunk, in the
        unit of the rows.
    """

    count: int
    total: float
    unit: Array
    mean: Array
    lowest: Array
    highest: Array
    moments: Array
    common: float | None = None

    @classmethod
    def of(
        cls, X: Any, row_weights: Array, unit: Array | None = None
    ) -> "RunningColumns":
        """Return the statistics of rows with positive weights, in a unit or their own."""
        weights = row_weights.astype(np.float64)
        total = float(weights.sum())
        lowest, highest = column_range(X, row_weights)
        if unit is None:
            size = np.maximum(np.abs(lowest), np.abs(highest))
            unit = np.where(size > 0, size, 1.0)
        lowest, highest = lowest / unit, highest / unit
        mean = np.clip(scaled_sum(X, weights, unit) / total, lowest, highest)
        if sparse.issparse(X) or X.shape[1] > LARGEST_MOMENTS:
            moments = centred_squares(X, weights, unit, mean)
        else:
            centred = np.sqrt(weights)[:, None] * (X / unit - mean)
            moments = gram(centred)
        common = common_scale(X, weights)
        return cls(X.shape[0], total, unit, mean, lowest, highest, moments, common)

    def with_rows(self, X: Any, row_weights: Array) -> "RunningColumns":
        """Return the statistics of these and further rows."""
        return self.merged(RunningColumns.of(X, row_weights, self.unit))

    def merged(self, other: "RunningColumns") -> "RunningColumns":
        """Return the statistics of the rows of both, which are in the same unit."""
        total = self.total + other.total
        shift = other.mean - self.mean
        factor = self.total * other.total / total
        mine, theirs = self.moments, other.moments
        if mine.ndim > theirs.ndim:
            mine = np.diag(mine)
        elif theirs.ndim > mine.ndim:
            theirs = np.diag(theirs)
        between = np.outer(shift, shift) if mine.ndim == 2 else shift**2
        return RunningColumns(
            self.count + other.count,
            total,
            self.unit,
            self.mean + (other.total / total) * shift,
            np.minimum(self.lowest, other.lowest),
            np.maximum(self.highest, other.highest),
            mine + theirs + factor * between,
            self.common,
        )

    @property
    def mean_weight(self) -> float:
        """Mean weight of the rows so far."""
        return self.total / self.count

    def standardisation(self, dtype: Any) -> Standardisation:
        """Return the centre and scale of the columns, by the rule for a whole X."""
        squares = self.moments if self.moments.ndim == 1 else np.diag(self.moments)
        deviation = np.sqrt(np.maximum(squares, 0) / self.total)
        size = np.maximum(np.abs(self.lowest), np.abs(self.highest))
        reach = np.maximum(self.highest - self.mean, self.mean - self.lowest)
        scale = scale_of(deviation, reach, size, dtype, self.common, self.unit)
        return Standardisation(self.mean * self.unit, scale)

    def factor(self, columns: Standardisation, dtype: Any) -> Factor:
        """Return ``S_1`` of all rows so far, in columns standardised so."""
        scale = columns.scale / self.unit
        offset = (self.mean - columns.mean / self.unit) / scale
        if self.moments.ndim == 1:
            diagonal = self.moments / self.total / scale**2 + offset**2
            return Factor(diagonal.astype(dtype), None).bordered(1.0)
        S = np.empty((1 + len(offset), 1 + len(offset)))
        S[0, 0] = 1
        S[0, 1:] = S[1:, 0] = offset
        S[1:, 1:] = self.moments / self.total / scale / scale[:, None]
        S[1:, 1:] += np.outer(offset, offset)
        return Factor.decompose(S).astype(dtype)
