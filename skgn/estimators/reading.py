"""From what the user passes to samples and targets."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils import Tags, check_array, check_X_y
from sklearn.utils.validation import check_is_fitted

from skgn._compat import CallbackSupport, check_sample_weight, validate_data
from skgn._version import __version__
from skgn.data.columns import ColumnError
from skgn.data.samples import Samples, as_csr_array, moderate
from skgn.estimators.tables import Reader
from skgn.estimators.targets import AnyTargets
from skgn.fitting.fitted import Fitted
from skgn.fitting.plain import FITTED, Kinds, plain, rebuilt
from skgn.typing import Array

#: What can be done where scikit-learn cannot read X.
REMEDIES = {
    "could not convert string": (
        "Name columns of words in categorical_features, or pass a data frame"
    ),
    "X contains NaN": "Cells of sparse X cannot be missing: densify X, or impute them",
}

#: In place of targets, where there are to be none.
NO_TARGETS = object()


class TableEstimator(CallbackSupport, BaseEstimator, ABC):
    """An estimator that is fitted to tables, and may be watched by validation samples."""

    categorical_features: Any
    early_stopping: bool

    #: Classes that the form of the targets may have.
    _kinds_of_targets: ClassVar[tuple[type[Any], ...]]

    @abstractmethod
    def _learned(self, y: Any, weights: Array) -> tuple[AnyTargets, Any, Array]:
        """Learn the form of `y`; return it, `y` encoded, and the final weights."""

    @abstractmethod
    def _encoded_validation(
        self, targets: AnyTargets, y: Any, weights: Array
    ) -> tuple[Any, Array]:
        """Return validation targets in a form that is known, and the final weights."""

    def _read(
        self,
        reader: BaseEstimator,
        table: Reader,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation: tuple[Any, Any, Any],
    ) -> tuple[Samples, AnyTargets, Samples | None, Reader]:
        """Return samples, the form of their targets, validation samples, and the table.

        `reader` is an estimator that takes note of the columns.
        """
        X, y, weights = validated(reader, table, X, y, sample_weight)
        samples = Samples(X, y, weights, categories=table.counts).positive()
        targets, values, weights = self._learned(samples.targets, samples.weights)
        samples = samples.with_targets(values, weights).positive()
        held_out = self._validation_samples(reader, table, samples, targets, *validation)
        return samples, targets, held_out, table

    def _validation_samples(
        self,
        reader: BaseEstimator,
        table: Reader,
        samples: Samples,
        targets: AnyTargets,
        X_val: Any,
        y_val: Any,
        sample_weight_val: Any,
    ) -> Samples | None:
        if not self._is_validated(X_val, y_val, sample_weight_val):
            return None
        try:
            X_val, y_val = checked(
                reader, table, X_val, y_val, samples.X.dtype, reset=False
            )
        except (TypeError, ValueError) as error:  # which speaks of X and y
            raise type(error)(f"X_val, y_val: {error}") from error
        weights = check_sample_weight(sample_weight_val, X_val, "sample_weight_val")
        weights = moderate(weights)
        values, weights = self._encoded_validation(targets, y_val, weights)
        if not weights.any():
            raise ValueError("class_weight leaves no sample of X_val a weight.")
        return Samples(as_csr_array(X_val), values, weights).positive()

    def _is_validated(self, X_val: Any, y_val: Any, sample_weight_val: Any) -> bool:
        """Return whether validation samples are given, all that belongs to them."""
        if X_val is None and y_val is None:
            if sample_weight_val is not None:
                raise ValueError(
                    "sample_weight_val is provided, but X_val and y_val were not."
                )
            return False
        if y_val is None:
            raise ValueError("X_val is provided, but y_val was not provided.")
        if X_val is None:
            raise ValueError("y_val is provided, but X_val was not provided.")
        if not self.early_stopping:
            raise ValueError(
                "X_val and y_val are passed to fit while at the same time "
                "early_stopping is False. When passing X_val and y_val to fit, "
                "early_stopping should be set to True."
            )
        return True

    def _take(self, attributes: dict[str, Any]) -> None:
        """Take the attributes of a fit, all at once."""
        if "feature_names_in_" not in attributes:
            self.__dict__.pop("feature_names_in_", None)
        self.__dict__.update(attributes)

    def __sklearn_tags__(self) -> Tags:
        """Declare what the estimator can take."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags

    def _get_doc_link(self) -> str:
        """Return the address of the page on this class, if there is one yet."""
        address = documentation()
        return f"{address}/api/skgn.{type(self).__name__}.html" if address else ""

    # Persistence: scikit-learn stamps its own classes only.

    @classmethod
    def _saved(cls) -> dict[str, tuple[type[Any], ...]]:
        """Return the attributes that are no plain values, and their classes."""
        return {
            "_fitted": (Fitted,),
            "_targets": cls._kinds_of_targets,
            "_table": (Reader,),
        }

    @classmethod
    def _kinds(cls) -> Kinds:
        """Return the classes that files hold the state of."""
        own = Reader, *cls._kinds_of_targets
        return {**FITTED, **{kind.__name__: kind for kind in own}}

    def __getstate__(self) -> dict[str, Any]:
        """Return the state in plain values, with the version of this package."""
        state, kinds = dict(super().__getstate__()), self._kinds()
        for name in self._saved().keys() & state.keys():
            state[name] = plain(state[name], kinds)
        return {**state, "_skgn_version": __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state; warn if another version of this package wrote it.

        Raises
        ------
        ValueError
            If the state cannot be read.
        """
        version = state.get("_skgn_version", __version__)
        if version != __version__:
            warnings.warn(
                InconsistentVersionWarning(
                    estimator_name=f"skgn.{type(self).__name__}",
                    current_sklearn_version=__version__,
                    original_sklearn_version=version,
                ),
                stacklevel=2,
            )
        own = {name: value for name, value in state.items() if name != "_skgn_version"}
        for name, classes in self._saved().items():
            if name in own:
                own[name] = rebuilt(own[name], self._kinds())
                if not isinstance(own[name], classes):
                    raise ValueError(f"The saved state holds a wrong kind of {name}.")
        super().__setstate__(own)


def documentation() -> str:
    """Return the address of the documentation by the package's metadata, or nothing."""
    try:
        urls = metadata("skgn").get_all("Project-URL") or []
    except PackageNotFoundError:  # a source tree that was never installed
        urls = []
    named = dict(url.split(", ", 1) for url in urls)
    return named.get("Documentation", "").rstrip("/")


def is_collection(X: Any) -> bool:
    """Return whether something is a dask collection."""
    return hasattr(type(X), "__dask_graph__")


def collections() -> Any:
    """Return the module on dask collections, which alone needs dask.

    Raises
    ------
    ImportError
        If it is not there.
    """
    try:
        from skgn.estimators import collections
    except ImportError as error:
        raise ImportError(
            "Got a dask collection, which takes dask and distributed. Install them with "
            'pip install "skgn[dask]".'
        ) from error
    return collections


def lazy_on_collections(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method that predicts return a dask array for a dask collection."""

    @wraps(method)
    def predict(self: Any, X: Any, *options: Any, **more: Any) -> Any:
        if not is_collection(X):
            return method(self, X, *options, **more)
        check_is_fitted(self)
        return collections().predicted_lazily(method, self, X, *options, **more)

    return predict


def validated(
    estimator: BaseEstimator,
    table: Reader,
    X: Any,
    y: Any,
    sample_weight: Any,
    dtype: Any = None,
) -> tuple[Any, Any, Array]:
    """Return what a fit is given, as arrays; `dtype` is that of earlier chunks."""
    X, y = checked(estimator, table, X, y, dtype, reset=dtype is None)
    return as_csr_array(X), y, moderate(check_sample_weight(sample_weight, X))


@np.errstate(over="ignore", invalid="ignore")  # in sums of the largest numbers
def checked(
    estimator: BaseEstimator,
    table: Reader,
    X: Any,
    y: Any = NO_TARGETS,
    dtype: Any = None,
    reset: bool = True,
) -> tuple[Any, Any]:
    """Return X with codes for categories and NaN for missing cells, and y, as arrays."""
    if is_collection(X) or is_collection(y):
        raise TypeError(
            "Got a dask collection, which only the fit of a single network and "
            "predictions take. Pass X.compute() and y.compute(); for partial_fit, wrap "
            "the estimator in dask_ml.wrappers.Incremental."
        )
    how: dict[str, Any] = {
        "accept_sparse": "csr",
        "dtype": (np.float64, np.float32) if dtype is None else dtype,
        "ensure_all_finite": True if sparse.issparse(X) else "allow-nan",
    }
    read = table.read(X)
    if read is X:
        try:
            if y is NO_TARGETS:
                return validate_data(estimator, X, reset=reset, **how), None
            return validate_data(estimator, X, y, reset=reset, multi_output=True, **how)
        except ValueError as error:
            for what, remedy in REMEDIES.items():
                if what in str(error):
                    first = str(error).splitlines()[0].rstrip(".")
                    raise ValueError(f"{first}. {remedy}.") from error
            raise
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    how["estimator"] = type(estimator).__name__
    if y is NO_TARGETS:
        return check_array(read, input_name="X", **how), None
    return check_X_y(read, y, multi_output=True, **how)


def read_attributes(
    targets: AnyTargets, reader: BaseEstimator, table: Reader
) -> dict[str, Any]:
    """Return the attributes that tell what a fit has read."""
    own = {
        name: getattr(reader, name)
        for name in ("n_features_in_", "feature_names_in_")
        if hasattr(reader, name)
    }
    return own | {"_targets": targets, "_table": table, **targets.attributes}


@contextmanager
def named_columns(reader: BaseEstimator) -> Iterator[None]:
    """Name a column that cannot be fitted as the user does."""
    try:
        yield
    except ColumnError as error:
        names = getattr(reader, "feature_names_in_", None)
        name = error.column if names is None else repr(names[error.column])
        raise ValueError(f"Feature {name} of X {error.what}") from None
