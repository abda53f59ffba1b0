"""The ensemble of regressors: its weights and deviations, and all that ensembles have."""

import pickle
import re
import warnings

import joblib
import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize
from sklearn.base import clone, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_friedman1
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import mean_gamma_deviance, mean_poisson_deviance, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgn import GaussNewtonMLPEnsembleRegressor, GaussNewtonMLPRegressor, MembersDisplay
from skgn.estimators import ensemble as module
from skgn.estimators.ensemble_regressor import WITH_STEPS, WITHOUT_STEPS
from skgn.fitting import mixture
from skgn.fitting.fit import fit as fit_one
from skgn.fitting.mixture import PRIOR
from skgn.fitting.search import Search
from tests.problems import global_state

#: Two networks that differ, and are quickly fitted.
PAIR = [
    {"hidden_layer_sizes": (6,), "encoding": None, "tol": 0.05},
    {"hidden_layer_sizes": (5, 4), "activation": "silu", "tol": 0.05},
]

#: A network in mini-batches.
IN_BATCHES = {"hidden_layer_sizes": (6,), "batch_size": 40, "max_iter": 4}

LOSSES = ["squared_error", "absolute_error", "poisson", "gamma"]


def data(m=300, seed=0):
    """Return samples with a positive target that has noise."""
    X, y = make_friedman1(m, 6, noise=1.0, random_state=seed)
    return X, y - y.min() + 0.1


def several(m=300):
    """Return samples with three targets of different units."""
    X, y = data(m)
    noise = np.random.default_rng(0).normal(size=m)
    return X, np.column_stack([y, 1e3 * (X[:, 3] - X[:, 0]) + 100 * noise, 1e-3 * y**2])


DATA = {"one": data, "several": several}


def small(estimators=PAIR, **parameters):
    """Return a quick ensemble."""
    return GaussNewtonMLPEnsembleRegressor(
        estimators, **{"random_state": 0, **parameters}
    )


