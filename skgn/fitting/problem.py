"""What is fitted, to what, and in which coordinates; the one place where it is trained.

**Sample weights.** Raw weights are what the user gave, times those of the classes. All
samples at once have weights of sum 1, so that the objective is a mean. A batch has raw
weights divided by their mean over all samples, divided by the size of the batch: the mean
over all batches is the same objective. The evidence alone counts the raw weights.

**Damping** has the unit of the mean cost everywhere below :class:`Settings`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import ClassVar

import numpy as np
from scipy.sparse import issparse

from skgn.data.batched_first_layer import BatchedFirstLayer
from skgn.data.columns import column_range
from skgn.data.coordinates import Coordinates
from skgn.data.encoding import EncodedRows, Encoder
from skgn.data.first_layer import FirstLayer
from skgn.data.samples import Samples, relative_weights
from skgn.fitting.paths import BatchedPath, FullBatchPath
from skgn.fitting.settings import Settings
from skgn.fitting.targets import Targets
from skgn.model.losses import Loss
from skgn.model.network import Network
from skgn.model.objective import BatchedObjective, Objective
from skgn.steps.proposal import Step
from skgn.steps.running_kronecker import RunningFactors
from skgn.training.control import Control
from skgn.training.evidence import Evidence
from skgn.training.full_batch import train
from skgn.training.held_out import HeldOut
from skgn.training.mini_batch import (
    GOING_ON,
    LARGEST_STEP,
    Descent,
    Schedule,
    train_in_batches,
)
from skgn.training.outcome import Observer, Outcome
from skgn.typing import Array

#: Samples that are looked at to see whether columns vary.
SEEN = 10_000

#: Neighbouring samples that are read together from a memory-mapped file.
MAPPED_BLOCK = 16


@dataclass(frozen=True)
class Problem(ABC):
    """A network, samples, and the coordinates in which it is fitted to them.

    Attributes
    ----------
    settings : Settings
    network : Network
        In the coordinates of the first layer.
    targets : Targets
    samples : Samples
    encoder : Encoder or None
        What raw columns become; None for sparse rows.
    first : Coordinates
    theta : ndarray
        Initial weights in these coordinates, flat.
    fresh : ndarray
        Initial weights that no sample has had a part in: theta, but in a warm start.
    begun : float
        When the fit began, by ``time.perf_counter``.
    descent : Descent or None
        Of an earlier fit in mini-batches, which goes on.
    """

    settings: Settings
    network: Network
    targets: Targets
    samples: Samples
    encoder: Encoder | None
    first: Coordinates
    theta: Array
    fresh: Array
    begun: float
    descent: Descent | None
    batched: ClassVar[bool]

    @property
    def loss(self) -> Loss:
        """The loss of the targets."""
        return self.targets.loss

    @cached_property
    def null_cost(self) -> float:
        """Cost of the mean target."""
        return null_cost(self.loss, self.samples, self.targets.mean(self.samples))

    def varies(self) -> bool:
        """Return whether a column varies in the first of the samples."""
        samples, encoder = self.samples, self.encoder
        X = samples.take(np.arange(min(len(samples.weights), SEEN))).gathered().X
        if encoder is not None and not issparse(X):
            X = encoder.filled(X)
        lowest, highest = column_range(X, np.ones(X.shape[0]))
        return bool(np.any(lowest < highest))

    @property
    def total_weight(self) -> float:
        """Sum of the raw weights."""
        return float(self.samples.weights.sum())

    @cached_property
    def in_columns(self) -> Network:
        """The network in standardised columns."""
        n = len(self.first.columns.mean)
        return replace(self.network, widths=(n, *self.network.widths[1:]))

    def enter(self, layers: Sequence[Array]) -> Array:
        """Return weights for standardised columns in the coordinates, flat."""
        own = [V.astype(self.samples.X.dtype) for V in layers]
        own[0] = self.first.enter(own[0])
        return np.concatenate([V.ravel() for V in own])

    def leave(self, flat: Array) -> list[Array]:
        """Return the layers of flat weights, for standardised columns."""
        first, *others = self.network.layers(flat)
        return [self.first.leave(first), *others]

    def held_out(self, samples: Samples) -> HeldOut:
        """Return other samples, which the coordinates were not made of."""
        X = samples.gathered().X
        if self.encoder is not None and not (self.encoder.is_plain and issparse(X)):
            X = EncodedRows(X, self.encoder)
        weights = samples.weights / samples.weights.sum()
        inputs = self.first.other_rows(X)
        return HeldOut(self.network, self.loss, inputs, samples.targets, weights)

    def evidence(self, share: float) -> Evidence:
        """Return the rule for alpha; an epoch is worth as many iterations as it waits."""
        wait = 0 if self.batched else Evidence.wait
        return Evidence(
            self.total_weight,
            self.null_cost,
            share,
            wait,
            dispersion=self.loss.dispersion,
            n_outputs=self.network.widths[-1],
        )

    @property
    def search_evidence(self) -> Evidence | None:
        """The rule that a search begins with; None where alpha is given."""
        return self.evidence(1.0) if self.settings.searches_alpha else None

    def as_it_stands(
        self, theta: Array, alpha: float, validation: HeldOut | None
    ) -> Outcome | None:
        """Return the outcome of a fit that is interrupted here, None if it overflows."""
        settings = replace(self.settings, max_iter=0, cost_threshold=None)
        problem = replace(self, settings=settings, theta=theta, descent=None)
        state = np.random.RandomState(0)
        try:
            outcome = problem.train(alpha, state, validation, None, None)
        except FloatingPointError:
            return None
        return replace(outcome, reason="interrupted")

    def beginning_at(self, theta: Array) -> "Problem":
        """Return the problem with the weights of a search as the initial ones."""
        return replace(self, theta=theta)

    @abstractmethod
    def train(
        self,
        alpha: float,
        random_state: np.random.RandomState,
        validation: HeldOut | None,
        evidence: Evidence | None,
        observer: Observer | None,
    ) -> Outcome:
        """Fit the network, at a penalty that is given or moved by the evidence."""

    @abstractmethod
    def path(
        self, random_state: np.random.RandomState, held_out: HeldOut
    ) -> FullBatchPath | BatchedPath:
        """Return how the network is trained along falling penalties."""


@dataclass(frozen=True)
class FullBatch(Problem):
    """All samples at each iteration."""

    first: FirstLayer
    batched = False

    def objective(self, alpha: float) -> Objective:
        """Return the objective of the samples."""
        weights = self.samples.weights
        return Objective(
            network=self.network,
            loss=self.loss,
            inputs=self.first.inputs,
            targets=self.samples.targets,
            row_weights=(weights / weights.sum()).astype(self.theta.dtype),
            alpha=alpha,
        )

    def objective_for(self, step: Step, alpha: float) -> Objective:
        """Return the objective that a step will look at."""
        return self.objective(alpha)

    @property
    def damping(self) -> float:
        """The initial one."""
        return self.settings.initial_damping(self.total_weight)

    def step(self) -> Step:
        """Return how steps are proposed."""
        K = self.network.widths[-1]
        return self.settings.step(self.first, self.loss, K, self.damping)

    def control(self) -> Control:
        """Return how they are judged."""
        return self.settings.control(self.damping)

    def train(
        self,
        alpha: float,
        random_state: np.random.RandomState,
        validation: HeldOut | None,
        evidence: Evidence | None,
        observer: Observer | None,
    ) -> Outcome:
        """See :class:`Problem`."""
        step = self.step()
        return train(
            self.objective_for(step, alpha),
            self.theta,
            step,
            self.control(),
            self.settings.stopping(batched=False),
            None if validation is None else validation.judge,
            observer,
            evidence,
            self.begun,
        )

    def path(
        self, random_state: np.random.RandomState, held_out: HeldOut
    ) -> FullBatchPath:
        """See :class:`Problem`."""
        return FullBatchPath(
            self.objective(self.settings.initial_alpha),
            self.fresh,
            self.step,
            self.settings.gain_ratio_damping(self.damping),
            held_out,
            self.search_evidence,
            self.settings.search_iterations(batched=False),
            self.settings.tol,
        )


@dataclass(frozen=True)
class MiniBatches(Problem):
    """Some samples at a time.

    Attributes
    ----------
    batch_size : int
    largest_step : float
        Of the schedule.
    """

    first: BatchedFirstLayer
    batch_size: int
    largest_step: float = LARGEST_STEP
    batched = True

    def beginning_at(self, theta: Array) -> "MiniBatches":
        """See :class:`Problem`; there is less to be done."""
        settings = self.settings.going_on()
        return replace(self, theta=theta, settings=settings, largest_step=GOING_ON)

    def objective(self, alpha: float) -> BatchedObjective:
        """Return the objective of the samples."""
        weights = self.samples.weights
        return BatchedObjective(
            network=self.network,
            loss=self.loss,
            rows=self.first.rows,
            targets=self.samples.targets,
            row_weights=relative_weights(weights, weights.mean(), self.theta.dtype),
            alpha=alpha,
        )

    def factors(self) -> RunningFactors:
        """Return what directions are found by."""
        n = len(self.first.columns.mean)
        return RunningFactors(self.first.factor, self.settings.batch_damping(n))

    @property
    def block(self) -> int:
        """Samples that are looked up together."""
        return MAPPED_BLOCK if self.samples.is_mapped else 1

    def train(
        self,
        alpha: float,
        random_state: np.random.RandomState,
        validation: HeldOut | None,
        evidence: Evidence | None,
        observer: Observer | None,
    ) -> Outcome:
        """See :class:`Problem`."""
        return train_in_batches(
            self.objective(alpha),
            self.theta,
            self.factors(),
            self.batch_size,
            self.settings.stopping(batched=True),
            random_state,
            self.block,
            None if validation is None else validation.judge,
            observer,
            evidence,
            self.begun,
            schedule_of=partial(Schedule, largest=self.largest_step),
            descent=self.descent,
        )

    def path(self, random_state: np.random.RandomState, held_out: HeldOut) -> BatchedPath:
        """See :class:`Problem`."""
        return BatchedPath(
            self.objective(self.settings.initial_alpha),
            self.fresh,
            self.factors(),
            min(self.batch_size, len(self.samples.weights)),
            random_state,
            self.block,
            held_out,
            self.search_evidence,
            self.settings.search_iterations(batched=True),
        )


def null_cost(loss: Loss, samples: Samples, mean_target: Array) -> float:
    """Return the mean loss on samples of always predicting a mean target."""
    Z = np.tile(loss.mean_link(mean_target), (len(samples.weights), 1))
    losses = loss.pointwise(Z, samples.targets).loss
    return float(samples.weights @ losses / samples.weights.sum())
