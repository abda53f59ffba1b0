"""The ensemble as an estimator: what it takes, what it tells, what it leaves alone."""

import pickle
import re
import warnings
from dataclasses import replace
from multiprocessing import get_all_start_methods

import joblib
import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgn import GaussNewtonMLPClassifier, GaussNewtonMLPEnsembleClassifier
from skgn.data import samples as samples_module
from skgn.estimators import ensemble as module
from skgn.estimators.ensemble_classifier import WITH_STEPS, WITHOUT_STEPS
from skgn.fitting.fit import fit as fit_one
from skgn.fitting.mixture import mixture_weights
from skgn.fitting.paths import FullBatchPath
from skgn.fitting.problem import FullBatch
from skgn.fitting.search import Search
from skgn.training.full_batch import Walk
from tests.problems import binary, global_state, multiclass, multilabel

#: Two networks that differ, and are quickly fitted.
PAIR = [
    {"hidden_layer_sizes": (6,), "encoding": None, "tol": 0.05},
    {"hidden_layer_sizes": (5, 4), "activation": "silu", "tol": 0.05},
]

#: A network in mini-batches.
IN_BATCHES = {"hidden_layer_sizes": (6,), "batch_size": 40, "max_iter": 4}

DATA = {
    "binary": lambda: binary(240),
    "multiclass": lambda: multiclass(240),
    "multilabel": lambda: multilabel(240),
}

PROBA = {"binary": 2, "multiclass": 4, "multilabel": 3}

METHODS = ["predict", "predict_proba", "predict_log_proba", "members_predict_proba"]


def small(estimators=PAIR, **parameters):
    """Return a quick ensemble."""
    return GaussNewtonMLPEnsembleClassifier(
        estimators, **{"random_state": 0, **parameters}
    )


@pytest.fixture(scope="module", params=DATA)
def fitted(request):
    """Return an ensemble, the data it was fitted to, and what they are."""
    X, y = DATA[request.param]()
    return small().fit(X, y), X, y, request.param


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas")


def equal(monkeypatch):
    """Let all networks that have searched weigh the same."""
    monkeypatch.setattr(
        "skgn.fitting.mixture.mixture_weights", lambda p, _: np.full(len(p), 1 / len(p))
    )


def assert_same(one, other, *X):
    """Check that two ensembles are equal bit for bit."""
    assert_array_equal(one.weights_, other.weights_)
    for part in X:
        assert_array_equal(
            one.members_predict_proba(part), other.members_predict_proba(part)
        )
    columns = ("parameters", "stage", "weight")
    for name in columns:
        assert one.selection_[name] == other.selection_[name]
    assert_array_equal(one.selection_["log_loss"], other.selection_["log_loss"])


def candidates_of(monkeypatch, model, *data, **options):
    """Return the arguments of the fit of an ensemble, which is not done."""

    class Enough(Exception):
        pass

    def stop(*args):
        given.append(args)
        raise Enough

    given = []
    with monkeypatch.context() as patch:
        patch.setattr(module, "fit_ensemble", stop)
        with pytest.raises(Enough):
            model.fit(*data, **options)
    return given[0]


# scikit-learn's checks


