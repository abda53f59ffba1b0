"""What is asked of the samples of a part before they are a share.

Each of these is called with the :class:`skgn.data.samples.Samples` of one part.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skgn.cluster.share import Share, Sums, zero_rows
from skgn.data.columns import ColumnStatistics, Standardisation, column_range
from skgn.data.encoding import EncodedRows, Encoder, RawColumns, any_missing
from skgn.data.inputs import DenseInputs, SparseInputs, make_inputs
from skgn.data.samples import Samples
from skgn.fitting.targets import Targets
from skgn.typing import Array

#: Rows of a part, and the mean targets that they have in place of those of the table.
Beside = tuple[NDArray[np.intp], Array]


def encoded(samples: Samples, encoder: Encoder | None, beside: Beside | None) -> Any:
    """Return the columns that the network takes."""
    X = samples.X
    if encoder is None:
        return X
    means = None
    if encoder.mean_targets:
        own = [part.encode(X[:, part.column]) for part in encoder.mean_targets]
        means = np.hstack(own)
        if beside is not None:
            index, values = beside
            means[index] = values
        means = means.astype(X.dtype)
    elif encoder.is_plain and (sparse.issparse(X) or not any_missing(X)):
        return X
    return EncodedRows(X, encoder, means)


@dataclass(frozen=True)
class Learning:
    """Asks for what an encoder learns of raw columns."""

    def __call__(self, samples: Samples) -> RawColumns | None:
        """Return what the samples of a part tell, None if there are none."""
        if not len(samples.weights):
            return None
        return RawColumns.of(samples.X, samples.weights, samples.categories)


@dataclass(frozen=True)
class Drawing:
    """Asks for samples drawn at random.

    Attributes
    ----------
    share : float
        Of the samples of each part; all of them from 1 on, in their order.
    seed : int
    """

    share: float
    seed: int

    def index(self, m: int, number: int) -> NDArray[np.intp]:
        """Return which of the `m` samples of a part are drawn."""
        if self.share >= 1:
            return np.arange(m)
        state = np.random.RandomState((self.seed, number))
        # the rounding is drawn, too: parts may be small
        size = int(self.share * m + state.random_sample())
        return np.sort(state.permutation(m)[:size])

    def __call__(self, samples: Samples, number: int) -> Samples:
        """Return some of the samples of a part."""
        index = self.index(len(samples.weights), number)
        return samples.take(index) if len(index) < len(samples.weights) else samples


@dataclass(frozen=True)
class Rest(Drawing):
    """Asks for the samples that were not drawn."""

    def __call__(self, samples: Samples, number: int) -> Samples:
        """Return the others of a part."""
        m = len(samples.weights)
        return samples.take(np.setdiff1d(np.arange(m), self.index(m, number)))


@dataclass(frozen=True)
class Measure:
    """Asks how many samples there are, for their weight, and the mean target."""

    targets: Targets

    def __call__(self, samples: Samples) -> Sums:
        """Return the sums of a part."""
        count, total = len(samples.weights), float(samples.weights.sum())
        K = self.targets.n_outputs
        mean = self.targets.mean(samples) if count else np.zeros(K)
        return {"count": count, "total": total, "mean": total * mean}


@dataclass(frozen=True)
class Ranges:
    """Asks for the least and largest value of each column."""

    encoder: Encoder | None

    def __call__(self, samples: Samples, beside: Beside | None) -> tuple[Array, Array]:
        """Return those of a part."""
        X = encoded(samples, self.encoder, beside)
        if not len(samples.weights):
            return np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)
        return column_range(X, samples.weights)


@dataclass(frozen=True)
class Statistics:
    """Asks for the statistics of the columns.

    Attributes
    ----------
    encoder : Encoder or None
    unit : ndarray of shape (n,)
        Of all statistics.
    total : float
        Weight of all samples.
    """

    encoder: Encoder | None
    unit: Array
    total: float

    def __call__(
        self, samples: Samples, beside: Beside | None
    ) -> ColumnStatistics | None:
        """Return those of a part, None if it is empty."""
        if not len(samples.weights):
            return None
        X = encoded(samples, self.encoder, beside)
        return ColumnStatistics.of(X, samples.weights / self.total, self.unit)


@dataclass(frozen=True)
class Sharing:
    """Makes shares: samples in the coordinates of the first layer.

    Attributes
    ----------
    encoder : Encoder or None
    columns : Standardisation
    total : float
        Weight of all samples.
    seed : int or None
        Of the order that the samples are brought into; None to leave it.
    """

    encoder: Encoder | None
    columns: Standardisation
    total: float
    seed: int | None = None

    def __call__(
        self, parts: list[Samples], own: tuple[int, list[Beside | None]]
    ) -> Share:
        """Return the share of some parts; `own` are its number and their mean targets."""
        number, several = own
        pairs = zip(parts, several, strict=True)
        rows = [(part, encoded(part, self.encoder, own)) for part, own in pairs]
        rows = [(part, X) for part, X in rows if len(part.weights)]
        weights = np.concatenate([np.empty(0), *(part.weights for part, _ in rows)])
        targets = np.concatenate([parts[0].targets[:0], *(p.targets for p, _ in rows)])
        share = Share(
            self._inputs([X for _, X in rows], parts[0].X.dtype),
            targets,
            (weights / self.total).astype(parts[0].X.dtype),
            number,
        )
        return share if self.seed is None else share.shuffled(self.seed)

    def _inputs(self, several: list[Any], dtype: Any) -> DenseInputs | SparseInputs:
        """Return rows in several pieces as those of one."""
        if not several:
            return zero_rows(len(self.columns.mean), dtype)
        if sparse.issparse(several[0]):
            return make_inputs(sparse.csr_array(sparse.vstack(several)), self.columns)
        ends = np.cumsum([len(X) for X in several]).tolist()
        whole = np.empty((ends[-1], 1 + len(self.columns.mean)), dtype)
        whole[:, 0] = 1
        for X, stop in zip(several, ends, strict=True):
            self.columns.apply(X, out=whole[stop - len(X) : stop, 1:])
        return DenseInputs(whole)


def together(parts: list[Samples]) -> Samples:
    """Return the samples of several parts as those of one."""
    X = [part.X for part in parts]
    joined = sparse.vstack(X, format="csr") if sparse.issparse(X[0]) else np.vstack(X)
    if sparse.issparse(joined):
        joined = sparse.csr_array(joined)
    return replace(
        parts[0],
        X=joined,
        targets=np.concatenate([part.targets for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
    )
