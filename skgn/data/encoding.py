r"""What raw columns become before they are standardised: encoded columns.

**Numbers** stay as they are, and where they are encoded, steps are put beside them. With
knots ``t_0 < ... < t_k``, column x gets k further columns,

    s_j(x) = clip((x - t_j) / (t_{j+1} - t_j), 0, 1),        j = 0..k-1,

the first of which goes on to -1 below ``t_0``, the last to 2 above ``t_k`` (Gorishniy,
Rubachev & Babenko, "On embeddings for numerical features in tabular deep learning",
NeurIPS 2022). The first layer is then additive in piecewise-linear functions of the
columns: ``w x + Σ_j w_j s_j(x)`` has the slope ``w + w_j / (t_{j+1} - t_j)`` between
``t_j`` and ``t_{j+1}``. Their penalty is one of slopes. Hat functions on the same knots
span the same functions, but their penalty is one of values, and they were clearly worse.

**Knots** are values of the column: the first, the last, each value that has 1/k of the
weight or more, and quantiles of the others. Plain quantiles fail where most cells are
zeros. A column of up to three values is not encoded. Knots depend on the order of the
values only, so that the unit of a column has no say.

**Missing numbers** become the mean of the column. Where the rows that the encoder was
made of lack one, another column tells which rows do.

**Categories** are indicators: one column for each category of enough weight, one for all
the others together, one for missing cells if there were any. A category that is not known
is one of the others; where there are none, it is the mean of all. Where there are more
than MANY categories, columns with the mean target of each category stand beside them
(:mod:`skgn.estimators.targets`): of a training row by the other rows, so that no label
speaks for itself. Then only frequent categories have a column of their own.

All of this is a function of one row. It takes no copy of X: rows are encoded as they are
asked for (:class:`EncodedRows`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skgn.data.columns import ColumnError, smallest_scale
from skgn.linalg.products import row_chunks
from skgn.typing import Array

#: Steps of a column, for rows of total weight m: the root of m, divided by ROWS_PER_STEP,
#: within bounds.
ROWS_PER_STEP = 3.0
FEWEST_STEPS, MOST_STEPS = 3, 48

#: Most steps of all columns together, as long as each has FEWEST_STEPS.
MOST_COLUMNS = 256

#: Columns of so few distinct values are not encoded.
FEW_VALUES = 3

#: Rows that knots are taken from, at most.
KNOT_ROWS = 20_000

#: Weight that a category needs for a column of its own: of few categories, of many, and
#: of many that have mean targets. With 6,000 rows of 200 cities, log-loss was .605 with a
#: column for each city, .572 from 20 rows to a city on with means beside, .537 with
#: little else than means.
MIN_WEIGHT, MIN_WEIGHT_OF_MANY, MIN_WEIGHT_BESIDE_MEANS = 3.0, 20.0, 100.0

#: More categories than these are many.
MANY = 20


@dataclass(frozen=True)
class Category:
    """How the categories of a column are encoded.

    Attributes
    ----------
    column : int
        Of raw X, which holds codes ``0 .. K-1``, NaN for missing, and -1 for unknown.
    table : ndarray of shape (K + 2, w), float64
        What each category becomes; in the last two rows, the unknown and the missing.
    kept : ndarray of int
        Codes that have a column of their own, the first of the w.
    pooled, missing : bool
        Whether a column for all the others follows, and one for missing cells.
    with_means : bool
        Whether mean targets stand beside them.
    """

    column: int
    table: Array
    kept: NDArray[np.intp]
    pooled: bool
    missing: bool
    with_means: bool

    @classmethod
    def of(cls, column: int, totals: Array, with_means: bool) -> Category:
        """Learn from the weights of K categories, the unknown and the missing.

        Of many categories there may be mean targets, too.
        """
        count = len(totals) - 2
        seen = np.flatnonzero(totals[:count])
        many = len(seen) > MANY
        least = MIN_WEIGHT
        if many:
            least = MIN_WEIGHT_BESIDE_MEANS if with_means else MIN_WEIGHT_OF_MANY
        kept = seen[totals[seen] >= least * (1 - 1e-12)]  # sums may be rounded
        pooled, missing = len(kept) < len(seen), bool(totals[-1])
        table = np.zeros((count + 2, len(kept) + pooled + missing))
        table[kept, np.arange(len(kept))] = 1
        if pooled:
            table[: count + 1, len(kept)] = 1
            table[kept, len(kept)] = 0
        if missing:
            table[-1, -1] = 1
        neutral = totals @ table / totals.sum()
        unlike = ~table.any(axis=1)  # whatever has no column
        table[unlike] = neutral
        return cls(column, table, kept, pooled, missing, many and with_means)

    @property
    def count(self) -> int:
        """Number of categories K."""
        return len(self.table) - 2

    def encode(self, codes: Array) -> Array:
        """Return the columns for codes, shape (m, w)."""
        return self.table.take(row_of(codes, self.count), axis=0)


@dataclass(frozen=True)
class RawColumns:
    """What an encoder without steps learns of raw columns; that of more rows adds up.

    Attributes
    ----------
    mean, weights : ndarray of shape (n,), float64
        Of the numbers that are there: their mean, and the sum of their weights.
    missing : ndarray of shape (n,), bool
        Whether some lack.
    totals : dict of ndarray of shape (K + 2,)
        Weights of the categories, the unknown and the missing, by column.
    """

    mean: Array
    weights: Array
    missing: NDArray[np.bool_]
    totals: dict[int, Array]

    @classmethod
    def of(
        cls, X: Array, row_weights: Array, n_categories: dict[int, int] | None = None
    ) -> RawColumns:
        """Learn from rows; see :meth:`Encoder.of`."""
        mean, weights, missing = means(X, row_weights)
        totals = {
            j: totals_of(X[:, j], row_weights, count)
            for j, count in (n_categories or {}).items()
        }
        return cls(mean, weights, missing, totals)

    def merged(self, other: RawColumns) -> RawColumns:
        """Return what all rows of both tell."""
        weights = self.weights + other.weights
        there = weights > 0
        share = np.divide(other.weights, weights, out=np.zeros_like(weights), where=there)
        return RawColumns(
            (1 - share) * self.mean + share * other.mean,
            weights,
            self.missing | other.missing,
            {j: own + other.totals[j] for j, own in self.totals.items()},
        )

    def scaled(self, factor: float) -> RawColumns:
        """Return the same by weights in another unit."""
        totals = {j: factor * own for j, own in self.totals.items()}
        return replace(self, weights=factor * self.weights, totals=totals)

    def encoder(self, with_means: bool) -> Encoder:
        """Return the encoder without steps."""
        n = len(self.mean)
        numbers = np.setdiff1d(np.arange(n), list(self.totals))
        own = tuple(
            Category.of(j, totals, with_means) for j, totals in self.totals.items()
        )
        knots = tuple(np.empty(0) for _ in range(n))
        return Encoder(self.mean, knots, numbers[self.missing[numbers]], own)


@dataclass(frozen=True)
class MeanTargets:
    """Mean targets of the categories of a column.

    Attributes
    ----------
    column : int
    table : ndarray of shape (K + 2, q), float64
        For each category, an unknown and a missing one.
    """

    column: int
    table: Array

    def encode(self, codes: Array) -> Array:
        """Return the columns for codes, shape (m, q)."""
        return self.table.take(row_of(codes, len(self.table) - 2), axis=0)


@dataclass(frozen=True)
class Steps:
    """Steps of columns: ``clip((x - shift) * slope + offset, low, high)``.

    Attributes
    ----------
    source : ndarray of int
        The column of each of the S steps.
    shift, slope, offset, low, high : ndarray of shape (S,)
    """

    source: NDArray[np.intp]
    shift: Array
    slope: Array
    offset: Array
    low: Array
    high: Array

    def standardised(self, mean: Array, scale: Array) -> Steps:
        """Return the steps less their means, divided by their scales.

        Clipping does not mind.
        """
        offset, low, high = (
            (bound - mean) / scale for bound in (self.offset, self.low, self.high)
        )
        return Steps(self.source, self.shift, self.slope / scale, offset, low, high)

    @np.errstate(over="ignore")
    def astype(self, dtype: Any) -> Steps:
        """Return the steps in a precision, in which knots may be beyond all numbers."""
        names = "shift", "slope", "offset", "low", "high"
        own = {name: getattr(self, name).astype(dtype, copy=False) for name in names}
        return replace(self, **own)

    @np.errstate(over="ignore", invalid="ignore")
    def write(self, values: Array, out: Array) -> None:
        """Write the steps of rows, (m, n), to `out`, (m, S)."""
        values.take(self.source, axis=1, out=out, mode="clip")
        out -= self.shift
        out *= self.slope
        out += self.offset
        # knots beyond a precision, of an earlier fit in a higher one, leave no NaN
        np.fmax(out, self.low, out=out)
        np.fmin(out, self.high, out=out)


@dataclass(frozen=True)
class Encoder:
    """What columns of raw X become.

    The encoded columns are, in this order: numbers as they are, their steps, which of
    them are missing, indicators of categories, mean targets of categories.

    Attributes
    ----------
    fill : ndarray of shape (n,), float64
        What stands for a missing number: the mean of the column.
    knots : tuple of ndarray
        Of each column of X; empty for those without steps.
    flagged : ndarray of int
        Columns of numbers some of which are missing.
    categories : tuple of Category
    mean_targets : tuple of MeanTargets
    """

    fill: Array
    knots: tuple[Array, ...]
    flagged: NDArray[np.intp]
    categories: tuple[Category, ...] = ()
    mean_targets: tuple[MeanTargets, ...] = ()

    @classmethod
    def of(
        cls,
        X: Array,
        row_weights: Array,
        n_categories: dict[int, int] | None = None,
        with_means: bool = False,
    ) -> Encoder:
        """Learn from rows; without steps.

        Parameters
        ----------
        X : ndarray of shape (m, n)
            Numbers, NaN where they are missing, and codes of categories.
        row_weights : ndarray of shape (m,), float64
            Raw ones: a weight of 2 is a row repeated, and one of 0 does not count.
        n_categories : dict of int, optional
            How many categories there may be, by column.
        with_means : bool
            Whether there will be mean targets of many categories.
        """
        return RawColumns.of(X, row_weights, n_categories).encoder(with_means)

    def with_steps(
        self,
        X: Array,
        row_weights: Array,
        random_state: np.random.RandomState,
        steps: int | None = None,
        most_columns: int | None = None,
    ) -> Encoder:
        """Return the encoder with steps, by the same rows; itself if there are none.

        Parameters
        ----------
        random_state : RandomState
            Draws the rows that knots are taken from, where there are many.
        steps : int, optional
            Of each column, about; by default by the weight of the rows and the columns.
        most_columns : int, optional
            No more columns than these are to have steps.
        """
        index: Any = slice(None)
        some = np.flatnonzero(row_weights)
        if len(some) > KNOT_ROWS:
            index = np.sort(random_state.permutation(some)[:KNOT_ROWS])
        part, weights = X[index], row_weights[index]
        distributions = {j: distribution(part[:, j], weights) for j in self.numbers}
        own = [j for j, (values, _) in distributions.items() if len(values)]
        if not own or (most_columns is not None and len(own) > most_columns):
            return self
        if steps is None:
            steps = steps_for(float(row_weights.sum()), len(own))
        knots = list(self.knots)
        for j in own:
            knots[j] = knots_of(*distributions[j], steps, X.dtype)
        return replace(self, knots=tuple(knots))

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes without what follows from them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def n_features(self) -> int:
        """Columns of raw X."""
        return len(self.fill)

    @cached_property
    def numbers(self) -> NDArray[np.intp]:
        """Columns of numbers."""
        others = [part.column for part in self.categories]
        return np.setdiff1d(np.arange(len(self.fill)), others)

    @cached_property
    def is_plain(self) -> bool:
        """Whether X stays as it is, where no number is missing."""
        own = (*self.categories, *self.flagged, *self.mean_targets)
        return not own and not self.has_steps

    @property
    def has_steps(self) -> bool:
        """Whether a column of numbers has steps."""
        return any(len(t) for t in self.knots)

    @cached_property
    def width(self) -> int:
        """Number of encoded columns."""
        steps = sum(max(len(t) - 1, 0) for t in self.knots)
        indicators = sum(part.table.shape[1] for part in self.categories)
        means_of = sum(part.table.shape[1] for part in self.mean_targets)
        numbers = len(self.numbers) + len(self.flagged)
        return numbers + steps + indicators + means_of

    @cached_property
    def steps(self) -> Steps:
        """All steps, column by column."""
        own = [j for j in self.numbers if len(self.knots[j])]
        counts = np.array([len(self.knots[j]) - 1 for j in own], dtype=np.intp)
        source = np.repeat(np.array(own, dtype=np.intp), counts)
        shift = np.concatenate([np.empty(0), *(self.knots[j][:-1] for j in own)])
        length = np.concatenate([np.empty(0), *(np.diff(self.knots[j]) for j in own)])
        low, high = np.zeros(len(shift)), np.ones(len(shift))
        ends = np.cumsum(counts, dtype=np.intp)
        low[ends - counts] = -1
        high[ends - 1] = 2
        return Steps(source, shift, 1 / length, np.zeros(len(shift)), low, high)

    def filled(self, X: Array) -> Array:
        """Return rows of numbers with the mean for each missing one."""
        missing = np.isnan(X)
        if not missing.any():
            return X
        most = np.finfo(X.dtype).max
        fill = np.clip(self.fill, -most, most).astype(X.dtype)
        return np.where(missing, fill, X)

    def encode(self, X: Array, mean_targets: Array | None = None) -> Array:
        """Return encoded rows, (m, `width`), in the precision of `X`, (m, n).

        `mean_targets` are those of training rows, by the other rows.
        """
        if self.is_plain:
            return self.filled(X)
        out = np.empty((len(X), self.width), dtype=X.dtype)
        self.write(X, out, self.steps.astype(X.dtype), mean_targets)
        return out

    def write(
        self, X: Array, out: Array, steps: Steps, mean_targets: Array | None = None
    ) -> None:
        """Write encoded rows of `X` to `out`; `steps` may be standardised ones."""
        values = self.filled(X)
        start = len(self.numbers)
        out[:, :start] = values[:, self.numbers]
        stop = start + len(steps.source)
        steps.write(values, out[:, start:stop])
        start, stop = stop, stop + len(self.flagged)
        out[:, start:stop] = np.isnan(X[:, self.flagged])
        for part in self.categories:
            start, stop = stop, stop + part.table.shape[1]
            out[:, start:stop] = part.encode(X[:, part.column])
        if mean_targets is not None:
            out[:, stop:] = mean_targets
            return
        for means_of in self.mean_targets:
            start, stop = stop, stop + means_of.table.shape[1]
            out[:, start:stop] = means_of.encode(X[:, means_of.column])

    def names(
        self,
        features: Sequence[str],
        categories: dict[int, NDArray[Any]],
        targets: Sequence[Any],
    ) -> NDArray[Any]:
        """Return the names of the encoded columns.

        Parameters
        ----------
        features : sequence of str
            Names of the columns of raw X.
        categories : dict of ndarray
            Categories by column, in the order of their codes.
        targets : sequence
            What mean targets are means of.
        """
        names = [str(features[j]) for j in self.numbers]
        for j in self.numbers:
            names += [f"{features[j]}_step{i}" for i in range(len(self.knots[j]) - 1)]
        names += [f"missingindicator_{features[j]}" for j in self.flagged]
        for part in self.categories:
            name, known = features[part.column], categories[part.column]
            names += [f"{name}_{known[code]}" for code in part.kept]
            names += [f"{name}_infrequent"] * part.pooled + [f"{name}_nan"] * part.missing
        for means_of in self.mean_targets:
            names += [f"{features[means_of.column]}_mean_{label}" for label in targets]
        return np.array(_unique(names), dtype=object)


class EncodedRows:
    """The encoded matrix of some rows, of which each part is made when it is asked for.

    It stands for an array of shape (m, N) wherever that is read in parts: by rows.
    """

    def __init__(self, X: Array, encoder: Encoder, mean_targets: Array | None = None):
        self.X, self.encoder, self.mean_targets = X, encoder, mean_targets
        self.shape = (X.shape[0], encoder.width)
        self.dtype = X.dtype

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def take(self, index: NDArray[Any]) -> EncodedRows:
        """Return some of the rows, not yet encoded."""
        return EncodedRows(self.X[index], self.encoder, self._means(index))

    def __getitem__(self, rows: Any) -> Array:
        """Return some of the rows, encoded."""
        part = self.X[rows]
        part = part.toarray() if sparse.issparse(part) else part
        return self.encoder.encode(part, self._means(rows))

    def encode(self, out: Array) -> None:
        """Write all rows to `out`, (m, N)."""
        steps = self.encoder.steps.astype(self.dtype)
        for rows in row_chunks(*self.shape):
            self.write(rows, out[rows], steps)

    def write(self, rows: Any, out: Array, steps: Steps) -> None:
        """Write some of the rows to `out`, with steps that may be standardised."""
        self.encoder.write(self.X[rows], out, steps, self._means(rows))

    def _means(self, rows: Any) -> Array | None:
        return None if self.mean_targets is None else self.mean_targets[rows]


class NumberRows:
    """The numbers of encoded rows, without all else."""

    def __init__(self, rows: EncodedRows):
        self.rows, self.numbers = rows, rows.encoder.numbers
        self.shape, self.dtype = (len(rows), len(self.numbers)), rows.dtype

    def __getitem__(self, rows: Any) -> Array:
        """Return some of the rows."""
        return self.rows.encoder.filled(self.rows.X[rows])[:, self.numbers]


@contextmanager
def raw_columns(encoder: Encoder | None) -> Iterator[None]:
    """Let an error that is about an encoded column be about that of raw X."""
    try:
        yield
    except ColumnError as error:
        if encoder is None:
            raise
        # only numbers as they are may be of any size
        raise ColumnError(int(encoder.numbers[error.column]), error.what) from None


def _unique(names: list[str]) -> list[str]:
    """Return names with a number behind those that occur before."""
    seen: set[str] = set()
    for i, name in enumerate(names):
        other = (f"{name}_{k}" for k in count(2))
        names[i] = name if name not in seen else next(n for n in other if n not in seen)
        seen.add(names[i])
    return names


def row_of(codes: Array, count: int) -> NDArray[np.intp]:
    """Return the rows of a table of `count` categories, an unknown and a missing one."""
    missing = np.isnan(codes)
    index = np.where(missing, count + 1, codes).astype(np.intp)
    index[(index < 0) | ((index >= count) & ~missing)] = count
    return index


def totals_of(codes: Array, row_weights: Array, count: int) -> Array:
    """Return the weights of `count` categories, the unknown and the missing."""
    totals = np.bincount(row_of(codes, count), row_weights, count + 2)
    return totals.astype(np.float64)


@np.errstate(over="ignore")  # of numbers that are too large for a fit
def means(X: Array, row_weights: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return the mean of the numbers in each column, their weight, and whether some lack.

    All by the rows of positive weight; the mean is 0 where there is no number.
    """
    n = X.shape[1]
    sums, weights, missing = np.zeros(n), np.zeros(n), np.zeros(n, dtype=bool)
    total = row_weights.sum()
    w = row_weights / total
    for rows in row_chunks(*X.shape):
        part = X[rows].astype(np.float64)
        lacks = np.isnan(part)
        if lacks.any():
            missing |= lacks[w[rows] > 0].any(axis=0)
            part[lacks] = 0
        weights += w[rows] @ ~lacks
        sums += w[rows] @ part  # a mean, which does not overflow
    mean: Array = np.divide(sums, weights, out=np.zeros(n), where=weights > 0)
    return mean, total * weights, missing


