"""solver="levenberg-marquardt": what a user sees of it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning

from skgn import AlphaPathDisplay, GaussNewtonMLPClassifier, GaussNewtonMLPRegressor
from tests import oracles
from tests.problems import multiclass, multilabel, wide

SOLVER = {"solver": "levenberg-marquardt", "random_state": 0}


def sine():
    x = np.random.default_rng(0).uniform(size=(500, 1))
    return x, np.sin(2 * np.pi * x[:, 0])


def polynomial():
    X = np.random.default_rng(0).uniform(-1, 1, size=(500, 5))
    return X, X[:, 0] + X[:, 1] ** 2 + X[:, 2] * X[:, 3] * X[:, 4]


def closely(sizes, X, y, seed, error=1e-6, **parameters):
    """Return a fit to an error relative to the range of y, within 200 iterations."""
    threshold = 0.5 * (error * np.ptp(y) / y.std()) ** 2
    net = GaussNewtonMLPRegressor(
        sizes,
        "tanh",
        **{**SOLVER, "random_state": seed},
        alpha=0,
        encoding=None,
        tol=0,
        cost_threshold=threshold,
        max_iter=200,
        **parameters,
    )
    return net.fit(X, y)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("sizes", [(20,), (20, 20)], ids=str)
def test_a_sine_to_six_digits(sizes, seed):
    """An error of 1e-6 of the range; what comes of it is what is predicted."""
    X, y = sine()
    net = closely(sizes, X, y, seed)
    assert net.stop_reason_ == "cost_threshold"
    error = np.sqrt(np.mean((net.predict(X) - y) ** 2))
    assert error <= 1e-6 * np.ptp(y)
    assert np.all(np.diff(net.loss_curve_) <= 0)


def test_a_polynomial_to_six_digits():
    """The same of five features."""
    X, y = polynomial()
    net = closely((20, 20), X, y, 0)
    error = np.sqrt(np.mean((net.predict(X) - y) ** 2))
    assert error <= 1e-6 * np.ptp(y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_layers_apart_do_not_come_as_close():
    """Which is what the solver is for."""
    X, y = sine()
    options = {"alpha": 0, "encoding": None, "tol": 0, "max_iter": 200, "random_state": 0}
    net = GaussNewtonMLPRegressor((20,), "tanh", **options).fit(X, y)
    error = np.sqrt(np.mean((net.predict(X) - y) ** 2))
    assert error > 5e-6 * np.ptp(y)


def test_softmax_regression_at_its_minimum():
    """Without hidden layers it is Newton's method: the gradient vanishes."""
    X, y = load_iris(return_X_y=True)
    net = GaussNewtonMLPClassifier((), **SOLVER, alpha=1e-3, tol=0).fit(X, y)
    standardised = (X - net.mean_) / net.scale_
    P, Y = net.predict_proba(X), np.eye(3)[y]
    W = net.coefs_[0] * net.scale_[:, None]
    gradient = standardised.T @ (P - Y) / len(y) + 1e-3 * W
    assert np.abs(gradient).max() < 1e-8
    assert net.n_iter_ < 20


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_weights_of_samples_are_repetitions():
    """Several targets, weights and all: the same fit."""
    X, y = load_diabetes(return_X_y=True)
    Y = np.column_stack([y, X[:, 2] ** 2])[:80]
    times = np.arange(80) % 3 + 1
    options = {**SOLVER, "encoding": None, "alpha": 1e-2, "max_iter": 8}
    net = GaussNewtonMLPRegressor((5,), "tanh", **options)
    weighted = net.fit(X[:80], Y, sample_weight=times).predict(X)
    repeated = net.fit(np.repeat(X[:80], times, axis=0), np.repeat(Y, times, axis=0))
    assert_allclose(repeated.predict(X), weighted, rtol=1e-6)


@pytest.mark.parametrize("data", [multiclass, wide], ids=lambda data: data.__name__)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_sparse_rows(data):
    """The fit of the same rows, dense."""
    X, y = data()
    X = np.where(np.abs(X) < 0.5, 0, X)
    options = {**SOLVER, "alpha": 1e-2, "max_iter": 6, "encoding": None}
    net = GaussNewtonMLPClassifier((4,), "tanh", **options)
    dense = net.fit(X, y).predict_proba(X)
    assert_allclose(net.fit(sparse.csr_array(X), y).predict_proba(X), dense, atol=1e-6)


def test_single_precision():
    """The fit is in the precision of X, predictions in double precision."""
    X, y = multilabel()
    net = GaussNewtonMLPClassifier((4,), **SOLVER, alpha=1e-2).fit(
        X.astype(np.float32), y
    )
    assert net.coefs_[0].dtype == np.float32
    assert net.predict_proba(X.astype(np.float32)).dtype == np.float64


