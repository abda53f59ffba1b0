"""The thread's equations against literal pseudo-inverses, layer by layer."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.linalg.least_squares import ridge
from skgn.thread.joint import JointEquations
from skgn.thread.layerwise import (
    SLOPE_FLOOR,
    divide_by_slope,
    pseudo_inverse,
    tangent_of,
)
from skgn.thread.sequential import SequentialEquations
from tests import oracles
from tests.problems import LOSSES, network_cases
from tests.problems import case as draw_case

CASES = network_cases()
# more units than rows: the m x m form
CASES["multinomial, wide layers"] = draw_case("multinomial", ("tanh", "silu"), (30, 20))
CASES["bernoulli, wide layers"] = draw_case(
    "bernoulli", ("leaky_relu", "tanh", "logistic"), (20, 30, 15), seed=5
)
CASES["squared, wide then narrow"] = draw_case("squared", ("silu", "tanh"), (30, 4))


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def literal(case, **options):
    """Return the oracle's steps, flat, and errors."""
    steps, errors = oracles.thread_directions(
        case.loss, *case.rows, case.targets, case.weights, **options
    )
    return oracles.flatten(steps), errors


def joint(case, ridge):
    """Return the joint equations with λ for raw row weights."""
    return JointEquations(case.input_factor(), ridge / case.weights.sum())


def assert_layers_close(case, actual, expected, rtol=1e-6):
    """Compare flat directions, to the size of each layer."""
    layers = oracles.unflatten(expected, case.shapes)
    for D, E in zip(oracles.unflatten(actual, case.shapes), layers, strict=True):
        assert_allclose(D, E, rtol=rtol, atol=rtol * np.abs(E).max())


def errors_of(equations, case):
    """Return the errors ``E_L .. E_2`` from which a layer's change was passed down."""
    seen = []
    pass_down = equations.pass_down

    def spy(E, tilde, V, D):
        seen.append(E.copy())
        return pass_down(E, tilde, V, D)

    equations.pass_down = spy
    equations.direction(case.evaluation())
    return seen[::-1]


# The joint equation


