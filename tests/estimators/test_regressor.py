"""The regressor, against linear models, dense solutions and what users rely on."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import BayesianRidge, GammaRegressor, PoissonRegressor, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgn import GaussNewtonMLPRegressor
from skgn.training.evidence import TEMPERED, Evidence

LOSSES = ["squared_error", "absolute_error", "poisson", "gamma"]


def data(m=300, seed=0):
    """Return samples with a positive target that has noise."""
    X, y = make_friedman1(m, 6, noise=0.5, random_state=seed)
    return X, y - y.min() + 0.1


def net(**parameters):
    options = {"hidden_layer_sizes": (8,), "random_state": 0, **parameters}
    return GaussNewtonMLPRegressor(**options)


def quiet(model, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The fit reached max_iter")
        warnings.filterwarnings("ignore", "alpha=10 keeps the fit")
        return model.fit(*args, **kwargs)


@parametrize_with_checks([GaussNewtonMLPRegressor((5,)), net(batch_size=20, max_iter=3)])
def test_scikit_learn(estimator, check):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The fit reached max_iter")
        check(estimator)


# Oracles


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
def test_ridge(alpha, weighted, outputs):
    """Without hidden layers, in standardised features, for any unit of y."""
    X, y = load_diabetes(return_X_y=True)
    if outputs > 1:
        y = np.column_stack([y, np.sqrt(y), 1e3 * y**2])
    w = np.random.default_rng(0).uniform(0.5, 2, len(X)) if weighted else np.ones(len(X))
    ours = net(hidden_layer_sizes=(), encoding=None, alpha=alpha, tol=1e-14, max_iter=999)
    ours = quiet(ours, X, y, w)
    T = (X - ours.mean_) / ours.scale_
    theirs = Ridge(alpha=alpha * w.sum(), tol=1e-12).fit(T, y, w)
    size = np.abs(y).max(axis=0)
    assert_allclose(ours.predict(X) / size, theirs.predict(T) / size, atol=1e-6)
    direct = ours.encode(X) @ ours.coefs_[0] + ours.intercepts_[0]
    assert_allclose(direct.reshape(y.shape) / size, theirs.predict(T) / size, atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_generalised_linear_models(weighted):
    X = load_diabetes().data
    T = StandardScaler().fit_transform(X)
    rng = np.random.default_rng(0)
    w = rng.uniform(0.5, 2, len(X)) if weighted else np.ones(len(X))
    common = {"hidden_layer_sizes": (), "encoding": None, "tol": 1e-15, "max_iter": 999}
    y = rng.poisson(np.exp(0.5 * T[:, 0] + 0.3)).astype(float)
    mean = w @ y / w.sum()
    ours = quiet(net(loss="poisson", alpha=0.1, **common), X, y, w)
    S = (X - ours.mean_) / ours.scale_
    theirs = PoissonRegressor(alpha=0.1 * mean, tol=1e-12, max_iter=999).fit(S, y, w)
    assert_allclose(ours.predict(X), theirs.predict(S), rtol=1e-6)
    logarithm = X @ ours.coefs_[0] + ours.intercepts_[0]
    assert_allclose(np.exp(logarithm[:, 0]), theirs.predict(S), rtol=1e-6)
    y = np.exp(0.5 * T[:, 0]) * rng.gamma(2.0, size=len(X))
    ours = quiet(net(loss="gamma", alpha=0.1, **common), X, y, w)
    theirs = GammaRegressor(alpha=0.1, tol=1e-12, max_iter=999).fit(S, y, w)
    assert_allclose(ours.predict(X), theirs.predict(S), rtol=1e-6)


def test_absolute_error_is_near_the_median():
    """Of heavy-tailed noise, the constant is the smoothed median."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 2)), 5 + rng.standard_cauchy(400)
    model = net(hidden_layer_sizes=(), loss="absolute_error", alpha=10.0, encoding=None)
    predicted = quiet(model, X, y).predict(X)
    assert_allclose(predicted, np.median(y), atol=0.3)
    squared = quiet(net(hidden_layer_sizes=(), alpha=10.0, encoding=None), X, y)
    assert abs(squared.predict(X).mean() - y.mean()) < 1e-3