def quiet(model, *args, **options):
    """Fit, whatever a quick network says of its end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*args, **options)


@pytest.fixture(scope="module", params=DATA)
def fitted(request):
    """Return an ensemble, and the data it was fitted to."""
    X, y = DATA[request.param]()
    return quiet(small(), X, y), X, y


@pytest.fixture
def equal(monkeypatch):
    """Let all networks that have searched weigh the same."""
    monkeypatch.setattr(
        mixture, "mean_weights", lambda _, own, *args: np.full(len(own), 1 / len(own))
    )


@pytest.fixture
def tables(monkeypatch):
    """Return the arguments of mean_weights, call by call, and what it returned."""
    own, original = [], mixture.mean_weights

    def seen(*args):
        own.append((*args, original(*args)))
        return own[-1][-1]

    monkeypatch.setattr(mixture, "mean_weights", seen)
    return own


def assert_same(one, other, *X):
    """Check that two ensembles are equal bit for bit."""
    assert_array_equal(one.weights_, other.weights_)
    for part in X:
        assert_array_equal(one.members_predict(part), other.members_predict(part))
    for name in ("parameters", "stage", "weight"):
        assert one.selection_[name] == other.selection_[name]
    assert_array_equal(one.selection_["loss"], other.selection_["loss"])


@parametrize_with_checks(
    [
        GaussNewtonMLPEnsembleRegressor(
            [
                {"hidden_layer_sizes": (4,), "encoding": None},
                {"hidden_layer_sizes": (3,), "activation": "tanh"},
            ]
        )
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_check_estimator(estimator, check):
    """Every check of scikit-learn, without an expected failure."""
    check(estimator)


# Predictions


def test_predictions_are_the_weighted_mean(fitted):
    """Of the networks, each of which works alone."""
    model, X, y = fitted
    parts = [own.predict(X) for own in model.estimators_]
    assert len(parts) == 2
    assert abs(np.diff(model.weights_)[0]) > 0.01
    assert_array_equal(model.members_predict(X), parts)
    expected = np.average(parts, axis=0, weights=model.weights_)
    predicted = model.predict(X)
    assert predicted.shape == y.shape
    assert predicted.dtype == np.float64
    assert_allclose(predicted, expected, rtol=1e-12)
    assert model.score(X, y) == pytest.approx(r2_score(y, expected))
    assert model.score(X, y) > 0.7
    assert is_regressor(model)


def test_deviations_are_those_of_the_mixture(fitted):
    """By samples of it: a network is drawn by its weight, then a target of its own."""
    model, X, y = fitted
    both = [own.predict(X, return_std=True) for own in model.estimators_]
    means, deviations = map(np.array, zip(*both, strict=True))
    mean, std = model.predict(X, return_std=True)
    assert_array_equal(mean, model.predict(X))
    assert std.shape == y.shape
    w = model.weights_
    second = np.tensordot(w, deviations**2 + means**2, 1)
    assert_allclose(std, np.sqrt(second - mean**2), rtol=1e-6)
    rng = np.random.default_rng(0)
    who = rng.choice(len(w), p=w, size=20_000)
    drawn = means[who, 0] + deviations[who, 0] * rng.normal(size=(20_000, *y.shape[1:]))
    assert_allclose(drawn.std(axis=0), std[0], rtol=0.03)
    assert np.all(std > deviations.min(axis=0))


def test_noise(fitted):
    """The root of the mean square of that of the networks."""
    model, X, y = fitted
    own = np.array([network.noise_ for network in model.estimators_])
    assert_allclose(model.noise_**2, np.tensordot(model.weights_, own**2, 1))
    assert np.shape(model.noise_) == y.shape[1:]
    far = model.predict(10 * X, return_std=True)[1]
    assert np.all(far > model.noise_)


def test_intervals_cover():
    X, y = data(1200)
    model = small(None).fit(X[:700], y[:700])
    mean, std = model.predict(X[700:], return_std=True)
    covered = np.mean(np.abs(mean - y[700:]) < 1.645 * std)
    assert 0.82 < covered < 0.96
    single = GaussNewtonMLPRegressor(random_state=0).fit(X[:700], y[:700])
    assert model.score(X[700:], y[700:]) > single.score(X[700:], y[700:])


@pytest.mark.parametrize("size", [1e-280, 1e290])
def test_targets_of_any_size(size):
    """Neither predictions nor deviations overflow; the weights are the same."""
    X, y = data()
    model, other = quiet(small(), X, y), quiet(small(), X, y * size)
    assert_allclose(other.weights_, model.weights_, rtol=1e-6)
    for own, expected in zip(
        other.predict(X, return_std=True), model.predict(X, return_std=True), strict=True
    ):
        assert_allclose(own / size, expected, rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_far_away_predictions_are_finite(loss):
    X, y = data()
    model = quiet(small(loss=loss), X, 1e290 * y)
    far = 1e12 * X
    assert np.isfinite(model.predict(far)).all()
    assert np.isfinite(model.predict(-far)).all()
    if loss == "squared_error":
        assert np.isfinite(model.predict(far, return_std=True)).all()


def test_constant_targets():
    X, _ = data()
    model = quiet(small(), X, np.full(len(X), 7.0))
    assert_allclose(model.predict(X), 7.0)
    assert model.weights_.sum() == pytest.approx(1)
    assert np.all(model.predict(X, return_std=True)[1] < 1e-6)


def test_no_deviations(fitted):
    """The errors are those of a network."""
    X, y = data(160)
    model = quiet(small(loss="gamma"), X, y)
    with pytest.raises(ValueError, match=r"return_std=True needs loss='squared_error'"):
        model.predict(X, return_std=True)
    assert not hasattr(model, "noise_")
    wide = quiet(small([{"hidden_layer_sizes": (1025,), "max_iter": 2}]), X, y)
    with pytest.raises(ValueError, match="at most 1024 units"):
        wide.predict(X, return_std=True)
    assert wide.noise_ > 0


def test_another_loss_has_no_noise_of_an_earlier_one():
    X, y = data(160)
    for model in (small(), GaussNewtonMLPRegressor((4,), random_state=0)):
        assert quiet(model, X, y).noise_ > 0
        assert not hasattr(quiet(model.set_params(loss="gamma"), X, y), "noise_")


# Weights


def best_on_the_simplex(loss, predictions, targets, counts):
    """Return the weights of the smallest loss of the average, by an optimiser.

    With the prior, of as many samples as each network is seen beforehand.
    """
    k, _, K = predictions.shape
    alone = [counts @ _losses(loss, P, targets) for P in predictions]
    phi = (1 if loss == "absolute_error" else 2) * min(alone) / (K * counts.sum())

    def objective(weights):
        losses = _losses(loss, np.tensordot(weights, predictions, 1), targets)
        return counts @ losses / phi - PRIOR * np.log(weights).sum()

    best = minimize(
        objective,
        np.full(k, 1 / k),
        method="SLSQP",
        bounds=[(1e-9, 1)] * k,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-13, "maxiter": 1000},
    )
    assert best.success
    return best.x


def _losses(loss, P, y):
    """Return the loss of each sample, as it is defined."""
    if loss == "squared_error":
        return ((P - y) ** 2).sum(axis=1) / 2
    if loss == "absolute_error":
        return (np.sqrt((P - y) ** 2 + 0.05**2) - 0.05).sum(axis=1)
    deviance = mean_poisson_deviance if loss == "poisson" else mean_gamma_deviance
    pairs = zip(y[:, 0], P[:, 0], strict=True)
    return np.array([deviance([target], [own]) / 2 for target, own in pairs])


THREE = [*PAIR, {"hidden_layer_sizes": (3,), "activation": "tanh", "tol": 0.05}]


@pytest.mark.parametrize("loss", [*LOSSES, "several targets"])
def test_weights_are_those_of_the_best_average(loss, tables, monkeypatch):
    """Of the predictions of held-out samples, by an optimiser."""
    monkeypatch.setattr(mixture, "LEAST", 0.0)
    X, y = several() if loss == "several targets" else data()
    loss = "squared_error" if loss == "several targets" else loss
    weights = np.random.default_rng(0).uniform(1, 3, len(X))
    model = quiet(small(THREE, loss=loss), X, y, weights)
    ((_, predictions, targets, counts, found),) = tables
    assert predictions.shape == (3, 100, y.size // len(y))
    expected = best_on_the_simplex(loss, predictions, targets, counts)
    assert_allclose(found, expected, atol=1e-4)
    assert_array_equal(model.weights_, found)
    # of the average, not of the networks: it is better than any of them
    average = np.tensordot(found, predictions, 1)
    alone = [counts @ _losses(loss, P, targets) for P in predictions]
    assert counts @ _losses(loss, average, targets) < min(alone)
    assert_allclose(model.selection_["loss"], np.array(alone) / counts.sum())


def test_members_are_weighed_by_predictions_behind_the_link(tables):
    """Not by the logarithms of them, which the networks have as outputs."""
    X, y = data()
    val = {"X_val": X[:150], "y_val": y[:150]}
    quiet(small(loss="gamma", early_stopping=True), X[150:], y[150:], **val)
    ((_, predictions, targets, *_),) = tables
    assert_allclose(targets[:, 0] * y[150:].mean(), y[:150])
    assert np.all(predictions > 0)
    assert np.corrcoef(predictions[0, :, 0], y[:150])[0, 1] > 0.7
    assert predictions.mean() == pytest.approx(1, rel=0.2)


def test_networks_of_no_weight(monkeypatch):
    """They are in the table alone."""
    monkeypatch.setattr(mixture, "mean_weights", lambda *args: np.array([0.4, 0, 0.6]))
    X, y = data()
    model = quiet(small(THREE), X, y)
    assert [own.hidden_layer_sizes for own in model.estimators_] == [(6,), (3,)]
    assert_array_equal(model.weights_, [0.4, 0.6])
    assert model.selection_["stage"] == ["fitted", "searched", "fitted"]
    assert model.members_predict(X).shape == (2, 300)


def test_few_samples():
    """None are held out: all are fitted, and weigh the same."""
    X, y = data(120)
    model = quiet(small(), X, y)
    assert_array_equal(model.weights_, [0.5, 0.5])
    assert np.isnan(model.selection_["loss"]).all()
    assert model.score(X, y) > 0.6


# Losses


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", ["full batch", "mini-batches", "sparse", "float32"])
def test_all_losses(loss, kind):
    """In every way that a network can be fitted."""
    X, y = data(500)
    estimators = [{**IN_BATCHES, "max_iter": 12}] * 2 if kind == "mini-batches" else PAIR
    own = sparse.csr_array(X) if kind == "sparse" else X
    own = X.astype(np.float32) if kind == "float32" else own
    model = quiet(small(estimators, loss=loss), own[:350], y[:350])
    assert model.score(own[350:], y[350:]) > 0.6
    assert model.predict(own).dtype == np.float64
    for network in model.estimators_:
        assert network.loss == loss
        expected = np.float32 if kind == "float32" else np.float64
        assert {W.dtype for W in network.coefs_} == {np.dtype(expected)}
    assert all(loss > 0 for loss in model.selection_["loss"])


@pytest.mark.parametrize("loss", LOSSES)
def test_early_stopping(loss):
    """Validation samples watch, judge and weigh."""
    X, y = data()
    val = {"X_val": X[200:], "y_val": y[200:]}
    model = quiet(small(loss=loss, early_stopping=True), X[:200], y[:200], **val)
    for own in model.estimators_:
        curve = own.history_["validation_loss"]
        assert own.best_iter_ == curve.argmin()
        score = own.score(X[200:], y[200:])
        assert score == pytest.approx(own.validation_scores_[own.best_iter_])
    weights = {"sample_weight_val": np.linspace(0, 5, 100)}
    other = small(loss=loss, early_stopping=True)
    quiet(other, X[:200], y[:200], **val, **weights)
    assert np.any(other.predict(X) != model.predict(X))
    split = quiet(small(loss=loss, early_stopping=True, validation_fraction=0.3), X, y)
    assert all(len(own.validation_scores_) > 1 for own in split.estimators_)
    with pytest.raises(ValueError, match="y_val must have the shape of y"):
        small(early_stopping=True).fit(X, y, X_val=X, y_val=np.c_[y, y])


# Networks that come into question


def test_the_table_of_the_selection(fitted):
    model, _, _ = fitted
    table = model.selection_
    assert list(table) == ["parameters", "stage", "loss", "weight", "seconds"]
    assert sum(table["weight"]) == pytest.approx(1)
    assert all(0 < loss < 3 for loss in table["loss"])
    for parameters, given in zip(table["parameters"], PAIR, strict=True):
        own = {k: v for k, v in parameters.items() if k != "random_state"}
        assert own == given


@pytest.mark.parametrize(
    ("m", "container", "expected"),
    [
        (200, np.asarray, WITH_STEPS),
        (100, np.asarray, module.WITH_FEW_SAMPLES),
        (200, sparse.csr_array, WITHOUT_STEPS),
    ],
)
def test_networks_of_the_default(monkeypatch, m, container, expected):
    given = []

    def stop(*args):
        given.append(args)
        raise InterruptedError

    monkeypatch.setattr(module, "fit_ensemble", stop)
    X, y = data(m)
    with pytest.raises(InterruptedError):
        small(None).fit(container(X), y)
    own = [candidate.settings for candidate in given[0][0]]
    assert own == [GaussNewtonMLPRegressor(**each)._settings() for each in expected]


REGRESSOR = GaussNewtonMLPRegressor

BAD = {
    "no network": ([], "estimators must hold a network at least"),
    "a name": (["net"], r"must hold parameters of GaussNewtonMLPRegressor.*got 'net' at"),
    "another estimator": ([StandardScaler()], r"StandardScaler\(\) at est"),
    "an unknown parameter": (
        [{}, {"class_weight": None}],
        r"estimators\[1\]: Invalid parameter 'class_weight'",
    ),
    "a loss": (
        [REGRESSOR(loss="gamma")],
        r"estimators\[0\] sets loss='gamma', which all .*GaussNewtonMLPEnsembleRegressor",
    ),
    "early stopping": ([{"early_stopping": True}], "which all networks have in common"),
    "a value out of range": (
        [{"alpha": -1.0}],
        r"estimators\[0\]: The 'alpha' parameter",
    ),
    "a solver": ([{"solver": "joint"}], "have solver='kronecker'"),
}


@pytest.mark.parametrize("case", BAD)
def test_networks_that_cannot_be(case):
    estimators, message = BAD[case]
    model = small(estimators)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(*data(160))
    assert vars(model) == before


@pytest.mark.parametrize(
    ("parameters", "change", "message"),
    [
        ({"loss": "poisson"}, lambda y: y - 5, "loss='poisson' requires non-negative y"),
        ({"loss": "gamma"}, lambda y: y - y.min(), "loss='gamma' requires strictly pos"),
        ({"loss": "gamma"}, lambda y: np.c_[y, y], "takes one target of each sample"),
        ({"loss": "nonsense"}, lambda y: y, "The 'loss' parameter of GaussNewtonMLPEns"),
        ({"max_time": 0}, lambda y: y, "The 'max_time' parameter"),
        ({}, lambda y: np.where(y > 3, np.nan, y), "contains NaN"),
        ({}, lambda y: y * 1e305, "y has values of size"),
    ],
)
def test_bad_targets_and_parameters(parameters, change, message):
    """The estimator stays as it was."""
    X, y = data(160)
    model = quiet(small(), X, y)
    before = dict(vars(model)) | parameters
    with pytest.raises(ValueError, match=message):
        model.set_params(**parameters).fit(X, change(y))
    assert all(vars(model)[name] is before[name] for name in before)


@pytest.mark.parametrize("method", ["predict", "members_predict"])
def test_what_cannot_be_predicted(fitted, method):
    model, X, _ = fitted
    with pytest.raises(NotFittedError):
        getattr(small(), method)(X)
    with pytest.raises(ValueError, match="features"):
        getattr(model, method)(X[:, 1:])


def test_networks_work_alone(fitted):
    """Each can be cloned, and fitted."""
    model, X, y = fitted
    for network in model.estimators_:
        assert type(network) is GaussNewtonMLPRegressor
        assert isinstance(network.random_state, int)
        assert quiet(clone(network), X, y).predict(X).shape == y.shape


def test_features_alone_are_left_unstandardised():
    """Targets are in one unit for all networks."""
    X, y = data()
    mixed = [PAIR[0], {**PAIR[0], "standardize": False}]
    model = quiet(small(mixed), X, 1000 * y)
    assert_allclose(
        model.predict(X), 1000 * quiet(small(mixed), X, y).predict(X), rtol=1e-4
    )
    assert [own.standardize for own in model.estimators_] == [True, False]


# Interrupts, time, warnings, lines


def test_an_interrupt_before_a_network_has_searched(monkeypatch):
    X, y = data()
    model = quiet(small(), X, y)
    before = dict(vars(model))

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Search, "finish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y**2)
    assert all(vars(model)[name] is before[name] for name in before)


def test_an_interrupted_fit_has_the_networks_that_there_are(monkeypatch, equal):
    """With their deviations."""
    X, y = data()
    fits = []

    def interrupted(*args):
        fits.append(args)
        if len(fits) == 2:
            raise KeyboardInterrupt
        return fit_one(*args)

    monkeypatch.setattr("skgn.fitting.ensemble.fit", interrupted)
    model = small()
    with pytest.raises(KeyboardInterrupt):
        quiet(model, X, y)
    assert sorted(model.selection_["stage"]) == ["fitted", "searched"]
    assert_array_equal(model.weights_, [0.5, 0.5])
    assert model.score(X, y) > 0.6
    assert np.isfinite(model.predict(X, return_std=True)).all()


def test_however_short_the_time():
    X, y = data()
    model = quiet(small(max_time=1e-9), X, y)
    (network,) = model.estimators_
    assert network.stop_reason_ == "callback"
    assert model.score(X, y) > 0.5
    assert_array_equal(network.predict(X), model.predict(X))
    assert np.isfinite(model.predict(X, return_std=True)).all()


def test_a_warning_names_its_network():
    X, y = data()
    with pytest.warns(
        ConvergenceWarning,
        match=r"^GaussNewtonMLPRegressor\(alpha=10000.0, (.*\n)*.*\): alpha=10000 keeps",
    ) as caught:
        small([{"hidden_layer_sizes": (4,), "alpha": 1e4}]).fit(X, y)
    assert caught[0].filename == __file__
    assert "MLPRegressor divides its alpha" in str(caught[0].message)


def test_lines(capsys):
    quiet(small(verbose=True), *data())
    line = re.compile(
        r"network [12] of 2  (begun|searched|fitted) *  "
        r"held-out loss +[-+.\de]+ +[\d.]+ s"
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 4
    assert all(line.fullmatch(own) for own in lines)


def test_callbacks_see_the_ensemble_as_if_it_ended_there():
    """Scores are those of the predictions; a callback ends the fit."""
    callback = pytest.importorskip("sklearn.callback")
    from skgn.callbacks import TimeLimit

    X, y = data()
    monitor = callback.ScoringMonitor(scoring="r2")
    model = quiet(small().set_callbacks(monitor), X, y)
    assert model.score(X, y) > 0.7
    model = quiet(small().set_callbacks(TimeLimit(1e-9)), X, y)
    assert model.selection_["stage"].count("searched") == 1


# Repetition, side by side


def test_random_state():
    """The same, bit for bit; another one, other networks; numpy's own stays."""
    X, y = several()
    before = global_state()
    model = quiet(small(), X, y)
    assert global_state() == before
    assert_same(quiet(small(), X, y), model, X)
    assert_same(quiet(model, X, y), quiet(small(), X, y), X)
    assert np.any(quiet(small(random_state=1), X, y).predict(X) != model.predict(X))


