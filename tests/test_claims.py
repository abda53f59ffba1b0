"""What the thread claims, and what it asked for, row by row of the list of its claims.

Rows that other files test in depth, in brackets where:

==  ========================================  ============================================
1   iterations against gradient descent       here
2   layer-wise pseudo-inverses                here [test_thread_solvers]
3   Jacobi or Gauss-Seidel                    here [test_thread_solvers]
4   first factorisation is constant           [test_thread_solvers, steps/test_kronecker]
5   half steps                                here [test_thread_solvers]
6   activations                               here
7   rank-deficient input                      here [linalg/test_least_squares]
8   several binary outputs at once            here
9   machine-zero cost, and over-fitting       here
10  stop at a threshold                       here
11  more data                                 here
12  saturated outputs                         here [model/test_losses]
13  signs of the gradient                     here [thread/test_signed]
14  the joint equation                        here [thread/test_layerwise]
15  more than two layers                      here
16  the choice of activation                  here
17  hinge loss                                nothing to test
18  nets 7-1 and 20-7-5-1 on very wide rows   here
==  ========================================  ============================================
"""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skgn import GaussNewtonMLPClassifier
from tests import oracles
from tests.problems import breast_cancer, digits, iris, multilabel, wide

SOLVERS = ["kronecker", "levenberg-marquardt", "sequential", "joint"]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def unpenalised(*args, **parameters):
    """Return a classifier that nothing stops but what it is told."""
    options = {"alpha": 0.0, "tol": 0.0, "encoding": None, "random_state": 0}
    return GaussNewtonMLPClassifier(*args, **{**options, **parameters})


def halves(data):
    """Return training and test rows."""
    X, y = data()
    return train_test_split(X, y, train_size=0.7, stratify=y, random_state=0)


def test_row_1_iterations_of_logistic_regression():
    """A cost of 1e-4 in 40 iterations; gradient descent is far from it after 2,000."""
    X, y = breast_cancer()
    model = unpenalised((), cost_threshold=1e-4, max_iter=40).fit(X, y)
    assert model.stop_reason_ == "cost_threshold"
    assert model.history_["cost"][-1] < 1e-4

    tilde = np.hstack([np.ones((len(y), 1)), (X - X.mean(axis=0)) / X.std(axis=0)])
    costs = []
    for rate in (0.1, 0.3, 1.0, 3.0):
        w = np.zeros(tilde.shape[1])
        for _ in range(2000):
            w -= rate * tilde.T @ (1 / (1 + np.exp(-tilde @ w)) - y) / len(y)
        costs.append(np.logaddexp(0, -(2 * y - 1) * (tilde @ w)).mean())
    assert min(costs) > 100 * model.history_["cost"][-1]


