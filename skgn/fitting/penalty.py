"""The penalty of a fit that is to find it: by the evidence, or on held-out samples."""

from dataclasses import dataclass

import numpy as np

from skgn.fitting.paths import BatchedPath, FullBatchPath
from skgn.fitting.problem import Problem
from skgn.fitting.relaxation import (
    FEWEST_ROWS,
    MOST_ROWS,
    relaxed_alpha,
    rows_held_out,
)
from skgn.training.held_out import HeldOut
from skgn.training.outcome import Interrupted, Observer
from skgn.typing import Array


@dataclass(frozen=True)
class Found:
    """A penalty that was found on held-out samples.

    Attributes
    ----------
    alpha : float
    path : dict of ndarray
        Penalties that were tried, "alpha", and their held-out losses, "log_loss".
    theta : ndarray or None
        Weights at the end of the path; None if the penalty was found earlier.
    """

    alpha: float
    path: dict[str, Array]
    theta: Array | None = None


def search(
    problem: Problem,
    random_state: np.random.RandomState,
    validation: HeldOut | None,
    observer: Observer | None,
) -> Found | None:
    """Return the penalty found; None if there are too few samples.

    Parameters
    ----------
    problem : Problem
    random_state : RandomState
        Draws what is held out, and the batches.
    validation : HeldOut or None
        Samples of early stopping, which are then those held out.
    observer : callable or None

    Raises
    ------
    Interrupted
        With the weights of the path, for a KeyboardInterrupt after their first accepted
        iteration.
    """
    path = _path(problem, random_state, validation)
    if path is None:
        return None
    share = path.evidence.total_weight / problem.total_weight
    try:
        alpha, points = relaxed_alpha(path, path.held_out.row_weights, observer)
    except KeyboardInterrupt as interrupt:
        theta, original = path.theta, interrupt
        if isinstance(interrupt, Interrupted):  # within a part of the path
            theta, original = interrupt.outcome.theta, interrupt.original
        elif theta is problem.fresh:
            raise
        alpha = share * path.objective.alpha
        outcome = problem.as_it_stands(theta, alpha, validation)
        if outcome is None:
            raise original from None
        raise Interrupted(outcome, original) from None
    table = {"alpha": points[:, 0], "log_loss": points[:, 1]}
    return Found(alpha * share, table, path.theta)


def _path(
    problem: Problem,
    random_state: np.random.RandomState,
    held_out: HeldOut | None,
) -> FullBatchPath | BatchedPath | None:
    samples, index = problem.samples, None
    m = len(samples.weights)
    if m < FEWEST_ROWS:
        return None
    if held_out is None:
        parts = problem.targets.split(samples, rows_held_out(m), random_state)
        if parts is None:
            return None
        index, others = parts
        held_out = problem.held_out_part(others)
    elif m > MOST_ROWS:
        index = np.arange(m)
    if index is None:
        return problem.path(None, random_state, held_out)
    if len(index) > MOST_ROWS:
        index = np.sort(random_state.permutation(index)[:MOST_ROWS])
    return problem.of(index).path(index, random_state, held_out)
