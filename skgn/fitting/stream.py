r"""A fit that goes on as rows arrive: weights, factors and column statistics in between.

A chunk of rows first moves the statistics of the columns, then the weights. When a
column's centre or scale moves, weights, their mean and the velocity are carried over to
the new standardised columns, so that the function of raw X does not change, but for
columns whose scale more than doubles (:mod:`skgn.data.columns`). Outliers of a chunk have
no say in the statistics (:mod:`skgn.data.outliers`).

Steps are those of :mod:`skgn.training.mini_batch`, of constant size after a short rise,
since there is no end to anneal to; the noise that annealing would take out is averaged
out instead: the weights that are handed on are a running mean ``θ̄`` of the iterates over
a window that grows with the stream (Polyak & Juditsky, SIAM J. Control Optim. 30, 1992),

    θ̄ <- θ̄ + (θ - θ̄) / min(max(t / 4, 1), WINDOW)      after step t.
"""

from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import count
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from skgn.data.batches import make_rows
from skgn.data.columns import (
    ColumnStatistics,
    Standardisation,
    check_sizes,
    column_range,
    in_columns,
)
from skgn.data.encoding import Encoder, raw_columns
from skgn.data.outliers import brought_in, usual_bounds
from skgn.data.samples import Samples, relative_weights
from skgn.fitting.encoders import encoders_for
from skgn.fitting.fit import FitObserver, overflow
from skgn.fitting.fitted import Fitted
from skgn.fitting.problem import null_cost
from skgn.fitting.settings import Settings
from skgn.fitting.targets import Targets
from skgn.model.losses import Loss
from skgn.model.network import Network
from skgn.model.objective import BatchedObjective
from skgn.model.prediction import Predictor
from skgn.steps.running_kronecker import REFRESH, RunningFactors
from skgn.training.evidence import TEMPERED, Evidence, effective_parameters
from skgn.training.history import History
from skgn.training.mini_batch import Descent, Schedule, shuffled_batches
from skgn.training.outcome import Outcome, Progress
from skgn.typing import Array


