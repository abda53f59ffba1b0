r"""The objective of rows that are spread over shares, as the loop of a local fit sees it.

**All rows.** An iteration takes two rounds: the quadratic model along the new direction
and the previous step; then cost and gradient at the trial, with the factors where the
step is going to make them anew. ``Z_1`` is linear in the weights, and shares find its
changes by themselves, so that what stands for ``Ż_1`` here has no rows.

**Batches.** A step takes one round. Each share is divided into as many groups of
neighbouring rows, and a batch is some of the groups of all shares, so that it has a part
of each share, whatever the order of the rows was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skgn.cluster.share import (
    Batch,
    Model,
    PlainFactors,
    Point,
    SampledFactors,
    Sums,
    zero_rows,
)
from skgn.cluster.spread import Spread
from skgn.data.inputs import Inputs
from skgn.linalg.products import add_scaled
from skgn.model.evaluation import Evaluation, Tangent
from skgn.model.losses import Loss
from skgn.model.network import Network, Trace
from skgn.model.objective import BatchedObjective, Objective
from skgn.steps.kronecker import KroneckerStep
from skgn.steps.running_kronecker import RunningFactors
from skgn.typing import Array


@dataclass(frozen=True)
class SummedObjective(Objective):
    """An objective that has no rows itself, but shares that add up their own.

    Attributes
    ----------
    rounds : Spread
    step : KroneckerStep
        Which tells whether it will want the factors at the next point.
    """

    rounds: Spread = field(kw_only=True, repr=False)
    step: KroneckerStep = field(kw_only=True, repr=False)

    @classmethod
    def of(
        cls,
        network: Network,
        loss: Loss,
        rounds: Spread,
        step: KroneckerStep,
        alpha: float,
        dtype: Any,
    ) -> "SummedObjective":
        """Return the objective of the shares of `rounds`."""
        inputs = zero_rows(network.widths[0], dtype)
        none = np.empty(0, dtype)
        return cls(network, loss, inputs, none, none, alpha, rounds=rounds, step=step)

    def evaluate(
        self, theta: Array, base: Evaluation | None = None, Z1_dot: Array | None = None
    ) -> "SummedEvaluation":
        """See :class:`Objective`; all that a trial is asked for, in one round."""
        wanted = self.step.refreshes_next and not self.step.samples
        sums = self.rounds.sum(Point(self.network, self.loss, theta, wanted))
        return SummedEvaluation(self, theta, Trace([], [], []), sums)

    def recycle(self, evaluation: Evaluation) -> None:
        """There is nothing to take back."""


@dataclass(frozen=True)
class SummedBatch(Objective):
    """The objective of a batch, of which each share has a part.

    Attributes
    ----------
    whole : SummedBatches
    groups : ndarray of int
    """

    whole: "SummedBatches" = field(kw_only=True, repr=False)
    groups: NDArray[np.intp] = field(kw_only=True)

    @property
    def rounds(self) -> Spread:
        """Of all shares."""
        return self.whole.rounds

    def evaluate(
        self, theta: Array, base: Evaluation | None = None, Z1_dot: Array | None = None
    ) -> "SummedEvaluation":
        """See :class:`Objective`; all that a step is made of, in one round."""
        whole, seed = self.whole, None
        if whole.factors.is_due:
            seed = whole.random_state.randint(np.iinfo(np.int32).max)
        count = whole.rows.shape[0]
        ask = Batch(self.network, self.loss, theta, self.groups, count, seed)
        sums = whole.rounds.sum(ask)
        share = whole.total_rows / sums["rows"]  # row weights of a batch have the sum 1
        scaled = {
            name: share * value
            for name, value in sums.items()
            if name in ("cost", "gradient") or name[0] == "G"
        }
        return SummedEvaluation(self, theta, Trace([], [], []), {**sums, **scaled})

    def recycle(self, evaluation: Evaluation) -> None:
        """There is nothing to take back."""


@dataclass
class Groups:
    """Groups of rows that a batch is made of, in place of its rows.

    Attributes
    ----------
    shape : (int, int)
        Number of groups, and of columns.
    dtype : dtype
        Of the columns.
    """

    shape: tuple[int, int]
    dtype: Any

    def batch(self, index: NDArray[Any]) -> Inputs:
        """Return none of the rows, which are elsewhere."""
        return zero_rows(self.shape[1], self.dtype)


@dataclass(frozen=True)
class SummedBatches(BatchedObjective):
    """An objective whose batches take a part of each share.

    Attributes
    ----------
    rounds : Spread
    factors : RunningFactors
        Which tell whether they will take in the next batch.
    random_state : RandomState
        Draws the seeds of signs.
    total_rows : int
        Of all shares.
    """

    rounds: Spread = field(kw_only=True, repr=False)
    factors: RunningFactors = field(kw_only=True, repr=False)
    random_state: np.random.RandomState = field(kw_only=True, repr=False)
    total_rows: int = field(kw_only=True)

    @classmethod
    def of(
        cls,
        network: Network,
        loss: Loss,
        rounds: Spread,
        factors: RunningFactors,
        alpha: float,
        groups: Groups,
        total_rows: int,
        random_state: np.random.RandomState,
    ) -> "SummedBatches":
        """Return the objective of the shares of `rounds`."""
        none = np.empty(0, groups.dtype)
        return cls(
            network,
            loss,
            groups,
            none,
            none,
            alpha,
            rounds=rounds,
            factors=factors,
            random_state=random_state,
            total_rows=total_rows,
        )

    def batch(self, index: NDArray[Any]) -> SummedBatch:
        """See :class:`BatchedObjective`; an index of groups."""
        none = np.empty(0, self.rows.dtype)
        inputs = self.rows.batch(index)
        return SummedBatch(
            self.network,
            self.loss,
            inputs,
            none,
            none,
            self.alpha,
            whole=self,
            groups=index,
        )


@dataclass(frozen=True)
class SummedEvaluation(Evaluation):
    """What is known at a point by the sums of all shares.

    Attributes
    ----------
    sums : dict
        Of the round that has evaluated it.
    """

    objective: SummedObjective | SummedBatch
    sums: Sums

    @cached_property
    def cost(self) -> float:
        """Mean loss."""
        return float(self.sums["cost"])

    @cached_property
    def gradient(self) -> Array:
        """Gradient of the objective, flat like theta."""
        result: Array = self.sums["gradient"].copy()
        network, alpha = self.objective.network, self.objective.alpha
        for part, V in zip(network.layers(result), self.layers, strict=True):
            add_scaled(part[1:], alpha, V[1:])
        return result

    # Curvature.

    @cached_property
    def factors(self) -> Sums:
        """The sums of the factors: of the first round, or of one of their own."""
        own, ask = self.objective, self.sums
        if "total" not in ask:
            ask = own.rounds.sum(Point(own.network, own.loss, self.theta, factors=True))
        total = ask["total"]
        if total > 0:
            return {k: v / total if k[0] == "S" else v for k, v in ask.items()}
        # saturated: each row counts by its weight
        plain = own.rounds.sum(PlainFactors(own.network, own.loss, self.theta))
        return {**ask, **plain}

    def first_input_gram(self) -> Array:
        """See :class:`Evaluation`."""
        S: Array = self.factors["S1"]
        return S

    def input_grams(self) -> list[Array]:
        """See :class:`Evaluation`."""
        return [self.factors[f"S{l}"] for l in self._numbers[1:]]

    def output_grams(self) -> list[Array]:
        """See :class:`Evaluation`."""
        return [self.factors[f"G{l}"] for l in self._numbers]

    def sampled_output_grams(self, random_state: np.random.RandomState) -> list[Array]:
        """See :class:`Evaluation`; signs depend on how rows are divided."""
        if "G1" in self.sums:  # of a batch
            return self.output_grams()
        own, seed = self.objective, random_state.randint(np.iinfo(np.int32).max)
        sums = own.rounds.sum(SampledFactors(own.network, own.loss, self.theta, seed))
        return [sums[f"G{l}"] for l in self._numbers]

    @property
    def _numbers(self) -> range:
        return range(1, len(self.objective.network.widths))

    # Directions.

    def first_change(self, direction: Array, out: Array | None = None) -> Array:
        """Return what stands for ``Ż_1``: shares find it themselves."""
        return np.empty((0, self.objective.network.widths[1]), direction.dtype)

    def tangents(
        self, directions: Sequence[Array], Z1_dots: Sequence[Array]
    ) -> list[Tangent]:
        """Return directions, whose effect shares will find."""
        nothing = np.empty((0, self.objective.network.widths[-1]), self.theta.dtype)
        pairs = zip(directions, Z1_dots, strict=True)
        return [Tangent(direction, Z1_dot, nothing) for direction, Z1_dot in pairs]

    def gauss_newton(self, tangents: Sequence[Tangent]) -> Array:
        """See :class:`Evaluation`; in one round."""
        own, directions = self.objective, tuple(t.direction for t in tangents)
        ask = Model(own.network, own.loss, self.theta, directions)
        M: Array = own.rounds.sum(ask)["model"]
        inner = own.network.weight_inner
        penalty = [[inner(D, E) for E in directions] for D in directions]
        return M + own.alpha * np.array(penalty)
