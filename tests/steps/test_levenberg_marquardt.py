"""The Levenberg-Marquardt step against dense algebra and finite differences."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgn.steps import levenberg_marquardt
from skgn.steps.levenberg_marquardt import FLOOR_SHARE, LevenbergMarquardtStep
from skgn.training.damping import GainRatioDamping
from skgn.training.full_batch import train
from skgn.training.stopping import Stopping
from tests import oracles
from tests.problems import case as draw_case
from tests.problems import network_cases

CASES = network_cases()

#: Activations without a kink, for finite differences.
SMOOTH = [name for name in CASES if "relu" not in name and "three" not in name]


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture(params=SMOOTH)
def smooth(request):
    return CASES[request.param]


@pytest.fixture
def without_acceleration(monkeypatch):
    monkeypatch.setattr(levenberg_marquardt, "MOST_BENT", -1.0)


def damped(case, damping):
    """Return ``G + A + λ I`` by the oracle."""
    return case.gauss_newton() + damping * np.eye(case.theta.size)


def intercepts(case):
    """Return which weights are intercepts."""
    marks = [np.zeros(shape, bool) for shape in case.shapes]
    for mark in marks:
        mark[0] = True
    return oracles.flatten(marks)


def bend(case, direction, h=1e-3):
    """Return ``J' ω H Z̈`` along a direction, by finite differences alone."""

    def outputs(theta):
        layers = oracles.unflatten(theta, case.shapes)
        return oracles.outputs(layers, case.activations, case.X)

    theta = case.theta
    middle = outputs(theta)
    ahead, behind = outputs(theta + h * direction), outputs(theta - h * direction)
    second = (ahead - 2 * middle + behind) / h**2
    total = np.zeros_like(theta)
    weights = case.weights / case.weights.sum()
    J = np.empty((*middle.shape, theta.size))
    for i, unit in enumerate(np.eye(theta.size)):
        J[:, :, i] = (outputs(theta + 1e-6 * unit) - outputs(theta - 1e-6 * unit)) / 2e-6
    for w, z, own, J_row in zip(weights, middle, second, J, strict=True):
        total += w * J_row.T @ oracles.loss_hessian(case.loss, z) @ own
    return total


@pytest.mark.usefixtures("chunks")
def test_the_matrix(case):
    """Of all weights, several outputs and losses; the penalty apart."""
    assert_allclose(
        case.evaluation().gauss_newton_matrix(),
        case.gauss_newton(alpha=0),
        rtol=1e-10,
        atol=1e-13,
    )