@parametrize_with_checks(
    [
        GaussNewtonMLPEnsembleClassifier(
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


def test_probabilities_are_the_weighted_mean(fitted):
    """Of the networks, each of which works alone."""
    model, X, _, kind = fitted
    parts = [own.predict_proba(X) for own in model.estimators_]
    assert len(parts) == 2
    assert abs(np.diff(model.weights_)[0]) > 0.01
    assert_array_equal(model.members_predict_proba(X), parts)
    assert model.members_predict_proba(X).shape == (len(parts), len(X), PROBA[kind])
    expected = np.average(parts, axis=0, weights=model.weights_)
    proba = model.predict_proba(X)
    assert_allclose(proba, expected, rtol=1e-12)
    assert np.all((proba >= 0) & (proba <= 1))
    if kind != "multilabel":
        assert_allclose(proba.sum(axis=1), 1)


def test_logarithms_of_probabilities(fitted):
    model, X, _, _ = fitted
    assert_allclose(
        model.predict_log_proba(X), np.log(model.predict_proba(X)), rtol=1e-9, atol=1e-12
    )


def test_logarithms_of_tiny_probabilities_are_finite(fitted):
    """Where the probabilities themselves are zero."""
    model, X, _, kind = fitted
    far = 1e4 * X
    log_proba = model.predict_log_proba(far)
    assert np.isfinite(log_proba).all()
    if kind != "multilabel":
        assert log_proba.min() < -800
        assert model.predict_proba(far).min() == 0
    own = np.array([network.predict_log_proba(far) for network in model.estimators_])
    assert np.all(log_proba <= own.max(axis=0) + 1e-12)
    assert np.all(log_proba >= own.min(axis=0) - 1e-12)


def test_predictions_are_those_of_the_largest_probability(fitted):
    """And right most of the time."""
    model, X, y, kind = fitted
    proba, predicted = model.predict_proba(X), model.predict(X)
    if kind == "multilabel":
        assert_array_equal(predicted, proba > 0.5)
        assert predicted.dtype == np.int64
        assert model.score(X, y) > 0.3
        return
    assert_array_equal(predicted, model.classes_[proba.argmax(axis=1)])
    assert model.score(X, y) > 0.75


def test_networks_can_be_cloned_and_fitted_alone(fitted):
    """Each has the parameters that it was given, and a seed that is known."""
    model, X, y, _ = fitted
    for network in model.estimators_:
        assert type(network) is GaussNewtonMLPClassifier
        copy = clone(network)
        assert copy.get_params() == network.get_params()
        copy.set_params(max_iter=3, alpha=1e-2)
        with pytest.warns(ConvergenceWarning):
            copy.fit(X, y)
        assert copy.predict_proba(X).shape == network.predict_proba(X).shape
        assert isinstance(network.random_state, int)
        assert network.score(X, y) == network.score(X, y) > 0.3
        assert network.n_iter_ > 0


def test_fitted_attributes(fitted):
    model, X, y, kind = fitted
    assert len(model.estimators_) == len(model.weights_)
    assert model.weights_.sum() == pytest.approx(1)
    assert np.all(model.weights_ > 0)
    assert model.n_features_in_ == X.shape[1]
    assert not hasattr(model, "feature_names_in_")
    expected = np.arange(3) if kind == "multilabel" else np.unique(y)
    assert_array_equal(model.classes_, expected)
    assert_array_equal(model.class_weight_, np.ones(len(expected)))
    assert not hasattr(model, "decision_function")


def test_the_table_of_the_selection(fitted, pandas):
    """A row for each network that came into question."""
    model, _, _, _ = fitted
    table = pandas.DataFrame(model.selection_)
    assert list(table) == ["parameters", "stage", "log_loss", "weight", "seconds"]
    assert len(table) == len(PAIR)
    assert set(table["stage"]) <= {"searched", "fitted"}
    assert table["weight"].sum() == pytest.approx(1)
    assert_array_equal(table["weight"][table["weight"] > 0], model.weights_)
    assert np.all((table["weight"] > 0) == (table["stage"] == "fitted"))
    assert table["log_loss"].between(0, 3).all()
    assert np.all(table["seconds"] > 0)
    for parameters, given in zip(table["parameters"], PAIR, strict=True):
        seed = parameters.pop("random_state")
        assert isinstance(seed, int)
        assert parameters == given
        parameters["random_state"] = seed


@pytest.mark.parametrize("method", METHODS)
def test_an_ensemble_that_is_not_fitted(method):
    with pytest.raises(NotFittedError):
        getattr(small(), method)(binary()[0])


@pytest.mark.parametrize("method", METHODS)
def test_predictions_check_what_they_are_given(fitted, method):
    model, X, _, _ = fitted
    with pytest.raises(ValueError, match="features"):
        getattr(model, method)(X[:, 1:])
    with pytest.raises(ValueError, match="infinity"):
        getattr(model, method)(np.full_like(X, np.inf))


# Networks that come into question


@pytest.mark.parametrize(
    ("m", "container", "expected"),
    [
        (200, np.asarray, WITH_STEPS),
        (100, np.asarray, module.WITH_FEW_SAMPLES),
        (100, sparse.csr_array, WITHOUT_STEPS),
        (200, sparse.csr_array, WITHOUT_STEPS),
    ],
)
def test_networks_of_the_default(monkeypatch, m, container, expected):
    """Others where features may have steps than where they may not."""
    X, y = binary(m)
    model = GaussNewtonMLPEnsembleClassifier(random_state=0)
    candidates, _, _, encoders, *_ = candidates_of(monkeypatch, model, container(X), y)
    own = [candidate.settings for candidate in candidates]
    networks = [GaussNewtonMLPClassifier(**each) for each in expected]
    assert own == [network._settings() for network in networks]
    assert len({candidate.seed for candidate in candidates}) == len(expected)
    # each one's columns are among those that one network may have
    auto = encoders.of(replace(own[0], encoding="auto"), in_any_case=True)
    used = {id(encoders.of(settings)[0]) for settings in own}
    assert len(used) == len(auto) == (1 if expected is WITHOUT_STEPS else 2)
    assert used == set(map(id, auto))


def test_networks_of_no_weight(monkeypatch):
    """They are in the table alone."""
    monkeypatch.setattr(
        "skgn.fitting.mixture.mixture_weights", lambda *args: np.array([0.4, 0, 0.6])
    )
    X, y = multiclass(240)
    model = small([*PAIR, {"hidden_layer_sizes": (3,)}]).fit(X, y)
    assert [own.hidden_layer_sizes for own in model.estimators_] == [(6,), (3,)]
    assert_array_equal(model.weights_, [0.4, 0.6])
    assert model.selection_["weight"] == [0.4, 0, 0.6]
    assert model.selection_["stage"] == ["fitted", "searched", "fitted"]
    assert model.members_predict_proba(X).shape == (2, 240, 4)


def test_seeds(monkeypatch):
    """A seed that is given is kept; the others are drawn, all by random_state."""
    X, y = binary(200)

    def seeds(estimators, **parameters):
        given = candidates_of(monkeypatch, small(estimators, **parameters), X, y)
        return [candidate.seed for candidate in given[0]], given[3].seed

    given = [{"random_state": 7}, {}, {"random_state": 0}, {"random_state": np.int64(3)}]
    own, shared = seeds(given)
    assert [own[0], *own[2:]] == [7, 0, 3]
    assert seeds(given) == (own, shared)
    assert seeds(given, random_state=1)[0][1] != own[1]
    assert seeds(given, random_state=1)[1] != shared
    states = [{"random_state": np.random.RandomState(5)} for _ in range(2)]
    expected = np.random.RandomState(5).randint(np.iinfo(np.int32).max)
    assert seeds(states)[0] == [expected] * 2
    state = np.random.RandomState(0)
    first = seeds(PAIR, random_state=state)
    assert first == seeds(PAIR)
    assert seeds(PAIR, random_state=state) != first


def test_estimators_serve_as_dicts_do():
    """They are not fitted, nor changed; what holds them may be any sequence."""
    X, y = binary(200)
    expected = small().fit(X, y)
    given = [GaussNewtonMLPClassifier(**own) for own in PAIR]
    parameters = [own.get_params() for own in given]
    for estimators in (given, tuple(PAIR), np.array(PAIR), [PAIR[0], given[1]]):
        assert_same(small(estimators).fit(X, y), expected, X)
    assert [own.get_params() for own in given] == parameters
    assert not any(hasattr(own, "classes_") for own in given)


def test_parameters_stay_as_they_are():
    """Also those in dicts."""
    estimators = [dict(own) for own in PAIR]
    model = small(estimators, categorical_features=[0])
    model.fit(np.round(multiclass(200)[0]), multiclass(200)[1])
    assert model.estimators is estimators
    assert estimators == PAIR
    assert model.get_params()["categorical_features"] == [0]
    for network in model.estimators_:
        assert network.categorical_features == [0]


def test_common_parameters_are_those_of_all_networks(monkeypatch):
    X, y = binary(200)
    common = {
        "early_stopping": True,
        "validation_fraction": 0.25,
        "n_iter_no_change": 3,
        "categorical_features": None,
        "class_weight": {0: 1.0, 1: 2.0},
    }
    model = small(**common)
    candidates, train, _, _, held_out, *_ = candidates_of(monkeypatch, model, X, y)
    for candidate in candidates:
        own = candidate.settings
        assert own.early_stopping and own.validation_fraction == 0.25
        assert own.n_iter_no_change == 3
    assert (len(train.weights), len(held_out.weights)) == (150, 50)
    for network in model.fit(X, y).estimators_:
        own = network.get_params()
        assert {name: own[name] for name in common} == common
    for parameters in model.selection_["parameters"]:
        assert parameters.keys().isdisjoint(common)


# Errors

CLASSIFIER = GaussNewtonMLPClassifier

BAD = {
    "no network": ([], ValueError, "estimators must hold a network at least"),
    "a name": (["net"], ValueError, r"got 'net' at estimators\[0\]"),
    "a class": ([{}, CLASSIFIER], ValueError, r"at estimators\[1\]"),
    "another estimator": ([StandardScaler()], ValueError, r"StandardScaler\(\) at est"),
    "a dict": ({"alpha": 1}, ValueError, r"got 'alpha' at estimators\[0\]"),
    "a number": (3, ValueError, "The 'estimators' parameter"),
    "a string": ("auto", ValueError, "The 'estimators' parameter"),
    "an unknown parameter": (
        [{}, {"hidden": 3}],
        ValueError,
        r"estimators\[1\]: Invalid parameter 'hidden'",
    ),
    "a number as a name": ([{3: 3}], ValueError, r"estimators\[0\]: "),
    "a value out of range": (
        [{}, {}, {"alpha": -1.0}],
        ValueError,
        r"estimators\[2\]: The 'alpha' parameter",
    ),
    "widths": ([{"hidden_layer_sizes": (3, 0)}], ValueError, r"estimators\[0\]: hidden"),
    "activations": (
        [{"activation": ["relu", "relu"]}],
        ValueError,
        r"estimators\[0\]: activation must be one name",
    ),
    "early stopping": (
        [{"early_stopping": True}],
        ValueError,
        r"estimators\[0\] sets early_stopping=True, which all networks have in common",
    ),
    "class weights": (
        [{}, CLASSIFIER(class_weight="balanced")],
        ValueError,
        r"estimators\[1\] sets class_weight='balanced'.*GaussNewtonMLPEnsembleClassifier",
    ),
    "categories": ([{"categorical_features": [0]}], ValueError, "sets categorical_fea"),
    "patience": ([{"n_iter_no_change": 9}], ValueError, "sets n_iter_no_change=9"),
    "a fraction": ([{"validation_fraction": 0.2}], ValueError, "sets validation_fract"),
    "a solver": (
        [{"solver": "joint"}],
        ValueError,
        r"estimators\[0\] sets solver='joint'; .* have solver='kronecker'",
    ),
    "a warm start": ([CLASSIFIER(warm_start=True)], ValueError, "sets warm_start=True"),
    "lines of each": ([{"verbose": True}], ValueError, "sets verbose=True"),
}


@pytest.mark.parametrize("case", BAD)
def test_networks_that_cannot_be(case):
    """The message tells which one is meant, and the estimator stays unfitted."""
    estimators, error, message = BAD[case]
    model = small(estimators)
    before = dict(vars(model))
    with pytest.raises(error, match=message):
        model.fit(*binary())
    assert vars(model) == before


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_time": 0},
        {"max_time": -1.0},
        {"max_time": "1 s"},
        {"early_stopping": "yes"},
        {"validation_fraction": 1.0},
        {"n_iter_no_change": 0},
        {"categorical_features": 3},
        {"class_weight": "even"},
        {"n_jobs": 1.5},
        {"random_state": "a"},
        {"verbose": "yes"},
    ],
    ids=str,
)
def test_parameters_out_of_range(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"The {name!r} parameter of GaussNewtonMLPEns"):
        small(**parameters).fit(*binary())


def test_no_jobs():
    with pytest.raises(ValueError, match="n_jobs == 0"):
        small(n_jobs=0).fit(*binary())


def test_steps_of_sparse_columns():
    """As in a fit of one network."""
    X, y = binary(200)
    with pytest.raises(ValueError, match="encoding='piecewise' cannot be used with spa"):
        small([{}, {"encoding": "piecewise"}]).fit(sparse.csr_array(X), y)


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        (np.full((200, 6), np.inf), None, ValueError, "infinity"),
        (None, np.zeros(3), ValueError, "inconsistent numbers of samples"),
        (None, np.linspace(0, 1, 200), ValueError, "[Uu]nknown label type"),
        (np.full((200, 6), "a"), None, ValueError, "categorical_features"),
    ],
)
def test_a_failed_fit_leaves_the_estimator_as_it_was(X, y, error, message):
    data = binary(200)
    model = small().fit(*data)
    before = dict(vars(model))
    expected = model.predict_proba(data[0])
    with pytest.raises(error, match=message):
        model.fit(data[0] if X is None else X, data[1] if y is None else y)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before)
    assert_array_equal(model.predict_proba(data[0]), expected)


