"""What stands between an estimator and the loops: its parameters as their arguments."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skgn._rows import Rows, is_mapped, relative_weights
from skgn.model.batches import BatchedObjective, SomeRows
from skgn.model.network import Network
from skgn.model.objective import Objective
from skgn.steps.batched_first_layer import BatchedFirstLayer
from skgn.steps.first_layer import FirstLayer
from skgn.steps.joint import JointEquations
from skgn.steps.kronecker import KroneckerStep
from skgn.steps.layerwise import LayerEquations
from skgn.steps.plain import PlainStep
from skgn.steps.proposal import Step
from skgn.steps.running_kronecker import RunningFactors
from skgn.steps.sequential import SequentialEquations
from skgn.steps.signed import SignedStep
from skgn.training import evidence
from skgn.training.control import Control, LineSearch, Unguarded
from skgn.training.damping import DEFAULT_DAMPING, GainRatioDamping
from skgn.training.evidence import TEMPERED, Evidence
from skgn.training.full_batch import Outcome, train
from skgn.training.held_out import HeldOut
from skgn.training.mini_batch import (
    automatic_batch_size,
    automatic_damping,
    train_in_batches,
)
from skgn.training.paths import BatchedPath, FullBatchPath
from skgn.training.relaxation import (
    FEWEST_ROWS,
    MOST_ROWS,
    relaxed_alpha,
    rows_held_out,
)
from skgn.training.stopping import Stopping
from skgn.typing import Array

#: Largest number of iterations, or passes over the rows in mini-batches, by default.
MAX_ITER, MAX_PASSES = 100, 15

#: Fewest rows that are fitted in mini-batches by default, and rows per column.
BATCHES_FROM, BATCHES_PER_COLUMN = 3000, 2

#: Neighbouring rows that are read together from a memory-mapped file.
MAPPED_BLOCK = 16

#: Initial damping of the thread's solvers, for raw row weights: the identity matrix.
THREAD_DAMPING = 1.0

#: Penalty of the thread's solvers where it is to be automatic: they know no curvature.
THREAD_ALPHA = 1e-4


@dataclass(frozen=True)
class Problem:
    """A network, rows, and the coordinates in which it is fitted to them.

    Attributes
    ----------
    network : Network
    rows : Rows
    first : FirstLayer or BatchedFirstLayer
    theta : ndarray
        Initial weights in these coordinates, flat.
    fresh : ndarray
        Initial weights that no row has had a part in: theta, but in a warm start.
    batch_size : int or None
        None for all rows at each iteration.
    """

    network: Network
    rows: Rows
    first: FirstLayer | BatchedFirstLayer
    theta: Array
    fresh: Array
    batch_size: int | None

    @property
    def continued(self) -> bool:
        """Whether the weights are those of an earlier fit."""
        return self.theta is not self.fresh

    @property
    def block(self) -> int:
        """Rows that are looked up together."""
        return MAPPED_BLOCK if is_mapped(self.rows.X) else 1


class Training:
    """The part of an estimator that chooses the penalty and trains."""

    def _solve(
        self,
        problem: Problem,
        random_state: np.random.RandomState,
        search_state: np.random.RandomState,
        held_out: HeldOut | None,
    ) -> Outcome:
        """Fit, with a penalty that is given or found.

        Parameters
        ----------
        problem : Problem
        random_state, search_state : RandomState
            For the fit, and for the search for a penalty.
        held_out : HeldOut or None
            Validation rows of early stopping.
        """
        total = float(problem.rows.weights.sum())
        alpha, by_evidence = self._initial_alpha, None
        self.alpha_path_ = None
        if self._searches_alpha:
            path = self._path(problem, search_state, held_out)
            if path is None:
                batched = problem.batch_size is not None
                by_evidence = self._evidence(problem.rows, TEMPERED, batched)
                if problem.continued:
                    alpha, by_evidence.wait = self.alpha_, 0
            else:
                weights = path.held_out.row_weights
                alpha, points = relaxed_alpha(path, weights, self._report)
                alpha *= path.evidence.total_weight / total
                self.alpha_path_ = {"alpha": points[:, 0], "log_loss": points[:, 1]}
        validate = None if held_out is None else held_out.log_loss
        if problem.batch_size is None:
            damping = self._initial_damping(total)
            return train(
                self._objective(problem, alpha),
                problem.theta,
                self._step(problem.first, damping),
                self._control(damping),
                self._stopping(batched=False),
                validate,
                self._report,
                by_evidence,
            )
        return train_in_batches(
            self._batched_objective(problem, alpha),
            problem.theta,
            RunningFactors(problem.first.factor, self._batch_damping()),
            problem.batch_size,
            self._stopping(batched=True),
            random_state,
            problem.block,
            validate,
            self._report,
            by_evidence,
        )

    def _path(
        self,
        problem: Problem,
        random_state: np.random.RandomState,
        held_out: HeldOut | None,
    ) -> FullBatchPath | BatchedPath | None:
        """Return the path to a penalty; None if there are too few rows."""
        rows, index = problem.rows, None
        m = len(rows.weights)
        if m < FEWEST_ROWS:
            return None
        if held_out is None:
            parts = self._split(rows, rows_held_out(m), random_state)
            if parts is None:
                return None
            index, others = parts
            held_out = self._held_out_part(problem, others)
        elif m > MOST_ROWS:
            index = np.arange(m)
        if index is not None:
            if len(index) > MOST_ROWS:
                index = np.sort(random_state.permutation(index)[:MOST_ROWS])
            rows = replace(rows, targets=rows.targets[index], weights=rows.weights[index])
        part = replace(problem, rows=rows)
        total = float(rows.weights.sum())
        alpha = self._initial_alpha
        if problem.batch_size is None:
            damping = self._initial_damping(total)
            return FullBatchPath(
                self._objective(part, alpha, index),
                problem.fresh,
                self._step(problem.first, damping),
                self._control(damping),
                held_out,
                self._evidence(rows, 1.0, batched=False),
                self._most_iterations(batched=False),
            )
        return BatchedPath(
            self._batched_objective(part, alpha, index),
            problem.fresh,
            RunningFactors(problem.first.factor, self._batch_damping()),
            min(problem.batch_size, len(rows.weights)),
            random_state,
            problem.block,
            held_out,
            self._evidence(rows, 1.0, batched=True),
            self._most_iterations(batched=True),
        )

    def _held_out_part(self, problem: Problem, index: Array) -> HeldOut:
        """Return some of the rows, in the coordinates of the first layer."""
        first, rows = problem.first, problem.rows
        source = first.inputs if isinstance(first, FirstLayer) else first.rows
        weights = rows.weights[index]
        return HeldOut(
            problem.network,
            self._loss,
            source.take(index),
            rows.targets[index],
            weights / weights.sum(),
        )

    def _null_cost(self, rows: Rows, mean_target: Array) -> float:
        """Return the cost on some rows of always predicting a mean target."""
        Z = np.tile(self._loss.mean_link(mean_target), (len(rows.weights), 1))
        losses = self._loss.pointwise(Z, rows.targets).loss
        return float(rows.weights @ losses / rows.weights.sum())

    def _evidence(self, rows: Rows, share: float, batched: bool) -> Evidence:
        """Return the rule for alpha; a pass is worth as many turns as it waits for."""
        null_cost = self._null_cost(rows, self._mean_target(rows))
        wait = 0 if batched else Evidence.wait
        return Evidence(float(rows.weights.sum()), null_cost, share, wait)

    def _objective(
        self, problem: Problem, alpha: float, index: Array | None = None
    ) -> Objective:
        """Return the objective of all rows at once; of those of `index` if given."""
        inputs, weights = problem.first.inputs, problem.rows.weights
        return Objective(
            network=problem.network,
            loss=self._loss,
            inputs=inputs if index is None else inputs.take(index),
            targets=problem.rows.targets,
            row_weights=(weights / weights.sum()).astype(problem.theta.dtype),
            alpha=alpha,
        )

    def _batched_objective(
        self, problem: Problem, alpha: float, index: Array | None = None
    ) -> BatchedObjective:
        """Return the objective of batches; of the rows of `index` if given."""
        rows, weights = problem.first.rows, problem.rows.weights
        return BatchedObjective(
            network=problem.network,
            loss=self._loss,
            rows=rows if index is None else SomeRows(rows, index),
            targets=problem.rows.targets,
            row_weights=relative_weights(weights, weights.mean(), problem.theta.dtype),
            alpha=alpha,
        )

    @property
    def _searches_alpha(self) -> bool:
        return self.alpha == "auto" and self.solver == "kronecker"

    @property
    def _initial_alpha(self) -> float:
        """The penalty that is given, or that a search begins with."""
        if self.alpha != "auto":
            return float(self.alpha)
        return evidence.INITIAL if self._searches_alpha else THREAD_ALPHA

    @property
    def _report(self) -> Callable[[str], None] | None:
        return print if self.verbose else None

    def _batch_size_for(self, m: int, n: int) -> int | None:
        """Return the batch size for m rows of n columns; None for all rows."""
        size = self.batch_size
        if size == "auto":
            if self.solver != "kronecker":
                return None
            if m < max(BATCHES_FROM, BATCHES_PER_COLUMN * n):
                return None
            return automatic_batch_size(m)
        return None if size is None else min(int(size), m)

    def _most_iterations(self, batched: bool) -> int:
        """Return the largest number of iterations, or of passes in mini-batches."""
        if self.max_iter is None:
            return MAX_PASSES if batched else MAX_ITER
        return int(self.max_iter)

    def _stopping(self, batched: bool) -> Stopping:
        return Stopping(
            max_iter=self._most_iterations(batched),
            tol=self.tol,
            cost_threshold=self.cost_threshold,
            n_iter_no_change=self.n_iter_no_change,
        )

    def _batch_damping(self) -> float:
        """Return the damping of mini-batch steps."""
        damping = self.damping
        if damping is None:
            damping = automatic_damping(self.n_features_in_)
        return float(damping)

    def _initial_damping(self, total_weight: float) -> float:
        """Return the initial damping in the unit of the mean cost."""
        if self.solver == "kronecker":
            return DEFAULT_DAMPING if self.damping is None else float(self.damping)
        return (THREAD_DAMPING if self.damping is None else self.damping) / total_weight

    def _step(self, first: Any, damping: float) -> Step:
        """Return how the solver proposes steps."""
        if self.solver == "kronecker":
            return KroneckerStep(first.factor, self._loss.root_columns(self.n_outputs_))
        equations: LayerEquations
        if self.solver == "joint":
            equations = JointEquations(first.factor, damping)
        else:
            updated = self.step_size if self.order == "gauss_seidel" else 0.0
            equations = SequentialEquations(first.factor, updated)
        if self.safeguard == "sign":
            return SignedStep(equations)
        return PlainStep(equations)

    def _control(self, damping: float) -> Control:
        """Return how trials are judged."""
        if self.safeguard == "line_search":
            return LineSearch(damping, self.step_size)
        if self.safeguard is None:
            return Unguarded(damping, self.step_size)
        return GainRatioDamping(damping, fraction=self.step_size)