@pytest.mark.parametrize("damping", [1e-3, 1.0])
@pytest.mark.usefixtures("without_acceleration")
def test_the_damped_step(case, damping):
    """Step, slope, curvature and promises, by dense algebra."""
    here = case.evaluation()
    proposal = LevenbergMarquardtStep().propose(here, damping)
    g, G = here.gradient, case.gauss_newton()
    d = -np.linalg.solve(damped(case, damping), g)
    assert_allclose(proposal.step, d, rtol=1e-6, atol=1e-9)
    assert proposal.slope == pytest.approx(g @ d, rel=1e-7)
    assert proposal.curvature == pytest.approx(d @ G @ d, rel=1e-6)
    assert proposal.predicted_decrease == pytest.approx(-(g @ d + d @ G @ d / 2))
    tilde = np.hstack([np.ones((len(case.X), 1)), case.X])
    Z1_dot = tilde @ oracles.unflatten(proposal.step, case.shapes)[0]
    assert_allclose(proposal.Z1_dot, Z1_dot, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("damping", [0.1, 1e3])
def test_potential(case, damping):
    """The promise at a damping of at most the largest curvature."""
    step, here = LevenbergMarquardtStep(), case.evaluation()
    proposal = step.propose(here, damping)
    least = min(damping, step.largest_curvature)
    g = here.gradient
    expected = 0.5 * g @ np.linalg.solve(damped(case, least), g)
    assert proposal.potential == pytest.approx(expected, rel=1e-6)


def test_largest_curvature(case):
    """A bound of the largest eigenvalue, of the order of it, in any coordinates."""
    step = LevenbergMarquardtStep()
    step.propose(case.evaluation(), 1.0)
    largest = np.linalg.eigvalsh(case.gauss_newton(alpha=0))[-1]
    bound = step.largest_curvature
    assert largest * (1 - 1e-12) <= bound <= np.sqrt(case.theta.size) * largest
    values = np.linalg.eigvalsh(case.gauss_newton(alpha=0))
    assert bound == pytest.approx(np.sqrt(np.sum(values**2)))


def test_largest_curvature_whose_square_does_not_exist():
    """It is found all the same."""
    case = draw_case("squared", ("tanh",), (4,))
    layers = [case.layers[0], 1e90 * case.layers[1]]
    far = type(case)(**{**vars(case), "layers": layers})
    step = LevenbergMarquardtStep()
    step.propose(far.evaluation(), 1e185)
    largest = np.linalg.eigvalsh(step.matrix)[-1]
    assert 1e170 < largest <= step.largest_curvature * (1 + 1e-12) < 1e3 * largest


def test_no_curvature_at_all():
    """Where all rows are wrong and saturated, the step is down the gradient."""
    case = draw_case("bernoulli", ("tanh",), (4,), K=1, alpha=0.0)
    layers = [case.layers[0], case.layers[1] * 0 + np.eye(5, 1) * 1000]
    wrong = {"layers": layers, "targets": np.zeros((9, 1), np.int8)}
    here = type(case)(**{**vars(case), **wrong}).evaluation()
    step = LevenbergMarquardtStep()
    proposal = step.propose(here, 2.0)
    assert step.largest_curvature == 0
    assert_allclose(proposal.step, -here.gradient / 2)
    assert here.gradient.any() and proposal.potential > 0


def test_acceleration(smooth, monkeypatch):
    """The second change of the outputs, by finite differences, and the same matrix."""
    monkeypatch.setattr(levenberg_marquardt, "LOOK_AHEAD", 1e-4)
    monkeypatch.setattr(levenberg_marquardt, "MOST_BENT", np.inf)
    here, damping = smooth.evaluation(), 0.3
    proposal = LevenbergMarquardtStep().propose(here, damping)
    M = damped(smooth, damping)
    d = -np.linalg.solve(M, here.gradient)
    a = -0.5 * np.linalg.solve(M, bend(smooth, d))
    atol = 2e-3 * np.linalg.norm(a) + 1e-7 * np.linalg.norm(d)
    assert_allclose(proposal.step - d, a, rtol=0, atol=atol)
    assert smooth.activations == () or np.linalg.norm(a) > 1e-4 * np.linalg.norm(d)


def test_a_long_acceleration_is_left_out(monkeypatch):
    """It is taken as a whole, up to its limit, or not at all."""
    case = draw_case("squared", ("tanh",), (4,))
    here = case.evaluation()
    d = -np.linalg.solve(damped(case, 0.1), here.gradient)
    a = LevenbergMarquardtStep().propose(here, 0.1).step - d
    ratio = 2 * np.linalg.norm(a) / np.linalg.norm(d)
    assert 0.01 < ratio < levenberg_marquardt.MOST_BENT
    monkeypatch.setattr(levenberg_marquardt, "MOST_BENT", 1.001 * ratio)
    assert_allclose(LevenbergMarquardtStep().propose(here, 0.1).step, d + a)
    monkeypatch.setattr(levenberg_marquardt, "MOST_BENT", 0.999 * ratio)
    assert_allclose(LevenbergMarquardtStep().propose(here, 0.1).step, d)


def test_spectra(case):
    """Eigenvalues of the Schur complement of the intercepts."""
    step = LevenbergMarquardtStep()
    assert not step.spectra
    step.propose(case.evaluation(), 1.0)
    b, G = intercepts(case), case.gauss_newton(alpha=0)
    cross = G[np.ix_(~b, b)]
    inverse = np.linalg.pinv(G[np.ix_(b, b)], rcond=1e-12, hermitian=True)
    C = G[np.ix_(~b, ~b)] - cross @ inverse @ cross.T
    expected = np.linalg.eigvalsh(C)
    (spectrum,) = step.spectra
    actual = np.multiply.outer(spectrum.input, spectrum.output).ravel()
    assert_allclose(np.sort(actual), expected, rtol=1e-6, atol=1e-11)
    shrunk = spectrum.shrunk_sum(1e-3)
    assert shrunk == pytest.approx(np.sum(expected / (expected + 1e-3)), rel=1e-6)


def test_eigenvalues_at_rounding_do_not_count():
    """More weights than rows: those that the rows determine, less the intercepts."""
    case = draw_case("squared", ("tanh",), (4,), m=9, K=1)
    step = LevenbergMarquardtStep()
    step.propose(case.evaluation(), 1.0)
    G, b = case.gauss_newton(alpha=0), intercepts(case)
    rank = np.linalg.matrix_rank
    (spectrum,) = step.spectra
    assert rank(G) == 9 < len(G)
    assert spectrum.shrunk_sum(0.0) == rank(G) - rank(G[np.ix_(b, b)])


def test_spectra_are_those_of_the_present_point():
    """A further proposal makes them anew."""
    case = draw_case("squared", ("tanh",), (4,))
    objective, step = case.objective(), LevenbergMarquardtStep()
    values = []
    for theta in (case.theta, 2 * case.theta):
        step.propose(objective.evaluate(theta), 1.0)
        values.append(step.spectra[0].input)
    assert not np.allclose(*values)


def test_too_little_damping_is_an_error_of_algebra():
    """A matrix that is not positive definite asks for more damping."""
    case = draw_case("multinomial", ("tanh",), (4,), alpha=0.0)
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        LevenbergMarquardtStep().propose(case.evaluation(), 0.0)


def test_a_matrix_that_overflows_is_an_error_of_algebra():
    """So that the loop tries more damping, and says why it ends."""
    case = draw_case("squared", ("identity",), (4,))
    layers = [case.layers[0], 1e200 * case.layers[1]]
    far = type(case)(**{**vars(case), "layers": layers})
    step = LevenbergMarquardtStep()
    with np.errstate(all="ignore"), pytest.raises(np.linalg.LinAlgError):
        step.propose(far.evaluation(), 1.0)
    assert not step.spectra


def run(case, dtype=np.float64, **stopping):
    """Train a case."""
    return train(
        case.objective(dtype),
        case.theta.astype(dtype),
        LevenbergMarquardtStep(),
        GainRatioDamping(floor_share=FLOOR_SHARE),
        Stopping(**{"max_iter": 300, "tol": 0.0, **stopping}),
    )


def test_the_objective_never_rises(case):
    """Over all iterations; a convex one reaches its minimum."""
    history = run(case).history
    objective = history["objective"]
    assert np.all(np.diff(objective) <= 0)
    assert objective[-1] < objective[0]
    if not case.activations:
        assert history["gradient_norm"][-1] < 1e-7 * history["gradient_norm"][0]


def test_single_precision(case):
    """Single-precision weights come from a single-precision fit, near the double one."""
    single, double = run(case, np.float32, max_iter=8), run(case, max_iter=8)
    assert single.theta.dtype == np.float32
    assert single.objective == pytest.approx(double.objective, rel=1e-2)


def test_rest():
    """What it lets go of is made again."""
    case = draw_case("multinomial", ("tanh",), (4,))
    here, step = case.evaluation(), LevenbergMarquardtStep()
    first = step.propose(here, 0.1)
    step.rest()
    assert step.prepared is None and step.matrix is None
    assert_allclose(step.propose(here, 0.1).step, first.step, rtol=0)