@pytest.mark.parametrize("owner", [Search, FullBatch])
def test_an_error_on_the_way_leaves_the_estimator_as_it_was(monkeypatch, owner):
    """Whether of a search, or of a fit of all samples; the networks, too."""
    X, y = multiclass(200)
    model = small().fit(X, y)
    before = dict(vars(model))
    networks = [dict(vars(own)) for own in model.estimators_]

    def failing(*args, **kwargs):
        raise MemoryError("on the way")

    monkeypatch.setattr(owner, "finish" if owner is Search else "train", failing)
    with pytest.raises(MemoryError, match="on the way"):
        model.fit(*binary(200))
    assert all(vars(model)[name] is before[name] for name in before)
    for own, attributes in zip(model.estimators_, networks, strict=True):
        assert all(vars(own)[name] is attributes[name] for name in attributes)


def test_a_column_that_cannot_be_fitted_is_named(pandas):
    X, y = binary(200)
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    frame["c"] = pandas.date_range("2026-01-01", periods=200)
    with pytest.raises(TypeError, match="'c'"):
        small().fit(frame, y)


# Interrupts


def test_an_interrupt_before_a_network_has_searched(monkeypatch):
    """It goes through, and the estimator is as it was."""
    model = small().fit(*multiclass(200))
    before = dict(vars(model))
    error = KeyboardInterrupt()

    def interrupted(*args, **kwargs):
        raise error

    monkeypatch.setattr(Search, "finish", interrupted)
    with pytest.raises(KeyboardInterrupt) as interrupt:
        model.fit(*binary(200))
    assert interrupt.value is error
    assert all(vars(model)[name] is before[name] for name in before)


