"""Samples in dask collections: read where they lie, predicted lazily.

**Fit.** X, y and weights are arrays or frames of dask, in partitions that belong together
row by row. Each partition is validated on a worker, by the code that validates local
data. What only all of them together can tell is merged on the client: precision, names,
classes, categories and the sizes of weights.

**Predict.** The result is a dask array whose blocks are predicted when it is computed.

dask is imported here alone, and in :mod:`skgn.cluster.workers`; this module is imported
when a collection comes along.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import dask
import dask.array
import numpy as np
from distributed import Client, default_client
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.utils import column_or_1d

from skgn._compat import check_sample_weight
from skgn.cluster.fit import SpreadSamples
from skgn.cluster.workers import OnWorkers
from skgn.data.samples import Samples, as_csr_array, moderate
from skgn.estimators.kinds import frame_columns
from skgn.estimators.reading import checked, is_collection
from skgn.estimators.tables import Reader, may_hold_categories
from skgn.estimators.targets import AnyTargets, LabelTargets, is_multilabel
from skgn.typing import Array

#: What can be done with a collection but for fitting it on a cluster.
HERE = "To fit on this machine, pass X.compute() and y.compute()"


def client_for(estimator: Any) -> Client:
    """Return the client of the cluster that an estimator is to be fitted on.

    Raises
    ------
    ValueError
        If there is none, it is asynchronous, or the estimator needs all samples here.
    """
    if is_regressor(estimator):
        raise ValueError(
            f"{type(estimator).__name__} needs all samples on one machine, and got a "
            f"dask collection. {HERE}."
        )
    if estimator.solver != "kronecker":
        raise ValueError(
            f"solver={estimator.solver!r} needs all samples on one machine, and got a "
            f"dask collection. Use solver='kronecker'. {HERE}."
        )
    try:
        client = default_client()
    except ValueError:
        raise ValueError(
            "X or y is a dask collection, and there is no client of a cluster. Start one "
            f"with distributed.Client(). {HERE}."
        ) from None
    if client.asynchronous:
        raise ValueError(
            "fit cannot wait for an asynchronous client. Use "
            f"distributed.Client(asynchronous=False). {HERE}."
        )
    return client


# Partitions.


def partitions(
    X: Any, y: Any, sample_weight: Any, names: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Return the partitions of X, y and weights that belong together, as delayed ones.

    Parameters
    ----------
    X, y : collection
    sample_weight : collection or None
    names : sequence of str
        Of the three, for messages.

    Raises
    ------
    TypeError
        If one of them is not a collection of rows.
    ValueError
        If they are divided differently.
    """
    given = [(X, names[0]), (y, names[1])]
    if sample_weight is not None:
        given.append((sample_weight, names[2]))
    for collection, name in given:
        _check_rows(collection, name)
    if getattr(X, "ndim", None) != 2:
        raise ValueError(
            f"{names[0]} must have two dimensions; got {getattr(X, 'ndim', 0)}."
        )
    _check_lengths(given)
    rows = X.chunks[0] if _is_array(X) else None
    blocks = [_blocks(collection, rows) for collection, _ in given]
    for own, (_, name) in zip(blocks, given, strict=True):
        if len(own) != len(blocks[0]):
            raise ValueError(
                f"{names[0]} has {len(blocks[0])} partitions and {name} {len(own)}. "
                "Divide them alike, with repartition or rechunk."
            )
    _check_divisions(given)
    if sample_weight is None:
        blocks.append([None] * len(blocks[0]))
    return list(zip(*blocks, strict=True))


def _is_array(collection: Any) -> bool:
    return isinstance(collection, dask.array.Array)


def _check_rows(collection: Any, name: str) -> None:
    """Refuse what is neither an array nor a frame of dask."""
    if not _is_array(collection) and not hasattr(type(collection), "divisions"):
        raise TypeError(
            f"{name} must be a dask array or frame, where any of the data is a dask "
            f"collection; got {type(collection).__name__}."
        )


def _check_lengths(given: list[tuple[Any, str]]) -> None:
    """Refuse arrays of different length, where it is known."""
    known = [
        (sum(own.chunks[0]), name)
        for own, name in given
        if _is_array(own) and not np.isnan(own.chunks[0]).any()
    ]
    for length, name in known[1:]:
        if length != known[0][0]:
            raise ValueError(
                f"{known[0][1]} has {known[0][0]} samples, and {name} {length}."
            )