# Units and weights


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("batch_size", [None, 50])
def test_units_of_y(loss, batch_size):
    """Metres and millimetres; a shift, too, where the link is the identity."""
    X, y = data()
    parameters = {"loss": loss, "batch_size": batch_size, "max_iter": 15}
    one = quiet(net(**parameters), X, y)
    shift = 0.0 if loss in ("poisson", "gamma") else 64.0
    other = quiet(net(**parameters), X, 1024 * y + shift)
    assert one.alpha_ == pytest.approx(other.alpha_, rel=1e-6)
    assert_allclose(other.predict(X), 1024 * one.predict(X) + shift, rtol=1e-5)
    if loss == "squared_error":
        assert other.noise_ == pytest.approx(1024 * one.noise_, rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_are_repetitions(loss):
    X, y = data(120)
    w = np.random.default_rng(0).integers(0, 3, len(y))
    parameters = {"loss": loss, "alpha": 1e-2, "encoding": None, "tol": 1e-6}
    weighted = quiet(net(**parameters), X, y, w)
    repeated = quiet(net(**parameters), np.repeat(X, w, axis=0), np.repeat(y, w))
    assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-4, atol=1e-4)
    if loss == "squared_error":
        assert weighted.noise_ == pytest.approx(repeated.noise_, rel=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_precision(loss):
    X, y = data()
    model = quiet(net(loss=loss, alpha=1e-3), X.astype(np.float32), y)
    assert {W.dtype for W in (*model.coefs_, *model.intercepts_)} == {np.dtype("float32")}
    assert model.predict(X).dtype == np.float64
    double = quiet(net(loss=loss, alpha=1e-3), X, y)
    assert_allclose(model.predict(X), double.predict(X), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("size", [1e-290, 1e290])
def test_targets_of_any_size(size):
    X, y = data()
    model = quiet(net(alpha=1e-2, max_iter=5), X, y)
    other = quiet(net(alpha=1e-2, max_iter=5), X, y * size)
    assert_allclose(other.predict(X) / size, model.predict(X), rtol=1e-6)


def test_constant_targets():
    X, _ = data()
    model = quiet(net(), X, np.full(len(X), 7.0))
    assert_allclose(model.predict(X), 7.0)
    assert model.noise_ < 1e-6


# The evidence


@pytest.mark.parametrize("noise", [0.1, 1.0, 5.0])
def test_noise_is_found(noise):
    """Or, where that is small, the error that the network cannot mend."""
    X, y = make_friedman1(1000, 5, noise=noise, random_state=0)
    model = net(hidden_layer_sizes=(30,)).fit(X, y)
    X, y = make_friedman1(3000, 5, noise=noise, random_state=1)
    error = np.sqrt(np.mean((model.predict(X) - y) ** 2))
    assert model.noise_ == pytest.approx(error, rel=0.2)
    assert noise == 0.1 or model.noise_ == pytest.approx(noise, rel=0.1)


def test_a_stream_has_no_noise():
    """That of an earlier fit would be one of other weights."""
    X, y = make_friedman1(200, noise=0.5, random_state=0)
    model = GaussNewtonMLPRegressor((5,), max_iter=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    assert model.noise_ > 0
    model.partial_fit(X, y)
    assert not hasattr(model, "noise_")


def test_noise_of_several_targets():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 4))
    sizes = np.array([0.1, 2.0, 50.0])
    Y = X @ rng.normal(size=(4, 3)) * sizes + sizes * rng.normal(size=(800, 3))
    model = net(hidden_layer_sizes=()).fit(X, Y)
    assert_allclose(model.noise_, sizes, rtol=0.1)
    mean, std = model.predict(X, return_std=True)
    assert mean.shape == std.shape == (800, 3)
    assert_allclose(std.mean(axis=0), sizes, rtol=0.15)


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_evidence_of_a_linear_model(outputs):
    """Its fixed point is that of MacKay's equations, by dense linear algebra."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5))
    Y = X @ rng.normal(size=(5, outputs)) + 2 * rng.normal(size=(60, outputs))
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    S, m = X.T @ X / len(X), len(X)
    e = np.repeat(np.linalg.eigvalsh(S), outputs)

    class Spectrum:
        def shrunk(self, alpha):
            return e / (e + alpha)

    rule = Evidence(m, 1e9, wait=0, dispersion=2.0, n_outputs=outputs)
    alpha = 1.0
    for _ in range(500):
        W = np.linalg.solve(S + alpha * np.eye(5), X.T @ Y / m)
        cost = 0.5 * np.sum((Y - X @ W) ** 2) / m
        gamma = np.sum(e / (e + alpha))
        phi = rule.noise(cost, gamma)
        alpha = phi * gamma / (m * np.sum(W**2))
    assert phi == pytest.approx(np.sum((Y - X @ W) ** 2) / (m * outputs - gamma))

    # log p(Y | alpha, phi) is stationary there
    def log_evidence(log_alpha, log_phi):
        a, p = np.exp(log_alpha), np.exp(log_phi)
        V = np.linalg.solve(S + a * np.eye(5), X.T @ Y / m)
        fit = np.sum((Y - X @ V) ** 2) + m * a * np.sum(V**2)
        det = np.sum(np.log(e + a)) - len(e) * np.log(a)
        return -0.5 * (fit / p + m * outputs * np.log(p) + det)

    at, h = (np.log(alpha), np.log(phi)), 1e-5
    for i in range(2):
        step = h * np.eye(2)[i]
        slope = (log_evidence(*(at + step)) - log_evidence(*(at - step))) / (2 * h)
        assert abs(slope) < 1e-5


def few_samples(name):
    """Return so few samples that none are held out, and weights."""
    rng = np.random.default_rng(0)
    if name == "diabetes":
        X, y = load_diabetes(return_X_y=True)
        X, y = X[:140], y[:140]
    else:
        X = rng.normal(size=(60, 10))
        y = X @ rng.normal(size=10) / 5 + rng.normal(size=60) + 5
    return X, y, rng.integers(1, 4, len(y))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["diabetes", "little signal"])
def test_bayesian_ridge(name, weighted, monkeypatch):
    """A whole fit by the evidence, with its penalty in full, is that of scikit-learn.

    But for the intercept: its variance is not part of their deviations.
    """
    monkeypatch.setattr("skgn.fitting.fit.TEMPERED", 1.0)
    X, y, w = few_samples(name)
    w = w if weighted else np.ones_like(w)
    ours = net(hidden_layer_sizes=(), encoding=None, tol=0.0).fit(X, y, w)
    assert ours.alpha_path_ is None
    scaled = (X - ours.mean_) / ours.scale_
    flat = dict.fromkeys(["alpha_1", "alpha_2", "lambda_1", "lambda_2"], 0.0)
    theirs = BayesianRidge(tol=1e-14, max_iter=100_000, **flat)
    theirs.fit(np.repeat(scaled, w, axis=0), np.repeat(y, w))
    m = w.sum()
    assert ours.alpha_ == pytest.approx(theirs.lambda_ / theirs.alpha_ / m, rel=1e-6)
    assert ours.noise_ == pytest.approx(theirs.alpha_**-0.5, rel=1e-6)
    coefs = ours.coefs_[0][:, 0] * ours.scale_
    assert_allclose(coefs, theirs.coef_, rtol=0, atol=1e-6 * np.abs(coefs).max())
    mean, std = ours.predict(X, return_std=True)
    own_mean, own_std = theirs.predict(scaled, return_std=True)
    assert_allclose(mean, own_mean, rtol=1e-6)
    assert_allclose(np.sqrt(std**2 - ours.noise_**2 / m), own_std, rtol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["diabetes", "little signal"])
def test_few_samples_have_a_share_of_the_penalty(name, weighted):
    """So that, as it is, such a fit is not that of scikit-learn."""
    X, y, w = few_samples(name)
    w = w if weighted else np.ones_like(w)
    model = net(hidden_layer_sizes=(), encoding=None, tol=0.0).fit(X, y, w)
    squares, m = w @ (model.predict(X) - y) ** 2, w.sum()
    determined = model.n_effective_parameters_
    assert model.noise_**2 == pytest.approx(squares / (m - determined), rel=1e-6)
    norm = np.sum((model.coefs_[0][:, 0] * model.scale_) ** 2)
    full = model.noise_**2 * determined / (m * norm)
    assert model.alpha_ == pytest.approx(TEMPERED * full, rel=1e-6)


# Deviations


def test_deviations_without_hidden_layers():
    """Those of the Bayesian linear model, by dense linear algebra."""
    X, y = load_diabetes(return_X_y=True)
    alpha = 0.05
    model = net(hidden_layer_sizes=(), encoding=None, alpha=alpha, tol=1e-12)
    model = quiet(model, X, y)
    new = X[:20] * 3
    _, std = model.predict(new, return_std=True)
    T, N = ((np.c_[np.ones(len(A)), (A - model.mean_) / model.scale_]) for A in (X, new))
    penalty = alpha * np.diag([0.0] + [1.0] * 10)
    covariance = np.linalg.inv(T.T @ T + len(X) * penalty) * model.noise_**2
    expected = np.sqrt(model.noise_**2 + np.einsum("ij,jk,ik->i", N, covariance, N))
    assert_allclose(std, expected, rtol=1e-6)


def test_deviations_grow_away_from_the_data():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-3, -1, 100), rng.uniform(1, 3, 100)])
    y = np.sin(2 * x) + 0.1 * rng.normal(size=200)
    model = net(hidden_layer_sizes=(50,), activation="tanh", encoding=None)
    model = quiet(model, x[:, None], y)
    where = np.array([[-2.0], [2.0], [0.0], [6.0]])
    _, std = model.predict(where, return_std=True)
    assert std[:2].max() < 0.2
    assert std[2:].min() > std[:2].max()


@pytest.mark.parametrize("seed", range(3))
def test_intervals_cover(seed):
    X, y = data(1000, seed)
    model = net(hidden_layer_sizes=(30,)).fit(X[:600], y[:600])
    mean, std = model.predict(X[600:], return_std=True)
    covered = np.mean(np.abs(mean - y[600:]) < 1.645 * std)
    assert 0.82 < covered < 0.96


def test_no_deviations():
    X, y = data(100)
    with pytest.raises(ValueError, match="return_std=True needs loss='squared_error'"):
        quiet(net(loss="gamma"), X, y).predict(X, return_std=True)
    with pytest.raises(ValueError, match="a call of fit"):
        net().partial_fit(X, y).predict(X, return_std=True)
    with pytest.raises(NotFittedError):
        net().predict(X)


# All that the classifier has


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("mode", ["full batch", "mini-batches", "sparse", "piecewise"])
def test_better_than_a_linear_model(loss, mode):
    X, y = data(900)
    parameters = {
        "mini-batches": {"batch_size": 50},
        "sparse": {"encoding": None},
        "piecewise": {"encoding": "piecewise"},
    }.get(mode, {})
    train, test = slice(600), slice(600, None)
    own = sparse.csr_array(X) if mode == "sparse" else X
    model = quiet(
        net(hidden_layer_sizes=(20,), loss=loss, **parameters), own[:600], y[train]
    )
    linear = Ridge().fit(X[train], y[train]).score(X[test], y[test])
    assert model.score(own[600:], y[test]) > linear + 0.05
    assert np.all(np.diff(model.loss_curve_) <= 1e-12) or mode == "mini-batches"


@pytest.mark.parametrize("loss", LOSSES)
def test_early_stopping(loss):
    X, y = data()
    model = net(loss=loss, early_stopping=True, alpha=1e-6, n_iter_no_change=3)
    quiet(model, X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    curve = model.history_["validation_loss"]
    assert model.best_iter_ == curve.argmin()
    assert len(model.validation_scores_) == len(curve)
    score = model.score(X[200:], y[200:])
    assert score == pytest.approx(model.validation_scores_[model.best_iter_])
    quiet(net(loss=loss, early_stopping=True), X, y)


@pytest.mark.parametrize("loss", LOSSES)
def test_warm_start_and_streams(loss):
    X, y = data()
    model = net(loss=loss, warm_start=True, max_iter=3, alpha=1e-3)
    quiet(model, X, y)
    first = model.loss_
    quiet(model, X, y)
    assert model.loss_curve_[0] == pytest.approx(first, rel=1e-6)
    stream = net(loss=loss, batch_size=10)
    for _ in range(8):
        for part in np.array_split(np.arange(len(y)), 3):
            stream.partial_fit(X[part], y[part])
    assert stream.score(X, y) > 0.7
    before = stream.predict(X)
    assert_array_equal(stream.end_stream().predict(X), before)
    assert quiet(net(loss=loss), X, y).partial_fit(X, y).score(X, y) > 0.7


def test_several_targets():
    X, y = data()
    Y = np.column_stack([y, -y, y**2])
    model = quiet(net(), X, Y)
    assert model.predict(X).shape == Y.shape
    assert model.n_outputs_ == 3
    assert model.score(X, Y) > 0.8
    assert quiet(net(), X, Y[:, :1].ravel()).predict(X).shape == (len(y),)


def test_categories_and_gaps():
    """Mean targets of many categories stand beside frequent ones."""
    rng = np.random.default_rng(0)
    city = rng.integers(0, 60, 1500)
    effect = rng.normal(size=60)
    X = pd.DataFrame({"x": rng.normal(size=1500), "city": [f"c{i}" for i in city]})
    X.loc[::7, "x"] = np.nan
    y = effect[city] + 0.3 * np.nan_to_num(X["x"]) + 0.1 * rng.normal(size=1500)
    model = quiet(net(), X[:1000], y[:1000])
    assert "city_mean_target" in list(model.encoded_feature_names_out_)
    assert model.score(X[1000:], y[1000:]) > 0.8
    assert "missingindicator_x" in list(model.encoded_feature_names_out_)


def test_persistence():
    X, y = data()
    model = quiet(net(), X, y)
    again = pickle.loads(pickle.dumps(model))
    for one, other in zip(
        model.predict(X, return_std=True), again.predict(X, return_std=True), strict=True
    ):
        assert_array_equal(one, other)
    io = pytest.importorskip("skops.io")
    stored = io.dumps(model)
    own = io.get_untrusted_types(data=stored)
    assert own == ["skgn.estimators.regressor.GaussNewtonMLPRegressor"]
    assert_array_equal(io.loads(stored, own).predict(X), model.predict(X))


def test_around_it():
    X, y = data()
    grid = GridSearchCV(net(max_iter=4), {"hidden_layer_sizes": [(3,), (8,)]}, cv=2)
    assert quiet(make_pipeline(StandardScaler(), grid), X, y).score(X, y) > 0.5
    wrapped = TransformedTargetRegressor(net(), func=np.log, inverse_func=np.exp)
    assert quiet(wrapped, X, y).score(X, y) > 0.7
    many = MultiOutputRegressor(net(loss="gamma"))
    assert quiet(many, X, np.column_stack([y, y**2])).score(X, np.c_[y, y**2]) > 0.6


def test_hidden_activations_and_coefs():
    X, y = data()
    model = quiet(net(hidden_layer_sizes=(5, 4)), X, y)
    Z = model.hidden_activations(X) @ model.coefs_[-1] + model.intercepts_[-1]
    assert_allclose(Z[:, 0], model.predict(X), rtol=1e-8)
    with pytest.raises(ValueError, match="read-only"):
        model.coefs_[-1][0] = 1


# Bad input


@pytest.mark.parametrize(
    ("parameters", "change", "message"),
    [
        ({"loss": "poisson"}, lambda y: y - 5, "loss='poisson' requires non-negative y"),
        ({"loss": "poisson"}, lambda y: 0 * y, "non-negative y and sum > 0"),
        ({"loss": "gamma"}, lambda y: y - y.min(), "loss='gamma' requires strictly pos"),
        ({"loss": "gamma"}, lambda y: np.c_[y, y], "takes one target of each sample"),
        ({"loss": "nonsense"}, lambda y: y, "The 'loss' parameter"),
        ({}, lambda y: np.where(y > 3, np.nan, y), "contains NaN"),
        ({}, lambda y: y * 1e305, "y has values of size"),
        ({}, lambda y: y.astype(str).astype(object) + "a", "could not convert"),
    ],
)
def test_bad_targets(parameters, change, message):
    X, y = data()
    model = net(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(X, change(y))
    assert not hasattr(model, "n_iter_")


def test_a_fit_of_another_loss_or_width_does_not_go_on():
    X, y = data()
    model = quiet(net(warm_start=True, alpha=1e-2), X, y)
    with pytest.raises(ValueError, match="the loss of the previous call"):
        model.set_params(loss="gamma").fit(X, y)
    with pytest.raises(ValueError, match="must have the shape of"):
        model.set_params(loss="squared_error").fit(X, np.c_[y, y])
    assert clone(model).fit(X, np.c_[y, y]).n_outputs_ == 2


def test_validation_targets():
    X, y = data()
    model = net(loss="gamma", early_stopping=True)
    with pytest.raises(ValueError, match="requires strictly positive y_val"):
        model.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:] - y.max())


def test_advice_names_the_peer():
    X, y = data()
    with pytest.warns(ConvergenceWarning, match="MLPRegressor divides its alpha"):
        net(hidden_layer_sizes=(), alpha=1e3, encoding=None).fit(X, y)