def test_processes_and_threads():
    """The result does not depend on them, bit for bit."""
    X, y = data()
    estimators = [*PAIR, IN_BATCHES]
    one = quiet(small(estimators), X, y)
    two = quiet(small(estimators, n_jobs=2), X, y)
    assert_same(one, two, X)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        three = quiet(small(estimators), X, y)
    assert_same(one, three, X)
    own, its = (model.predict(X, return_std=True)[1] for model in (one, two))
    assert_array_equal(own, its)


# Weights of samples, tables


def test_a_weight_of_zero_is_no_sample():
    X, y = data()
    weights = np.resize([1.0, 2.0, 0.0], 300)
    keep = weights > 0
    model = quiet(small(), X, y, weights)
    assert_same(model, quiet(small(), X[keep], y[keep], weights[keep]), X)
    assert np.any(model.predict(X) != quiet(small(), X, y).predict(X))


def test_a_weight_of_two_is_a_sample_repeated():
    """As long as it is looked for equal ones: of few samples."""
    X, y = data(200)
    weights = np.resize([1.0, 2.0], 200)
    index = np.repeat(np.arange(200), weights.astype(int))
    one, other = quiet(small(), X, y, weights), quiet(small(), X[index], y[index])
    assert_allclose(one.weights_, other.weights_, atol=1e-3)
    assert_allclose(one.predict(X), other.predict(X), rtol=1e-2)


