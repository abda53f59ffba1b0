"""Samples as they are between validation and training."""

from dataclasses import dataclass, field, replace
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skgn.typing import Array

#: Memory-mapped X of fewer bytes than this is copied.
MAPPED_BYTES = 100_000_000

#: Sizes of weights between which sums, products and quotients of them are safe.
LEAST_WEIGHT, MOST_WEIGHT = 1e-100, 1e100


@dataclass(frozen=True)
class Samples:
    """Samples with encoded targets and raw weights.

    Attributes
    ----------
    X : ndarray or csr_array of shape (m, n)
    targets : ndarray
        In the form the loss takes.
    weights : ndarray of shape (m,), float64
    kept : ndarray of int or None
        The rows of X that these are, where X is a memory-mapped file, which is not
        copied; None for all.
    categories : dict of int
        How many categories a column of X has that holds codes of them, by its number.
    """

    X: Any
    targets: NDArray[Any]
    weights: Array
    kept: NDArray[Any] | None = None
    categories: dict[int, int] = field(default_factory=dict)

    def take(self, index: NDArray[Any]) -> "Samples":
        """Return the rows of an index or a mask."""
        X, kept = self.X, None
        if is_mapped(X):
            kept = np.arange(len(X)) if self.kept is None else self.kept
            kept = kept[index]
        else:
            X = X[index]
        targets, weights = self.targets[index], self.weights[index]
        return replace(self, X=X, targets=targets, weights=weights, kept=kept)

    def with_targets(self, targets: NDArray[Any], weights: Array) -> "Samples":
        """Return the samples with encoded targets, real ones in the precision of X."""
        if targets.dtype.kind == "f":
            targets = targets.astype(self.X.dtype, copy=False)
        return replace(self, targets=targets, weights=weights)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of samples and of columns."""
        return len(self.weights), self.X.shape[1]

    @property
    def dtype(self) -> Any:
        """Precision of X."""
        return self.X.dtype

    @property
    def is_mapped(self) -> bool:
        """Whether X is a memory-mapped file."""
        return is_mapped(self.X)

    def gathered(self) -> "Samples":
        """Return the rows with an X of their own."""
        if self.kept is None:
            return self
        return replace(self, X=self.X[self.kept], kept=None)

    def scattered_weights(self) -> Array:
        """Return the weights of all rows of X, of sum 1."""
        share = self.weights / self.weights.sum()
        if self.kept is None:
            return share
        weights = np.zeros(len(self.X))
        weights[self.kept] = share
        return weights

    def numbered(self) -> NDArray[np.intp]:
        """Return the number of each row's sample, in the order of first appearance.

        Rows of the same X and the same target are one sample, repeated.
        """
        rows, numbers = self.gathered(), dict[bytes, int]()
        X, result = rows.X, np.empty(len(rows.weights), np.intp)
        for i, target in enumerate(rows.targets):
            if sparse.issparse(X):
                stored = slice(X.indptr[i], X.indptr[i + 1])
                row = X.indices[stored].tobytes() + X.data[stored].tobytes()
            else:
                row = X[i].tobytes()
            result[i] = numbers.setdefault(row + target.tobytes(), len(numbers))
        return result

    def positive(self) -> "Samples":
        """Return the rows of positive weight."""
        keep = self.weights > 0
        return self if keep.all() else self.take(keep)


def moderate(weights: Array, largest: float | None = None) -> Array:
    """Return weights that neither overflow nor vanish when they are worked with.

    Where the largest is out of the way, all are rescaled: a sum of 1e100 samples and one
    of 1e300 are both more than the evidence can tell from infinity. Positive weights of
    less than 1e-100 of the largest, which no precision can tell from zero, become that.
    `largest` is that of all weights, where these are a part of them.
    """
    largest = float(weights.max(initial=0)) if largest is None else largest
    if largest == 0:
        return weights
    # a power of two is exact; tiny numbers are made normal ones before any are bounded
    bounded = min(max(largest, LEAST_WEIGHT), MOST_WEIGHT)
    shift = int(np.log2(bounded) - np.log2(largest))
    weights = np.ldexp(weights, max(shift, 0))
    least = LEAST_WEIGHT * float(np.ldexp(largest, max(shift, 0)))
    weights = np.where((weights > 0) & (weights < least), least, weights)
    return np.ldexp(weights, min(shift, 0))


def relative_weights(weights: Array, mean: float, dtype: Any) -> Array | None:
    """Return row weights divided by their mean, or None where all are one then."""
    relative = weights / mean
    if np.allclose(relative, 1, rtol=0, atol=1e-12):
        return None
    return relative.astype(dtype)


def is_mapped(X: Any) -> bool:
    """Return whether a dense array is a memory-mapped file too large to be copied.

    Smaller ones, such as those that joblib makes for its workers, are treated like any
    array, so that a fit does not depend on where its rows lie.
    """
    if getattr(X, "nbytes", 0) < MAPPED_BYTES:
        return False
    while isinstance(X, np.ndarray):  # a copy of an np.memmap is one, too, without a file
        X = X.base
    return isinstance(X, mmap)


def as_csr_array(X: Any) -> Any:
    """Return sparse X as a csr_array without repeated entries; dense X as it is."""
    if not sparse.issparse(X):
        return X
    X = sparse.csr_array(X)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X
