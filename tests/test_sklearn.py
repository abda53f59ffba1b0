"""Life among scikit-learn's tools."""

import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgn import GaussNewtonMLPClassifier
from tests.problems import DATA, binary, breast_cancer, iris, multiclass, wine


def small(**parameters):
    """Return a quick classifier."""
    return GaussNewtonMLPClassifier(
        **{"hidden_layer_sizes": (6,), "random_state": 0, "max_iter": 500, **parameters}
    )


@parametrize_with_checks(
    [
        GaussNewtonMLPClassifier(),
        GaussNewtonMLPClassifier(()),
        GaussNewtonMLPClassifier((8, 5), "tanh"),
        GaussNewtonMLPClassifier((6,), "silu", standardize=False),
        GaussNewtonMLPClassifier((5, 4), ["leaky_relu", "logistic"]),
        GaussNewtonMLPClassifier(solver="sequential"),
        GaussNewtonMLPClassifier((6,), "silu", solver="sequential", standardize=False),
        GaussNewtonMLPClassifier(solver="sequential", order="gauss_seidel"),
        GaussNewtonMLPClassifier(solver="joint"),
        GaussNewtonMLPClassifier((8, 5), "tanh", solver="joint"),
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_check_estimator(estimator, check):
    """Every check of scikit-learn, without an expected failure."""
    check(estimator)


# Parameters


def test_clone_copies_parameters_and_nothing_else():
    """A clone is unfitted and has equal parameters."""
    model = small(alpha=0.5, activation="tanh").fit(*iris())
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "coefs_")


def test_representation_names_what_was_changed():
    """repr shows parameters that differ from their defaults."""
    text = repr(GaussNewtonMLPClassifier((5,), alpha=0.5))
    assert "alpha=0.5" in text and "(5,)" in text and "verbose" not in text


# Composition


def test_pipeline_gives_the_same_fit():
    """Behind StandardScaler nothing changes: standardising twice is doing so once."""
    X, y = wine()
    model = make_pipeline(StandardScaler(), small()).fit(X, y)
    assert_allclose(model.predict_proba(X), small().fit(X, y).predict_proba(X), atol=1e-6)
    assert model.score(X, y) > 0.99


def test_pipeline_transforms_validation_rows():
    """transform_input=["X_val"] sends validation rows through the earlier steps."""
    X, y = wine()
    X, y, X_val, y_val = X[::2], y[::2], X[1::2], y[1::2]
    model = small(early_stopping=True, standardize=False)
    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(X_val=True, y_val=True)
        pipeline = Pipeline(
            [("scale", StandardScaler()), ("net", model)], transform_input=["X_val"]
        )
        pipeline.fit(X, y, X_val=X_val, y_val=y_val)
    scale = StandardScaler().fit(X)
    by_hand = small(early_stopping=True, standardize=False)
    by_hand.fit(scale.transform(X), y, X_val=scale.transform(X_val), y_val=y_val)
    assert_array_equal(pipeline[-1].validation_scores_, by_hand.validation_scores_)
    assert_array_equal(
        pipeline.predict_proba(X_val), by_hand.predict_proba(scale.transform(X_val))
    )


def test_grid_search_reaches_every_parameter():
    """hidden_layer_sizes x damping, behind a pipeline."""
    X, y = iris()
    grid = {"net__hidden_layer_sizes": [(), (5,), (5, 5)], "net__damping": [1e-3, 1.0]}
    search = GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("net", small(alpha=1e-2))]),
        grid,
        scoring="neg_log_loss",
        cv=3,
        error_score="raise",
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 6
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_score_ > -0.2
    best = search.best_estimator_[-1]
    assert best.hidden_layer_sizes == search.best_params_["net__hidden_layer_sizes"]


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_cross_val_predict(method):
    """Out-of-fold predictions of each kind."""
    X, y = breast_cancer()
    model = small(alpha=1e-2)
    predicted = cross_val_predict(model, X, y, cv=3, method=method)
    expected = {"predict": (569,), "predict_proba": (569, 2), "decision_function": (569,)}
    assert predicted.shape == expected[method]
    guess = {
        "predict": lambda p: p,
        "predict_proba": lambda p: p.argmax(axis=1),
        "decision_function": lambda p: p > 0,
    }[method](predicted)
    assert np.mean(guess == y) > 0.93


@pytest.mark.parametrize("data", ["binary", "multiclass"])
@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(data, method):
    """CalibratedClassifierCV wraps the classifier, row weights included."""
    X, y = DATA[data]()
    model = CalibratedClassifierCV(small(alpha=1e-2), method=method, cv=3)
    proba = model.fit(X, y, sample_weight=np.linspace(0.5, 1, len(y))).predict_proba(X)
    assert_allclose(proba.sum(axis=1), 1)
    assert model.score(X, y) > 0.6


def test_metadata_routing():
    """sample_weight is routed to fit where it was asked for."""
    X, y = binary()
    weights = np.where(y == 1, 5.0, 0.2)
    with sklearn.config_context(enable_metadata_routing=True):
        asked = small().set_fit_request(sample_weight=True)
        asked.set_score_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler(), asked)
        pipeline[0].set_fit_request(sample_weight=False)
        pipeline.fit(X, y, sample_weight=weights)
        scores = cross_val_score(asked, X, y, params={"sample_weight": weights}, cv=3)
        silent = small()
        with pytest.raises(ValueError, match="sample_weight"):
            cross_val_score(silent, X, y, params={"sample_weight": weights}, cv=3)
    expected = small().fit(StandardScaler().fit_transform(X), y, weights)
    assert_array_equal(pipeline[-1].coefs_[0], expected.coefs_[0])
    plain = cross_val_score(small(), X, y, cv=3)
    assert np.isfinite(scores).all() and np.any(scores != plain)


