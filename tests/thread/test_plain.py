"""The steps of the thread's equations, untouched."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.thread.joint import JointEquations
from skgn.thread.plain import PlainStep
from skgn.thread.sequential import SequentialEquations
from tests import oracles
from tests.problems import case as draw_case
from tests.problems import network_cases

CASES = network_cases()
EQUATIONS = {
    "sequential": lambda case: SequentialEquations(case.input_factor()),
    "gauss_seidel": lambda case: SequentialEquations(case.input_factor(), 0.5),
    "joint": lambda case: JointEquations(case.input_factor(), 0.05),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture(params=EQUATIONS)
def equations(request, case):
    return EQUATIONS[request.param](case)


@pytest.mark.parametrize("damping", [0.0, 1e3])
def test_step_is_the_direction(case, equations, damping):
    """Bit for bit, whatever the loop's damping."""
    here = case.evaluation()
    proposal = PlainStep(equations).propose(here, damping)
    assert_array_equal(proposal.step, equations.direction(here))


def test_slope_and_curvature(case, equations):
    """By the dense Gauss-Newton matrix; the change of Z_1 is exact."""
    here = case.evaluation()
    proposal = PlainStep(equations).propose(here, 1.0)
    step, G = proposal.step, case.gauss_newton()
    assert proposal.slope == pytest.approx(here.gradient @ step, rel=1e-8)
    assert proposal.curvature == pytest.approx(step @ G @ step, rel=1e-6)
    first = oracles.unflatten(step, case.shapes)[:1]
    Z1_dot = oracles.outputs(first, (), case.X)
    size = np.abs(Z1_dot).max()
    assert_allclose(proposal.Z1_dot, Z1_dot, rtol=1e-8, atol=1e-10 * size)


def test_potential(case, equations):
    """What the plane of step and gradient promises."""
    here = case.evaluation()
    proposal = PlainStep(equations).propose(here, 1.0)
    plane = np.stack([proposal.step, -here.gradient])
    plane /= np.linalg.norm(plane, axis=1, keepdims=True)
    M = plane @ case.gauss_newton() @ plane.T
    slopes = plane @ here.gradient
    expected = 0.5 * slopes @ np.linalg.pinv(M, rcond=1e-10) @ slopes
    assert proposal.potential == pytest.approx(expected, rel=1e-4)
    along = max(M[1, 1], 1e-300)
    assert proposal.potential >= 0.5 * slopes[1] ** 2 / along * (1 - 1e-6)


def test_a_point_is_looked_at_once(monkeypatch):
    """Asked again at one point the proposal is the same; at another it is not."""
    case = draw_case("multinomial", ("tanh",), (4,))
    equations = EQUATIONS["joint"](case)
    step, here = PlainStep(equations), case.evaluation()
    first = step.propose(here, 1.0)
    assert step.propose(here, 2.0) is first
    step.accept(first)
    there = case.objective().evaluate(case.theta + 0.1 * first.step)
    second = step.propose(there, 1.0)
    assert_array_equal(second.step, equations.direction(there))
    assert np.abs(second.step - first.step).max() > 1e-3
    assert step.largest_curvature == 0
