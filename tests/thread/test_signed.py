"""The steps of the thread's equations with signs and lengths corrected."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn.data.first_layer import FirstLayer
from skgn.linalg.kronecker import Factor
from skgn.model.network import Network
from skgn.model.objective import Objective
from skgn.thread.joint import JointEquations
from skgn.thread.sequential import SequentialEquations
from skgn.thread.signed import SignedStep, with_sign
from tests import oracles
from tests.problems import LOSSES, network_cases
from tests.problems import case as draw_case

CASES = network_cases()
EQUATIONS = {
    "sequential": lambda factor: SequentialEquations(factor),
    "gauss_seidel": lambda factor: SequentialEquations(factor, 0.5),
    "joint": lambda factor: JointEquations(factor, 0.05),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture(params=EQUATIONS)
def solver(request):
    return request.param


def new_step(case, solver="joint"):
    """Return a step in the columns of X."""
    return SignedStep(EQUATIONS[solver](case.input_factor()))


def principal_axes(case):
    """Return the eigenvectors of S_1 in columns, by numpy."""
    tilde = np.hstack([np.ones((len(case.X), 1)), case.X])
    return np.linalg.eigh(tilde.T @ (case.weights[:, None] * tilde))[1]


def signed_along(axes, D, gradient):
    """Return D with the signs of the negative gradient along some axes."""
    inner = -np.sign(axes.T @ gradient) * np.abs(axes.T @ D)
    return axes @ inner


def gauss_newton_at(case, theta):
    """Return the dense Gauss-Newton matrix at other weights."""
    layers = oracles.unflatten(theta, case.shapes)
    return type(case)(**{**vars(case), "layers": layers}).gauss_newton()


def two_points(case, solver, damping=0.1):
    """Return a step that has moved once, where it is, its last step and G there."""
    step, here = new_step(case, solver), case.evaluation()
    previous = step.propose(here, damping)
    step.accept(previous)
    there = case.objective().evaluate(case.theta + previous.step)
    return step, there, previous.step, gauss_newton_at(case, there.theta)


def test_with_sign():
    """The size of one, the sign of minus the other; zero where that is zero."""
    D = np.array([[2.0, -2.0, 2.0, -2.0, 5.0, 0.0]])
    gradient = np.array([[1.0, 1.0, -1.0, -1e-300, 0.0, 3.0]])
    assert_array_equal(with_sign(D, gradient), [[-2, -2, 2, 2, 0, 0]])
    assert with_sign(D.astype("f"), gradient.astype("f")).dtype == np.float32


def test_signs(case, solver):
    """Sizes of the equations, signs of the negative gradient; zero where that is."""
    here, step = case.evaluation(), new_step(case, solver)
    step.propose(here, 1.0)
    signed = oracles.unflatten(step.along.direction, case.shapes)
    gradient = oracles.unflatten(here.gradient, case.shapes)
    plain = EQUATIONS[solver](case.input_factor()).direction(here)
    plain = oracles.unflatten(plain, case.shapes)
    for S, G, D in zip(signed[1:], gradient[1:], plain[1:], strict=True):
        assert_array_equal(np.sign(S), np.where(D == 0, 0, -np.sign(G)))
        assert_array_equal(np.abs(S), np.where(G == 0, 0, np.abs(D)))
    assert here.gradient @ step.along.direction < 0


def test_signs_of_the_first_layer(case, solver):
    """Along the principal axes of the rows, and not along the columns."""
    here, step = case.evaluation(), new_step(case, solver)
    step.propose(here, 1.0)
    signed = oracles.unflatten(step.along.direction, case.shapes)[0]
    gradient = oracles.unflatten(here.gradient, case.shapes)[0]
    plain = EQUATIONS[solver](case.input_factor()).direction(here)
    plain = oracles.unflatten(plain, case.shapes)[0]
    if len(case.X) >= len(signed):  # or some axes are not determined
        axes = principal_axes(case)
        expected = signed_along(axes, plain, gradient)
        assert_allclose(signed, expected, rtol=1e-7, atol=1e-9 * np.abs(plain).max())
        slope = -(np.abs(axes.T @ gradient) * np.abs(axes.T @ plain)).sum()
        assert (gradient * signed).sum() == pytest.approx(slope, rel=1e-6)
        assert np.abs(signed - signed_along(np.eye(len(axes)), plain, gradient)).max() > 0


def test_signs_of_a_truncated_first_layer():
    """Without a complete basis, along the columns."""
    case = draw_case("multinomial", ("tanh",), (4,), n=5)
    factor = case.input_factor()
    factor = Factor(factor.values[-3:], factor.vectors[:, -3:], factor.values[:-3].mean())
    step, here = SignedStep(JointEquations(factor, 0.1)), case.evaluation()
    step.propose(here, 1.0)
    plain = JointEquations(factor, 0.1).direction(here)
    expected = -np.sign(here.gradient) * np.abs(plain)
    assert_allclose(step.along.direction, expected, rtol=1e-12)


@pytest.mark.parametrize("damping", [1e-4, 1e6])
def test_first_proposal(case, solver, damping):
    """Slope, curvature and promise are those of the dense matrix; the step descends."""
    here, G = case.evaluation(), case.gauss_newton()
    proposal = new_step(case, solver).propose(here, damping)
    step = proposal.step
    assert proposal.slope == pytest.approx(here.gradient @ step, rel=1e-6)
    assert proposal.curvature == pytest.approx(step @ G @ step, rel=1e-6)
    promised = -(here.gradient @ step + 0.5 * step @ G @ step)
    assert proposal.predicted_decrease == pytest.approx(promised, rel=1e-6)
    assert proposal.predicted_decrease > 0
    assert proposal.slope < 0
    first = oracles.unflatten(step, case.shapes)[:1]
    Z1_dot = oracles.outputs(first, (), case.X)
    assert_allclose(proposal.Z1_dot, Z1_dot, rtol=1e-7, atol=1e-9 * np.abs(Z1_dot).max())


def test_second_proposal(case, solver):
    """So they are with a share of the previous step, and there is one."""
    step, there, previous, G = two_points(case, solver)
    proposal = step.propose(there, 0.1)
    assert_array_equal(step.momentum.direction, previous)
    moved = proposal.step
    assert proposal.slope == pytest.approx(there.gradient @ moved, rel=1e-6)
    assert proposal.curvature == pytest.approx(moved @ G @ moved, rel=1e-6)
    first = oracles.unflatten(moved, case.shapes)[:1]
    Z1_dot = oracles.outputs(first, (), case.X)
    assert_allclose(proposal.Z1_dot, Z1_dot, rtol=1e-7, atol=1e-9 * np.abs(Z1_dot).max())


@pytest.mark.parametrize("damping", [1e-3, 1.0])
def test_no_other_lengths_are_lower(case, damping):
    """The step is where the dense damped model is least, over units and last step."""
    step, there, previous, G = two_points(case, "joint")
    proposal = step.propose(there, damping)
    span = np.vstack([oracles.unit_columns(case.shapes, step.along.direction), previous])
    sizes = np.linalg.norm(span, axis=1)
    span = span[sizes > 0] / sizes[sizes > 0, None]
    damped = G + damping * np.eye(len(G))

    def value(s):
        return there.gradient @ s + 0.5 * s @ damped @ s

    c = np.linalg.lstsq(span @ damped @ span.T, -span @ there.gradient, rcond=None)[0]
    least = value(c @ span)
    assert least < 0
    assert value(proposal.step) == pytest.approx(least, rel=1e-6)
    # and it lies in their span
    outside = (
        proposal.step - span.T @ np.linalg.lstsq(span.T, proposal.step, rcond=None)[0]
    )
    assert np.abs(outside).max() < 1e-7 * np.abs(proposal.step).max()


def test_more_damping_gives_shorter_steps(case, solver):
    """At one point; the directions are found once."""
    here, step = case.evaluation(), new_step(case, solver)
    lengths = []
    for damping in (1e-2, 1.0, 1e2, 1e4):
        lengths.append(np.linalg.norm(step.propose(here, damping).step))
    assert np.all(np.diff(lengths) < 0)


def test_a_point_is_looked_at_once(monkeypatch):
    """Asked again with more damping, the equations are not solved again."""
    case = draw_case("multinomial", ("tanh",), (4,))
    here, step = case.evaluation(), new_step(case)
    first = step.propose(here, 1.0)
    before = first.step.copy(), first.Z1_dot.copy()
    monkeypatch.setattr(step.equations, "direction", None)
    second = step.propose(here, 3.0)
    monkeypatch.undo()
    assert_array_equal(first.step, before[0])  # proposals do not share their arrays
    assert_array_equal(first.Z1_dot, before[1])
    assert_allclose(second.step, new_step(case).propose(here, 3.0).step, rtol=1e-12)


def test_largest_curvature(case):
    """The largest curvature along a unit's own step."""
    step = new_step(case)
    step.propose(case.evaluation(), 1.0)
    columns = oracles.unit_columns(case.shapes, step.along.direction)
    columns = columns[np.linalg.norm(columns, axis=1) > 0]
    G = case.gauss_newton()
    expected = max(d @ G @ d / (d @ d) for d in columns)
    assert step.largest_curvature == pytest.approx(expected, rel=1e-6)


