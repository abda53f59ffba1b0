"""Why a fit ends."""

import numpy as np
import pytest

from skgn.training.stopping import PATIENCE, Stopping


def new(**options):
    """Return a watcher that has seen the start at cost 1."""
    stopping = Stopping(**{"max_iter": 10, "tol": 0.1, **options})
    stopping.start(1.0, options.pop("validation", np.nan))
    return stopping


@pytest.mark.parametrize("threshold", [1.0, 2.0])
def test_cost_threshold_at_the_start(threshold):
    """A start at or below the threshold needs no turn."""
    assert new(cost_threshold=threshold).reason == "cost_threshold"


def test_cost_threshold_after_a_turn():
    """The cost alone counts, at equality too."""
    stopping = new(cost_threshold=0.5)
    stopping.accepted(0.4, 0.4, cost=0.6)
    assert stopping.reason is None
    stopping.accepted(0.1, 0.1, cost=0.5)
    assert stopping.reason == "cost_threshold"


def test_converged_after_small_turns_in_a_row():
    """PATIENCE small accepted turns; a larger one starts the count again."""
    stopping = new()
    for _ in range(PATIENCE - 1):
        stopping.accepted(0.1, 0.05, cost=1.0)
    stopping.accepted(0.2, 0.2, cost=1.0)
    for _ in range(PATIENCE - 1):
        stopping.accepted(0.0, 0.1, cost=1.0)
        assert stopping.reason is None
    stopping.accepted(0.1, 0.1, cost=1.0)
    assert stopping.reason == "converged"


@pytest.mark.parametrize(("decrease", "promised"), [(0.05, 0.2), (0.2, 0.05)])
def test_both_decreases_must_be_small(decrease, promised):
    """Neither a small decrease nor a small promise alone is convergence."""
    stopping = new()
    for _ in range(5 * PATIENCE):
        stopping.accepted(decrease, promised, cost=1.0)
    assert stopping.reason is None


def test_validation():
    """The fit ends after n_iter_no_change accepted turns without a new minimum."""
    stopping = Stopping(max_iter=100, tol=0.0, n_iter_no_change=3)
    stopping.start(1.0, 1.0)
    values = [0.9, 1.0, 0.95, 0.8, 0.8, 0.9, 0.81]
    best = [stopping.validated(value) for value in values[:-1]]
    assert best == [True, False, False, True, False, False]
    assert stopping.reason is None
    assert not stopping.validated(values[-1])
    assert stopping.reason == "validation"


def test_validation_at_the_start_counts():
    """A validation loss that never beats the start is never best."""
    stopping = Stopping(max_iter=100, tol=0.0, n_iter_no_change=2)
    stopping.start(1.0, 0.5)
    assert not stopping.validated(0.6)
    assert not stopping.validated(np.nan)
    assert stopping.reason == "validation"


def test_first_reason_stays():
    """A cost at its threshold is named although the validation ends the fit too."""
    stopping = Stopping(max_iter=9, tol=0.0, cost_threshold=0.5, n_iter_no_change=1)
    stopping.start(1.0, 0.5)
    stopping.accepted(0.5, 0.5, cost=0.4)
    stopping.validated(0.6)
    assert stopping.reason == "cost_threshold"