def test_feature_names_are_remembered():
    """Names of DataFrame columns, in and out."""
    pandas = pytest.importorskip("pandas")
    X, y = iris()
    frame = pandas.DataFrame(X, columns=list("abcd"))
    series = pandas.Series(y).map({0: "x", 1: "y", 2: "z"})
    model = small().fit(frame, series)
    assert_array_equal(model.feature_names_in_, list("abcd"))
    expected = small().fit(X, y)
    # columns of a DataFrame lie apart in memory: sums are rounded in another order
    assert_allclose(
        model.predict_proba(frame), expected.predict_proba(X), rtol=1e-6, atol=1e-9
    )
    assert set(model.predict(frame)) == {"x", "y", "z"}
    with pytest.warns(UserWarning, match="feature names"):
        model.predict(X)


def test_dataframe_of_validation_rows():
    """Validation rows may be a DataFrame as well; other names are an error."""
    pandas = pytest.importorskip("pandas")
    X, y = iris()
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = small(early_stopping=True)
    model.fit(frame[::2], y[::2], X_val=frame[1::2], y_val=y[1::2])
    expected = small(early_stopping=True)
    expected.fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    assert_allclose(model.validation_scores_, expected.validation_scores_, rtol=1e-6)
    with pytest.raises(ValueError, match="feature names"):
        model.fit(frame, y, X_val=frame[list("abdc")], y_val=y)


# Persistence


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pickle_round_trip(data, dtype):
    """Every attribute and every prediction comes back bit for bit."""
    X, y = DATA[data]()
    X = X.astype(dtype)
    model = small().fit(X, y)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        loaded = pickle.loads(pickle.dumps(model, protocol))
        assert vars(loaded).keys() == vars(model).keys()
        assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
        assert_array_equal(loaded.predict(X), model.predict(X))
    for W, other in zip(model.coefs_, loaded.coefs_, strict=True):
        assert_array_equal(W, other)
        assert W.dtype == other.dtype


def test_joblib_round_trip_in_a_new_process(tmp_path):
    """A saved model predicts the same bits in another process."""
    X, y = multiclass()
    model = make_pipeline(StandardScaler(), small()).fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib")
    np.save(tmp_path / "X.npy", X)
    code = (
        "import joblib, numpy; model = joblib.load('model.joblib'); "
        "numpy.save('proba.npy', model.predict_proba(numpy.load('X.npy')))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert_array_equal(np.load(tmp_path / "proba.npy"), model.predict_proba(X))


def test_memory_mapped_model(tmp_path):
    """A model whose weights are read-only memory maps predicts, and fits on."""
    X, y = multiclass()
    model = small(warm_start=True).fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    assert_array_equal(mapped.predict_proba(X), model.predict_proba(X))
    assert mapped.fit(X, y).loss_ <= model.loss_ * (1 + 1e-12)


def test_pickle_of_another_version_warns():
    """Only a pickle that another version of the package wrote warns."""
    X, y = iris()
    model = small().fit(X, y)
    state = model.__getstate__()
    versions = [name for name in state if name not in vars(model)]
    assert versions
    same = GaussNewtonMLPClassifier()
    same.__setstate__(dict(state))
    assert vars(same).keys() == vars(model).keys()
    other = GaussNewtonMLPClassifier()
    with pytest.warns(InconsistentVersionWarning, match=r"skgn.*0\.0\.1"):
        other.__setstate__({**state, "_skgn_version": "0.0.1"})
    assert_array_equal(other.predict_proba(X), model.predict_proba(X))


def test_unfitted_pickle_round_trip():
    """An unfitted estimator can be pickled too."""
    loaded = pickle.loads(pickle.dumps(small(alpha=0.5)))
    assert loaded.get_params() == small(alpha=0.5).get_params()


# Threads and processes


def fit_proba(seed):
    """Return the probabilities of a fit."""
    X, y = multiclass()
    return small(random_state=seed).fit(X, y).predict_proba(X)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_threads_and_processes(backend):
    """Fits side by side equal fits one after the other."""
    expected = [fit_proba(seed) for seed in range(4)]
    parallel = joblib.Parallel(n_jobs=2, backend=backend)
    actual = parallel(joblib.delayed(fit_proba)(seed) for seed in range(4))
    for one, two in zip(actual, expected, strict=True):
        assert_allclose(one, two, rtol=1e-6, atol=1e-9)


def test_one_model_predicts_in_threads():
    """Predicting changes nothing in the model."""
    X, y = multiclass()
    model = small().fit(X, y)
    before = set(vars(model))
    expected = model.predict_proba(X)
    parallel = joblib.Parallel(n_jobs=2, backend="threading")
    for proba in parallel(joblib.delayed(model.predict_proba)(X) for _ in range(8)):
        assert_allclose(proba, expected, rtol=1e-12)
    assert set(vars(model)) == before
