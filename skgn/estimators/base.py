"""What the estimators share: parameters, validation, and the attributes of a fit."""

import warnings
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from inspect import signature
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skgn._compat import Interval, Options, StrOptions
from skgn._threads import one_thread
from skgn.data.encoding import Encoder
from skgn.data.samples import Samples, as_csr_array
from skgn.estimators.reading import (
    TableEstimator,
    checked,
    collections,
    is_collection,
    named_columns,
    read_attributes,
    validated,
)
from skgn.estimators.tables import Reader
from skgn.estimators.targets import AnyTargets
from skgn.estimators.tasks import SEARCH, Tasks, together
from skgn.fitting.fit import FitInterrupted, Start, fit, overflow
from skgn.fitting.fitted import Fitted
from skgn.fitting.settings import Settings
from skgn.fitting.stream import take_chunk
from skgn.model.activations import ACTIVATIONS
from skgn.training.history import line
from skgn.training.outcome import Progress
from skgn.typing import Array

#: What is said of a fit that ended for one of these reasons, and what a user can do.
ADVICE = {
    "max_iter": (
        "The fit reached max_iter={max_iter} before it converged.",
        ("Increase max_iter or alpha, or set early_stopping=True or a cost_threshold.",),
    ),
    "damping": (
        "The fit stopped after {n_iter} iterations because no step of any size lowered "
        "the objective; the best weights are kept.",
        ("{scale}", "Increase alpha.", "{precision}"),
    ),
    "line_search": (
        "The fit stopped after {n_iter} iterations because no fraction of the step that "
        "solver={solver!r} proposed lowered the objective; the best weights are kept.",
        ("Use safeguard='sign' or solver='kronecker'.",),
    ),
    "batches": (
        "The mini-batch fit stopped after {n_iter} epochs because its weights or "
        "gradients were no longer finite; the best weights are kept.",
        ("{scale}", "Increase damping or alpha, or set batch_size=None.", "{precision}"),
    ),
    "diverged": (
        "The unguarded steps of solver={solver!r} diverged within {n_iter} iterations; "
        "the best weights are kept.",
        ("Use safeguard='sign' or solver='kronecker'.",),
    ),
    "penalty": (
        "alpha={alpha:g} keeps the fit from being better than the constant prediction.",
        (
            "Leave alpha at 'auto', or decrease it: here it is the penalty of the mean "
            "cost. {peer} divides its alpha by the samples of a mini-batch, or by "
            "all with solver='lbfgs': its alpha={alpha:g} is alpha={in_batches:.2g} (or "
            "{equivalent:.2g}) here.",
        ),
    ),
    "chunk": (
        "partial_fit has skipped a chunk of samples on which weights or gradients were "
        "no longer finite; the weights are those before it.",
        ("{scale}", "Increase damping or alpha.", "{precision}"),
    ),
}

#: Most samples of a mini-batch of MLPClassifier, at its default batch size.
MLP_BATCH = 200

#: Which solvers use the parameters that not all of them use.
USED_BY = {
    "order": ("sequential",),
    "safeguard": ("sequential", "joint"),
    "step_size": ("sequential", "joint"),
}