def _blocks(collection: Any, rows: tuple[float, ...] | None) -> list[Any]:
    """Return a delayed block for each chunk of rows, those of known `rows`."""
    if not _is_array(collection):
        # readers of few columns are tuned to read larger parts: the columns of X and of y
        # are chosen, but no part is made larger
        if hasattr(collection, "simplify"):
            collection = collection.simplify()
        return list(np.ravel(collection.to_delayed(optimize_graph=False)))
    if collection.ndim > 1 and collection.numblocks[1] > 1:
        collection = collection.rechunk({1: -1})
    own = collection.chunks[0]
    known = rows is not None and not np.isnan((*rows, *own)).any()
    if known and own != rows:
        collection = collection.rechunk({0: rows})
    return list(collection.to_delayed().ravel())


def _check_divisions(given: list[tuple[Any, str]]) -> None:
    """Refuse frames whose indices are divided at other places."""
    known = [
        (own.divisions, name)
        for own, name in given
        if not _is_array(own) and own.known_divisions
    ]
    for divisions, name in known[1:]:
        if divisions != known[0][0]:
            raise ValueError(
                f"{known[0][1]} and {name} have different divisions. Align them, with "
                "repartition(divisions=X.divisions) for instance."
            )


# Which columns are categories.


def reader_of(
    client: Client, X: Any, blocks: list[tuple[Any, ...]], categorical_features: Any
) -> Reader:
    """Return the reader of a collection, with the categories of all partitions."""
    if _is_array(X):
        by_type = categorical_features is None or isinstance(categorical_features, str)
        if by_type and X.dtype != object:
            return Reader({})
    else:
        columns = frame_columns(X._meta)
        stated = categorical_features not in (None, "from_dtype")
        if not stated and not any(map(may_hold_categories, columns)):
            return Reader.of(X._meta, categorical_features)
    parts = [block[0] for block in blocks]
    readers = _readers(client, parts, categorical_features)
    numbers = sorted(set().union(*(reader.categories for reader in readers)))
    if any(sorted(reader.categories) != numbers for reader in readers):
        # strings in some of the partitions only
        readers = _readers(client, parts, numbers)
    return Reader.merged(readers) if readers else Reader({})


def _readers(client: Client, parts: list[Any], features: Any) -> list[Reader]:
    ask = dask.delayed(_reader_of_part, pure=False)
    readers = client.gather(client.compute([ask(part, features) for part in parts]))
    return [reader for reader in readers if reader is not None]


def _reader_of_part(X: Any, features: Any) -> Reader | None:
    return Reader.of(X, features) if X.shape[0] else None


# Reading.


@dataclass(frozen=True)
class Facts:
    """What a partition tells of itself.

    Attributes
    ----------
    attributes : dict
        What scikit-learn takes note of: number and names of features.
    like : Samples
        None of its samples.
    count : int
        Samples of positive weight.
    largest : float
        Their largest weight.
    labels, totals : ndarray
        Labels, and their weights; of multilabel targets one row, and none.
    """

    attributes: dict[str, Any]
    like: Samples
    count: int
    largest: float
    labels: NDArray[Any]
    totals: Array


@dataclass(frozen=True)
class Raw:
    """A partition that was read: samples with raw targets, and what it tells."""

    samples: Samples
    facts: Facts


def _read(
    reader: BaseEstimator, table: Reader, number: int, reset: bool, X: Any, y: Any, w: Any
) -> Raw:
    """Read a partition, on a worker."""
    lengths = {len(own) if own.ndim == 1 else own.shape[0] for own in (X, y)}
    lengths |= set() if w is None else {len(w)}
    if len(lengths) > 1:
        raise ValueError(
            f"Partition {number} has {X.shape[0]} samples in X, {len(y)} in y"
            + ("." if w is None else f" and {len(w)} in sample_weight.")
        )
    own = clone(reader)
    if not reset:
        own.__dict__.update(_noted(reader))
    if not X.shape[0]:
        empty = as_csr_array(X) if sparse.issparse(X) else np.empty((0, X.shape[1]))
        none = Samples(empty, np.asarray(y), np.empty(0), categories=table.counts)
        return Raw(none, Facts({}, none, 0, 0.0, np.asarray(y)[:0], np.empty(0)))
    X, y = checked(own, table, X, y, reset=reset)
    if w is not None and not np.any(w):  # of a part only
        weights = np.zeros(X.shape[0])
    else:
        weights = check_sample_weight(w, X)
    X = as_csr_array(X)
    samples = Samples(X, y, weights, categories=table.counts).positive()
    labels, totals = labels_of(samples.targets, samples.weights)
    like = samples.take(np.arange(0))
    count, largest = len(samples.weights), float(samples.weights.max(initial=0))
    return Raw(samples, Facts(_noted(own), like, count, largest, labels, totals))


