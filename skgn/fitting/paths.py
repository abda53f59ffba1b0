"""How a network is trained along falling penalties, with all rows or in mini-batches.

Each part of a path is a short fit that goes on from where the last one ended: with its
weights, its curvature and, with all rows, its damping and momentum.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np

from skgn.fitting.further import Watch
from skgn.model.objective import BatchedObjective, Objective
from skgn.steps.kronecker import KroneckerStep
from skgn.steps.levenberg_marquardt import LevenbergMarquardtStep
from skgn.steps.proposal import Step
from skgn.steps.running_kronecker import RunningFactors
from skgn.training.damping import GainRatioDamping
from skgn.training.evidence import LEAST, Evidence
from skgn.training.full_batch import train
from skgn.training.held_out import HeldOut
from skgn.training.mini_batch import Schedule, train_in_batches
from skgn.training.stopping import Stopping
from skgn.typing import Array

#: Iterations with all rows: by the evidence, and from point to point.
FIRST_ITERATIONS, MORE_ITERATIONS = 20, 6

#: Shares of the epochs of the fit in mini-batches.
FIRST_EPOCHS, MORE_EPOCHS = 0.4, 0.2

#: Largest step, and share of rising steps, of the parts that go on.
FURTHER_STEP, FURTHER_RISE = 0.05, 0.2


@dataclass
class FullBatchPath:
    """All rows at each iteration; see :class:`skgn.fitting.relaxation.Path`."""

    objective: Objective
    theta: Array
    new_step: Callable[[], Step]
    control: GainRatioDamping
    held_out: HeldOut
    evidence: Evidence | None
    most_iterations: int
    tol: float
    tolerated: ClassVar[float] = 0.5

    def __post_init__(self) -> None:
        """Take the first steps from a point that no step has led to."""
        self.step, self.alpha = self.new_step(), self.objective.alpha

    @property
    def least(self) -> float:
        """Smallest alpha that is tried."""
        return LEAST if self.evidence is None else self.evidence.least

    def begin(self) -> None:
        """Train with alpha by the evidence, or as it is given."""
        self._train(FIRST_ITERATIONS, self.evidence)

    def go_on(self, alpha: float) -> bool:
        """Train on at another alpha."""
        self.objective = replace(self.objective, alpha=alpha)
        self._train(MORE_ITERATIONS)
        return True

    def losses(self) -> Array:
        """Return the losses of the held-out rows at the present weights."""
        return self.held_out.losses(self.theta)

    def rest(self) -> None:
        """Let go of arrays that can be made again; nothing else changes."""
        self.held_out = replace(self.held_out)
        if isinstance(self.step, KroneckerStep | LevenbergMarquardtStep):
            self.step.rest()

    def further(self, alpha: float, theta: Array) -> tuple[Array, float | None]:
        """Train on from a point of the path; see :mod:`skgn.fitting.further`.

        Returns
        -------
        theta : ndarray
            Weights to begin the fit of all rows with.
        threshold : float or None
            Training cost at which that is to end; None if it is to converge.
        """
        self.objective = replace(self.objective, alpha=alpha)
        self.theta, self.step, self.alpha = theta, self.new_step(), alpha
        watch = Watch(self.held_out)
        train(
            self.objective,
            theta,
            self.step,
            self.control,
            Stopping(self.most_iterations, self.tol, n_iter_no_change=np.inf),
            watch,
            watch.has_seen_enough,
        )
        assert watch.latest is not None and watch.best is not None
        if watch.ended_well:
            return watch.latest.theta, None
        theta = watch.best.theta
        return theta, self.objective.evaluate(theta).cost

    def _train(self, iterations: int, evidence: Evidence | None = None) -> None:
        stopping = Stopping(max_iter=min(iterations, self.most_iterations), tol=0.0)
        outcome = train(
            self.objective,
            self.theta,
            self.step,
            self.control,
            stopping,
            evidence=evidence,
        )
        self.theta, self.alpha = outcome.theta, outcome.alpha
        if outcome.reason != "damping":
            self.control = self.control.at(outcome.damping)


@dataclass
class BatchedPath:
    """Epochs of mini-batches; see :class:`skgn.fitting.relaxation.Path`."""

    objective: BatchedObjective
    theta: Array
    factors: RunningFactors
    batch_size: int
    random_state: np.random.RandomState
    block: int
    held_out: HeldOut
    evidence: Evidence | None
    epochs: int
    tolerated: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        """Begin with the alpha of the objective."""
        self.alpha, self.trained = self.objective.alpha, 0

    @property
    def least(self) -> float:
        """Smallest alpha that is tried."""
        return LEAST if self.evidence is None else self.evidence.least

    def begin(self) -> None:
        """Train with alpha by the evidence, or as it is given."""
        self._train(FIRST_EPOCHS, Schedule, self.evidence)

    def go_on(self, alpha: float) -> bool:
        """Train on at another alpha; return whether that was possible."""
        self.objective = replace(self.objective, alpha=alpha)
        schedule = partial(Schedule, largest=FURTHER_STEP, warm_up=FURTHER_RISE)
        return self._train(MORE_EPOCHS, schedule)

    def losses(self) -> Array:
        """Return the losses of the held-out rows at the present weights."""
        return self.held_out.losses(self.theta)

    def rest(self) -> None:
        """Let go of arrays that can be made again; nothing else changes."""
        self.held_out = replace(self.held_out)

    def _train(
        self,
        share: float,
        schedule: type[Schedule] | partial[Schedule],
        evidence: Evidence | None = None,
    ) -> bool:
        outcome = train_in_batches(
            self.objective,
            self.theta,
            self.factors,
            self.batch_size,
            Stopping(max_iter=max(round(share * self.epochs), 1), tol=0.0),
            self.random_state,
            self.block,
            evidence=evidence,
            schedule_of=schedule,
        )
        self.theta, self.alpha = outcome.theta, outcome.alpha
        self.trained += outcome.iterations  # epochs
        return outcome.reason != "diverged"
