"""The solvers of the thread: as posted, and with safeguards."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

from skgn.data.first_layer import FirstLayer
from skgn.data.inputs import DenseInputs
from skgn.linalg import least_squares
from skgn.linalg.kronecker import Factor
from tests.estimators.thread_cases import SOLVERS, assert_sound, never_rises, small
from tests.problems import (
    DATA,
    binary,
    breast_cancer,
    digits,
    multiclass,
    multilabel,
    wide,
)

LITERAL = {"safeguard": None, "alpha": 0.0, "standardize": False, "tol": 0.0}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# As posted


def clipped(A):
    """Return A kept away from 0 and 1, as in the thread."""
    return np.minimum(np.maximum(2.0**-20, A), 1 - 2.0**-20)


def thread_costs(bW, X, Y, step, turns, order="jacobi", joint=False):
    """Return the cost before each step and after the last, as the thread computes it.

    Sigmoid outputs on tanh units; `bW` are the initial weights, intercepts on top.
    """
    m = len(X)
    bW, costs = [V.copy() for V in bW], []
    for turn in range(turns + 1):
        A = [X]
        for l, V in enumerate(bW):
            Z = np.hstack([np.ones((m, 1)), A[-1]]) @ V
            A.append(np.tanh(Z) if l < len(bW) - 1 else expit(Z))
        losses = np.logaddexp(0, np.where(Y == 1, -Z, Z))
        costs.append(losses.sum() / m)
        if turn == turns:
            return np.array(costs)
        limited = clipped(A[-1])
        delta_Z = (A[-1] - Y) / (limited * (1 - limited))
        for l in range(len(bW) - 1, -1, -1):
            tilde = np.hstack([np.ones((m, 1)), A[l]])
            W = bW[l][1:]
            if joint:
                both = np.linalg.pinv(np.hstack([tilde, np.eye(m)])) @ delta_Z
                change, passed = both[: len(bW[l])], both[len(bW[l]) :]
            else:
                change, passed = np.linalg.pinv(tilde) @ delta_Z, delta_Z
            bW[l] = bW[l] - step * change
            if order == "gauss_seidel":
                W = bW[l][1:]
            if l:
                derivative = np.maximum(1 - A[l] ** 2, 2.0**-20)
                delta_Z = passed @ np.linalg.pinv(W) / derivative


def initial_weights(X, y, sizes):
    """Return the weights that a fit starts from, intercepts on top."""
    model = small(sizes, cost_threshold=1e9, **LITERAL, solver="joint").fit(X, y)
    assert model.n_iter_ == 0
    pairs = zip(model.intercepts_, model.coefs_, strict=True)
    return [np.vstack([b, W]) for b, W in pairs]


LITERAL_DATA = {
    "binary": binary,
    "multilabel": lambda: (multilabel()[0] / 10, multilabel()[1]),
    "wide": lambda: wide(n_classes=2),
}


@pytest.mark.parametrize("step", [0.5, 1.0])
@pytest.mark.parametrize("sizes", [(), (4,), (20, 7, 5)])
@pytest.mark.parametrize("data", LITERAL_DATA)
def test_the_thread_step_by_step(solver, data, sizes, step):
    """The costs of the first turns are those of a literal version of the thread."""
    X, y = LITERAL_DATA[data]()
    turns = {0.5: 8, 1.0: 4}[step] if len(sizes) < 2 else 3
    bW = initial_weights(X, y, sizes)
    Y = y.reshape(len(y), -1)
    joint = solver["solver"] == "joint"
    order = solver.get("order", "jacobi")
    expected = thread_costs(bW, X, Y, step, turns, order, joint)
    model = small(sizes, max_iter=turns, step_size=step, **LITERAL, **solver).fit(X, y)
    assert model.n_iter_ == turns
    # layer 1 is solved by the eigenvectors of a Gram matrix: some digits fewer
    assert_allclose(model.history_["cost"], expected, rtol=1e-5)
    assert np.abs(np.diff(expected)).max() > 0.01


def test_the_thread_converges_on_two_layers(solver):
    """Half steps on one hidden layer: down in every turn, as in the literal version."""
    X, y = wide(n_classes=2)
    X = X / 4
    bW = initial_weights(X, y, (8,))
    order, joint = solver.get("order", "jacobi"), solver["solver"] == "joint"
    expected = thread_costs(bW, X, y[:, None], 0.5, 15, order, joint)
    assert np.all(np.diff(expected) < 0) and expected[-1] < 1e-3 * expected[0]
    model = small((8,), max_iter=15, step_size=0.5, **LITERAL, **solver).fit(X, y)
    assert model.stop_reason_ == "max_iter"
    assert_allclose(model.history_["cost"], expected, rtol=1e-6)
    scores = model.decision_function(X)
    cost = np.mean(np.logaddexp(0, np.where(y == 1, -scores, scores)))
    assert cost == pytest.approx(expected[-1], rel=1e-6)


@pytest.mark.parametrize("data", ["binary", "multiclass", "multilabel"])
def test_unguarded_deep_nets_diverge(solver, data):
    """They say so, name the safeguard, and keep finite weights of the best turn."""
    X, y = DATA[data]()
    model = small((20, 7, 5), safeguard=None, alpha=0.0, tol=0.0, **solver)
    with pytest.warns(ConvergenceWarning) as record:
        model.fit(X, y)
    assert model.stop_reason_ == "diverged"
    assert "safeguard='sign'" in str(record[0].message)
    assert repr(solver["solver"]) in str(record[0].message)
    assert not never_rises(model)
    assert max(model.loss_curve_) > 2 * model.loss_curve_[0]
    assert_sound(model, X)


# With safeguards


@pytest.mark.parametrize("activation", ["tanh", "leaky_relu"])
def test_digits_are_learned_by_deep_nets(solver, activation):
    """Three hidden layers: a cost below 1e-3 within 60 iterations, never rising."""
    X, y = digits()
    model = small(
        (50, 50, 50),
        activation,
        **solver,
        alpha=0.0,
        tol=0.0,
        cost_threshold=1e-3,
        max_iter=60,
    ).fit(X, y)
    assert model.stop_reason_ == "cost_threshold"
    assert model.history_["cost"][-1] < 1e-3
    assert never_rises(model)


@pytest.mark.parametrize("step_size", [0.5, 1.0])
def test_line_search_trains_one_hidden_layer(solver, step_size):
    """The objective never rises, and falls to less than half."""
    X, y = breast_cancer()
    options = {"safeguard": "line_search", "step_size": step_size, "alpha": 0.0}
    model = small((7,), **options, **solver, max_iter=60, tol=0.0).fit(X, y)
    assert never_rises(model)
    assert model.loss_ < 0.5 * model.loss_curve_[0]
    assert model.score(X, y) > 0.9


def test_line_search_that_gives_up_warns():
    """On deep nets no fraction may lower the objective: the reason, and what to do."""
    X, y = multiclass()
    options = {"safeguard": "line_search", "solver": "sequential", "max_iter": 1000}
    model = small((20, 7, 5), **options)
    with pytest.warns(ConvergenceWarning, match="no fraction of the step") as record:
        model.fit(X, y)
    assert model.stop_reason_ == "line_search"
    assert "safeguard='sign'" in str(record[0].message)
    assert_sound(model, X)


# Parameters


def test_orders_give_different_fits(safeguard):
    """Jacobi and Gauss-Seidel differ from each other and from the joint equation."""
    X, y = multiclass()
    options = {"safeguard": safeguard, "max_iter": 3, "tol": 0.0}
    curves = [small(**options, **own).fit(X, y).loss_curve_ for own in SOLVERS.values()]
    if safeguard == "line_search":  # whose first trials may all be rejected
        options["max_iter"] = 60
        curves = [
            small((4,), **options, **own).fit(X, y).loss_curve_
            for own in SOLVERS.values()
        ]
    for i in range(3):
        for j in range(i):
            n = min(len(curves[i]), len(curves[j]))
            one, two = np.array(curves[i][:n]), np.array(curves[j][:n])
            assert one[0] == two[0]
            assert np.abs(one - two).max() > 1e-6


def test_orders_agree_without_hidden_layers(safeguard):
    """With one layer nothing is passed down."""
    X, y = multiclass()
    options = {"safeguard": safeguard, "max_iter": 8, "tol": 0.0}
    one, two = (
        small((), **options, solver="sequential", order=order).fit(X, y)
        for order in ("jacobi", "gauss_seidel")
    )
    assert_array_equal(one.coefs_[0], two.coefs_[0])


def test_step_size_matters(solver, safeguard):
    """It is the fraction tried first."""
    X, y = breast_cancer()
    curves = []
    for step_size in (0.3, 1.0):
        options = {"safeguard": safeguard, "step_size": step_size, "alpha": 0.0}
        model = small((7,), **options, **solver, tol=0.0, max_iter=30).fit(X, y)
        curves.append(model.loss_curve_)
    assert np.abs(np.subtract(*curves)).max() > 1e-3


def test_gauss_seidel_passes_down_by_the_step_taken():
    """With a smaller step_size both orders come closer, at the first layer too."""
    X, y = binary()
    distances = []
    for step_size in (0.5, 0.05):
        options = {**LITERAL, "step_size": step_size, "max_iter": 1}
        costs = [
            small((4,), **options, solver="sequential", order=order).fit(X, y).history_
            for order in ("jacobi", "gauss_seidel")
        ]
        distances.append(abs(costs[0]["cost"][1] - costs[1]["cost"][1]))
    assert distances[0] > 5 * distances[1] > 0


def test_damping_matters_for_joint(safeguard):
    """It is the λ of the equation, whatever the safeguard."""
    X, y = breast_cancer()
    options = {"safeguard": safeguard, "solver": "joint", "max_iter": 12, "tol": 0.0}
    curves = [
        small((4,), damping=damping, **options).fit(X, y).loss_curve_
        for damping in (None, 1.0, 50.0)
    ]
    assert curves[0] == curves[1]  # None is the thread's identity matrix
    assert np.abs(np.subtract(curves[0], curves[2])).max() > 1e-4


def test_damping_of_the_signed_steps():
    """The lengths' damping starts at damping / sum of weights, and adapts."""
    X, y = binary()
    weights = np.full(len(y), 2.5)
    for solver in ("sequential", "joint"):
        model = small(solver=solver, damping=3.0).fit(X, y, weights)
        assert model.history_["damping"][0] == pytest.approx(3.0 / 300)
        assert len(np.unique(model.history_["damping"])) > 1
        default = small(solver=solver).fit(X, y)
        assert default.history_["damping"][0] == pytest.approx(1 / 120)
        plain = small(solver="joint", safeguard="line_search").fit(X, y)
        assert_allclose(plain.history_["damping"], 1 / 120)