@pytest.mark.parametrize("stage", ["searched", "fitted"])
def test_an_interrupted_fit_has_the_networks_that_there_are(monkeypatch, stage):
    """The interrupt goes on."""
    X, y = multiclass(240)
    if stage == "searched":
        finish, calls = Search.finish, []

        def interrupted(own, **options):
            calls.append(own)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return finish(own, **options)

        monkeypatch.setattr(Search, "finish", interrupted)
    else:
        equal(monkeypatch)
        fits = []

        def interrupted(*args):
            fits.append(args)
            if len(fits) == 2:
                raise KeyboardInterrupt
            return fit_one(*args)

        monkeypatch.setattr("skgn.fitting.ensemble.fit", interrupted)
    model = small()
    with pytest.raises(KeyboardInterrupt) as error:
        model.fit(X, y)
    assert type(error.value) is KeyboardInterrupt
    expected = {"searched": ["begun", "searched"], "fitted": ["fitted", "searched"]}
    assert sorted(model.selection_["stage"]) == expected[stage]
    assert len(model.estimators_) == (1 if stage == "searched" else 2)
    assert model.weights_.sum() == pytest.approx(1)
    assert model.score(X, y) > 0.5
    reasons = {own.stop_reason_ for own in model.estimators_}
    assert "callback" in reasons


