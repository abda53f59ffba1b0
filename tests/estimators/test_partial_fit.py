"""Streams, by the estimator."""

import os
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skgn import GaussNewtonMLPClassifier
from skgn.steps.running_kronecker import RunningFactors
from tests.problems import binary, digits, global_state, multiclass, multilabel


def small(**parameters):
    """Return a quick classifier."""
    options = {"hidden_layer_sizes": (6,), "alpha": 1e-4, "random_state": 0}
    return GaussNewtonMLPClassifier(**{**options, **parameters})


X, Y = multiclass()


def test_classes():
    with pytest.raises(ValueError, match="classes must be passed"):
        small().partial_fit(X, Y)
    with pytest.raises(ValueError, match="labels that classes lacks"):
        small().partial_fit(X, Y, [0, 1])
    model = small().partial_fit(X[Y < 2], Y[Y < 2], range(4))
    before = dict(vars(model))
    with pytest.raises(ValueError, match="not the same as on the last call"):
        model.partial_fit(X, Y, range(5))
    assert vars(model) == before
    assert model.partial_fit(X, Y).predict_proba(X).shape == (150, 4)


@pytest.mark.parametrize(
    "change", [{"early_stopping": True}, {"class_weight": "balanced"}]
)
def test_parameters_that_need_all_rows(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        small(**change).partial_fit(X, Y, range(4))


def test_a_stream_learns():
    X, y = digits()
    model = small(hidden_layer_sizes=(30,))
    for _ in range(4):
        for rows in np.array_split(np.arange(1400), 7):
            model.partial_fit(X[rows], y[rows], range(10))
    assert model.score(X[1400:], y[1400:]) > 0.85


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_rows_one_by_one(kind, dtype):
    data = X.astype(dtype) if kind == "dense" else sparse.csr_array(X.astype(dtype))
    model = small()
    for i in range(60):
        model.partial_fit(data[i : i + 1], Y[i : i + 1], range(4))
    assert model.coefs_[0].dtype == dtype
    assert np.all(np.isfinite(model.predict_proba(X)))


def test_pickling_in_between_changes_nothing():
    one = small().partial_fit(X[:70], Y[:70], range(4))
    other = pickle.loads(pickle.dumps(one)).partial_fit(X[70:], Y[70:])
    one.partial_fit(X[70:], Y[70:])
    assert np.array_equal(one.predict_proba(X), other.predict_proba(X))


def test_fit_and_partial_fit_after_each_other():
    model = small().partial_fit(X, Y, range(4)).fit(X, Y)
    expected = small().fit(X, Y).predict_proba(X)
    assert np.array_equal(model.predict_proba(X), expected)
    model.partial_fit(X[:3], Y[:3])
    assert_allclose(model.predict_proba(X), expected, atol=0.05)


def test_rows_of_weight_zero():
    weights = np.r_[np.ones(100), np.zeros(50)]
    some = small().partial_fit(X[:100], Y[:100], range(4))
    every = small().partial_fit(X, Y, range(4), weights)
    assert_allclose(every.predict_proba(X), some.predict_proba(X))


def test_multilabel():
    X, Y = multilabel()
    model = small().partial_fit(X, Y)
    with pytest.raises(ValueError, match="labels"):
        model.partial_fit(X, Y[:, :2])
    assert model.predict_proba(X).shape == Y.shape


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_columns_of_any_size(size):
    """The size of a column changes no prediction."""
    factor = np.ones(X.shape[1])
    factor[2] = size
    one = small().partial_fit(X, Y, range(4))
    other = small().partial_fit(X * factor, Y, range(4))
    assert_allclose(other.predict_proba(X * factor), one.predict_proba(X), atol=1e-6)


def test_a_chunk_that_overflows_is_a_value_error_and_leaves_nothing():
    """Unstandardised columns whose squares are infinite."""
    model = small(standardize=False)
    with pytest.raises(ValueError, match="overflows on X"):
        model.partial_fit(X * 1e200, Y, range(4))
    assert not hasattr(model, "coefs_")


def test_a_first_chunk_without_weight_is_an_error():
    """There would be nothing to begin with."""
    model = small(class_weight={0: 0})
    with pytest.raises(ValueError, match="class_weight"):
        model.partial_fit(X[Y == 0], Y[Y == 0], range(4))


# Weights


def chunks(kind, y):
    """Index arrays that cover the rows: as they come, or of one class each."""
    parts = np.array_split(np.arange(len(y)), 8)
    if kind == "as they come":
        return parts
    return [part[y[part] == k] for part in parts for k in np.unique(y)]


@pytest.mark.parametrize("kind", ["as they come", "one class each"])
def test_class_weight_shifts_predictions(kind):
    """As in a fit, and like sample_weight, however the rows are cut into chunks."""
    X, y = binary(400)
    weights = np.where(y == 1, 10.0, 1.0)
    frequency = {}
    for name in ("plain", "class_weight", "sample_weight"):
        model = small(class_weight={1: 10.0} if name == "class_weight" else None)
        given = weights if name == "sample_weight" else np.ones(400)
        for _ in range(12):
            for rows in chunks(kind, y):
                model.partial_fit(X[rows], y[rows], [0, 1], given[rows])
        frequency[name] = np.mean(model.predict(X) == 1)
    fit = small(class_weight={1: 10.0}, batch_size=32).fit(X, y)
    assert frequency["class_weight"] == frequency["sample_weight"]
    assert frequency["plain"] < 0.55
    assert abs(frequency["class_weight"] - np.mean(fit.predict(X) == 1)) < 0.1


def test_the_unit_of_weights_does_not_matter():
    one, other = small(), small()
    weights = np.random.default_rng(0).uniform(0.5, 2, 150)
    for rows in (slice(0, 70), slice(70, 150)):
        one.partial_fit(X[rows], Y[rows], range(4), weights[rows])
        other.partial_fit(X[rows], Y[rows], range(4), 1e5 * weights[rows])
    assert_allclose(other.predict_proba(X), one.predict_proba(X), atol=1e-9)


# Columns


def test_names_and_number_of_columns():
    """Those of the first chunk, which later ones must have, too."""
    pandas = pytest.importorskip("pandas")
    names = [f"column {i}" for i in range(8)]
    table = pandas.DataFrame(X, columns=names)
    model = small().partial_fit(table[:50], Y[:50], range(4))
    model.partial_fit(table[50:100], Y[50:100])
    assert model.n_features_in_ == 8
    assert list(model.feature_names_in_) == names
    plain = small().partial_fit(X[:50], Y[:50], range(4))
    assert not hasattr(plain, "feature_names_in_")
    plain.partial_fit(X[50:100], Y[50:100])
    assert_allclose(plain.predict_proba(X), model.predict_proba(table))
    before = dict(vars(model))
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(table.rename(columns={"column 3": "other"}), Y)
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(table[names[::-1]], Y)
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(table[names[:5]], Y)
    assert vars(model) == before
    assert model.partial_fit(table, Y).n_iter_ == 3


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("width", [7, 9])
def test_a_chunk_of_another_width(storage, width):
    model = small().partial_fit(storage(X), Y, range(4))
    before = dict(vars(model))
    with pytest.raises(ValueError, match=f"X has {width} features, .*expecting 8"):
        model.partial_fit(storage(np.resize(X, (50, width))), Y[:50])
    assert vars(model) == before
    assert model.n_features_in_ == 8


# Chunks that fail


def failing(monkeypatch, error):
    """Let the second batch of a chunk fail."""
    direction, calls = RunningFactors.direction, []

    def patched(self, *args):
        calls.append(args)
        if len(calls) == 2:
            raise error
        return direction(self, *args)

    monkeypatch.setattr(RunningFactors, "direction", patched)
    return calls


@pytest.mark.parametrize("error", [KeyboardInterrupt(), np.linalg.LinAlgError()])
def test_a_stream_goes_on_after_a_chunk_that_failed(monkeypatch, error):
    """As if that chunk had not been: interrupted, or skipped with a warning."""
    X, y = multiclass(900)
    one = small().partial_fit(X[:300], y[:300], range(4))
    other = small().partial_fit(X[:300], y[:300], range(4))
    before = dict(vars(one))
    with monkeypatch.context() as patch:
        calls = failing(patch, error)
        if isinstance(error, KeyboardInterrupt):
            expected = pytest.raises(KeyboardInterrupt)
        else:
            expected = pytest.warns(ConvergenceWarning, match="has skipped a chunk")
        with expected:
            one.partial_fit(X[300:600], y[300:600])
        assert len(calls) == 2
    assert vars(one).keys() == before.keys()
    assert all(vars(one)[name] is before[name] for name in before)
    one.partial_fit(X[600:], y[600:])
    other.partial_fit(X[600:], y[600:])
    assert np.array_equal(one.predict_proba(X), other.predict_proba(X))


# What random_state decides


def weights_of(random_state):
    model = small(random_state=random_state)
    for rows in (slice(0, 70), slice(70, 150)):
        model.partial_fit(X[rows], Y[rows], range(4))
    return model.coefs_[0]


def test_random_state_decides_all():
    """Bit by bit; streams that share a generator, or numpy's own, differ."""
    before = global_state()
    assert np.array_equal(weights_of(3), weights_of(3))
    assert not np.allclose(weights_of(3), weights_of(4), atol=1e-3)
    shared = np.random.RandomState(3)
    one, other = weights_of(shared), weights_of(shared)
    assert not np.allclose(one, other, atol=1e-3)
    shared = np.random.RandomState(3)
    assert np.array_equal(weights_of(shared), one)
    assert np.array_equal(weights_of(shared), other)
    assert global_state() == before
    assert not np.allclose(weights_of(None), weights_of(None), atol=1e-3)


# Accuracy


@pytest.mark.skipif("SKGN_DATA" not in os.environ, reason="SKGN_DATA is not set")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_stream_of_letters_is_as_good_as_a_fit(dtype):
    """Ten passes over 15,000 rows in chunks of a thousand."""
    with np.load(os.path.join(os.environ["SKGN_DATA"], "letter.npz")) as data:
        X, y = data["X"].astype(dtype), data["y"]
    order = np.random.default_rng(0).permutation(len(y))
    train, test = order[:15_000], order[15_000:]
    fit = small(hidden_layer_sizes=(50,)).fit(X[train], y[train])
    stream = small(hidden_layer_sizes=(50,))
    for _ in range(10):
        for rows in train.reshape(15, 1000):
            stream.partial_fit(X[rows], y[rows], range(26))
    expected = fit.score(X[test], y[test])
    assert expected > 0.92
    assert abs(stream.score(X[test], y[test]) - expected) < 0.01


# What is kept, and told


def test_a_stream_after_a_fit_keeps_its_history():
    """With an entry for each call behind those of the iterations."""
    X, y = multiclass(400)
    model = small().fit(X, y)
    iterations, curve = model.n_iter_, model.loss_curve_
    seconds = model.history_["seconds"]
    for calls in (1, 2):
        model.partial_fit(X, y)
        assert model.n_iter_ == iterations + calls
        assert len(model.loss_curve_) == len(curve) + calls
        assert model.loss_curve_[: len(curve)] == curve
        assert model.best_iter_ == model.n_iter_
        assert {len(column) for column in model.history_.values()} == {len(curve) + calls}
        assert np.all(np.diff(model.history_["seconds"]) >= 0)
    assert np.array_equal(model.history_["seconds"][: len(curve)], seconds)
    assert model.fit(X, y).n_iter_ == iterations


def test_verbose(capsys):
    """A line for each call, under one heading."""
    model = small(verbose=True)
    for _ in range(3):
        model.partial_fit(X, Y, range(4))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["Iteration", "Objective", "Cost"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3"]
    model.set_params(verbose=False).partial_fit(X, Y)
    assert capsys.readouterr().out == ""