class BaseGaussNewtonMLP(TableEstimator):
    """Parameters and fit of the Gauss-Newton multi-layer perceptrons."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS)), "array-like"],
        "solver": [
            StrOptions({"kronecker", "levenberg-marquardt", "sequential", "joint"})
        ],
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "damping": [Interval(Real, 0, None, closed="neither"), None],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "cost_threshold": [Interval(Real, 0, None, closed="left"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "standardize": ["boolean"],
        "encoding": [StrOptions({"auto", "piecewise"}), None],
        "n_knots": [StrOptions({"auto"}), Interval(Integral, 3, None, closed="left")],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "order": [StrOptions({"jacobi", "gauss_seidel"})],
        "safeguard": [StrOptions({"line_search", "sign"}), None],
        "step_size": [Interval(Real, 0, 1, closed="right")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # What a subclass knows of its targets.

    @abstractmethod
    def _chunk_targets(
        self, y: Any, classes: Any, earlier: AnyTargets | None
    ) -> AnyTargets:
        """Return the form of the targets of a stream, or what is wrong with `y`."""

    # Fit.

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: Any) -> None:
        """Fit, or leave the estimator as it was."""
        random_state = check_random_state(self.random_state)
        settings = self._settings()
        parts = 1 + settings.searches_alpha
        tasks = Tasks.of(self, X, y, sample_weight, validation, parts)
        if tasks is not None and settings.searches_alpha:
            tasks.begin(SEARCH, None)
        earlier = self._fitted if self.warm_start and hasattr(self, "_fitted") else None
        reader = clone(self)  # which takes note of the columns
        spread = any(map(is_collection, (X, y, sample_weight, *validation)))
        read, train = (self._read_spread, _fit_spread) if spread else (self._read, fit)
        table = self._table_for(X, earlier)
        with one_thread(), named_columns(reader):
            samples, targets, held_out, table = read(
                reader, table, X, y, sample_weight, validation
            )
            if earlier is not None:
                _check_same_targets(self._targets, targets)
            start = Start(random_state, earlier)

            def attributes(fitted: Fitted) -> dict[str, Any]:
                return self._attributes(fitted, targets, reader, table)

            observer = together(tasks, _print if self.verbose else None, attributes)
            original = None
            try:
                fitted = train(settings, samples, targets, start, held_out, observer)
            except FitInterrupted as interrupt:
                fitted, original = interrupt.fitted, interrupt.original
        self._take(attributes(fitted))
        with one_thread():
            self._after(targets, samples)
        if original is not None:
            raise original
        if tasks is not None:
            tasks.done(attributes(fitted))
        self._advise(self._ending, settings, samples.dtype, samples.shape[0])

    def _read_spread(
        self,
        reader: BaseEstimator,
        table: Reader | None,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation: tuple[Any, Any, Any],
    ) -> tuple[Any, AnyTargets, Any, Reader]:
        """Read dask collections; see :meth:`_read`. Their samples stay where they are."""
        dask = collections()
        samples, targets, table = dask.read_collections(
            self, reader, table, X, y, sample_weight
        )
        if any(map(is_collection, validation)) and self._is_validated(*validation):
            dtype = samples.like.X.dtype
            held_out = dask.read_held_out(
                self, reader, table, targets, dtype, *validation
            )
        else:
            held_out = self._validation_samples(
                reader, table, samples.like, targets, *validation
            )
        return samples, targets, held_out, table

    def _after(self, targets: AnyTargets, samples: Samples) -> None:
        """Take what is known of the samples once the network is fitted."""

    @property
    def _ending(self) -> str:
        """What is to be said of how the fit ended."""
        return "penalty" if self._fitted.penalty_prevails else self.stop_reason_

    def _advise(self, reason: str, settings: Settings, dtype: Any, count: int) -> None:
        """Warn of how a fit ended, if there is something to be done about it."""
        advice = self._advice(reason, settings, dtype, count)
        if advice is not None:
            # the caller of fit, through scikit-learn's wrapper of it
            warnings.warn(advice, ConvergenceWarning, stacklevel=5)

    def _advice(
        self, reason: str, settings: Settings, dtype: Any, count: int
    ) -> str | None:
        """Return what is to be said of how a fit ended, if anything."""
        if reason == "diverged" and self.solver == "kronecker":
            reason = "batches"
        if reason not in ADVICE:
            return None
        precision, scale = "", ""
        if dtype == np.float32:
            precision = "Fit in float64."
        if not settings.standardize:
            scale = "Use standardize=True or rescale the features of X."
        what, remedies = ADVICE[reason]
        message = " ".join([what, *remedies]).format(
            max_iter=settings.most_iterations(batched=False),
            n_iter=getattr(self, "n_iter_", 0),
            solver=self.solver,
            alpha=settings.initial_alpha,
            equivalent=settings.initial_alpha / count,
            peer="MLPRegressor" if is_regressor(self) else "MLPClassifier",
            in_batches=settings.initial_alpha / min(count, MLP_BATCH),
            scale=scale,
            precision=precision,
        )
        return " ".join(message.split())  # without the gaps of empty remedies

    def _partial_fit(self, X: Any, y: Any, classes: Any, sample_weight: Any) -> None:
        """Take steps on a chunk of samples, or leave the estimator as it was."""
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True.")
        settings = self._settings()
        earlier: Fitted | None = getattr(self, "_fitted", None)
        dtype = None if earlier is None else earlier.predictor.dtype
        reader = clone(self) if earlier is None else self
        table = self._table_for(X, earlier)
        with one_thread(), named_columns(reader):
            X, y, weights = validated(reader, table, X, y, sample_weight, dtype)
            samples = Samples(X, y, weights, categories=table.counts).positive()
            known = None if earlier is None else self._targets
            targets = self._chunk_targets(samples.targets, classes, known)
            values, weights = targets.encode(samples.targets, samples.weights)
            samples = samples.with_targets(values, weights).positive().gathered()
            if not len(samples.weights):
                if earlier is not None:
                    return
                raise ValueError(
                    "class_weight leaves no sample of the first chunk a weight."
                )
            random_state = None
            if earlier is None or earlier.stream is None:
                random_state = self._own_random_state()
            observer = _print if self.verbose else None
            try:
                fitted = take_chunk(
                    settings, samples, targets, earlier, random_state, observer
                )
            except np.linalg.LinAlgError as error:
                raise ValueError(overflow(settings)) from error
        if fitted is None:
            self._advise("chunk", settings, samples.dtype, samples.shape[0])
        else:
            self._take(self._attributes(fitted, targets, reader, table))

    def _can_stream(self) -> bool:
        """Raise the reason if there is no partial_fit."""
        if self.solver != "kronecker":
            raise AttributeError(
                "partial_fit is only available for solver='kronecker'; "
                f"got solver={self.solver!r}."
            )
        return True

    @available_if(_can_stream)
    def end_stream(self):
        """Let go of what only further calls of :meth:`partial_fit` need.

        That is several times the room of the weights, in memory and in a saved file: the
        second moments of the features, curvature and velocity. Predictions and attributes
        stay as they are. A later :meth:`partial_fit` goes on from the weights, with
        statistics and curvature of its own, as after :meth:`fit`.

        Returns
        -------
        self : estimator
            As it was, where there is no stream.

        Raises
        ------
        NotFittedError
            If there have been neither :meth:`fit` nor :meth:`partial_fit`.
        """
        check_is_fitted(self)
        self._fitted = replace(self._fitted, stream=None)
        return self

    def _table_for(self, X: Any, earlier: Fitted | None) -> Reader | None:
        """Return how X is read: as it was in an earlier fit that is gone on with.

        None for a dask collection without one: its partitions are yet to be seen.
        """
        if is_collection(X):
            return None if earlier is None else self._table
        if earlier is None:
            return Reader.of(X, self.categorical_features)
        if self.categorical_features not in (None, "from_dtype"):
            table = Reader.of(X, self.categorical_features)
            if table.categories.keys() != self._table.categories.keys():
                raise ValueError(
                    "A fit can only go on with the categorical_features that it began "
                    f"with, in columns {sorted(self._table.categories)}; got columns "
                    f"{sorted(table.categories)}."
                )
        return self._table

    def _own_random_state(self) -> np.random.RandomState:
        """Return a generator that a stream may copy and keep, unlike one it shares."""
        given = check_random_state(self.random_state)
        if isinstance(self.random_state, Integral):
            return given
        return np.random.RandomState(given.randint(np.iinfo(np.int32).max))

    def _settings(self) -> Settings:
        """Return the parameters of a fit; refuse those that it would not use."""
        layers = self._hidden_layers()
        self._check_solver_parameters()
        parameters = {
            name: getattr(self, name)
            for name in Settings.__dataclass_fields__
            if name not in ("sizes", "activations")
        }
        return Settings(*layers, **parameters)

    def _hidden_layers(self) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Return sizes and activations of the hidden layers."""
        sizes = self.hidden_layer_sizes
        sizes = [sizes] if isinstance(sizes, Integral) else list(sizes)
        if not all(isinstance(size, Integral) and int(size) > 0 for size in sizes):
            raise ValueError(
                "hidden_layer_sizes must hold positive integers, one per hidden layer; "
                f"got {self.hidden_layer_sizes!r}."
            )
        names = self.activation
        names = [names] * len(sizes) if isinstance(names, str) else list(names)
        if len(names) != len(sizes):
            raise ValueError(
                "activation must be one name, or one name per hidden layer; "
                f"got {len(names)} names for {len(sizes)} hidden layers."
            )
        unknown = [name for name in names if name not in ACTIVATIONS]
        if unknown:
            raise ValueError(
                f"activation must be among {sorted(ACTIVATIONS)}; got {unknown[0]!r}."
            )
        return tuple(int(size) for size in sizes), tuple(str(name) for name in names)

    def _check_solver_parameters(self) -> None:
        """Refuse parameters that the solver would not use."""
        defaults = signature(type(self)).parameters
        for name, solvers in USED_BY.items():
            value = getattr(self, name)
            if self.solver not in solvers and value != defaults[name].default:
                users = " and ".join(f"solver={solver!r}" for solver in solvers)
                raise ValueError(
                    f"{name}={value!r} has no effect with solver={self.solver!r}; leave "
                    f"it at its default. It is for {users}."
                )
        if self.solver != "kronecker" and self.batch_size not in ("auto", None):
            raise ValueError(
                f"batch_size={self.batch_size!r} is only available for "
                f"solver='kronecker'; got solver={self.solver!r}."
            )
        if (
            self.solver == "sequential"
            and self.safeguard != "sign"
            and self.damping is not None
        ):
            raise ValueError(
                f"damping={self.damping!r} has no effect with solver='sequential' and "
                f"safeguard={self.safeguard!r}; leave it at None."
            )

    # Fitted attributes.

    def _attributes(
        self,
        fitted: Fitted,
        targets: AnyTargets,
        reader: BaseEstimator,
        table: Reader,
    ) -> dict[str, Any]:
        """Return the attributes of a fit."""
        predictor, outcome = fitted.predictor, fitted.outcome
        curve = outcome.history["objective"].tolist()
        validated = self.early_stopping
        scores = outcome.history["validation_score"].tolist() if validated else None
        return {
            **read_attributes(targets, reader, table),
            "_fitted": fitted,
            "n_outputs_": targets.n_outputs,
            "out_activation_": targets.loss.out_activation,
            "n_layers_": len(predictor.layers) + 1,
            "activations_": tuple(a.name for a in predictor.network.activations),
            "history_": outcome.history,
            "loss_curve_": curve,
            "loss_": outcome.objective,
            "best_loss_": None if validated else min(curve),
            "best_iter_": outcome.best,
            "validation_scores_": scores,
            "best_validation_score_": None if scores is None else max(scores),
            "n_iter_": outcome.iterations,
            "damping_": outcome.damping,
            "alpha_": outcome.alpha,
            "alpha_path_": fitted.alpha_path,
            "cost_threshold_": fitted.cost_threshold,
            "n_effective_parameters_": outcome.effective_parameters,
            "stop_reason_": outcome.reason,
        }

    @property
    def coefs_(self) -> tuple[Array, ...]:
        """Weights for raw X."""
        return self._predictor.coefs

    @property
    def intercepts_(self) -> tuple[Array, ...]:
        """Intercepts for raw X."""
        return self._predictor.intercepts

    @property
    def mean_(self) -> Array:
        """Mean of each encoded column."""
        return self._predictor.columns.mean

    @property
    def scale_(self) -> Array:
        """Scale of each encoded column."""
        return self._predictor.columns.scale

    @property
    def encoder_(self) -> Encoder | None:
        """What the features become before they are standardised."""
        return self._predictor.encoder

    @property
    def categories_(self) -> list[Any]:
        """Categories of each feature; None for numbers."""
        known = self._table.categories if "_table" in self.__dict__ else {}
        return [known.get(j) for j in range(self._predictor.n_features)]

    @property
    def encoded_feature_names_out_(self) -> Array:
        """Names of the encoded columns."""
        n = self._predictor.n_features
        features = getattr(self, "feature_names_in_", [f"x{j}" for j in range(n)])
        encoder = self._predictor.encoder
        if encoder is None:
            return np.array(features, dtype=object)
        targets = self._targets.names_of_means
        return encoder.names(features, self._table.categories, targets)

    @property
    def _predictor(self) -> Any:
        if "_fitted" not in self.__dict__:
            name = type(self).__name__
            raise AttributeError(f"this {name} is not fitted yet; call fit first.")
        return self._fitted.predictor

    # Predict.

    def _outputs(self, X: Any) -> Array:
        """Return the last layer's Z for `X`, shape (m, n_outputs_), float64."""
        check_is_fitted(self)
        X, _ = checked(self, self._table, X, reset=False)
        return self._outputs_of(as_csr_array(X))

    def hidden_activations(self, X: Any, layer: int = -1) -> Array:
        """Return the activations of a hidden layer.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
            Samples.
        layer : int, default=-1
            Hidden layer, from 0 on, or from the last one on backwards.

        Returns
        -------
        activations : ndarray of shape (n_samples, n_units), float64

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        check_is_fitted(self)
        count = len(self._predictor.layers) - 1
        if not isinstance(layer, Integral) or not -count <= layer < count:
            among = (
                f"from {-count} to {count - 1}" if count else "none: there is no layer"
            )
            raise ValueError(
                f"layer must be the number of a hidden layer, {among}; got {layer!r}."
            )
        X, _ = checked(self, self._table, X, reset=False)
        return self._hidden_of(as_csr_array(X), int(layer) % count)

    def _hidden_of(self, X: Any, l: int) -> Array:
        """Return the activations of hidden layer `l`, for an `X` that has been read."""
        predictor = self._predictor
        with one_thread(predictor.largest_product(X.shape[0])):
            return predictor.hidden(X, l)

    def _outputs_of(self, X: Any) -> Array:
        """Return the same for an `X` that has been read."""
        predictor = self._predictor
        with one_thread(predictor.largest_product(X.shape[0])):
            return predictor.outputs(X)

    def encode(self, X: Any) -> Any:
        """Return the encoded columns of `X`, before they are standardised.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        encoded : {ndarray, sparse matrix} of shape (n_samples, n_encoded)
            In the precision of the fit, in the order of `encoded_feature_names_out_`.
            Sparse `X` of a fit that has encoded nothing stays as it is.
        """
        check_is_fitted(self)
        X, _ = checked(self, self._table, X, reset=False)
        predictor = self._predictor
        X = X.astype(predictor.dtype, copy=False)
        if sparse.issparse(X):
            if predictor.encoder is None or predictor.encoder.is_plain:
                return X
            X = X.toarray()
        return predictor.encoded(X)


def _check_same_targets(earlier: AnyTargets, targets: AnyTargets) -> None:
    same_kind = earlier.loss.out_activation == targets.loss.out_activation
    if same_kind and earlier.loss.dispersion and earlier.n_outputs != targets.n_outputs:
        raise ValueError(
            "warm_start can only be used where `y` has as many targets as in the "
            f"previous call to fit. Previously got {earlier.n_outputs}, now "
            f"{targets.n_outputs}."
        )
    if not (same_kind and np.array_equal(earlier.classes, targets.classes)):
        raise ValueError(
            "warm_start can only be used where `y` has the same classes as in the "
            f"previous call to fit. Previously got {earlier.classes}, `y` has "
            f"{targets.classes}."
        )


def _fit_spread(*arguments: Any) -> Fitted:
    from skgn.cluster.fit import fit_spread  # only here: most fits do without

    return fit_spread(*arguments)


def _print(progress: Progress, fitted: Callable[[], Fitted] | None) -> None:
    """Print a line for each iteration, epoch, chunk, or point of a search."""
    values, number, stage = progress.values, progress.number, progress.stage
    if stage == "search":
        alpha, held_out = values["alpha"], values["held_out"]
        print(f"alpha {alpha:9.2e}  held-out loss {held_out:12.5e}")
    elif stage in ("found", "kept"):
        print(f"alpha {values['alpha']:9.2e}  {stage}; the fit with all samples begins")
    else:
        print(line(values, number, progress.first))