def test_an_interrupted_fit_of_few_samples(monkeypatch):
    """The first network counts from its first step on."""
    X, y = multiclass(100)
    record = Walk.record

    def interrupted(own):
        record(own)
        if len(own.history.rows) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(Walk, "record", interrupted)
    model = small()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    (network,) = model.estimators_
    assert network.stop_reason_ == "interrupted"
    assert_array_equal(model.predict_proba(X), network.predict_proba(X))


# Labels and columns


@pytest.mark.parametrize("labels", [["no", "yes"], [-1, 1], [False, True], ["b", "a"]])
def test_labels(labels):
    """Whatever they are called."""
    X, y = binary(200)
    names = np.array(labels)[y]
    model = small().fit(X, names)
    expected = small().fit(X, y if labels[0] < labels[1] else 1 - y)
    assert_array_equal(model.classes_, np.unique(names))
    assert set(model.predict(X)) == set(labels)
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    assert model.score(X, names) > 0.75


def test_one_class():
    """Nothing is fitted, and nothing else predicted."""
    X, _ = multiclass(200)
    model = small().fit(X, ["a"] * 200)
    assert_array_equal(model.predict(X), ["a"] * 200)
    assert_array_equal(model.predict_proba(X), np.ones((200, 1)))
    assert_array_equal(model.predict_log_proba(X), np.zeros((200, 1)))
    assert_array_equal(model.weights_, [1])
    assert model.selection_["stage"] == ["fitted", "waiting"]
    assert model.estimators_[0].stop_reason_ == "single_class"


@pytest.mark.parametrize("early_stopping", [False, True])
def test_one_class_by_default(early_stopping):
    """Also of one sample, which cannot be split."""
    X, _ = binary(200)
    model = GaussNewtonMLPEnsembleClassifier(early_stopping=early_stopping)
    for m in (1, 200):
        assert_array_equal(model.fit(X[:m], np.ones(m)).predict(X), np.ones(200))


def test_one_label():
    """An indicator matrix of one column is none, as for scikit-learn."""
    X, Y = multilabel(200, n_classes=2)
    model = small().fit(X, Y)
    assert model.predict(X).shape == model.predict_proba(X).shape == (200, 2)
    assert model.members_predict_proba(X).shape[1:] == (200, 2)


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix])
def test_sparse_columns(container):
    X, y = multiclass(240)
    X = np.where(np.abs(X) < 0.5, 0, X)
    model = small().fit(container(X), y)
    assert model.score(container(X), y) > 0.7
    assert_allclose(model.predict_proba(container(X)), model.predict_proba(X), atol=1e-9)
    dense = small([{**own, "encoding": None} for own in PAIR]).fit(X, y)
    assert_allclose(dense.weights_, model.weights_, rtol=1e-3)
    assert_allclose(dense.predict_proba(X), model.predict_proba(X), atol=1e-3)


def table(pandas, m=240):
    """Return a frame of numbers, categories and strings, with missing cells, and y."""
    rng = np.random.default_rng(0)
    colour = rng.choice(["red", "green", "blue"], m)
    size = rng.normal(size=m)
    shape = pandas.Categorical(rng.choice(list("xyz"), m))
    y = np.where((colour == "red") ^ (size > 0.3), "in", "out")
    frame = pandas.DataFrame({"size": size, "colour": colour, "shape": shape})
    frame.loc[::7, "size"] = np.nan
    frame.loc[3::11, "colour"] = None
    frame.loc[5::13, "shape"] = np.nan
    return frame, y


def test_frames(pandas):
    """Categories, strings and missing cells, as they are."""
    frame, y = table(pandas)
    model = small().fit(frame, y)
    assert_array_equal(model.feature_names_in_, ["size", "colour", "shape"])
    assert model.score(frame, y) > 0.85
    for own in model.estimators_:
        assert_array_equal(own.feature_names_in_, model.feature_names_in_)
        assert own.categories_[1].tolist() == ["blue", "green", "red"]
    parts = [own.predict_proba(frame) for own in model.estimators_]
    assert_array_equal(model.members_predict_proba(frame), parts)
    frame.loc[0, "colour"] = "purple"  # unknown so far
    assert np.isfinite(model.predict_log_proba(frame)).all()
    with pytest.raises(ValueError, match="'colour'"):
        model.predict(frame[["colour", "size", "shape"]])
    # names do not outlast a fit of columns that have none
    model.fit(*binary(200))
    assert not hasattr(model, "feature_names_in_")


def test_categories_of_many_values(pandas):
    """With mean targets, which are made of training samples alone."""
    rng = np.random.default_rng(0)
    city = rng.integers(0, 30, 300)
    y = (rng.uniform(size=300) < rng.uniform(0.05, 0.95, 30)[city]).astype(int)
    frame = pandas.DataFrame({"city": city.astype(str), "x": rng.normal(size=300)})
    model = small([PAIR[0]]).fit(frame, y)
    assert len(model.estimators_[0].encoder_.mean_targets) == 1
    assert model.score(frame, y) > 0.65


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision(dtype):
    """That of X is kept; probabilities are float64."""
    X, y = multiclass(240)
    model = small([*PAIR, IN_BATCHES]).fit(X.astype(dtype), y)
    for own in model.estimators_:
        assert {array.dtype for array in own.coefs_} == {np.dtype(dtype)}
    assert model.predict_proba(X).dtype == np.float64
    assert model.weights_.dtype == np.float64
    assert model.score(X, y) > 0.75


