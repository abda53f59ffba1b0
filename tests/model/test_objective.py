"""The objective and its derivatives against the dense oracles."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests import oracles
from tests.problems import case as draw_case
from tests.problems import network_cases

CASES = network_cases()
pytestmark = pytest.mark.usefixtures("chunks")


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def directions(case, count, seed=5):
    """Return random flat directions."""
    return list(np.random.default_rng(seed).normal(size=(count, case.theta.size)))


def tangent_of(here, direction):
    """Return the package's tangent of a direction."""
    network = here.objective.network
    Z1_dot = np.empty_like(here.trace.Z[0])
    here.objective.inputs.product(network.layers(direction)[0], out=Z1_dot)
    return here.tangents([direction], [Z1_dot])[0]


def test_value(case):
    """Cost and penalised objective are those of the explicit sums."""
    here = case.evaluation()
    expected = oracles.cost(case.loss, *case.rows, case.targets, case.weights)
    assert here.cost == pytest.approx(expected, rel=1e-12)
    assert here.value == pytest.approx(case.value_at(case.theta), rel=1e-12)


def test_gradient(case):
    """The gradient agrees with central differences of the oracle's objective."""
    expected = oracles.numerical_gradient(case.value_at, case.theta)
    assert_allclose(case.evaluation().gradient, expected, rtol=1e-6, atol=1e-8)


def test_tangent(case):
    """Ż_L along a direction is the oracle's Jacobian times it, centred by the loss."""
    here = case.evaluation()
    (D,) = directions(case, 1)
    J = [oracles.parameter_jacobian(*case.rows[:2], x) for x in case.X]
    expected = here.objective.loss.center(
        here.pointwise, np.array([J_i @ D for J_i in J])
    )
    assert_allclose(tangent_of(here, D).R, expected, rtol=1e-10, atol=1e-11)


def test_gauss_newton_of_directions(case):
    """D_i' G D_j agrees with the dense Gauss-Newton matrix, penalty included."""
    here = case.evaluation()
    D = directions(case, 3)
    G = case.gauss_newton()
    expected = np.array([[D_i @ G @ D_j for D_j in D] for D_i in D])
    actual = here.gauss_newton([tangent_of(here, D_i) for D_i in D])
    assert actual.dtype == np.float64
    assert_allclose(actual, expected, rtol=1e-10, atol=1e-11)


def test_gauss_newton_product(case):
    """G D agrees with the dense Gauss-Newton matrix."""
    here = case.evaluation()
    for D in directions(case, 2):
        expected = case.gauss_newton() @ D
        actual = here.gauss_newton_product(tangent_of(here, D))
        assert_allclose(actual, expected, rtol=1e-9, atol=1e-11)


def test_step_without_the_inputs(case):
    """Z_1 moved by its tangent gives the same evaluation as a product with the inputs."""
    here = case.evaluation()
    (D,) = directions(case, 1)
    moved = here.objective.evaluate(here.theta + D, here, tangent_of(here, D).Z1_dot)
    assert moved.value == pytest.approx(case.value_at(case.theta + D), rel=1e-10)
    expected = here.objective.evaluate(here.theta + D).gradient
    assert_allclose(moved.gradient, expected, rtol=1e-9, atol=1e-11)


def test_intercepts_are_not_penalised():
    """A larger alpha moves the gradient of weights only, by (Δ alpha) W."""
    weak, strong = (draw_case(alpha=alpha) for alpha in (0.0, 2.0))
    change = strong.evaluation().gradient - weak.evaluation().gradient
    parts = oracles.unflatten(change, weak.shapes)
    for part, V in zip(parts, weak.layers, strict=True):
        assert_allclose(part[0], 0, atol=1e-14)
        assert_allclose(part[1:], 2 * V[1:], rtol=1e-12, atol=1e-14)


def test_a_weight_of_two_is_a_row_repeated():
    """Value, gradient and curvature agree with those of repeated rows."""
    case = draw_case("bernoulli", ("tanh",), (4,), K=2, m=5)
    repeats = np.array([1, 3, 2, 1, 2])
    index = np.repeat(np.arange(5), repeats)
    options = dict(
        loss=case.loss, activations=case.activations, layers=case.layers, alpha=0.1
    )
    weighted = type(case)(
        **options, X=case.X, targets=case.targets, weights=repeats.astype(float)
    )
    repeated = type(case)(
        **options, X=case.X[index], targets=case.targets[index], weights=np.ones(9)
    )
    one, two = weighted.evaluation(), repeated.evaluation()
    assert one.value == pytest.approx(two.value, rel=1e-13)
    assert_allclose(one.gradient, two.gradient, rtol=1e-11, atol=1e-14)
    (D,) = directions(case, 1)
    products = [here.gauss_newton_product(tangent_of(here, D)) for here in (one, two)]
    assert_allclose(*products, rtol=1e-11, atol=1e-14)


def test_recycled_arrays_do_not_disturb_another_evaluation():
    """An evaluation into the arrays of a recycled one leaves the others alone."""
    case = draw_case("multinomial", ("tanh",), (4,))
    objective = case.objective()
    here = objective.evaluate(case.theta)
    gradient = here.gradient.copy()
    trial = objective.evaluate(case.theta + 1)
    objective.recycle(trial)
    again = objective.evaluate(case.theta + 2)
    assert again.trace is trial.trace
    assert_array_equal(here.gradient, gradient)
    assert_allclose(here.gauss_newton([]), np.empty((0, 0)))
    assert again.value == pytest.approx(case.value_at(case.theta + 2), rel=1e-12)


def test_float32_agrees_to_its_precision():
    """In float32 the gradient stays float32; the cost is summed in float64."""
    case = draw_case("multinomial", ("silu", "tanh"), (4, 3))
    here = case.objective(np.float32).evaluate(case.theta.astype(np.float32))
    assert here.gradient.dtype == np.float32
    assert_allclose(here.gradient, case.evaluation().gradient, rtol=1e-3, atol=1e-5)
    assert here.value == pytest.approx(case.evaluation().value, rel=1e-5)


def test_tangents_of_several_directions(case):
    """Directions pushed through together move the outputs as each does alone."""
    here = case.evaluation()
    alone = [tangent_of(here, D) for D in directions(case, 3)]
    together = here.tangents(
        [tangent.direction for tangent in alone], [tangent.Z1_dot for tangent in alone]
    )
    for one, other in zip(alone, together, strict=True):
        assert_allclose(one.R, other.R, rtol=1e-11, atol=1e-12)
