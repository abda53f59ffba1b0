"""The parameters of a fit, and the objects of the loops that they stand for."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skgn.model.losses import Loss
from skgn.steps.kronecker import KroneckerStep
from skgn.steps.levenberg_marquardt import (
    FLOOR_SHARE,
    MOST_WEIGHTS,
    LevenbergMarquardtStep,
)
from skgn.steps.proposal import Step
from skgn.training.control import Control
from skgn.training.damping import DEFAULT_DAMPING, GainRatioDamping
from skgn.training.evidence import INITIAL
from skgn.training.mini_batch import automatic_batch_size, automatic_damping
from skgn.training.stopping import Stopping

#: Largest number of iterations, or of epochs in mini-batches, by default; of epochs that
#: go on from the weights of a search.
MAX_ITER, MAX_EPOCHS, EPOCHS_ON = 100, 20, 12

#: Fewest samples that are fitted in mini-batches by default, and samples per column.
BATCHES_FROM, BATCHES_PER_COLUMN = 3000, 2

#: Most samples of a batch of a stream.
STREAM_BATCH = 128

#: Solvers that follow the Gauss-Newton matrix, whose eigenvalues the evidence needs.
GAUSS_NEWTON = ("kronecker", "levenberg-marquardt")

#: Initial damping of the thread's solvers, for raw sample weights: the identity matrix.
THREAD_DAMPING = 1.0

#: Penalty of the thread's solvers where it is to be automatic: they know no curvature.
THREAD_ALPHA = 1e-4


@dataclass(frozen=True)
class Settings:
    """The parameters of a fit; see :class:`skgn.GaussNewtonMLPClassifier`.

    `sizes` and `activations` have an entry for each hidden layer.
    """

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    solver: str = "kronecker"
    alpha: float | str = "auto"
    encoding: str | None = "auto"
    n_knots: int | str = "auto"
    damping: float | None = None
    batch_size: int | str | None = "auto"
    max_iter: int | None = None
    tol: float = 1.5e-2
    cost_threshold: float | None = None
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: float = 5
    standardize: bool = True
    order: str = "jacobi"
    safeguard: str | None = "sign"
    step_size: float = 1.0
    warm_start: bool = False

    def check_for(self, dtype: Any) -> None:
        """Refuse numbers whose squares do not exist in the precision of a fit.

        Raises
        ------
        ValueError
        """
        info = np.finfo(dtype)
        most = float(np.sqrt(info.max))
        for name, least in {"alpha": 0.0, "damping": 1 / most}.items():
            value = getattr(self, name)
            if value in ("auto", None) or least <= value <= most:
                continue
            what = "small" if value < 1 else "large"
            raise ValueError(
                f"{name}={float(value):g} is too {what} for a fit in {info.dtype}, which "
                f"takes {least:.0e} to {most:.0e}."
            )

    def ending_at(self, cost: float) -> "Settings":
        """Return the settings of a fit that ends at a training cost, or before."""
        given = -np.inf if self.cost_threshold is None else self.cost_threshold
        return replace(self, cost_threshold=max(cost, given))

    @property
    def searches_alpha(self) -> bool:
        """Whether the fit is to find the penalty."""
        return self.alpha == "auto" and self.solver in GAUSS_NEWTON

    @property
    def own_encoding(self) -> tuple[str | None, int | str]:
        """What was asked of the encoding."""
        return self.encoding, self.n_knots

    @property
    def initial_alpha(self) -> float:
        """The penalty that is given, or that a search begins with."""
        if self.alpha != "auto":
            return float(self.alpha)
        return INITIAL if self.searches_alpha else THREAD_ALPHA

    def batch_size_for(self, m: int, n: int) -> int | None:
        """Return the batch size for `m` samples of `n` columns; None for all of them."""
        if self.batch_size != "auto":
            return None if self.batch_size is None else min(int(self.batch_size), m)
        if self.solver != "kronecker":
            return None
        if m < max(BATCHES_FROM, BATCHES_PER_COLUMN * n):
            return None
        return automatic_batch_size(m)

    def stream_batch_size(self, m: int) -> int:
        """Return the batch size for a chunk of `m` samples of a stream."""
        size = STREAM_BATCH if self.batch_size in ("auto", None) else self.batch_size
        return min(int(size), m)

    def most_iterations(self, batched: bool) -> int:
        """Return the largest number of iterations, or of epochs in mini-batches."""
        if self.max_iter is None:
            return MAX_EPOCHS if batched else MAX_ITER
        return int(self.max_iter)

    def going_on(self) -> "Settings":
        """Return the settings of a fit in mini-batches that has weights to begin with."""
        return replace(self, max_iter=EPOCHS_ON) if self.max_iter is None else self

    def search_iterations(self, batched: bool) -> int:
        """Return the same for the search for a penalty.

        Where the fit will be gone on with, the penalty is to serve for more than the
        first piece of it.
        """
        whole = MAX_EPOCHS if batched else MAX_ITER
        own = self.most_iterations(batched)
        return max(own, whole) if self.warm_start else own

    def stopping(self, batched: bool) -> Stopping:
        """Return what ends the fit."""
        return Stopping(
            max_iter=self.most_iterations(batched),
            tol=self.tol,
            cost_threshold=self.cost_threshold,
            n_iter_no_change=self.n_iter_no_change,
        )

    def batch_damping(self, n: int) -> float:
        """Return the damping of mini-batch steps for `n` columns."""
        return automatic_damping(n) if self.damping is None else float(self.damping)

    def initial_damping(self, total_weight: float) -> float:
        """Return the initial damping with all samples, in the unit of the mean cost.

        The thread's solvers have it in the unit of the summed cost.
        """
        if self.solver in GAUSS_NEWTON:
            return DEFAULT_DAMPING if self.damping is None else float(self.damping)
        return (THREAD_DAMPING if self.damping is None else self.damping) / total_weight

    def step(self, first: Any, loss: Loss, n_outputs: int, damping: float) -> Step:
        """Return how the solver proposes steps, in the coordinates of a first layer."""
        if self.solver == "kronecker":
            return KroneckerStep(first.factor, loss.root_columns(n_outputs))
        if self.solver == "levenberg-marquardt":
            return LevenbergMarquardtStep()
        from skgn.thread.solvers import thread_step  # only here: most fits do without

        updated = self.step_size if self.order == "gauss_seidel" else 0.0
        signed = self.safeguard == "sign"
        return thread_step(self.solver, first.factor, damping, updated, signed)

    def spreads_intercepts(self, n: int) -> bool:
        """Return whether hidden units of `n` columns begin with intercepts of their own.

        Those of a single column would all bend at its mean: with their intercepts spread,
        the errors of noise-free, noisy and binary targets of seven functions of one
        feature were .59 to .95 of what they are without (geometric means for three
        activations).
        """
        return self.solver == "levenberg-marquardt" or (
            self.solver == "kronecker" and n == 1
        )

    def check_size(self, size: int, widths: tuple[int, ...]) -> None:
        """Refuse a network with too many weights for the solver.

        Raises
        ------
        ValueError
        """
        if self.solver != "levenberg-marquardt" or size <= MOST_WEIGHTS:
            return
        layers = " x ".join(map(str, widths))
        raise ValueError(
            f"solver='levenberg-marquardt' takes at most {MOST_WEIGHTS:,} weights, all "
            f"of which share one matrix; layers of {layers} units have {size:,}. Use "
            "smaller hidden_layer_sizes, or solver='kronecker'."
        )

    def gain_ratio_damping(self, damping: float) -> GainRatioDamping:
        """Return how trials are judged by the quadratic model."""
        if self.solver == "levenberg-marquardt":
            return GainRatioDamping(damping, floor_share=FLOOR_SHARE)
        return GainRatioDamping(damping, fraction=self.step_size)

    def control(self, damping: float) -> Control:
        """Return how trials are judged."""
        if self.safeguard == "sign":
            return self.gain_ratio_damping(damping)
        from skgn.thread.solvers import thread_control

        return thread_control(self.safeguard, damping, self.step_size)
