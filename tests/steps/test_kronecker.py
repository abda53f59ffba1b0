"""The Kronecker-factored step against dense Gauss-Newton blocks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgn import GaussNewtonMLPClassifier
from skgn.data.inputs import DenseInputs
from skgn.data.row_space import RowSpace
from skgn.linalg.kronecker import KroneckerBlock
from skgn.model.evaluation import Evaluation
from skgn.steps import kronecker
from skgn.steps.kronecker import KroneckerStep
from skgn.training.damping import GainRatioDamping
from skgn.training.full_batch import train
from skgn.training.stopping import Stopping
from tests import oracles
from tests.problems import LOSSES, binary, network_cases, wide
from tests.problems import case as draw_case

CASES = network_cases()


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def new_step(case):
    """Return the step as a fit builds it."""
    K = case.widths[-1]
    return KroneckerStep(case.input_factor(), LOSSES[case.loss].root_columns(K))


def dense_blocks(case):
    """Return ``S_l ⊗ Γ_l`` of the oracle."""
    S = oracles.input_factors(case.loss, *case.rows, case.weights)
    gamma = oracles.output_factors(case.loss, *case.rows, case.weights)
    return [np.kron(S_l, gamma_l) for S_l, gamma_l in zip(S, gamma, strict=True)]


def dense_direction(case, gradient, damping):
    """Return ``-(S ⊗ Γ + (λ + alpha) I)^-1 ∇``, layer by layer."""
    start, parts = 0, []
    for block in dense_blocks(case):
        stop = start + len(block)
        damped = block + (damping + case.alpha) * np.eye(len(block))
        parts.append(-np.linalg.solve(damped, gradient[start:stop]))
        start = stop
    return np.concatenate(parts)


@pytest.mark.usefixtures("chunks")
def test_output_factors(case):
    """Γ_l = Σ ω J_l' H J_l, every layer."""
    expected = oracles.output_factors(case.loss, *case.rows, case.weights)
    for actual, gamma in zip(case.evaluation().output_grams(), expected, strict=True):
        assert_allclose(actual, gamma, rtol=1e-10, atol=1e-13)


@pytest.mark.usefixtures("chunks")
def test_input_factors(case):
    """S_l = Σ ω h ã ã' / Σ ω h with h = tr H, from the second layer on."""
    expected = oracles.input_factors(case.loss, *case.rows, case.weights)[1:]
    for actual, S in zip(case.evaluation().input_grams(), expected, strict=True):
        assert_allclose(actual, S, rtol=1e-10, atol=1e-13)