def test_alpha_by_the_evidence():
    """The exact number of well-determined parameters, and the penalty it asks for."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    y = np.sin(X[:, 0]) + 0.3 * rng.normal(size=120)
    net = GaussNewtonMLPRegressor((6,), "tanh", **SOLVER, tol=1e-6, max_iter=300)
    net.fit(X, y)
    assert net.alpha_path_ is None
    assert 1e-6 < net.alpha_ < 1
    assert 0.2 < net.noise_ < 0.4
    layers = [np.vstack([b, W]) for b, W in zip(net.intercepts_, net.coefs_, strict=True)]
    # in the standardised columns and targets of the fit
    layers[0][0] += net.mean_ @ layers[0][1:]
    layers[0][1:] *= net.scale_[:, None]
    layers[1] = layers[1] / y.std()
    G = oracles.gauss_newton(
        "squared", layers, ("tanh",), (X - net.mean_) / net.scale_, np.ones(120), 0
    )
    b = np.zeros(len(G), bool)
    b[:6] = b[4 * 6] = True
    C = G[np.ix_(~b, ~b)]
    C -= G[np.ix_(~b, b)] @ np.linalg.solve(G[np.ix_(b, b)], G[np.ix_(b, ~b)])
    values = np.linalg.eigvalsh(C)
    # the eigenvalues are those of the step before the last point
    determined = np.sum(values / (values + net.alpha_))
    assert net.n_effective_parameters_ == pytest.approx(determined, rel=0.02)


def test_alpha_by_a_search():
    """Held-out samples choose, as with the default solver."""
    X, y = multiclass(300)
    net = GaussNewtonMLPClassifier((5,), **SOLVER).fit(X, y)
    assert len(net.alpha_path_["alpha"]) > 1
    assert net.encoder_.is_plain


@pytest.mark.parametrize("seed", [2, 3])
def test_a_leaky_relu_of_one_feature_bends_off_the_mean(seed):
    """Hidden intercepts are spread, so that its kinks are."""
    X, y = sine()
    options = {"encoding": None, "alpha": 1e-6, "random_state": seed}
    net = GaussNewtonMLPRegressor((20,), **{**SOLVER, **options}).fit(X, y)
    assert net.score(X, y) > 0.9999


def test_so_do_those_of_the_default_solver():
    """Of a single column alone; by the mean of three seeds."""
    X, y = sine()
    unexplained = []
    for seed in range(3):
        net = GaussNewtonMLPRegressor((20,), encoding=None, random_state=seed)
        unexplained.append(1 - net.fit(X, y).score(X, y))
    assert np.mean(unexplained) < 4e-4


def test_a_stream_of_one_feature_does_not_begin_with_zero_intercepts():
    """Its hidden units are spread as those of a fit."""
    X, y = sine()
    net = GaussNewtonMLPRegressor((20,), random_state=0).partial_fit(X[:8], y[:8])
    assert np.ptp(net.intercepts_[0] / net.coefs_[0][0] + net.mean_[0]) > net.scale_[0]


def test_too_many_weights():
    """A clear limit, with what can be done; the columns of the rows' span count."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 100)), np.arange(12) % 3
    net = GaussNewtonMLPClassifier((90,), **SOLVER, alpha=1e-2)
    said = r"at most 4,096 weights.*100 x 90 x 3 units have 9,363.*hidden_layer_sizes"
    with pytest.raises(ValueError, match=said):
        net.fit(np.vstack([X] * 9), np.tile(y, 9))
    assert not hasattr(net, "coefs_")
    assert net.fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("size", [32, 5000])
def test_no_mini_batches(size):
    """They are refused; many samples are fitted all at once."""
    X, y = multiclass(3200)
    net = GaussNewtonMLPClassifier((2,), **SOLVER, alpha=1e-2, max_iter=2)
    with pytest.raises(ValueError, match=r"batch_size=.*solver='kronecker'"):
        net.set_params(batch_size=size).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        net.set_params(batch_size="auto").fit(X, y)
    assert np.isfinite(net.history_["damping"]).all()


def test_no_stream():
    """As with the solvers of the thread."""
    net = GaussNewtonMLPClassifier((2,), **SOLVER)
    assert not hasattr(net, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        net.partial_fit(np.eye(2), [0, 1])


def test_why_there_is_no_alpha_path():
    """The display says what it would for the default solver."""
    pytest.importorskip("matplotlib")
    X, y = multiclass(100)
    net = GaussNewtonMLPClassifier((2,), **SOLVER).fit(X, y)
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="the evidence alone"):
        AlphaPathDisplay.from_estimator(net)
