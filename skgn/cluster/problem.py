r"""The problem of a fit whose samples are spread over workers.

**Batches.** A step costs a round, and a round tens of milliseconds, however few rows it
has. So a batch is a share of all rows: :data:`ROUNDS_PER_EPOCH` steps make an epoch. A
batch of B rows has less noise than one of 256, and what keeps the steps of that one small
where there is little curvature is the damping λ. It is lowered with the noise,

    λ_B = λ (256 / B)^(3/2),

and the factors take in a batch after ``20 / sqrt(B / 256)`` steps, 4 at least. Momentum
is .8 in place of .9, with steps twice as large: their sum stays, and they are forgotten
sooner, since there are fewer of them. All else is as on one machine. No batch has fewer
rows than there are shares of the same size: each has its part of them.

Simulated: log-loss of test rows divided by that of local fits (means of four, which are
known to 2 % for letter, to .5 % for the others), 12 epochs from the weights of a search,
``encoding=None``, rows sorted by class before they are divided:

===========  ==============  =====  =====  =====  =====
data         steps an epoch  1      4      16     64 shares
===========  ==============  =====  =====  =====  =====
letter       50              1.010  1.003  .991   1.008
letter       25              .998   .998   .992   .998
jannis       50              .999   .999   .999   1.000
jannis       25              .999   .997   .999   1.001
covertype    50              .992   .997   .993   .995
covertype    25              1.001  .999   .999   .998
===========  ==============  =====  =====  =====  =====

With 100 steps the three have .996, .999 and .997; 3,000,000 generated rows 1.003. With
``encoding="piecewise"`` 50 steps have 1.032 (letter), 1.028 (jannis) and .992, so that
100 are taken. With λ as on one machine, batches of 4,096 rows of covertype have 1.076, in
place of 1.021.

Shares that take steps of their own, and whose weights are averaged after four, need fewer
rounds, and are on a par with four shares (1.010 at 12 rounds an epoch, against 1.017);
sixteen are not (1.028 at 50 rounds, against .994). Averages once an epoch have 1.06 to
1.11, one share after the other 22, where rows are sorted.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import cast
from weakref import proxy

import numpy as np

from skgn.cluster.objective import Groups, SummedBatches, SummedObjective
from skgn.cluster.share import Judgement, NullCost, zero_rows
from skgn.cluster.spread import Spread
from skgn.fitting.problem import FullBatch, MiniBatches, Problem
from skgn.fitting.settings import Settings
from skgn.linalg.kronecker import Factor
from skgn.model.losses import Loss
from skgn.model.network import Network
from skgn.model.objective import Objective
from skgn.steps.kronecker import KroneckerStep
from skgn.steps.proposal import Step
from skgn.steps.running_kronecker import REFRESH, RunningFactors
from skgn.training.evidence import Evidence
from skgn.training.held_out import HeldOut, Validation
from skgn.training.mini_batch import LARGEST_BATCH, Schedule, train_in_batches
from skgn.training.outcome import Observer, Outcome
from skgn.typing import Array

#: Steps of an epoch on large data.
ROUNDS_PER_EPOCH = 100

#: Smallest damping.
LEAST_DAMPING = 1e-5

#: Share of the velocity that is kept, bound on a step's change of the predictions, and
#: how many times as large as on one machine the steps are.
MOMENTUM, TRUST, LARGER = 0.8, 4e-3, 2.0

#: Groups of rows of each share that make a batch; fewer where shares are small.
GROUPS = 16

#: Fewest steps between two refreshes of the factors, after the first few.
MOST_OFTEN = 4


@dataclass(frozen=True)
class Whole:
    """What is known of all samples together.

    Attributes
    ----------
    count : int
    total : float
        Their weight.
    mean : ndarray of shape (K,)
        Mean target.
    largest : int
        Most samples of a part.
    """

    count: int
    total: float
    mean: Array
    largest: int


@dataclass(frozen=True)
class SpreadProblem(Problem):
    """What problems have in common whose samples are elsewhere.

    Attributes
    ----------
    shares : Spread
    whole : Whole
    columns_vary : bool
    """

    shares: Spread = field(kw_only=True, repr=False)
    whole: Whole = field(kw_only=True)
    columns_vary: bool = field(kw_only=True)

    @cached_property
    def null_cost(self) -> float:
        """See :class:`skgn.fitting.problem.Problem`."""
        return float(self.shares.sum(NullCost(self.loss, self.whole.mean))["cost"])

    @property
    def total_weight(self) -> float:
        """See :class:`skgn.fitting.problem.Problem`."""
        return self.whole.total

    def varies(self) -> bool:
        """See :class:`skgn.fitting.problem.Problem`."""
        return self.columns_vary


@dataclass(frozen=True)
class SpreadFullBatch(SpreadProblem, FullBatch):
    """All samples at each iteration; none of them is here."""

    def objective_for(self, step: Step, alpha: float) -> Objective:
        """See :class:`skgn.fitting.problem.FullBatch`."""
        # the step knows the objective: in a circle, shares would outlive the fit
        own = cast(KroneckerStep, proxy(step))
        return SummedObjective.of(
            self.network, self.loss, self.shares, own, alpha, self.theta.dtype
        )


class LargeBatchFactors(RunningFactors):
    """Factors that take in a batch the more often, the more rows it has."""

    def __init__(self, input_factor: Factor | None, damping: float, batch_size: int):
        super().__init__(input_factor, damping)
        often = REFRESH / np.sqrt(batch_size / LARGEST_BATCH)
        self.refresh = int(np.clip(round(often), MOST_OFTEN, REFRESH))


@dataclass(frozen=True)
class SpreadMiniBatches(SpreadProblem, MiniBatches):
    """Some of the samples at a time, from all shares."""

    batched = True

    def factors(self) -> LargeBatchFactors:
        """See :class:`skgn.fitting.problem.MiniBatches`."""
        n = len(self.first.columns.mean)
        damping = self.settings.batch_damping(n)
        if self.settings.damping is None:
            damping *= min((LARGEST_BATCH / self.batch_size) ** 1.5, 1.0)
            damping = max(damping, LEAST_DAMPING)
        return LargeBatchFactors(self.first.factor, damping, self.batch_size)

    def schedule(self, total: int) -> Schedule:
        """Return the schedule for a number of batches."""
        step = LARGER * self.largest_step
        return Schedule(total, step, momentum=MOMENTUM, trust=TRUST)

    def train(
        self,
        alpha: float,
        random_state: np.random.RandomState,
        validation: HeldOut | None,
        evidence: Evidence | None,
        observer: Observer | None,
    ) -> Outcome:
        """See :class:`skgn.fitting.problem.Problem`."""
        factors = self.factors()
        # of the largest share each group has rows, and so has each batch
        largest = self.whole.largest
        rounds = min(max(round(self.whole.count / self.batch_size), 1), largest)
        groups = min(GROUPS, largest // rounds)
        n, dtype = self.network.widths[0], self.theta.dtype
        objective = SummedBatches.of(
            self.network,
            self.loss,
            self.shares,
            factors,
            alpha,
            Groups((rounds * groups, n), dtype),
            self.whole.count,
            random_state,
        )
        outcome = train_in_batches(
            objective,
            self.theta,
            factors,
            groups,
            self.settings.stopping(batched=True),
            random_state,
            validate=None if validation is None else validation.judge,
            observer=observer,
            evidence=evidence,
            start=self.begun,
            schedule_of=self.schedule,
        )
        # a warm start begins with the weights alone
        return replace(outcome, descent=None)


def batch_size_for(settings: Settings, m: int, n: int) -> int | None:
    """Return the batch size for `m` samples on workers; None for all of them."""
    own = settings.batch_size_for(m, n)
    if own is None or settings.batch_size != "auto":
        return own
    return max(own, m // ROUNDS_PER_EPOCH)


@dataclass(frozen=True)
class SpreadHeldOut(HeldOut):
    """Held-out rows that are spread over workers."""

    shares: Spread = field(kw_only=True, repr=False)

    @classmethod
    def of(cls, network: Network, loss: Loss, shares: Spread) -> "SpreadHeldOut":
        """Return the held-out rows of shares."""
        none = np.empty(0)
        inputs = zero_rows(network.widths[0], float)
        return cls(network, loss, inputs, none, none, shares=shares)

    def judge(self, theta: Array) -> Validation:
        """See :class:`HeldOut`; in one round."""
        sums = self.shares.sum(Judgement(self.network, self.loss, theta))
        return Validation(sums["loss"] / sums["total"], sums["score"] / sums["total"])
