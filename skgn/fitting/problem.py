"""What is fitted, to what, and in which coordinates; the one place where it is trained.

**Sample weights.** Raw weights are what the user gave, times those of the classes. All
samples at once have weights of sum 1, so that the objective is a mean. A batch has raw
weights divided by their mean over all samples, divided by the size of the batch: the mean
over all batches is the same objective. The evidence alone counts the raw weights.

**Damping** has the unit of the mean cost everywhere below :class:`Settings`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from skgn.data.batched_first_layer import BatchedFirstLayer
from skgn.data.batches import SomeRows
from skgn.data.coordinates import Coordinates
from skgn.data.first_layer import FirstLayer
from skgn.data.inputs import Inputs
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
from skgn.training.mini_batch import Descent, train_in_batches
from skgn.training.outcome import Observer, Outcome
from skgn.typing import Array

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

    @property
    def total_weight(self) -> float:
        """Sum of the raw weights."""
        return float(self.samples.weights.sum())

    def held_out(self, samples: Samples) -> HeldOut:
        """Return other samples, which the coordinates were not made of."""
        return self._held_out(self.first.other_rows(samples.X), samples)

    def held_out_part(self, index: Array) -> HeldOut:
        """Return some of the samples."""
        return self._held_out(self.first.take(index), self.of(index).samples)

    def _held_out(self, inputs: Inputs, samples: Samples) -> HeldOut:
        weights = samples.weights / samples.weights.sum()
        return HeldOut(self.network, self.loss, inputs, samples.targets, weights)

    def of(self, index: Array) -> "Problem":
        """Return the problem with the targets and weights of some samples, and all X."""
        samples = self.samples
        targets, weights = samples.targets[index], samples.weights[index]
        return replace(self, samples=replace(samples, targets=targets, weights=weights))

    def evidence(self, share: float) -> Evidence:
        """Return the rule for alpha; an epoch is worth as many iterations as it waits."""
        wait = 0 if self.batched else Evidence.wait
        return Evidence(self.total_weight, self.null_cost, share, wait)

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
        self,
        index: Array | None,
        random_state: np.random.RandomState,
        held_out: HeldOut,
    ) -> FullBatchPath | BatchedPath:
        """Return how the network is trained along falling penalties.

        `index` says which samples of X those of the problem are, None for all.
        """


@dataclass(frozen=True)
class FullBatch(Problem):
    """All samples at each iteration."""

    first: FirstLayer
    batched = False

    def objective(self, alpha: float, index: Array | None = None) -> Objective:
        """Return the objective of the samples, which are those of `index` in X."""
        inputs, weights = self.first.inputs, self.samples.weights
        return Objective(
            network=self.network,
            loss=self.loss,
            inputs=inputs if index is None else inputs.take(index),
            targets=self.samples.targets,
            row_weights=(weights / weights.sum()).astype(self.theta.dtype),
            alpha=alpha,
        )

    def step_and_control(self) -> tuple[Step, Control]:
        """Return how steps are proposed, and how they are judged."""
        damping = self.settings.initial_damping(self.total_weight)
        K = self.network.widths[-1]
        step = self.settings.step(self.first, self.loss, K, damping)
        return step, self.settings.control(damping)

    def train(
        self,
        alpha: float,
        random_state: np.random.RandomState,
        validation: HeldOut | None,
        evidence: Evidence | None,
        observer: Observer | None,
    ) -> Outcome:
        """See :class:`Problem`."""
        return train(
            self.objective(alpha),
            self.theta,
            *self.step_and_control(),
            self.settings.stopping(batched=False),
            None if validation is None else validation.judge,
            observer,
            evidence,
            self.begun,
        )

    def path(
        self,
        index: Array | None,
        random_state: np.random.RandomState,
        held_out: HeldOut,
    ) -> FullBatchPath:
        """See :class:`Problem`."""
        return FullBatchPath(
            self.objective(self.settings.initial_alpha, index),
            self.fresh,
            *self.step_and_control(),
            held_out,
            self.evidence(1.0),
            self.settings.search_iterations(batched=False),
        )


@dataclass(frozen=True)
class MiniBatches(Problem):
    """Some samples at a time.

    Attributes
    ----------
    batch_size : int
    """

    first: BatchedFirstLayer
    batch_size: int
    batched = True

    def objective(self, alpha: float, index: Array | None = None) -> BatchedObjective:
        """Return the objective of the samples, which are those of `index` in X."""
        rows, weights = self.first.rows, self.samples.weights
        return BatchedObjective(
            network=self.network,
            loss=self.loss,
            rows=rows if index is None else SomeRows(rows, index),
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
            descent=self.descent,
        )

    def path(
        self,
        index: Array | None,
        random_state: np.random.RandomState,
        held_out: HeldOut,
    ) -> BatchedPath:
        """See :class:`Problem`."""
        return BatchedPath(
            self.objective(self.settings.initial_alpha, index),
            self.fresh,
            self.factors(),
            min(self.batch_size, len(self.samples.weights)),
            random_state,
            self.block,
            held_out,
            self.evidence(1.0),
            self.settings.search_iterations(batched=True),
        )


def null_cost(loss: Loss, samples: Samples, mean_target: Array) -> float:
    """Return the mean loss on samples of always predicting a mean target."""
    Z = np.tile(loss.mean_link(mean_target), (len(samples.weights), 1))
    losses = loss.pointwise(Z, samples.targets).loss
    return float(samples.weights @ losses / samples.weights.sum())