def assert_blocks_equal_gauss_newton(case, layers):
    """Compare the step's blocks with the dense Gauss-Newton matrix."""
    step = new_step(case)
    step.propose(case.evaluation(), 1.0)
    exact = oracles.diagonal_blocks(case.gauss_newton(alpha=0), case.layers)
    for l in layers:
        assert isinstance(step.blocks[l], KroneckerBlock)
        assert_allclose(step.blocks[l].to_dense(), exact[l], rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_blocks_of_one_row_are_exact(loss, depth):
    """With one row every layer's block is the Gauss-Newton block."""
    names, hidden = ("silu", "tanh", "leaky_relu")[:depth], (4, 3, 5)[:depth]
    case = draw_case(loss, names, hidden, m=1, seed=depth)
    assert_blocks_equal_gauss_newton(case, range(depth + 1))


@pytest.mark.parametrize(("loss", "K"), [("squared", 3), ("bernoulli", 1)])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_last_block_is_exact_where_hessians_differ_by_a_factor(depth, loss, K):
    """Squared error or a binary output: the last block is exact for any rows."""
    names, hidden = ("tanh", "relu")[:depth], (4, 3)[:depth]
    assert_blocks_equal_gauss_newton(draw_case(loss, names, hidden, m=12, K=K), [depth])


@pytest.mark.parametrize("K", [2, 3])
def test_input_factors_where_most_rows_are_certain(K):
    """Rows without curvature have no say in the factors of the deeper layers."""
    case = draw_case("multinomial", ("tanh",), (4,), m=12, K=K)
    layers = [case.layers[0], 200 * case.layers[1]]
    certain = type(case)(**{**vars(case), "layers": layers})
    S = certain.evaluation().input_grams()[0]
    expected = oracles.input_factors(certain.loss, *certain.rows, certain.weights)[1]
    assert_allclose(S, expected, rtol=1e-6, atol=1e-12)
    assert np.isfinite(S).all() and S[0, 0] == pytest.approx(1)


def test_blocks_of_many_rows_are_not_exact():
    """The comparisons above can tell the factored block from the exact one."""
    case = draw_case("multinomial", ("tanh",), (4,), m=12)
    with pytest.raises(AssertionError):
        assert_blocks_equal_gauss_newton(case, [0])


@pytest.mark.parametrize("damping", [1e-3, 1.0])
def test_first_proposal(case, damping):
    """Direction, length, slope and promise of the first step, all by dense algebra."""
    here = case.evaluation()
    proposal = new_step(case).propose(here, damping)
    gradient, G = here.gradient, case.gauss_newton()
    D = dense_direction(case, gradient, damping)
    c = -(gradient @ D) / (D @ G @ D + damping * D @ D)
    assert_allclose(proposal.step, c * D, rtol=1e-6, atol=1e-9)
    assert proposal.slope == pytest.approx(c * gradient @ D, rel=1e-6)
    assert proposal.curvature == pytest.approx(c * c * D @ G @ D, rel=1e-6)
    promised = -(gradient @ proposal.step + 0.5 * proposal.step @ G @ proposal.step)
    assert proposal.predicted_decrease == pytest.approx(promised, rel=1e-6)
    Z1_dot = oracles.outputs(
        oracles.unflatten(proposal.step, case.shapes)[:1], (), case.X
    )
    assert_allclose(proposal.Z1_dot, Z1_dot, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("damping", [1e-3, 0.1])
def test_proposal_minimises_the_model_over_two_directions(case, damping):
    """The damped model is stationary along D and P at the second step, and descends."""
    objective = case.objective()
    step = new_step(case)
    here = objective.evaluate(case.theta)
    previous = step.propose(here, damping)
    step.accept(previous)
    there = objective.evaluate(here.theta + previous.step, here, previous.Z1_dot)
    gradient = there.gradient.copy()
    proposal = step.propose(there, damping)

    layers = oracles.unflatten(there.theta, case.shapes)
    G = oracles.gauss_newton(
        case.loss, layers, case.activations, case.X, case.weights, case.alpha
    )
    damped = G + damping * np.eye(len(G))
    slope_of_model = gradient + damped @ proposal.step
    moved = type(case)(**{**vars(case), "layers": layers})
    D = dense_direction(moved, gradient, damping)
    for direction in (D, previous.step):
        unit = direction / np.sqrt(direction @ damped @ direction)
        scale = np.sqrt(gradient @ np.linalg.solve(damped, gradient))
        assert abs(unit @ slope_of_model) < 1e-6 * scale
    assert proposal.slope < 0
    assert proposal.slope == pytest.approx(gradient @ proposal.step, rel=1e-6)
    promised = -(gradient @ proposal.step + 0.5 * proposal.step @ G @ proposal.step)
    assert proposal.predicted_decrease == pytest.approx(promised, rel=1e-6)
    assert proposal.predicted_decrease > 0


@pytest.mark.parametrize("damping", [1e-8, 1e-2, 1e2, 1e8])
def test_steps_descend(case, damping):
    """At any damping the slope is negative."""
    proposal = new_step(case).propose(case.evaluation(), damping)
    assert proposal.slope < 0


def test_more_damping_gives_shorter_steps(case):
    """At a point the length of the step falls with the damping."""
    step, here = new_step(case), case.evaluation()
    lengths = [
        np.linalg.norm(step.propose(here, damping).step)
        for damping in (1e-2, 1, 1e2, 1e4)
    ]
    assert np.all(np.diff(lengths) < 0)


def test_proposals_at_one_point_share_the_factors(monkeypatch):
    """Asked again with more damping, nothing is decomposed again."""
    case = draw_case("multinomial", ("tanh",), (4,))
    step, here = new_step(case), case.evaluation()
    step.propose(here, 1.0)
    monkeypatch.setattr(Evaluation, "output_grams", None)
    monkeypatch.setattr(Evaluation, "input_grams", None)
    again = step.propose(here, 2.0)
    expected = new_step(case)
    monkeypatch.undo()
    assert_allclose(again.step, expected.propose(here, 2.0).step, rtol=1e-12)


def test_factors_age(monkeypatch):
    """Factors are refreshed every few accepted steps, and never older than MAX_AGE."""
    case = draw_case("multinomial", ("tanh",), (6,), m=40, n=5, K=9)
    refreshes = []

    output_grams = Evaluation.output_grams

    def counting(here):
        refreshes.append(here)
        return output_grams(here)

    monkeypatch.setattr(Evaluation, "output_grams", counting)
    step, here = new_step(case), case.evaluation()
    ages = []
    for _ in range(60):
        proposal = step.propose(here, 1e3)
        ages.append(step.age)
        step.accept(proposal)
        here = here.objective.evaluate(here.theta + proposal.step)
    assert 60 / kronecker.MAX_AGE <= len(refreshes) < 30
    assert max(ages) < kronecker.MAX_AGE
    assert ages[:2] == [0, 0]


def test_not_finite_is_an_error_of_linear_algebra():
    """Weights that make the factors overflow raise LinAlgError, not a wrong step."""
    case = draw_case("squared", ("identity",), (3,))
    theta = np.full_like(case.theta, 1e200)
    with np.errstate(all="ignore"):
        here = case.objective().evaluate(theta)
        with pytest.raises(np.linalg.LinAlgError):
            new_step(case).propose(here, 1.0)


# Counting


def counted(monkeypatch, owner, name):
    """Return a list that grows with each call of a method."""
    original, calls = getattr(owner, name), []

    def wrapper(*args, **kwargs):
        calls.append(name)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, wrapper)
    return calls


def test_one_product_with_the_inputs_per_turn(monkeypatch):
    """A trial needs no product with Ã_0: one per proposal and one for the start."""
    case = draw_case("multinomial", ("tanh", "silu"), (6, 5), m=60, n=4, alpha=1e-4)
    products = counted(monkeypatch, DenseInputs, "product")
    adjoints = counted(monkeypatch, DenseInputs, "adjoint")
    outcome = train(
        case.objective(),
        case.theta,
        new_step(case),
        GainRatioDamping(1e-6),
        Stopping(max_iter=15, tol=0.0),
    )
    turns = len(outcome.history["objective"]) - 1
    rejected = np.sum(outcome.history["step_length"][1:] == 0)
    assert turns == 15 and outcome.reason == "max_iter"
    assert len(products) == turns + 1
    assert len(adjoints) == turns + 1 - rejected


def fit(X, y):
    """Fit for a few turns."""
    model = GaussNewtonMLPClassifier(
        (8, 5), max_iter=20, tol=0.0, cost_threshold=1e-3, random_state=0
    )
    return model.fit(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_first_input_factor_is_computed_once_per_fit(monkeypatch):
    """S_1 is constant: one Gram matrix, decomposed once."""
    grams = counted(monkeypatch, DenseInputs, "gram")
    model = fit(*binary())
    assert model.n_iter_ > 5
    assert len(grams) == 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_row_space_is_found_once_per_fit(monkeypatch):
    """Wide rows are decomposed once, and S_1 is never formed in the columns."""
    spaces = counted(monkeypatch, RowSpace, "of")
    grams = counted(monkeypatch, DenseInputs, "gram")
    fit(*wide())
    assert len(spaces) == 1
    assert len(grams) == 0


# Estimated output factors


def estimating(monkeypatch, passes=1):
    """Let every softmax of three classes have too many."""
    monkeypatch.setattr(kronecker, "MOST_PASSES", 1)
    monkeypatch.setattr(kronecker, "SAMPLED", passes)


def test_estimates_of_output_factors_tend_to_them(monkeypatch):
    """The error falls as the root of the number of passes."""
    own = draw_case("multinomial", ("tanh",), (4,), K=5, m=40)
    exact = own.evaluation().output_grams()
    errors = []
    for passes in (4, 400):
        estimating(monkeypatch, passes)
        gamma = new_step(own)._output_grams(own.evaluation())
        errors.append(
            [
                np.linalg.norm(a - b) / np.linalg.norm(b)
                for a, b in zip(gamma, exact, strict=True)
            ]
        )
    few, many = np.array(errors)
    assert np.all(many < 0.1)
    assert np.all(many < few / 3)


def test_few_passes_are_exact():
    """Up to MOST_PASSES."""
    K = kronecker.MOST_PASSES + 1
    own = draw_case("multinomial", ("tanh",), (4,), K=K, m=3 * K)
    exact = own.evaluation().output_grams()
    for a, b in zip(new_step(own)._output_grams(own.evaluation()), exact, strict=True):
        assert_allclose(a, b, rtol=1e-12)
    more = draw_case("multinomial", ("tanh",), (4,), K=K + 1, m=3 * K)
    exact = more.evaluation().output_grams()
    gamma = new_step(more)._output_grams(more.evaluation())
    assert not np.allclose(gamma[0], exact[0], rtol=1e-3)


def test_a_fit_with_estimates(monkeypatch):
    """Falls at every step, comes to the same minimum, and can be had again."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 4)), rng.integers(0, 4, 200)
    options = {"alpha": 1e-2, "encoding": None, "tol": 1e-6, "random_state": 0}
    options |= {"hidden_layer_sizes": (), "max_iter": 200, "batch_size": None}
    exact = GaussNewtonMLPClassifier(**options).fit(X, y)
    estimating(monkeypatch)
    fits = [GaussNewtonMLPClassifier(**options).fit(X, y) for _ in range(2)]
    assert np.all(np.diff(fits[0].loss_curve_) <= 0)
    assert_allclose(fits[0].loss_, exact.loss_, rtol=1e-5)
    assert fits[0].loss_curve_ != exact.loss_curve_
    assert fits[0].loss_curve_ == fits[1].loss_curve_