@dataclass(frozen=True)
class Stream:
    """What lasts from one chunk to the next.

    Attributes
    ----------
    statistics : ColumnStatistics
        Of all rows so far.
    columns : Standardisation
        The columns that the weights are for.
    descent : Descent
    random_state : RandomState
        Draws the batches and the signs of the output factors.
    alpha : float
        Penalty of the next chunk.
    mean_target : ndarray of shape (K,)
        Weighted mean prediction of a constant.
    """

    statistics: ColumnStatistics
    columns: Standardisation
    descent: Descent
    random_state: np.random.RandomState
    alpha: float
    mean_target: Array

    @classmethod
    def begin(
        cls,
        theta: Array,
        statistics: ColumnStatistics,
        columns: Standardisation,
        damping: float,
        random_state: np.random.RandomState,
        alpha: float,
        mean_target: Array,
    ) -> "Stream":
        """Begin a stream at weights for columns standardised so."""
        factors = RunningFactors(statistics.factor(columns, theta.dtype), damping)
        descent = Descent(theta, np.zeros_like(theta), factors, theta.copy())
        return cls(statistics, columns, descent, random_state, alpha, mean_target)

    def copied(self) -> "Stream":
        """Return a copy of all that steps change."""
        own = deepcopy((self.descent, self.random_state))
        return replace(self, descent=own[0], random_state=own[1])

    def moved(
        self,
        network: Network,
        statistics: ColumnStatistics,
        columns: Standardisation,
        mean_target: Array,
        anew: NDArray[np.bool_],
    ) -> "Stream":
        """Take note of more rows: weights and factor are for `columns` from now on.

        `mean_target` is that of the new rows. Columns that begin `anew` keep their
        weights: they have learned nothing.
        """
        share = 1 - self.statistics.total / statistics.total
        mean_target = self.mean_target + share * (mean_target - self.mean_target)
        stream = self.in_columns(network, columns, anew)
        stream = replace(stream, statistics=statistics, mean_target=mean_target)
        factor = statistics.factor(columns, self.descent.theta.dtype)
        stream.descent.factors.replace_input_factor(factor)
        return stream

    def with_evidence(
        self, network: Network, loss: Loss, steps: int, cost: float, null_cost: float
    ) -> "Stream":
        """Move the penalty if the factors are new since `steps` steps of the stream.

        The costs are those of the latest rows.
        """
        if self.descent.steps // REFRESH == steps // REFRESH:
            return self
        theta = self.descent.theta
        rule = Evidence(
            self.statistics.total,
            null_cost,
            TEMPERED,
            wait=0,
            dispersion=loss.dispersion,
            n_outputs=network.widths[-1],
        )
        squared_norm = network.weight_inner(theta, theta)
        spectra = self.descent.factors.spectra
        alpha = rule.next(self.alpha, spectra, squared_norm, cost)
        return replace(self, alpha=alpha)

    def in_columns(
        self, network: Network, columns: Standardisation, anew: NDArray[np.bool_]
    ) -> "Stream":
        """Re-express weights, their mean and velocity for other columns."""
        old = Standardisation(
            np.where(anew, columns.mean, self.columns.mean),
            np.where(anew, columns.scale, self.columns.scale),
        )

        def carry(flat: Array) -> Array:
            moved = flat.copy()
            V = network.layers(moved)[0]
            V[:] = in_columns(V, old, columns)
            return moved

        return replace(self, columns=columns, descent=self.descent.carried(carry))


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # looked for below
def take_chunk(
    settings: Settings,
    samples: Samples,
    targets: Targets,
    earlier: Fitted | None,
    random_state: np.random.RandomState | None,
    observer: FitObserver | None = None,
) -> Fitted | None:
    """Take one epoch of steps over a chunk of samples.

    Parameters
    ----------
    settings : Settings
    samples : Samples
        Of positive weight, in the precision of the earlier ones.
    targets : Targets
    earlier : Fitted or None
        What the stream, or a fit, has come to; it is not changed.
    random_state : RandomState or None
        The stream's own; None after its first chunk.
    observer : callable, optional
        Told of the chunk.

    Returns
    -------
    Fitted or None
        None where weights or gradients are not finite on the chunk.

    Raises
    ------
    ValueError
        If the network overflows on the first chunk, or is not that of `earlier`.
    LinAlgError
        If the statistics of the columns overflow.
    """
    start = perf_counter()
    settings.check_for(samples.X.dtype)
    encoder = _encoder(settings, samples, earlier)
    if encoder is not None:
        samples = replace(samples, X=encoder.encode(samples.X))
    widths = (samples.X.shape[1], *settings.sizes, targets.n_outputs)
    network = Network.of(widths, settings.activations)
    with raw_columns(encoder):
        stream = _stream(settings, network, samples, targets, earlier, random_state)
    m, descent = len(samples.weights), stream.descent
    steps, mean_weight = descent.steps, stream.statistics.mean_weight
    objective = BatchedObjective(
        network=network,
        loss=targets.loss,
        rows=make_rows(samples.X, stream.columns),
        targets=samples.targets,
        row_weights=relative_weights(samples.weights, mean_weight, samples.X.dtype),
        alpha=stream.alpha,
    )
    size = settings.stream_batch_size(m)
    batches = shuffled_batches(m, size, stream.random_state)
    schedule = Schedule(None)
    rates = (schedule.step(t) for t in count(steps))
    means = descent.run(objective, batches, rates, stream.random_state)
    if means is None:
        if earlier is None:
            raise ValueError(overflow(settings))
        return None
    assert descent.mean is not None
    outcome = _outcome(stream, means, perf_counter() - start, earlier)
    layers = network.layers(descent.mean)
    predictor = Predictor.of(network, layers, stream.columns, encoder)
    if settings.searches_alpha:
        null = null_cost(targets.loss, samples, stream.mean_target)
        stream = stream.with_evidence(network, targets.loss, steps, means["cost"], null)
    path = None
    if settings.searches_alpha and earlier is not None:
        path = earlier.alpha_path
    fitted = Fitted(predictor, outcome, path, stream, encoding=settings.own_encoding)
    if observer is not None:
        values = {name: float(column[-1]) for name, column in outcome.history.items()}
        number = outcome.iterations
        first = earlier is None or earlier.stream is None
        told = Progress(values, number, 0, lambda: outcome, "stream", first)
        observer(told, lambda: fitted)
    return fitted


