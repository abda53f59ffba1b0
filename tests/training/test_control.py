"""The rules by which trials are accepted."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.steps.proposal import Proposal
from skgn.thread.controls import SHORTEST, LineSearch, Unguarded
from skgn.training.control import ARMIJO, lowers
from skgn.training.damping import GainRatioDamping

GUARDED = [LineSearch(0.1), GainRatioDamping(0.1)]


def test_what_lowers_the_objective():
    """A decrease above zero and above a share of what the slope promises."""
    assert lowers(1.0, slope=-1.0)
    assert lowers(1.01 * ARMIJO, slope=-1.0)
    assert not lowers(0.99 * ARMIJO, slope=-1.0)
    assert not lowers(0.0, slope=0.0)
    assert not lowers(-1e-9, slope=1.0)
    assert lowers(1e-9, slope=1.0)
    assert not lowers(np.nan, slope=-1.0)
    assert not lowers(-np.inf, slope=-1.0)


@pytest.mark.parametrize("control", GUARDED, ids=lambda c: type(c).__name__)
def test_guarded_controls_accept_what_lowers(control):
    """A lower objective and nothing else."""
    assert control.guarded
    assert control.accepts(1.0, -1.0)
    for decrease in (0.0, -1.0, 0.5 * ARMIJO, np.nan, -np.inf):
        assert not control.accepts(decrease, -1.0)


def test_line_search_halves():
    """Half of the first fraction, a quarter, ..., at the same damping."""
    control = LineSearch(0.25, first=0.8)
    assert control.fraction == 0.8 and not control.was_rejected
    fractions = []
    for _ in range(4):
        control = control.rejected()
        assert control.was_rejected and not control.exhausted
        fractions.append(control.fraction)
    assert_allclose(fractions, [0.4, 0.2, 0.1, 0.05])
    assert control.value == 0.25


def test_line_search_returns_to_the_first_fraction():
    """After an accepted trial it begins anew."""
    control = LineSearch(0.25, first=0.8).rejected().rejected()
    assert control.accepted(1.0, floor=7.0) == LineSearch(0.25, first=0.8)


@pytest.mark.parametrize("first", [1.0, 0.5, 1e-3])
def test_line_search_gives_up(first):
    """At 2^-40 of the fraction tried first."""
    control, rejections = LineSearch(0.1, first), 0
    while not control.exhausted:
        control, rejections = control.rejected(), rejections + 1
    assert rejections == 41
    assert control.fraction < first * SHORTEST
    assert control.reason == "line_search"
    assert not control.follows_model


def test_unguarded_accepts_what_is_finite():
    """Up or down; nothing changes."""
    control = Unguarded(0.1, 0.5)
    for decrease in (1.0, 0.0, -1e300):
        assert control.accepts(decrease, -1.0)
    for decrease in (np.nan, np.inf, -np.inf):
        assert not control.accepts(decrease, -1.0)
    assert control.accepted(-5.0, floor=7.0) == control
    assert control.fraction == 0.5 and control.value == 0.1
    assert not control.guarded and not control.follows_model


def test_unguarded_gives_up_at_once():
    """A rejected trial would be the same again: the fit has diverged."""
    control = Unguarded(0.1, 0.5)
    assert not control.exhausted and not control.was_rejected
    control = control.rejected()
    assert control.exhausted and control.was_rejected
    assert control.reason == "diverged"


def test_gain_ratio_damping_keeps_its_fraction():
    """Accepted and rejected trials move the damping alone."""
    control = GainRatioDamping(0.1, fraction=0.5)
    for moved in (control.rejected(), control.accepted(1.0, 0.0), control.rejected()):
        assert moved.fraction == 0.5
        assert moved.value != 0.1
    assert GainRatioDamping().fraction == 1
    assert control.follows_model and control.reason == "damping"


@pytest.mark.parametrize("control", [*GUARDED, Unguarded(0.1)])
def test_frozen(control):
    """A control returns another and stays what it is."""
    before = replace(control)
    control.rejected()
    control.accepted(0.3, 1.0)
    assert control == before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fraction_of_a_proposal(dtype):
    """Step and slope shrink by t, the curvature by t², and the potential stays."""
    step, Z1_dot = np.arange(4, dtype=dtype), np.ones((2, 2), dtype)
    proposal = Proposal(step, Z1_dot, slope=-4.0, curvature=2.0, potential=7.0)
    assert proposal.predicted_decrease == 3.0
    assert proposal.scaled(1) is proposal
    part = proposal.scaled(0.25)
    assert_array_equal(part.step, step / 4)
    assert_array_equal(part.Z1_dot, Z1_dot / 4)
    assert (part.slope, part.curvature, part.potential) == (-1.0, 0.125, 7.0)
    assert part.predicted_decrease == pytest.approx(1 - 0.0625)
    assert part.step.dtype == part.Z1_dot.dtype == dtype
    assert_array_equal(step, np.arange(4))