def _noted(reader: BaseEstimator) -> dict[str, Any]:
    names = "n_features_in_", "feature_names_in_"
    return {name: getattr(reader, name) for name in names if hasattr(reader, name)}


def labels_of(y: Any, weights: Array) -> tuple[NDArray[Any], Array]:
    """Return the labels of a partition and their weights; a row of multilabel targets."""
    if is_multilabel(y):
        return np.zeros((1, y.shape[1]), int), np.zeros(1)
    labels, numbers = np.unique(column_or_1d(y, warn=True), return_inverse=True)
    return labels, np.bincount(numbers, weights, len(labels))


def _facts(raw: Raw) -> Facts:
    return raw.facts


@dataclass(frozen=True)
class Encoding:
    """Makes the samples of a fit of raw ones.

    Attributes
    ----------
    targets : AnyTargets
    dtype : dtype
        Of all partitions.
    largest : float
        Weight of all samples.
    names : (str, str)
        Of the targets, and of where their labels should be known from.
    """

    targets: AnyTargets
    dtype: Any
    largest: float
    names: tuple[str, str]

    def __call__(self, raw: Raw) -> Samples:
        """Return the samples of a partition."""
        samples = raw.samples
        weights = moderate(samples.weights, self.largest)
        y = samples.targets
        if isinstance(self.targets, LabelTargets) and len(y) and not is_multilabel(y):
            raise ValueError(f"{self.names[0]} must be multilabel in all partitions.")
        values, weights = self.targets.encode(y, weights, *self.names)
        X = samples.X.astype(self.dtype, copy=False)
        return replace(samples, X=X).with_targets(values, weights).positive()


def read_collections(
    estimator: Any, reader: Any, table: Reader | None, X: Any, y: Any, sample_weight: Any
) -> tuple[SpreadSamples, AnyTargets, Reader]:
    """Read collections of training samples.

    Parameters
    ----------
    estimator : estimator
        To be fitted.
    reader : estimator
        Takes note of the columns.
    table : Reader or None
        Of an earlier fit.

    Returns
    -------
    samples : SpreadSamples
    targets : AnyTargets
        The form of their targets.
    table : Reader
    """
    client = client_for(estimator)
    names = "X", "y", "sample_weight"
    blocks = partitions(X, y, sample_weight, names)
    if table is None:
        table = reader_of(client, X, blocks, estimator.categorical_features)
    raw, facts = _raw(client, reader, table, blocks, reset=True)
    if not any(own.count for own in facts):
        raise ValueError("There is no sample of positive weight.")
    reader.__dict__.update(_agreed([own.attributes for own in facts if own.attributes]))
    labels, totals = _merged_labels(facts)
    targets, *_ = estimator._learned(labels, totals)
    dtypes = {own.like.X.dtype for own in facts if own.count}
    dtype = np.float32 if dtypes == {np.dtype(np.float32)} else np.float64
    return _encoded(raw, facts, targets, dtype, ("y", "classes")), targets, table


def read_held_out(
    estimator: Any,
    reader: Any,
    table: Reader,
    targets: AnyTargets,
    dtype: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
) -> SpreadSamples:
    """Read collections of validation samples, of columns and targets that are known."""
    client = client_for(estimator)
    names = "X_val", "y_val", "sample_weight_val"
    blocks = partitions(X, y, sample_weight, names)
    try:
        raw, facts = _raw(client, reader, table, blocks, reset=False)
    except (TypeError, ValueError) as error:  # which speaks of X and y
        raise type(error)(f"X_val, y_val: {error}") from error
    if not any(own.count for own in facts):
        raise ValueError("There is no validation sample of positive weight.")
    return _encoded(raw, facts, targets, dtype, ("y_val", "y"))


def _raw(
    client: Client,
    reader: Any,
    table: Reader,
    blocks: list[tuple[Any, ...]],
    reset: bool,
) -> tuple[OnWorkers, list[Facts]]:
    """Return partitions that are being read, and what they tell."""
    read = dask.delayed(_read, pure=False)
    own = dask.delayed(reader, pure=False, traverse=False)
    tasks = [read(own, table, i, reset, *block) for i, block in enumerate(blocks)]
    raw = OnWorkers(client, client.compute(tasks))
    return raw, raw.each(_facts)