# Weights of samples and classes


def test_a_weight_of_zero_is_no_sample():
    X, y = multiclass(300)
    weights = np.resize([1.0, 2.0, 0.0], 300)
    keep = weights > 0
    model = small().fit(X, y, weights)
    assert_same(model, small().fit(X[keep], y[keep], weights[keep]), X)
    assert np.any(model.predict_proba(X) != small().fit(X, y).predict_proba(X))


def test_a_class_of_weight_zero_is_known():
    """It is as rare as can be."""
    X, y = multiclass(300, n_classes=3)
    model = small().fit(X, y, (y != 1).astype(float))
    assert_array_equal(model.classes_, [0, 2])


def test_a_weight_of_two_is_a_sample_repeated():
    """As long as it is looked for equal ones: of few samples."""
    X, y = multiclass(200)
    weights = np.resize([1.0, 2.0], 200)
    index = np.repeat(np.arange(200), weights.astype(int))
    one, other = small().fit(X, y, weights), small().fit(X[index], y[index])
    assert_allclose(one.weights_, other.weights_, rtol=1e-3)
    assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=1e-3)


def test_class_weights_are_weights_of_samples():
    X, y = binary(200)
    model = small(class_weight={0: 1.0, 1: 4.0}).fit(X, y)
    assert model.class_weight_[1] == pytest.approx(4 * model.class_weight_[0])
    expected = small().fit(X, y, model.class_weight_[y])
    assert_allclose(model.predict_proba(X), expected.predict_proba(X), rtol=1e-9)
    assert (
        model.predict_proba(X)[:, 1].mean()
        > small().fit(X, y).predict_proba(X)[:, 1].mean()
    )


def test_balanced_classes():
    X, y = binary(300)
    keep = (y == 1) | (np.arange(300) % 4 == 0)
    X, y = X[keep], y[keep]
    model = small(class_weight="balanced").fit(X, y)
    assert_allclose(model.class_weight_ * np.bincount(y), len(y) / 2)
    for own in model.estimators_:
        assert_array_equal(own.class_weight_, model.class_weight_)
    with pytest.raises(ValueError, match="class_weight is not supported for multilabel"):
        small(class_weight="balanced").fit(*multilabel())


# Early stopping


def test_early_stopping_splits_samples_off():
    """All networks are watched by the same."""
    X, y = multiclass(300)
    model = small(early_stopping=True, validation_fraction=0.3).fit(X, y)
    for own in model.estimators_:
        assert own.early_stopping
        assert len(own.validation_scores_) == own.n_iter_ + 1
        assert np.isfinite(own.history_["validation_loss"]).all()
    assert np.isfinite(model.selection_["log_loss"]).all()
    assert_same(clone(model).fit(X, y), model, X)


def test_validation_samples():
    """They watch, judge and weigh; none are split off the others."""
    X, y = multiclass(360)
    val = {"X_val": X[240:], "y_val": y[240:]}
    model = small(early_stopping=True).fit(X[:240], y[:240], **val)
    table = []
    for own, log_loss in zip(
        model.estimators_, model.selection_["log_loss"], strict=True
    ):
        losses = own.history_["validation_loss"]
        assert losses[own.best_iter_] == losses.min()
        # the fit of all training samples begins with the network that was judged
        assert losses[0] == pytest.approx(log_loss, rel=0.3)
        table.append(np.log(own.predict_proba(X[240:]))[np.arange(120), y[240:]])
        assert -table[-1].mean() == pytest.approx(losses.min())
    assert len(table) == 2
    assert_allclose(
        model.weights_, mixture_weights(np.array(table), np.ones(120)), atol=0.3
    )
    weights = {"sample_weight_val": np.where(y[240:] == 1, 10.0, 0.1)}
    other = small(early_stopping=True).fit(X[:240], y[:240], **val, **weights)
    assert np.any(other.predict_proba(X) != model.predict_proba(X))
    with pytest.raises(ValueError, match="early_stopping is False"):
        small().fit(X, y, **val)
    with pytest.raises(ValueError, match="y_val was not provided"):
        small(early_stopping=True).fit(X, y, X_val=X)
    with pytest.raises(ValueError, match=r"y_val contains labels that y lacks: \[9"):
        small(early_stopping=True).fit(X, y, X_val=X, y_val=np.full(360, 9))


def test_early_stopping_of_few_samples():
    """They watch; they do not weigh."""
    X, y = multiclass(140)
    model = small(early_stopping=True).fit(X, y)
    assert_array_equal(model.weights_, [0.5, 0.5])
    assert np.isnan(model.selection_["log_loss"]).all()
    assert all(len(own.validation_scores_) > 1 for own in model.estimators_)
    with pytest.raises(ValueError, match="cannot split validation_fraction"):
        small(early_stopping=True, validation_fraction=0.99).fit(X, y)


# Time