@pytest.mark.parametrize("solver", SOLVERS)
def test_row_1_softmax_regression(solver):
    """Also with more than two classes, by each solver."""
    X, y = iris()
    model = GaussNewtonMLPClassifier((), solver=solver, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.95
    assert np.all(np.diff(model.loss_curve_) <= 0)


def layers_of(model):
    """Return intercepts and weights for raw X, layer by layer."""
    pairs = zip(model.intercepts_, model.coefs_, strict=True)
    return [np.vstack([b, W]) for b, W in pairs]


EQUATIONS = {
    "jacobi": {"solver": "sequential", "order": "jacobi"},
    "gauss_seidel": {"solver": "sequential", "order": "gauss_seidel"},
    "joint": {"solver": "joint"},
}


def first_step(name, step_size):
    """Return X, y, and the weights before and after a step that lowers the cost.

    One that does not would be forgotten: the best weights are kept.
    """
    X, y = wide(n_classes=2)
    X = X / 4
    options = {**EQUATIONS[name], "safeguard": None, "standardize": False}
    options |= {"step_size": step_size, "max_iter": 1}
    before = unpenalised((8,), "tanh", cost_threshold=9, **options).fit(X, y)
    after = unpenalised((8,), "tanh", **options).fit(X, y)
    assert after.loss_ < before.loss_
    return X, y, layers_of(before), layers_of(after)


@pytest.mark.parametrize("step_size", [0.5, 0.25])
@pytest.mark.parametrize("name", EQUATIONS)
def test_rows_2_and_3_and_5_the_first_step(name, step_size):
    """The equations, their order and a part of a step: each what the thread says."""
    X, y, before, after = first_step(name, step_size)
    ridge = 1 / len(y) if name == "joint" else None
    updated = step_size if name == "gauss_seidel" else 0.0
    weights = np.full(len(y), 1 / len(y))
    steps, _ = oracles.thread_directions(
        "bernoulli", before, ("tanh",), X, y[:, None], weights, ridge, updated
    )
    for V_0, V, D in zip(before, after, steps, strict=True):
        assert_allclose(V - V_0, step_size * D, rtol=1e-6, atol=1e-8)


def test_row_3_the_order_is_of_what_is_passed_down():
    """The last layer's step is the same; the first one's is not, nor is it joint's."""
    steps = {}
    for name in EQUATIONS:
        _, _, before, after = first_step(name, 0.5)
        steps[name] = [V - V_0 for V_0, V in zip(before, after, strict=True)]
    assert_allclose(steps["jacobi"][1], steps["gauss_seidel"][1], rtol=1e-10)
    for one, other in combinations(EQUATIONS, 2):
        largest = np.abs(steps[one][0]).max()
        assert np.abs(steps[one][0] - steps[other][0]).max() > 0.05 * largest
    with pytest.raises(ValueError, match="order='gauss_seidel' has no effect"):
        unpenalised(solver="joint", order="gauss_seidel").fit(*iris())


@pytest.mark.parametrize("name", EQUATIONS)
def test_row_5_half_steps_learn(name):
    """With one hidden layer, no step of them longer than half."""
    X, y = iris()
    half, whole = (
        unpenalised((6,), **EQUATIONS[name], step_size=t, max_iter=20).fit(X, y)
        for t in (0.5, 1.0)
    )
    assert half.loss_ < 0.5 * half.loss_curve_[0]
    assert half.loss_curve_[1] != whole.loss_curve_[1]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("first", oracles.ACTIVATIONS)
def test_row_6_any_mix_of_activations(first, solver):
    """Two hidden layers, every pair with the first: learned, and what was asked for.

    Outputs, and the cost of the fit, are those of the two activations in that order.
    """
    X, y = iris()
    for second in oracles.ACTIVATIONS:
        model = GaussNewtonMLPClassifier(
            (8, 6),
            [first, second],
            solver=solver,
            alpha=1e-4,
            random_state=0,
            max_iter=40,
        ).fit(X, y)
        assert model.score(X, y) > 0.9, (first, second)
        assert np.all(np.diff(model.loss_curve_) <= 0)
        assert model.activations_ == (first, second)
        layers = layers_of(model)
        Z = oracles.outputs(layers, (first, second), X)
        P = np.array([oracles.softmax(z) for z in Z])
        assert_allclose(model.predict_proba(X), P, rtol=1e-6, atol=1e-10)
        cost = -np.log(P[np.arange(150), y]).mean()
        assert model.history_["cost"][-1] == pytest.approx(cost, rel=1e-6)
        if first != second:
            swapped = oracles.outputs(layers, (second, first), X)
            assert np.abs(swapped - Z).max() > 1e-2


@pytest.mark.parametrize("solver", SOLVERS)
def test_row_7_rank_deficient_input(solver):
    """Columns that are combinations of others, and constant ones, do no harm."""
    X, y = iris()
    mixed = X @ np.random.default_rng(0).normal(size=(4, 6))
    X = np.hstack([X, mixed, np.ones((150, 2)), np.zeros((150, 1))])
    assert np.linalg.matrix_rank(X) < X.shape[1]
    model = GaussNewtonMLPClassifier((6,), "tanh", solver=solver, random_state=0)
    model.fit(X, y)
    assert model.score(X, y) > 0.95
    assert np.all(np.diff(model.loss_curve_) <= 0)
    assert max(np.abs(W).max() for W in model.coefs_) < 1e3


@pytest.mark.parametrize("solver", SOLVERS)
def test_row_8_several_binary_outputs_at_once(solver):
    """Multilabel targets: the cost is the sum of the labels' costs."""
    X, Y = multilabel()
    model = GaussNewtonMLPClassifier((10,), "tanh", solver=solver, random_state=0)
    model.fit(X, Y)
    P = model.predict_proba(X)
    assert P.shape == Y.shape
    losses = np.logaddexp(0, (1 - 2 * Y) * model.decision_function(X)).sum(axis=1)
    assert model.history_["cost"][-1] == pytest.approx(losses.mean(), rel=1e-6)
    assert np.mean(model.predict(X) == Y) > 0.9


def test_row_9_machine_zero_cost_that_overfits():
    """1e-12 within 40 iterations; on other rows an earlier stop has the lower loss."""
    X, X_test, y, y_test = halves(digits)
    options = {"activation": "tanh", "max_iter": 40}
    zero = unpenalised((100,), cost_threshold=1e-12, **options).fit(X, y)
    assert zero.stop_reason_ == "cost_threshold"
    assert zero.history_["cost"][-1] <= 1e-12
    early = unpenalised((100,), cost_threshold=0.03, **options).fit(X, y)
    losses = [log_loss(y_test, m.predict_proba(X_test)) for m in (zero, early)]
    assert losses[0] > 1.2 * losses[1]


@pytest.mark.parametrize("solver", SOLVERS)
def test_row_10_stop_early(solver):
    """At a cost, or by validation rows: both have a lower loss on other rows."""
    X, X_test, y, y_test = halves(breast_cancer)
    options = {"activation": "tanh", "solver": solver, "max_iter": 40}
    full = unpenalised((20,), **options).fit(X, y)
    by_cost = unpenalised((20,), cost_threshold=0.05, **options).fit(X, y)
    by_rows = unpenalised((20,), early_stopping=True, **options).fit(X, y)
    assert by_cost.stop_reason_ == "cost_threshold"
    assert by_rows.stop_reason_ == "validation"
    loss = log_loss(y_test, full.predict_proba(X_test))
    for model in (by_cost, by_rows):
        assert log_loss(y_test, model.predict_proba(X_test)) < loss


def test_row_11_more_data_sorts_it_out():
    """At a training cost near zero the test loss falls with the number of rows."""
    X, X_test, y, y_test = halves(digits)
    losses = []
    for m in (80, 320, len(y)):
        model = unpenalised((50,), "tanh", cost_threshold=1e-6, max_iter=60)
        model.fit(X[:m], y[:m])
        assert model.stop_reason_ == "cost_threshold"
        losses.append(log_loss(y_test, model.predict_proba(X_test)))
    assert losses[0] > 2 * losses[1] > 2 * losses[2]


@pytest.mark.parametrize("solver", SOLVERS)
def test_row_12_saturated_and_wrong_outputs_are_left(solver):
    """A net that is sure of every row, and then told the opposite, learns it."""
    X, y = breast_cancer()
    model = unpenalised((8,), "tanh", cost_threshold=1e-9, max_iter=100, warm_start=True)
    model.fit(X, y)
    assert model.loss_ < 1e-9
    model.set_params(solver=solver, cost_threshold=0.1).fit(X, 1 - y)
    assert model.loss_curve_[0] > 30
    assert model.stop_reason_ == "cost_threshold"


@pytest.mark.parametrize("solver", ["sequential", "joint"])
def test_rows_13_and_15_signs_make_deep_nets_converge(solver):
    """20-7-5: without a safeguard it diverges, with the signs it is learned by heart."""
    X, y = breast_cancer()
    options = {"activation": "tanh", "solver": solver, "max_iter": 40}
    free = unpenalised((20, 7, 5), safeguard=None, **options).fit(X, y)
    signed = unpenalised((20, 7, 5), **options).fit(X, y)
    assert free.stop_reason_ == "diverged"
    assert max(free.loss_curve_) > 100 * free.loss_curve_[0]
    assert np.all(np.diff(signed.loss_curve_) <= 0)
    assert signed.loss_ < 1e-3 < 0.01 * free.loss_


@pytest.mark.parametrize("sizes", [(20, 7, 5), (10,) * 6, (8,) * 10])
@pytest.mark.parametrize("activation", ["tanh", "leaky_relu"])
def test_row_15_the_default_converges_at_any_depth(sizes, activation):
    """Up to ten hidden layers: never rising, to a cost near zero."""
    X, y = breast_cancer()
    model = unpenalised(sizes, activation, cost_threshold=1e-2, random_state=1)
    model.set_params(max_iter=200).fit(X, y)
    assert model.stop_reason_ == "cost_threshold"
    assert np.all(np.diff(model.loss_curve_) <= 0)


def test_row_14_the_smaller_system_is_enough():
    """Wide hidden layers take the m x m form, narrow ones the n x n: both learn."""
    X, y = iris()
    X, y = X[::5], y[::5]
    for sizes in ((60, 50), (5, 4)):
        model = unpenalised(sizes, "tanh", solver="joint", cost_threshold=1e-3)
        assert model.fit(X, y).stop_reason_ == "cost_threshold"


def test_row_16_the_activation_matters_little():
    """Iterations to a cost of 1e-2 on digits differ by less than a factor of three."""
    X, _, y, _ = halves(digits)
    turns = []
    for activation in ("tanh", "logistic", "relu", "leaky_relu", "silu"):
        model = unpenalised((30,), activation, cost_threshold=1e-2, max_iter=60)
        model.fit(X, y)
        assert model.stop_reason_ == "cost_threshold"
        turns.append(model.n_iter_)
    assert max(turns) < 3 * min(turns)


@pytest.mark.parametrize("solver", ["kronecker", "sequential", "joint"])
@pytest.mark.parametrize("sizes", [(7,), (20, 7, 5)])
def test_row_18_nets_of_the_thread_on_very_wide_rows(sizes, solver):
    """209 rows of 12,288 columns, as cat pictures have: nearly all are learned."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((209, 12_288), np.float32)
    y = (X[:, :50].sum(axis=1) > 0).astype(int)
    model = unpenalised(sizes, "tanh", solver=solver, cost_threshold=0.03, max_iter=40)
    model.fit(X, y)
    assert model.stop_reason_ == "cost_threshold"
    assert model.score(X, y) > 0.98