def test_frames():
    """Categories, words and missing cells, as they are."""
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    city = rng.integers(0, 30, 600)
    X = pandas.DataFrame({"x": rng.normal(size=600), "city": [f"c{i}" for i in city]})
    X.loc[::7, "x"] = np.nan
    effect = rng.normal(size=30)
    y = effect[city] + 0.5 * np.nan_to_num(X["x"]) + 0.1 * rng.normal(size=600)
    model = quiet(small(), X[:400], y[:400])
    assert model.score(X[400:], y[400:]) > 0.8
    assert_array_equal(model.feature_names_in_, ["x", "city"])
    for own in model.estimators_:
        assert "city_mean_target" in list(own.encoded_feature_names_out_)
    assert np.isfinite(model.predict(X.assign(city="new"), return_std=True)).all()


# Files, and what is around it


def test_files(fitted, tmp_path):
    """Every attribute and prediction comes back bit for bit."""
    model, X, _ = fitted
    joblib.dump(model, tmp_path / "model")
    for loaded in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model")):
        assert vars(loaded).keys() == vars(model).keys()
        assert_same(loaded, model, X)
        for own, its in zip(
            loaded.predict(X, return_std=True),
            model.predict(X, return_std=True),
            strict=True,
        ):
            assert_array_equal(own, its)