@pytest.mark.parametrize("early_stopping", [False, True])
def test_however_short_the_time(early_stopping):
    """There is one network, and it is a sound one; nothing is said of it."""
    X, y = multiclass(240)
    model = small(max_time=1e-9, early_stopping=early_stopping).fit(X, y)
    (network,) = model.estimators_
    assert_array_equal(model.weights_, [1])
    assert network.stop_reason_ == "callback"
    assert model.selection_["stage"] == ["searched", "waiting"]
    assert_array_equal(np.isnan(model.selection_["log_loss"]), [False, True])
    assert model.score(X, y) > 0.6
    assert_array_equal(network.predict_proba(X), model.predict_proba(X))


def test_much_time():
    X, y = multiclass(240)
    assert_same(small(max_time=1000).fit(X, y), small().fit(X, y), X)


# Warnings and lines


@pytest.fixture
def no_threshold(monkeypatch):
    """Let fits go on until they converge, or may not."""
    further = FullBatchPath.further
    monkeypatch.setattr(FullBatchPath, "further", lambda *own: (further(*own)[0], None))


def test_a_warning_names_its_network(monkeypatch, no_threshold):
    """And comes from the line that has called fit."""
    equal(monkeypatch)
    X, y = multiclass(240)
    short = {"hidden_layer_sizes": (7,), "max_iter": 2, "tol": 0.0}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        small([PAIR[0], short]).fit(X, y)
    (warning,) = caught
    assert warning.category is ConvergenceWarning
    message = str(warning.message)
    assert message.startswith("GaussNewtonMLPClassifier(")
    assert "hidden_layer_sizes=(7,)" in message.split("): ")[0]
    assert "The fit reached max_iter=2 before it converged." in message
    assert warning.filename == __file__


