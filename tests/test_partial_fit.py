"""Streams, by the estimator."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skgn import GaussNewtonMLPClassifier
from tests.problems import digits, multiclass, multilabel


def small(**parameters):
    """Return a quick classifier."""
    options = {"hidden_layer_sizes": (6,), "random_state": 0, **parameters}
    return GaussNewtonMLPClassifier(**options)


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