def test_scale_of_the_weights_is_compensated_by_damping():
    """λ is for raw weights: three times the weights and three times λ change nothing."""
    X, y = multiclass()
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    one = small(solver="joint", damping=1.0, max_iter=8).fit(X, y, weights)
    two = small(solver="joint", damping=3.0, max_iter=8).fit(X, y, 3 * weights)
    three = small(solver="joint", damping=1.0, max_iter=8).fit(X, y, 3 * weights)
    assert_allclose(one.loss_curve_, two.loss_curve_, rtol=1e-6)
    assert np.abs(np.subtract(one.loss_curve_, three.loss_curve_)).max() > 1e-6


# Work


@pytest.mark.parametrize("shape", ["tall", "wide"])
@pytest.mark.parametrize("standardize", [False, True])
def test_first_layer_is_factored_once_per_fit(
    monkeypatch, solver, safeguard, shape, standardize
):
    """No later turn decomposes a matrix as large as the first layer."""
    X, y = binary(n=20) if shape == "tall" else wide()
    first_layers, grams, factors, later = [], [], [], []

    def watch(owner, name, note):
        original = getattr(owner, name)

        def wrapper(*args, **kwargs):
            note(*args)
            result = original(*args, **kwargs)
            if isinstance(result, FirstLayer):
                first_layers.append(len(factors))
            return result

        monkeypatch.setattr(owner, name, wrapper)

    def note_side(matrix, *args):
        if first_layers:  # what comes after it belongs to the turns
            later.append(min(np.shape(matrix)[-2:]))

    watch(FirstLayer, "of", lambda *args: None)
    watch(DenseInputs, "gram", lambda *args: grams.append(1))
    watch(Factor, "decompose", lambda *args: factors.append(1))
    for name in ("eigh", "svd", "pinv", "inv", "solve", "qr", "lstsq", "cholesky"):
        watch(np.linalg, name, note_side)
    watch(least_squares, "solve_positive", note_side)
    model = small((4, 3), safeguard=safeguard, **solver, standardize=standardize)
    model.set_params(max_iter=15, tol=0.0).fit(X, y)
    assert model.n_iter_ > 3
    assert len(first_layers) == 1
    assert len(grams) <= 1
    # of S_1; and, for columns that are not centred, of the span of the rows
    assert len(factors) == first_layers[0] <= (1 if standardize or shape == "wide" else 2)
    # layers of 1 + 4 and 1 + 3 rows; at most 4 + 3 + 3 units and one more direction
    assert later and max(later) <= 11 < min(X.shape)