def any_missing(X: Array) -> bool:
    """Return whether a cell is missing."""
    return any(np.isnan(X[rows]).any() for rows in row_chunks(*X.shape))


def steps_for(total_weight: float, n: int) -> int:
    """Return how many steps each of `n` columns has, for rows of a total weight."""
    steps = min(max(int(np.sqrt(total_weight) / ROWS_PER_STEP), FEWEST_STEPS), MOST_STEPS)
    return max(min(steps, MOST_COLUMNS // max(n, 1)), FEWEST_STEPS)


def distribution(x: Array, row_weights: Array) -> tuple[Array, Array]:
    """Return the values of a column, ascending, and their weights.

    None of a column that is not to have steps: of few values, or constant but for
    rounding.
    """
    nothing = np.empty(0), np.empty(0)
    counts = (row_weights > 0) & ~np.isnan(x)
    if not counts.all():
        x, row_weights = x[counts], row_weights[counts]
    others = x
    for _ in range(FEW_VALUES):
        others = others[others != others[0]] if len(others) else others
    if not len(others):
        return nothing
    if np.all(row_weights == row_weights[0]):  # sorting alone is far faster
        values, numbers = np.unique(x, return_counts=True)
        totals = numbers * row_weights[0]
    else:
        values, index = np.unique(x, return_inverse=True)
        totals = np.bincount(index, row_weights)
    values = values.astype(np.float64)
    if values[-1] - values[0] <= least_step(values[0], values[-1], x.dtype):
        return nothing
    return values, totals.astype(np.float64)


def least_step(a: float, b: float, dtype: Any) -> float:
    """Return which difference of two numbers of a precision is no more than rounding."""
    size = float(max(abs(a), abs(b)))
    return max(4 * float(np.finfo(dtype).eps) * size, smallest_scale(dtype))


def knots_of(values: Array, weights: Array, steps: int, dtype: Any) -> Array:
    """Return the knots of a column of ascending values for about so many steps.

    Their distances are more than rounding in a precision.
    """
    own = weights >= weights.sum() / steps
    chosen = [values[own], values[[0, -1]]]
    below = np.cumsum(np.where(own, 0, weights))
    more = steps + 1 - np.count_nonzero(own)
    if more >= 2 and below[-1] > 0:
        # a hair less, so that sums of weights may be rounded
        levels = np.linspace(0, 1, more) * below[-1] * (1 - 1e-9)
        chosen.append(values[np.searchsorted(below, levels)])
    knots: list[float] = []
    for knot in np.unique(np.concatenate(chosen)):
        if not knots or knot - knots[-1] > least_step(knots[-1], knot, dtype):
            knots.append(knot)
    return np.array(knots)