def test_skops_has_to_trust_two_classes(fitted):
    skops = pytest.importorskip("skops.io")
    model, X, _ = fitted
    stored = skops.dumps(model)
    own = skops.get_untrusted_types(data=stored)
    assert own == [
        "skgn.estimators.ensemble_regressor.GaussNewtonMLPEnsembleRegressor",
        "skgn.estimators.regressor.GaussNewtonMLPRegressor",
    ]
    assert_same(skops.loads(stored, own), model, X)


def test_around_it():
    """Search, pipeline, transformed targets, metadata."""
    X, y = data(200)
    grid = GridSearchCV(small(), {"estimators": [PAIR[:1], PAIR]}, cv=2)
    assert quiet(make_pipeline(StandardScaler(), grid), X, y).score(X, y) > 0.5
    wrapped = TransformedTargetRegressor(small(), func=np.log, inverse_func=np.exp)
    assert quiet(wrapped, X, y).score(X, y) > 0.5
    with sklearn.config_context(enable_metadata_routing=True):
        asked = small().set_fit_request(sample_weight=True)
        scale = StandardScaler().set_fit_request(sample_weight=False)
        weights = np.linspace(0.1, 5, 200)
        pipeline = quiet(make_pipeline(scale, asked), X, y, sample_weight=weights)
    expected = quiet(small(), StandardScaler().fit_transform(X), y, weights)
    assert_same(pipeline[-1], expected, X)


def test_display(fitted):
    """It speaks of losses, not of log-losses."""
    pytest.importorskip("matplotlib").use("Agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    model, _, _ = fitted
    drawn = MembersDisplay.from_estimator(model)
    pyplot.close(drawn.figure_)
    texts = [text.get_text() for text in drawn.texts_]
    assert texts == [f"loss {loss:.3g}" for loss in model.selection_["loss"]]