def _encoder(
    settings: Settings, samples: Samples, earlier: Fitted | None
) -> Encoder | None:
    """Return what raw columns become: that so far, or what the first chunk asks for.

    Nothing is held out of a stream. So it does not choose an encoding by itself.
    """
    if settings.encoding == "auto" and earlier is None:
        settings = replace(settings, encoding=None)
    return encoders_for(settings, samples, np.random.RandomState(0), earlier)[0]


def _stream(
    settings: Settings,
    network: Network,
    samples: Samples,
    targets: Targets,
    earlier: Fitted | None,
    random_state: np.random.RandomState | None,
) -> Stream:
    """Return the stream for a chunk of samples: a new one, or the one so far moved."""
    X, weights, dtype = samples.X, samples.weights, samples.X.dtype
    stream = None if earlier is None else earlier.stream
    stream = None if stream is None else stream.copied()
    check_sizes(*column_range(X, weights), dtype)
    bounds = usual_bounds(X)
    usual = brought_in(X, *bounds)
    if stream is None:
        statistics = ColumnStatistics.of(usual, weights, products=True)
    else:
        anew = stream.statistics.hidden(*bounds)
        statistics = stream.statistics.forgetting(anew, *bounds)
        statistics = statistics.with_rows(usual, weights)
    columns = Standardisation.none(X.shape[1])
    if settings.standardize:
        columns = statistics.standardisation(dtype)
    if earlier is not None and earlier.predictor.network != network:
        raise ValueError(
            "partial_fit cannot change hidden_layer_sizes or activation; the network had "
            f"the widths {earlier.predictor.network.widths}, now {network.widths}."
        )
    damping = settings.batch_damping(X.shape[1])
    mean_target = targets.mean(samples)
    if stream is not None:
        stream = stream.moved(network, statistics, columns, mean_target, anew)
        stream.descent.factors.damping = damping
    else:
        assert random_state is not None
        alpha = settings.initial_alpha
        if earlier is None:
            intercepts = targets.loss.mean_link(mean_target)
            layers = network.initial_weights(
                random_state,
                intercepts,
                spread=settings.spreads_intercepts(network.widths[0]),
            )
        else:
            layers, alpha = earlier.layers_for(network, columns), earlier.outcome.alpha
        theta = np.concatenate([V.ravel() for V in layers]).astype(dtype)
        stream = Stream.begin(
            theta, statistics, columns, damping, random_state, alpha, mean_target
        )
    if not settings.searches_alpha:
        stream = replace(stream, alpha=settings.initial_alpha)
    return stream


def _outcome(
    stream: Stream, means: dict[str, float], seconds: float, earlier: Fitted | None
) -> Outcome:
    """Return the outcome so far: one more row of the history, that of a fit included."""
    factors, alpha = stream.descent.factors, stream.alpha
    history = History()
    history.append(**means, damping=factors.damping, alpha=alpha, seconds=seconds)
    table, iterations = history.to_dict(), 1
    if earlier is not None:
        old = earlier.outcome.history
        table["seconds"] += old["seconds"][-1]
        # a column may be younger than a model that was saved
        blank = np.full(len(old["seconds"]), np.nan)
        table = {name: np.append(old.get(name, blank), table[name]) for name in table}
        iterations += earlier.outcome.iterations
    return Outcome(
        np.zeros(0),
        means["objective"],
        means["cost"],
        table,
        factors.damping,
        "partial_fit",
        alpha,
        effective_parameters(factors.spectra, alpha),
        len(table["cost"]) - 1,
        iterations,
    )