def test_each_network_warns(monkeypatch, no_threshold):
    """Those of no weight do not."""
    X, y = multiclass(240)
    short = [{"max_iter": 1, "tol": 0.0, "hidden_layer_sizes": (k,)} for k in (3, 4)]
    for weights, count in [([0.5, 0.5], 2), ([0.0, 1.0], 1)]:
        monkeypatch.setattr(
            "skgn.fitting.mixture.mixture_weights",
            lambda *args, own=weights: np.array(own),
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            small(short).fit(X, y)
        assert len(caught) == count
        assert "(4,)" in str(caught[-1].message)


def test_a_penalty_that_prevails():
    X, y = binary(200)
    with pytest.warns(
        ConvergenceWarning, match=r"\(alpha=10000.0, .*\n.*\): alpha=10000 keeps"
    ):
        small([{"hidden_layer_sizes": (4,), "alpha": 1e4}]).fit(X, y)


LINE = re.compile(
    r"network (\d) of 2  (begun|searched|fitted) *  "
    r"held-out loss +(nan|[-+.\de]+)  +[\d.]+ s"
)


def test_lines(capsys, monkeypatch):
    """One for each stage that a network comes to."""
    equal(monkeypatch)
    small(verbose=True).fit(*multiclass(240))
    found = [LINE.fullmatch(line) for line in capsys.readouterr().out.splitlines()]
    told = [(own[2], own[1]) for own in found]
    assert len(told) == 6
    assert told[:2] == [("begun", "1"), ("begun", "2")]
    assert sorted(told[2:4]) == [("searched", "1"), ("searched", "2")]
    assert sorted(told[4:]) == [("fitted", "1"), ("fitted", "2")]
    assert all(float(own[3]) < 2 for own in found)


def test_lines_of_few_samples(capsys):
    small(verbose=1).fit(*multiclass(100))
    found = [LINE.fullmatch(line) for line in capsys.readouterr().out.splitlines()]
    assert [own.groups() for own in found] == [
        ("1", "fitted", "nan"),
        ("2", "fitted", "nan"),
    ]


def test_no_lines(capsys):
    small().fit(*multiclass(240))
    assert capsys.readouterr() == ("", "")


# Repetition, side by side


def test_random_state():
    """The same, bit for bit; another one, other networks; numpy's own stays."""
    X, y = multiclass(240)
    before = global_state()
    model = small().fit(X, y)
    assert global_state() == before
    assert_same(small().fit(X, y), model, X)
    assert_same(model.fit(X, y), small().fit(X, y), X)
    other = small(random_state=1).fit(X, y)
    assert np.any(other.predict_proba(X) != model.predict_proba(X))


@pytest.fixture(params=["array", "frame", "sparse", "columns"])
def side_by_side(request):
    """Return data of several kinds, and networks for them."""
    X, y = multiclass(240)
    estimators = [*PAIR, {**IN_BATCHES, "encoding": None}]
    if request.param == "array":
        return estimators, X, y
    if request.param == "columns":
        return estimators, np.asfortranarray(X.astype(np.float32)), y
    if request.param == "sparse":
        return estimators, sparse.csr_array(np.where(np.abs(X) < 0.5, 0, X)), y
    return [*PAIR, {**IN_BATCHES, "encoding": "piecewise"}], *table(
        request.getfixturevalue("pandas")
    )


def test_processes(side_by_side):
    """The result does not depend on them, bit for bit."""
    estimators, X, y = side_by_side
    one = small(estimators, class_weight="balanced").fit(X, y)
    two = small(estimators, class_weight="balanced", n_jobs=2).fit(X, y)
    assert_same(one, two, X)
    for own, other in zip(one.estimators_, two.estimators_, strict=True):
        for name, values in own.history_.items():
            if name != "seconds":
                assert_array_equal(values, other.history_[name])
        assert own.stop_reason_ == other.stop_reason_


def test_threads(side_by_side):
    """Also of networks that share columns, in mini-batches."""
    estimators, X, y = side_by_side
    estimators = [*estimators, estimators[-1]]
    one = small(estimators).fit(X, y)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        two = small(estimators).fit(X, y)
    assert_same(one, two, X)


@pytest.mark.skipif(get_all_start_methods()[0] != "fork", reason="there are no forks")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of forks
def test_processes_that_read_a_file(tmp_path, monkeypatch):
    """X stays a memory-mapped file in each of them."""
    monkeypatch.setattr(samples_module, "MAPPED_BYTES", 1000)
    X, y = multiclass(240)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    estimators = [{**IN_BATCHES, "encoding": e} for e in (None, "piecewise")]
    one = small(estimators).fit(mapped, y)
    with joblib.parallel_config(backend="multiprocessing", n_jobs=2):
        two = small(estimators).fit(mapped, y)
    assert_same(one, two, X)
    # neighbouring rows of a file are in one batch
    assert np.any(small(estimators).fit(X, y).predict_proba(X) != one.predict_proba(X))


# Persistence and composition


def test_pickles(fitted, tmp_path):
    """Every attribute and every prediction comes back bit for bit."""
    model, X, y, _ = fitted
    joblib.dump(model, tmp_path / "model.joblib")
    for loaded in (
        pickle.loads(pickle.dumps(model)),
        joblib.load(tmp_path / "model.joblib"),
    ):
        assert vars(loaded).keys() == vars(model).keys()
        assert_same(loaded, model, X)
        assert_array_equal(loaded.predict(X), model.predict(X))
        assert loaded.get_params() == model.get_params()
    assert_same(loaded.fit(X, y), model, X)


@pytest.mark.parametrize(
    "estimators", [PAIR, [GaussNewtonMLPClassifier(**PAIR[0]), PAIR[1]], None]
)
def test_clones(estimators):
    """They are unfitted, and have equal parameters, with networks of their own."""
    model = small(estimators, max_time=5, n_jobs=2, class_weight={0: 1})
    copy = clone(model)
    assert repr(copy) == repr(model)
    assert not hasattr(copy, "estimators_")
    if estimators is not None:
        assert all(
            own is not other
            for own, other in zip(copy.estimators, model.estimators, strict=True)
        )
    assert copy.get_params()["max_time"] == 5


def test_a_clone_of_a_fitted_ensemble(fitted):
    model, X, y, _ = fitted
    copy = clone(model)
    assert not hasattr(copy, "weights_")
    assert_same(copy.fit(X, y), model, X)


def test_grid_search_over_networks():
    """And over a parameter of all."""
    X, y = multiclass(200, n_classes=3)
    grid = {"estimators": [PAIR[:1], PAIR], "class_weight": [None, "balanced"]}
    search = GridSearchCV(
        small(), grid, cv=2, scoring="neg_log_loss", error_score="raise"
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_score_ > -np.log(3)
    assert search.best_estimator_.estimators == search.best_params_["estimators"]


def test_pipelines():
    """Standardising twice is doing so once; validation samples are transformed, too."""
    X, y = multiclass(240)
    shifted = 100 * X + 7
    model = make_pipeline(StandardScaler(), small()).fit(shifted, y)
    assert_allclose(
        model.predict_proba(shifted), small().fit(X, y).predict_proba(X), atol=1e-4
    )
    own = small(early_stopping=True)
    with sklearn.config_context(enable_metadata_routing=True):
        own.set_fit_request(X_val=True, y_val=True)
        pipeline = Pipeline(
            [("scale", StandardScaler()), ("net", own)], transform_input=["X_val"]
        )
        pipeline.fit(shifted[::2], y[::2], X_val=shifted[1::2], y_val=y[1::2])
    scale = StandardScaler().fit(shifted[::2])
    expected = small(early_stopping=True).fit(
        scale.transform(shifted[::2]),
        y[::2],
        X_val=scale.transform(shifted[1::2]),
        y_val=y[1::2],
    )
    assert_same(pipeline[-1], expected, scale.transform(shifted))


def test_metadata_routing():
    """sample_weight is routed to fit where it was asked for."""
    X, y = binary(240)
    weights = np.where(y == 1, 5.0, 0.2)
    with sklearn.config_context(enable_metadata_routing=True):
        asked = small().set_fit_request(sample_weight=True)
        asked.set_score_request(sample_weight=True)
        scale = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scale, asked).fit(X, y, sample_weight=weights)
        scores = cross_val_score(asked, X, y, params={"sample_weight": weights}, cv=2)
        with pytest.raises(ValueError, match="sample_weight"):
            cross_val_score(small(), X, y, params={"sample_weight": weights}, cv=2)
    expected = small().fit(StandardScaler().fit_transform(X), y, weights)
    assert_same(pipeline[-1], expected, X)
    assert np.isfinite(scores).all()
