"""partial_fit: what an estimator does with a chunk of rows."""

import warnings
from copy import deepcopy
from dataclasses import replace
from itertools import count
from numbers import Integral
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from skgn._compat import check_sample_weight, validate_data
from skgn._rows import Rows, as_csr_array, relative_weights
from skgn._threads import one_thread
from skgn.model.batches import BatchedObjective, make_rows
from skgn.model.inputs import Standardisation
from skgn.model.network import Network
from skgn.model.running_columns import RunningColumns
from skgn.training.evidence import effective_parameters
from skgn.training.full_batch import Outcome
from skgn.training.history import History
from skgn.training.mini_batch import Schedule, shuffled_batches
from skgn.training.stream import Stream, in_columns
from skgn.typing import Array

#: Most rows of a batch of a stream.
STREAM_BATCH = 128

#: What is said where the squares of columns, or the network, overflow.
OVERFLOW = "The network overflows on X. Use standardize=True or rescale the columns of X."


def own_random_state(random_state: Any) -> np.random.RandomState:
    """Return a generator that a stream may copy and keep, unlike one that it shares."""
    given = check_random_state(random_state)
    if isinstance(random_state, Integral):
        return given
    return np.random.RandomState(given.randint(np.iinfo(np.int32).max))


class Streaming:
    """The part of an estimator that takes rows chunk by chunk."""

    def _partial_fit(self, X: Any, y: Any, classes: Any, sample_weight: Any) -> None:
        """Take steps on a chunk of rows, or leave the estimator as it was."""
        with self._restored_on_failure(), one_thread():
            try:
                failed = self._partial_fit_steps(X, y, classes, sample_weight)
            except np.linalg.LinAlgError as error:
                raise ValueError(OVERFLOW) from error
        if failed:
            message = (
                "partial_fit has skipped a chunk of rows on which weights or gradients "
                "were no longer finite; the weights are those before it. Use "
                "standardize=True, or increase damping or alpha."
            )
            warnings.warn(message, ConvergenceWarning, stacklevel=4)

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # looked for below
    def _partial_fit_steps(
        self, X: Any, y: Any, classes: Any, sample_weight: Any
    ) -> bool:
        """Return whether the steps failed."""
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True.")
        sizes, activations = self._hidden_layers()
        self._check_solver_parameters()
        first_call = not hasattr(self, "coefs_")
        X, y, weights = self._chunk(X, y, sample_weight, first_call)
        rows = Rows(X, y, weights).positive()
        rows = self._encode_chunk(rows, classes, first_call).positive()
        if not len(rows.weights):
            if first_call:
                raise ValueError(
                    "class_weight leaves no row of the first chunk a weight."
                )
            return False
        widths = (rows.X.shape[1], *sizes, self.n_outputs_)
        network = Network.of(widths, activations)
        dtype = rows.X.dtype
        stream = deepcopy(getattr(self, "_stream", None))
        if stream is None:
            statistics = RunningColumns.of(rows.X, rows.weights)
        else:
            statistics = stream.statistics.with_rows(rows.X, rows.weights)
        mean_target = self._mean_target(rows)
        columns = Standardisation.none(widths[0])
        if self.standardize:
            columns = statistics.standardisation(dtype)
        if not first_call:
            self._check_same_network(network)
        if stream is None:
            random_state = own_random_state(self.random_state)
            theta = self._stream_weights(network, rows, first_call, columns, random_state)
            damping = self._batch_damping()
            alpha = self._initial_alpha if first_call else self.alpha_
            stream = Stream.begin(
                theta, statistics, columns, damping, random_state, alpha, mean_target
            )
        else:
            stream = stream.moved(network, statistics, columns, mean_target)
            stream.descent.factors.damping = self._batch_damping()
        if not self._searches_alpha:
            stream = replace(stream, alpha=self._initial_alpha)
        objective = BatchedObjective(
            network=network,
            loss=self._loss,
            rows=make_rows(rows.X, columns),
            targets=rows.targets,
            row_weights=relative_weights(rows.weights, statistics.mean_weight, dtype),
            alpha=stream.alpha,
        )
        size = STREAM_BATCH if self.batch_size in ("auto", None) else self.batch_size
        size = min(int(size), len(rows.weights))
        batches = shuffled_batches(len(rows.weights), size, stream.random_state)
        schedule = Schedule(None)
        steps = stream.descent.steps
        rates = (schedule.step(t) for t in count(steps))
        start = perf_counter()
        means = stream.descent.run(objective, batches, rates, stream.random_state)
        if means is None:
            if first_call:
                raise ValueError(OVERFLOW)
            return True
        layers = network.layers(stream.descent.mean)
        self._set_weights(layers, columns, activations)
        self._extend_history(stream, means, perf_counter() - start)
        if self._searches_alpha:
            null_cost = self._null_cost(rows, stream.mean_target)
            stream = stream.with_evidence(network, steps, means["cost"], null_cost)
        self._stream = stream
        return False

    def _chunk(
        self, X: Any, y: Any, sample_weight: Any, first_call: bool
    ) -> tuple[Any, Any, Array]:
        """Return a validated chunk, in the precision of the first one."""
        dtype = (np.float64, np.float32) if first_call else self.coefs_[0].dtype
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=dtype,
            multi_output=True,
            reset=first_call,
        )
        return as_csr_array(X), y, check_sample_weight(sample_weight, X)

    def _check_same_network(self, network: Network) -> None:
        """Refuse hidden layers other than those that the weights are for."""
        earlier = self._predictor().network
        if earlier != network:
            raise ValueError(
                "partial_fit cannot change hidden_layer_sizes or activation; the "
                f"network had the widths {earlier.widths}, now {network.widths}."
            )

    def _stream_weights(
        self,
        network: Network,
        rows: Rows,
        first_call: bool,
        columns: Standardisation,
        random_state: np.random.RandomState,
    ) -> Array:
        """Return the weights that a stream begins with: initial ones, or a fit's."""
        if first_call:
            intercepts = self._loss.mean_link(self._mean_target(rows))
            layers = network.initial_weights(random_state, intercepts)
        else:
            predictor = self._predictor()
            layers = [V.copy() for V in predictor.layers]
            layers[0] = in_columns(layers[0], predictor.columns, columns)
        return np.concatenate([V.ravel() for V in layers]).astype(rows.X.dtype)

    def _extend_history(
        self, stream: Stream, means: dict[str, float], seconds: float
    ) -> None:
        """Add a row for a chunk to what is known of the fit."""
        history = History()
        factors, alpha = stream.descent.factors, stream.alpha
        history.append(**means, damping=factors.damping, alpha=alpha, seconds=seconds)
        row = history.to_dict()
        if getattr(self, "stop_reason_", None) == "partial_fit":
            row["seconds"] += self.history_["seconds"][-1]
            old = self.history_
            row = {name: np.append(old[name], row[name]) for name in row}
        objective, cost = means["objective"], means["cost"]
        outcome = Outcome(
            np.zeros(0),
            objective,
            cost,
            row,
            factors.damping,
            "partial_fit",
            alpha,
            effective_parameters(factors.spectra, alpha),
        )
        self._set_outcome(outcome)
        self.n_iter_ = len(self.loss_curve_)