def _encoded(
    raw: OnWorkers,
    facts: list[Facts],
    targets: AnyTargets,
    dtype: Any,
    names: tuple[str, str],
) -> SpreadSamples:
    largest = max(own.largest for own in facts)
    parts = raw.become(Encoding(targets, np.dtype(dtype), largest, names))
    several = [own.like for own in facts if own.attributes]
    if len({sparse.issparse(like.X) for like in several}) > 1:
        raise ValueError("X is sparse in some partitions and dense in others.")
    like = several[0]
    like = replace(like, X=like.X.astype(dtype, copy=False))
    return SpreadSamples(parts, like, len(facts), sum(own.count for own in facts))


def _agreed(several: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what all partitions have taken note of."""
    first, *others = several
    for other in others:
        for name, value in first.items():
            if not np.array_equal(value, other.get(name)):
                raise ValueError(
                    f"Partitions of X differ in their features: {value} in one, "
                    f"{other.get(name)} in another."
                )
    return first


def _merged_labels(facts: list[Facts]) -> tuple[NDArray[Any], Array]:
    """Return one row for each label of all partitions, and their weights.

    Of multilabel targets, which all weigh the same, a row without and one with all.
    """
    own = [(one.labels, one.totals) for one in facts if one.count]
    if len({(labels.ndim, labels.shape[1:]) for labels, _ in own}) > 1:
        raise ValueError("y must be of the same kind and width in all partitions.")
    if own[0][0].ndim == 2:
        width = own[0][0].shape[1]
        return np.repeat([[0], [1]], width, axis=1), np.ones(2)
    kinds = {"string" if labels.dtype.kind in "UO" else "number" for labels, _ in own}
    if len(kinds) > 1:
        raise ValueError("y has strings in some partitions and numbers in others.")
    labels = np.concatenate([labels for labels, _ in own])
    return labels, np.concatenate([totals for _, totals in own])


# Predicting.


def predicted_lazily(
    method: Callable[..., Any], estimator: Any, X: Any, *options: Any, **more: Any
) -> Any:
    """Return a dask array of what a method returns for each block of a collection.

    Raises
    ------
    TypeError
        If the collection is neither an array nor a frame.
    ValueError
        If it returns more than one array.
    """
    _check_rows(X, "X")
    blocks = _blocks(X, None)
    like = method(estimator, _a_few_rows(X), *options, **more)
    if isinstance(like, tuple):
        raise ValueError(
            f"{method.__name__} returns one array only for a dask collection; got "
            f"{more or options}."
        )
    sizes = X.chunks[0] if _is_array(X) else (np.nan,) * len(blocks)
    own = dask.delayed(estimator, pure=False, traverse=False)
    call = dask.delayed(partial(_predicted, method.__name__, options, more), pure=False)
    parts = []
    for block, size in zip(blocks, sizes, strict=True):
        shape = size, *like.shape[1:]
        task = call(own, block, like[:0])
        parts.append(dask.array.from_delayed(task, shape, like.dtype))
    return dask.array.concatenate(parts, allow_unknown_chunksizes=True)


def score(
    metric: Callable[..., float], estimator: Any, X: Any, y: Any, sample_weight: Any
) -> float:
    """Return a metric of predictions for a collection; targets alone come here."""
    y, predicted, weights = _computed(y, estimator.predict(X), sample_weight)
    return metric(y, predicted, sample_weight=weights)


def _computed(*several: Any) -> tuple[Any, ...]:
    """Return what collections hold as arrays, and all else as it is."""
    blocks = [_blocks(own, None) if is_collection(own) else None for own in several]
    values = dask.compute(*blocks)  # together: they may have tasks in common
    return tuple(
        own if value is None else np.concatenate(value)
        for own, value in zip(several, values, strict=True)
    )


def _a_few_rows(X: Any) -> Any:
    """Return rows of what a collection is like, to see what comes of them."""
    if _is_array(X):
        return np.zeros((1, X.shape[1]), X.dtype)
    return X._meta_nonempty


def _predicted(
    name: str, options: Any, more: Any, estimator: Any, X: Any, empty: Any
) -> Any:
    return getattr(estimator, name)(X, *options, **more) if X.shape[0] else empty
