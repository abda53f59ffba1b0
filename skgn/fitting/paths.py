"""How a network is trained along falling penalties, with all rows or in mini-batches.

Each part of a path is a short fit that goes on from where the last one ended: with its
weights, its curvature and, with all rows, its damping and momentum.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from skgn.model.objective import BatchedObjective, Objective
from skgn.steps.proposal import Step
from skgn.steps.running_kronecker import RunningFactors
from skgn.training.control import Control
from skgn.training.damping import GainRatioDamping
from skgn.training.evidence import Evidence
from skgn.training.full_batch import train
from skgn.training.held_out import HeldOut
from skgn.training.mini_batch import Schedule, train_in_batches
from skgn.training.stopping import Stopping
from skgn.typing import Array

#: Iterations with all rows: by the evidence, and from point to point.
FIRST_ITERATIONS, MORE_ITERATIONS = 12, 4

#: Shares of the epochs of the fit in mini-batches.
FIRST_EPOCHS, MORE_EPOCHS = 0.4, 0.2

#: Largest step, and share of rising steps, of the parts that go on.
FURTHER_STEP, FURTHER_RISE = 0.05, 0.2


@dataclass
class FullBatchPath:
    """All rows at each iteration; see :class:`skgn.fitting.relaxation.Path`."""

    objective: Objective
    theta: Array
    step: Step
    control: Control
    held_out: HeldOut
    evidence: Evidence
    most_iterations: int

    def begin(self) -> float:
        """Train with alpha by the evidence, and return it."""
        return self._train(FIRST_ITERATIONS, self.evidence)

    def go_on(self, alpha: float) -> bool:
        """Train on at another alpha."""
        self.objective = replace(self.objective, alpha=alpha)
        self._train(MORE_ITERATIONS)
        return True

    def losses(self) -> Array:
        """Return the losses of the held-out rows at the present weights."""
        return self.held_out.losses(self.theta)

    def _train(self, iterations: int, evidence: Evidence | None = None) -> float:
        stopping = Stopping(max_iter=min(iterations, self.most_iterations), tol=0.0)
        outcome = train(
            self.objective,
            self.theta,
            self.step,
            self.control,
            stopping,
            evidence=evidence,
        )
        self.theta = outcome.theta
        if outcome.reason != "damping":
            self.control = GainRatioDamping(outcome.damping)
        return outcome.alpha


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
    evidence: Evidence
    epochs: int

    def begin(self) -> float:
        """Train with alpha by the evidence, and return it."""
        alpha, _ = self._train(FIRST_EPOCHS, Schedule, self.evidence)
        return alpha

    def go_on(self, alpha: float) -> bool:
        """Train on at another alpha; return whether that was possible."""
        self.objective = replace(self.objective, alpha=alpha)
        schedule = partial(Schedule, largest=FURTHER_STEP, warm_up=FURTHER_RISE)
        _, possible = self._train(MORE_EPOCHS, schedule)
        return possible

    def losses(self) -> Array:
        """Return the losses of the held-out rows at the present weights."""
        return self.held_out.losses(self.theta)

    def _train(
        self,
        share: float,
        schedule: type[Schedule] | partial[Schedule],
        evidence: Evidence | None = None,
    ) -> tuple[float, bool]:
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
        self.theta = outcome.theta
        return outcome.alpha, outcome.reason != "diverged"