@pytest.mark.parametrize("ridge_", [1.0, 0.05, 30.0])
@pytest.mark.parametrize("shape", [(12, 4), (4, 12), (7, 7)])
def test_three_forms_of_the_joint_equation(shape, ridge_):
    """pinv([Ã I]), the m x m and the n x n form: one step, one change passed down."""
    m, n = shape
    rng = np.random.default_rng(0)
    tilde = np.hstack([np.ones((m, 1)), rng.normal(size=(m, n - 1))])
    E = rng.normal(size=(m, 3))
    both = np.linalg.pinv(np.hstack([tilde, np.sqrt(ridge_) * np.eye(m)])) @ -E
    D, C = both[:n], np.sqrt(ridge_) * both[n:]
    dual = -tilde.T @ np.linalg.solve(tilde @ tilde.T + ridge_ * np.eye(m), E)
    primal = -np.linalg.solve(tilde.T @ tilde + ridge_ * np.eye(n), tilde.T @ E)
    actual = -ridge(tilde, np.ones(m), E, ridge_)
    for other in (dual, primal, actual):
        assert_allclose(other, D, rtol=1e-9, atol=1e-12)
        assert_allclose(-(E + tilde @ other), C, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("ridge_", [1.0, 0.05, 30.0])
def test_joint_equation_with_row_weights(ridge_):
    """A row of weight 3 is three rows: in D, and in what is passed down by each."""
    rng = np.random.default_rng(0)
    tilde, E = rng.normal(size=(8, 4)), rng.normal(size=(8, 2))
    repeats = np.arange(8) % 3 + 1
    index = np.repeat(np.arange(8), repeats)
    I = np.sqrt(ridge_) * np.eye(len(index))
    both = np.linalg.pinv(np.hstack([tilde[index], I])) @ -E[index]
    D = -ridge(tilde, repeats.astype(float), E, ridge_)
    assert_allclose(D, both[:4], rtol=1e-9)
    passed = -np.sqrt(ridge_) * both[4:]
    assert_allclose((E + tilde @ D)[index], passed, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("ridge_", [1.0, 0.01, 50.0])
def test_joint_direction(case, ridge_):
    """The steps of all layers are those of pinv([Ã I]), layer by layer."""
    expected, _ = literal(case, ridge=ridge_)
    actual = joint(case, ridge_).direction(case.evaluation())
    assert_layers_close(case, actual, expected)


def test_joint_errors(case):
    """So is what is passed down."""
    _, errors = literal(case, ridge=1.0)
    for actual, expected in zip(
        errors_of(joint(case, 1.0), case), errors[1:], strict=True
    ):
        size = np.abs(expected).max()
        assert_allclose(actual, expected, rtol=1e-6, atol=1e-6 * size)


def test_joint_damping_matters():
    """With more damping a layer explains less."""
    case = draw_case("multinomial", ("tanh",), (4,))
    here = case.evaluation()
    last = [
        np.linalg.norm(oracles.unflatten(joint(case, r).direction(here), case.shapes)[-1])
        for r in (1e-3, 1.0, 1e3)
    ]
    assert last[0] > last[1] > last[2]


# The sequential equations


@pytest.mark.parametrize("updated", [0.0, 0.5, 1.0])
def test_sequential_direction(case, updated):
    """One pseudo-inverse per layer, in Jacobi and in Gauss-Seidel order."""
    expected, _ = literal(case, updated=updated)
    equations = SequentialEquations(case.input_factor(), updated)
    assert_layers_close(case, equations.direction(case.evaluation()), expected, 1e-5)


def test_sequential_errors(case):
    """The whole error is passed down."""
    _, errors = literal(case, updated=0.5)
    seen = errors_of(SequentialEquations(case.input_factor(), 0.5), case)
    for actual, expected in zip(seen, errors[1:], strict=True):
        size = np.abs(expected).max()
        assert_allclose(actual, expected, rtol=1e-6, atol=1e-6 * size)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_order_matters_below_the_last_layer(depth):
    """The last layer's step is the same in both orders, the others' are not."""
    case = draw_case("bernoulli", ("tanh", "silu")[:depth], (4, 3)[:depth])
    here = case.evaluation()
    steps = [
        oracles.unflatten(
            SequentialEquations(case.input_factor(), t).direction(here), case.shapes
        )
        for t in (0.0, 0.5, 1.0)
    ]
    for other in steps[1:]:
        assert_array_equal(other[-1], steps[0][-1])
    for l in range(depth):
        for a, b in ((0, 1), (0, 2), (1, 2)):
            assert np.abs(steps[a][l] - steps[b][l]).max() > 1e-3


def test_equations_differ():
    """Sequential is not joint: it passes down what the layer has explained."""
    case = draw_case("multinomial", ("tanh",), (4,))
    here = case.evaluation()
    one = SequentialEquations(case.input_factor()).direction(here)
    two = joint(case, 1e-9).direction(here)
    one, two = (oracles.unflatten(D, case.shapes) for D in (one, two))
    assert_allclose(one[-1], two[-1], rtol=1e-6)
    assert np.abs(one[0] - two[0]).max() > 1e-3


# Both


@pytest.mark.parametrize("new", [SequentialEquations, lambda f: JointEquations(f, 0.1)])
def test_scale_of_the_objective_does_not_matter(new):
    """The penalty is unknown to the equations, and the input factor is not written to."""
    one = draw_case("multinomial", ("tanh",), (4,), alpha=0.0)
    two = draw_case("multinomial", ("tanh",), (4,), alpha=3.0)
    factor = one.input_factor()
    before = factor.values.copy()
    assert_array_equal(
        new(factor).direction(one.evaluation()), new(factor).direction(two.evaluation())
    )
    assert_array_equal(factor.values, before)


@pytest.mark.parametrize("new", [SequentialEquations, lambda f: JointEquations(f, 0.1)])
@pytest.mark.parametrize("loss", LOSSES)
def test_float32(loss, new):
    """Directions keep the precision of the fit."""
    case = draw_case(loss, ("tanh", "relu"), (4, 12))
    targets = case.targets
    if loss == "squared":
        targets = targets.astype(np.float32)
    case = type(case)(**{**vars(case), "targets": targets})
    here = case.objective(np.float32).evaluate(case.theta.astype(np.float32))
    D = new(case.input_factor().astype(np.float32)).direction(here)
    assert D.dtype == np.float32
    assert np.isfinite(D).all()


@pytest.mark.parametrize("new", [SequentialEquations, lambda f: JointEquations(f, 0.1)])
def test_not_finite_is_an_error_of_linear_algebra(new):
    """Weights that overflow raise LinAlgError, not a wrong step."""
    case = draw_case("squared", ("identity", "identity"), (3, 3))
    theta = np.full_like(case.theta, 1e120)
    with np.errstate(all="ignore"):
        here = case.objective().evaluate(theta)
        with pytest.raises(np.linalg.LinAlgError):
            new(case.input_factor()).direction(here)


def test_tangent_of(case):
    """The change of Z_1 that a direction makes is exact."""
    direction = np.random.default_rng(0).normal(size=case.theta.size)
    tangent = tangent_of(case.evaluation(), direction)
    first = oracles.unflatten(direction, case.shapes)[:1]
    assert_allclose(tangent.Z1_dot, oracles.outputs(first, (), case.X), rtol=1e-9)
    assert_array_equal(tangent.direction, direction)


# Division by the slope


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divide_by_slope(dtype):
    """The size is floored at 2^-20 and the sign kept; both zeros are positive."""
    floor = 2.0**-20
    assert floor == SLOPE_FLOOR
    slope = [0.5, -0.25, floor, 1e-9, -1e-9, 0.0, -0.0, 1e-42, -1e-42, 1.0]
    slope = np.array([slope], dtype)
    change = np.full(slope.shape, 3.0, dtype)
    before = slope.copy()
    expected = [0.5, -0.25, floor, floor, -floor, floor, floor, floor, -floor, 1.0]
    result = divide_by_slope(change, slope)
    assert result.dtype == dtype
    assert_allclose(result, 3 / np.array([expected]), rtol=1e-6)
    assert_array_equal(slope, before)
    assert_array_equal(divide_by_slope(-change, slope), -result)
    assert_array_equal(divide_by_slope(0 * change, slope), 0)


def test_inactive_units_do_not_divide_by_zero():
    """A relu net with dead units has a finite direction, whose size shows the floor."""
    case = draw_case("multinomial", ("relu", "relu"), (5, 4), seed=7)
    here = case.evaluation()
    assert np.any(here.trace.slopes[1] == 0)
    for equations in (SequentialEquations(case.input_factor()), joint(case, 1.0)):
        D = equations.direction(here)
        assert np.isfinite(D).all()
        assert np.abs(D).max() > 1e4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pseudo_inverse_knows_the_precision(dtype):
    """Singular values at the rounding of W are not inverted."""
    rng = np.random.default_rng(0)
    W = rng.normal(size=(20, 3)) @ rng.normal(size=(3, 10))
    inverse = pseudo_inverse(W.astype(dtype))
    assert inverse.dtype == dtype
    assert_allclose(inverse, np.linalg.pinv(W, rcond=1e-10), atol=1e-4)
