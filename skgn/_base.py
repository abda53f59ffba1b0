"""What the estimators share: parameters, fit as a list of steps, fitted attributes."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from inspect import signature
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning, InconsistentVersionWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skgn._compat import Interval, StrOptions, check_sample_weight, validate_data
from skgn._rows import Rows, as_csr_array, is_mapped
from skgn._streaming import Streaming
from skgn._threads import one_thread
from skgn._training import Problem, Training
from skgn._version import __version__
from skgn.model.activations import ACTIVATIONS
from skgn.model.inputs import Standardisation
from skgn.model.losses import Loss
from skgn.model.network import Network
from skgn.model.prediction import Predictor
from skgn.steps.batched_first_layer import BatchedFirstLayer
from skgn.steps.first_layer import FirstLayer
from skgn.training.full_batch import Outcome
from skgn.training.held_out import HeldOut
from skgn.training.stream import in_columns
from skgn.typing import Array

#: What a user can do about a fit that ended for one of these reasons.
ADVICE = {
    "max_iter": (
        "The fit reached max_iter={max_iter} before it converged. Increase max_iter or "
        "alpha, or set early_stopping=True or a cost_threshold."
    ),
    "damping": (
        "The fit stopped after {n_iter} iterations because no step of any size lowered "
        "the objective; the best weights are kept. Use standardize=True or rescale the "
        "columns of X, increase alpha, or fit in float64."
    ),
    "line_search": (
        "The fit stopped after {n_iter} iterations because no fraction of the step that "
        "solver={solver!r} proposed lowered the objective; the best weights are kept. "
        "Use safeguard='sign' or solver='kronecker'."
    ),
    "batches": (
        "The mini-batch fit stopped after {n_iter} passes because its weights or "
        "gradients were no longer finite; the best weights are kept. Use "
        "standardize=True, increase damping or alpha, or set batch_size=None."
    ),
    "diverged": (
        "The unguarded steps of solver={solver!r} diverged within {n_iter} iterations; "
        "the best weights are kept. Use safeguard='sign' or solver='kronecker'."
    ),
}

#: Which solvers use the parameters that not all of them use.
USED_BY = {
    "order": ("sequential",),
    "safeguard": ("sequential", "joint"),
    "step_size": ("sequential", "joint"),
}


class BaseGaussNewtonMLP(Training, Streaming, BaseEstimator, ABC):
    """Parameters and fit of the Gauss-Newton multi-layer perceptrons."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS)), "array-like"],
        "solver": [StrOptions({"kronecker", "sequential", "joint"})],
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
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "standardize": ["boolean"],
        "order": [StrOptions({"jacobi", "gauss_seidel"})],
        "safeguard": [StrOptions({"line_search", "sign"}), None],
        "step_size": [Interval(Real, 0, 1, closed="right")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # What a subclass knows of its targets.

    @property
    @abstractmethod
    def _loss(self) -> Loss:
        """The loss of the targets last encoded."""

    @abstractmethod
    def _encode_training(self, y: Any, weights: Array) -> tuple[NDArray[Any], Array]:
        """Learn the form of the targets; return them encoded, and the final weights."""

    @abstractmethod
    def _encode_chunk(self, rows: Rows, classes: Any, first_call: bool) -> Rows:
        """Learn the form of a stream's targets; return rows with them encoded."""

    @abstractmethod
    def _encode_validation(self, y: Any, weights: Array) -> tuple[NDArray[Any], Array]:
        """Return validation targets in the form learned, and the final weights."""

    @abstractmethod
    def _mean_target(self, rows: Rows) -> Array:
        """Return the weighted mean prediction of a constant, shape (n_outputs_,)."""

    @abstractmethod
    def _split(
        self, rows: Rows, n_held_out: int, random_state: np.random.RandomState
    ) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Return where training and held-out rows are; None if there are too few."""

    # Fit.

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: Any) -> None:
        """Fit, or leave the estimator as it was."""
        with self._restored_on_failure(), one_thread():
            self._fit_steps(X, y, sample_weight, *validation)
        reason = self.stop_reason_
        if reason == "diverged" and self.solver == "kronecker":
            reason = "batches"
        if reason in ADVICE:
            message = ADVICE[reason].format(
                max_iter=self._most_iterations(batched=False),
                n_iter=self.n_iter_,
                solver=self.solver,
            )
            # the caller of fit, through scikit-learn's wrapper of it
            warnings.warn(message, ConvergenceWarning, stacklevel=4)

    @contextmanager
    def _restored_on_failure(self) -> Iterator[None]:
        """Leave the estimator as it was if what follows fails or is interrupted."""
        before = self.__dict__.copy()
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _fit_steps(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        X_val: Any,
        y_val: Any,
        sample_weight_val: Any,
    ) -> None:
        random_state = check_random_state(self.random_state)
        sizes, activations = self._hidden_layers()
        self._check_solver_parameters()
        earlier = None
        if self.warm_start and hasattr(self, "coefs_"):
            earlier = (self.classes_, self.out_activation_, self._predictor())
        self._stream = None
        rows = self._training_rows(X, y, sample_weight)
        held_out = self._validation_rows(rows, X_val, y_val, sample_weight_val)
        widths = (rows.X.shape[1], *sizes, self.n_outputs_)
        network = Network.of(widths, activations)
        if len(self.classes_) == 1:
            self._set_single_class(network, activations)
            return
        if self.early_stopping and held_out is None:
            rows, held_out = self._split_for_early_stopping(rows, random_state)

        batch_size = self._batch_size_for(len(rows.weights), rows.X.shape[1])
        first: FirstLayer | BatchedFirstLayer
        if batch_size is None:
            rows = rows.gathered()
            share = rows.scattered_weights()
            first = FirstLayer.of(rows.X, share, self.standardize, random_state)
        else:
            first = BatchedFirstLayer.of(
                rows.X,
                rows.scattered_weights(),
                self.standardize,
                random_state,
                rows.kept,
                copy=not is_mapped(rows.X),
            )
        intercepts = self._loss.mean_link(self._mean_target(rows))
        # the search for a penalty must not change what the same one, given, leads to
        if earlier is None:
            layers = network.initial_weights(random_state, intercepts)
            theta = fresh = _entered(layers, first, rows.X.dtype)
            search_state = deepcopy(random_state)
        else:
            search_state = deepcopy(random_state)
            layers = network.initial_weights(search_state, intercepts)
            fresh = _entered(layers, first, rows.X.dtype)
            layers = self._continued_weights(*earlier, network, first.columns)
            theta = _entered(layers, first, rows.X.dtype)
        inner = replace(network, widths=(first.width, *widths[1:]))
        problem = Problem(inner, rows, first, theta, fresh, batch_size)
        validation = None
        if held_out is not None:
            validation = self._held_out(problem, held_out.gathered())
        try:
            outcome = self._solve(problem, random_state, search_state, validation)
        except FloatingPointError as error:
            raise ValueError(
                "The network overflows on X at its initial weights. Use "
                "standardize=True or rescale the columns of X."
            ) from error

        layers = [V.copy() for V in inner.layers(outcome.theta)]
        layers[0] = first.leave(layers[0])
        self._set_weights(layers, first.columns, activations)
        self._set_outcome(outcome)

    def _split_for_early_stopping(
        self, rows: Rows, random_state: np.random.RandomState
    ) -> tuple[Rows, Rows]:
        """Return training and validation rows, of which `validation_fraction`."""
        m = len(rows.weights)
        n_val = max(1, round(self.validation_fraction * m))
        parts = self._split(rows, n_val, random_state)
        if parts is None:
            raise ValueError(
                "early_stopping=True cannot split validation_fraction="
                f"{self.validation_fraction} off {m} rows of {len(self.classes_)} "
                "classes. Give X_val and y_val, or set early_stopping=False."
            )
        train, held_out = parts
        return rows.take(train), rows.take(held_out)

    def _hidden_layers(self) -> tuple[list[int], list[str]]:
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
        return [int(size) for size in sizes], [str(name) for name in names]

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

    def _training_rows(self, X: Any, y: Any, sample_weight: Any) -> Rows:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=(np.float64, np.float32),
            multi_output=True,
        )
        weights = check_sample_weight(sample_weight, X)
        rows = Rows(as_csr_array(X), y, weights).positive()
        targets, weights = self._encode_training(rows.targets, rows.weights)
        return Rows(rows.X, targets, weights).positive()

    def _validation_rows(
        self, rows: Rows, X_val: Any, y_val: Any, sample_weight_val: Any
    ) -> Rows | None:
        if X_val is None and y_val is None:
            if sample_weight_val is not None:
                raise ValueError(
                    "sample_weight_val is provided, but X_val and y_val were not."
                )
            return None
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
        try:
            X_val, y_val = validate_data(
                self,
                X_val,
                y_val,
                reset=False,
                accept_sparse="csr",
                dtype=rows.X.dtype,
                multi_output=True,
            )
        except (TypeError, ValueError) as error:  # which speaks of X and y
            raise type(error)(f"X_val, y_val: {error}") from error
        weights = check_sample_weight(sample_weight_val, X_val, "sample_weight_val")
        targets, weights = self._encode_validation(y_val, weights)
        return Rows(as_csr_array(X_val), targets, weights).positive()

    def _held_out(self, problem: Problem, held_out: Rows) -> HeldOut:
        """Return rows that were held out before the first layer was made."""
        return HeldOut(
            problem.network,
            self._loss,
            problem.first.other_rows(held_out.X),
            held_out.targets,
            held_out.weights / held_out.weights.sum(),
        )

    def _continued_weights(
        self,
        classes: NDArray[Any],
        out_activation: str,
        predictor: Predictor,
        network: Network,
        columns: Standardisation,
    ) -> list[Array]:
        """Return an earlier fit's weights, float64, for newly standardised columns.

        The function of raw X that they express does not change.
        """
        same_kind = out_activation == self.out_activation_
        if not (same_kind and np.array_equal(classes, self.classes_)):
            raise ValueError(
                "warm_start=True can only be used where `y` has the same classes as in "
                f"the previous call to fit. Previously got {classes}, `y` has "
                f"{self.classes_}."
            )
        if predictor.network != network:
            raise ValueError(
                "warm_start=True can only be used with the columns, hidden_layer_sizes "
                "and activation of the previous call to fit. Previously got a network "
                f"of widths {predictor.network.widths}, now {network.widths}."
            )
        layers = [V.copy() for V in predictor.layers]
        layers[0] = in_columns(layers[0], predictor.columns, columns)
        return layers

    # Fitted attributes.

    def _set_weights(
        self, layers: list[Array], columns: Standardisation, activations: list[str]
    ) -> None:
        """Store the weights for raw X, and the statistics that predictions use."""
        dtype = layers[0].dtype
        b = layers[0][0].astype(np.float64)
        W = layers[0][1:] / columns.scale[:, None]
        self.mean_, self.scale_ = columns.mean, columns.scale
        self._intercepts_at_mean = b
        self.coefs_ = [W.astype(dtype), *(V[1:].copy() for V in layers[1:])]
        self.intercepts_ = [
            (b - columns.mean @ W).astype(dtype),
            *(V[0].copy() for V in layers[1:]),
        ]
        self.activations_ = tuple(activations)
        self.n_layers_ = len(layers) + 1

    def _set_outcome(self, outcome: Outcome) -> None:
        """Store how the fit went."""
        self.history_ = outcome.history
        self.loss_curve_ = outcome.history["objective"].tolist()
        self.loss_ = outcome.objective
        self.best_loss_ = None if self.early_stopping else min(self.loss_curve_)
        self.validation_scores_ = None
        if self.early_stopping:
            self.validation_scores_ = outcome.history["validation"].tolist()
        self.n_iter_ = len(self.loss_curve_) - 1
        self.damping_ = outcome.damping
        self.alpha_ = outcome.alpha
        self.n_effective_parameters_ = outcome.effective_parameters
        self.stop_reason_ = outcome.reason

    def _set_single_class(self, network: Network, activations: list[str]) -> None:
        """Store zero weights: with one class there is nothing to fit."""
        layers: list[Array] = [np.zeros(shape) for shape in network.shapes]
        columns = Standardisation.none(network.widths[0])
        self._set_weights(layers, columns, activations)
        self.alpha_path_ = None
        outcome = Outcome.nothing_to_fit(
            self._initial_damping(1.0), self._initial_alpha, "single_class"
        )
        self._set_outcome(outcome)

    # Predict.

    def _predictor(self) -> Predictor:
        """Return the fitted network, in float64, for standardised columns."""
        layers = [
            np.vstack([b, W]).astype(np.float64)
            for b, W in zip(self.intercepts_, self.coefs_, strict=True)
        ]
        # the stored statistics, because folded weights have lost the digits of a
        # column whose mean is many deviations
        layers[0][0] = self._intercepts_at_mean
        layers[0][1:] *= self.scale_[:, None]
        widths = [len(layers[0]) - 1, *(V.shape[1] for V in layers)]
        network = Network.of(widths, self.activations_)
        return Predictor(network, layers, Standardisation(self.mean_, self.scale_))

    def _outputs(self, X: Any) -> Array:
        """Return the last layer's Z for `X`, shape (m, n_outputs_), float64."""
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            reset=False,
            accept_sparse="csr",
            dtype=(np.float64, np.float32),
        )
        predictor = self._predictor()
        with one_thread(predictor.largest_product(X.shape[0])):
            return predictor.outputs(as_csr_array(X))

    # Persistence: scikit-learn stamps its own classes only.

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the version of this package."""
        return {**super().__getstate__(), "_skgn_version": __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state; warn if another version of this package wrote it."""
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
        super().__setstate__(own)


def _entered(
    layers: list[Array], first: FirstLayer | BatchedFirstLayer, dtype: Any
) -> Array:
    """Return weights in the coordinates of the first layer, flat."""
    layers = [V.astype(dtype) for V in layers]
    layers[0] = first.enter(layers[0])
    return np.concatenate([V.ravel() for V in layers])