# In the row space


def step_of_rows(case, solver, standardize):
    """Return a step as a fit builds it, its evaluation, and the first layer."""
    weights = case.weights / case.weights.sum()
    first = FirstLayer.of(case.X, weights, standardize, np.random.RandomState(0))
    layers = [first.enter(case.layers[0]), *case.layers[1:]]
    widths = (first.inputs.shape[1], *case.widths[1:])
    objective = Objective(
        network=Network.of(widths, case.activations),
        loss=LOSSES[case.loss],
        inputs=first.inputs,
        targets=case.targets,
        row_weights=weights,
        alpha=case.alpha,
    )
    here = objective.evaluate(oracles.flatten(layers))
    return SignedStep(EQUATIONS[solver](first.factor)), here, first


@pytest.mark.parametrize("standardize", [False, True])
def test_row_space_gives_the_step_of_the_columns(solver, standardize):
    """Rows repeated until they are tall, and weighted rows that are wide: one step."""
    case = draw_case("bernoulli", ("tanh", "silu"), (5, 4), m=6, n=11, alpha=0.01)
    repeats = np.array([1, 3, 2, 4, 2, 3])
    index = np.repeat(np.arange(6), repeats)
    changes = {"weights": repeats.astype(float)}
    weighted = type(case)(**{**vars(case), **changes})
    changes = {
        "X": case.X[index],
        "targets": case.targets[index],
        "weights": np.ones(len(index)),
    }
    repeated = type(case)(**{**vars(case), **changes})
    step, here, first = step_of_rows(weighted, solver, standardize)
    other, there, columns = step_of_rows(repeated, solver, standardize)
    assert first.row_space is not None and columns.row_space is None

    for _ in range(3):
        one, two = step.propose(here, 0.1), other.propose(there, 0.1)
        D = here.objective.network.layers(one.step)
        E = there.objective.network.layers(two.step)
        assert_allclose(
            first.leave(D[0]), E[0], rtol=1e-5, atol=1e-7 * np.abs(E[0]).max()
        )
        for a, b in zip(D[1:], E[1:], strict=True):
            assert_allclose(a, b, rtol=1e-5, atol=1e-7 * np.abs(b).max())
        assert one.slope == pytest.approx(two.slope, rel=1e-6)
        assert one.curvature == pytest.approx(two.curvature, rel=1e-6)
        assert one.potential == pytest.approx(two.potential, rel=1e-6)
        step.accept(one)
        other.accept(two)
        here = here.objective.evaluate(here.theta + one.step, here, one.Z1_dot)
        there = there.objective.evaluate(there.theta + two.step, there, two.Z1_dot)
