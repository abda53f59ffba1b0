"""Columns, weights and parameters at the ends of the scale."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skgn.data import samples
from skgn.steps.kronecker import KroneckerStep
from tests.estimators.test_interrupts import interrupt
from tests.estimators.test_robustness import assert_sound, small
from tests.problems import binary, digits, iris, multiclass

STORED = {"dense": np.asarray, "sparse": sparse.csr_array}


# Columns


def with_column(X, values):
    """Return X with its last column replaced."""
    return np.column_stack([X[:, :-1], np.full(len(X), values)])


def sparse_and_dense(X, y, **parameters):
    """Return the largest difference of probabilities by sparse and dense X."""
    rows = sparse.csr_array(X)
    dense, other = (small(**parameters).fit(data, y) for data in (X, rows))
    assert other.stop_reason_ == dense.stop_reason_
    return np.abs(other.predict_proba(rows) - dense.predict_proba(X)).max()


@pytest.mark.parametrize("batch_size", [None, 40])
@pytest.mark.parametrize("deviations", [10.0, 1e3, 1e6, 1e8])
@pytest.mark.parametrize("shape", [(150, 6), (30, 45)], ids=["tall", "wide"])
def test_sparse_columns_far_from_zero(shape, deviations, batch_size):
    """Formed of raw values, Gram matrices would lose all their digits."""
    X, y = multiclass(shape[0], 8, seed=1)
    X = np.resize(X, shape) + 0.1 * np.random.default_rng(0).normal(size=shape)
    X[:, ::2] += deviations * X[:, ::2].std(axis=0)
    assert sparse_and_dense(X, y, batch_size=batch_size, max_iter=150) < 1e-6


@pytest.mark.parametrize("value", [5.0, 1.7e9, -1e20])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(150, 8), (20, 45)], ids=["tall", "wide"])
def test_constant_sparse_columns(shape, dtype, value):
    """They say nothing, and do not drown what the others say."""
    X, y = multiclass(shape[0], 8)
    X = with_column(np.resize(X, shape), value).astype(dtype)
    assert sparse_and_dense(X, y) < (1e-4 if dtype == "float32" else 1e-9)


@pytest.mark.parametrize("size", [1e154, 1e200, 1e299, 1e-170, 1e-250])
@pytest.mark.parametrize("stored", STORED)
def test_columns_of_any_size(stored, size):
    """Squares would overflow or vanish: the fit is that in other units."""
    X, y = binary()
    units = np.where(np.arange(X.shape[1]) % 2, size, 1.0)
    model = small().fit(STORED[stored](X * units), y)
    assert_sound(model, X * units)
    expected = small().fit(X, y).predict_proba(X)
    assert_allclose(model.predict_proba(X * units), expected, atol=1e-8)


@pytest.mark.parametrize("fit", ["fit", "partial_fit"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stored", STORED)
def test_columns_next_to_the_largest_number(stored, dtype, fit):
    """They are refused by name, at the first call as at a later one."""
    pandas = pytest.importorskip("pandas")
    X, y = binary()
    X = X.astype(dtype)
    options = {"classes": [0, 1]} if fit == "partial_fit" else {}
    for sign in (1, -1):
        far = X.copy()
        far[7, 3] = sign * 0.99 * np.finfo(dtype).max
        model = small()
        with pytest.raises(ValueError, match=r"Feature 3 of X has values of size .*e"):
            getattr(model, fit)(STORED[stored](far), y, **options)
        assert not hasattr(model, "coefs_")
        getattr(model, fit)(STORED[stored](X), y, **options)
        before = dict(vars(model))
        with pytest.raises(ValueError, match="Feature 3 of X"):
            getattr(model, fit)(STORED[stored](far), y)
        assert vars(model) == before
    with pytest.raises(ValueError) as error:
        getattr(small(), fit)(far, y, **options)
    assert type(pickle.loads(pickle.dumps(error.value))) is ValueError  # from a worker
    table = pandas.DataFrame(far, columns=[f"column {i}" for i in range(6)])
    with pytest.raises(ValueError, match="Feature 'column 3' of X has values of size"):
        getattr(small(), fit)(table, y, **options)


def test_a_warm_start_on_columns_that_have_moved():
    """A column that was constant has a random weight, which must not be scaled up."""
    X, y = multiclass()
    model = small(warm_start=True).fit(with_column(X, 5.0), y)
    moved = with_column(X, 1e9 * np.random.default_rng(0).normal(size=len(X)))
    model.fit(moved, y)
    assert model.loss_curve_[0] < 3
    assert model.score(moved, y) > 0.7


# Weights


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("size", [1e-310, 5e-324, 1e-30, 1e30, 1e307, 1.7e308])
def test_equal_weights_of_any_size(size, standardize, stored):
    """Their sum may overflow; they count as ones all the same."""
    X, y = binary()
    X = STORED[stored](X)
    weights = np.full(len(y), size)
    expected = small(standardize=standardize).fit(X, y)
    model = small(standardize=standardize).fit(X, y, weights)
    assert_sound(model, X)
    assert_allclose(model.predict_proba(X), expected.predict_proba(X), atol=1e-9)


@pytest.mark.parametrize("how", ["fit", "batches", "stream"])
@pytest.mark.parametrize("class_weight", [None, {0: 0.0}])
def test_samples_of_no_weight_in_a_memory_map(tmp_path, monkeypatch, class_weight, how):
    """The file is not copied, and its samples without weight are not read."""
    monkeypatch.setattr(samples, "MAPPED_BYTES", 1000)
    X, y = multiclass(300)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    weights = (np.arange(300) % 3 > 0).astype(float)
    kept = weights > 0
    method, options = ("partial_fit", [range(4)]) if how == "stream" else ("fit", [])
    batch_size = 32 if how == "batches" else None
    fits = []
    for data, labels, given in ((X[kept], y[kept], weights[kept]), (mapped, y, weights)):
        model = small(batch_size=batch_size, class_weight=class_weight, max_iter=100)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            getattr(model, method)(data, labels, *options, sample_weight=given)
        fits.append(model.predict_proba(X))
    if how == "batches":  # of other samples, in blocks of neighbours
        assert np.isfinite(fits[1]).all()
    else:
        assert_allclose(*fits, atol=1e-9)


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pair", [(5e-324, 1.0), (1.0, 1.7e308), (1e-308, 1e308)])
def test_weights_at_both_ends_of_the_scale(pair, dtype, stored):
    """The light samples exist, and have no say."""
    X, y = multiclass()
    X = X.astype(dtype)
    light = np.arange(len(y)) % 3 == 0
    weights = np.where(light, *pair)
    model = small().fit(STORED[stored](X), y, weights)
    assert_sound(model, X)
    expected = small().fit(STORED[stored](X[~light]), y[~light])
    difference = model.predict_proba(X[~light]) - expected.predict_proba(X[~light])
    # the initial weights of the two fits are the same, the statistics all but
    assert np.abs(difference).max() < (1e-2 if dtype == "float32" else 1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("fit", ["fit", "partial_fit"])
@pytest.mark.parametrize("class_weight", [{0: 1, 1: 1e308}, {0: 1e-320, 1: 1}])
@pytest.mark.parametrize("weights", [None, (1e308, 1e-308)])
def test_class_weights_at_both_ends_of_the_scale(weights, class_weight, fit):
    """Both classes exist, whatever their weights amount to."""
    X, y = binary()
    if weights is not None:
        weights = np.where(y == 0, *weights)
    model = small(class_weight=class_weight)
    options = {"classes": [0, 1]} if fit == "partial_fit" else {}
    getattr(model, fit)(X, y, sample_weight=weights, **options)
    assert_array_equal(model.classes_, [0, 1])
    assert np.isfinite(model.predict_proba(X)).all()
    assert np.isfinite(model.loss_curve_).all()


def test_balanced_weights_of_tiny_samples():
    """1 / totals would overflow."""
    X, y = binary(200)
    tiny = np.full(len(y), 1e-310)
    model = small(class_weight="balanced").fit(X, y, tiny)
    expected = small(class_weight="balanced").fit(X, y)
    assert_allclose(model.class_weight_, expected.class_weight_)
    assert_allclose(model.predict_proba(X), expected.predict_proba(X), atol=1e-9)


# Parameters


@pytest.mark.parametrize("fit", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("dtype", "parameters", "what"),
    [
        ("float32", {"alpha": 1e39}, "large"),
        ("float64", {"alpha": 1e308}, "large"),
        ("float32", {"damping": 1.7e308}, "large"),
        ("float64", {"damping": 1.7e308}, "large"),
        ("float32", {"damping": 1e-300}, "small"),
    ],
)
def test_numbers_that_a_precision_does_not_have(dtype, parameters, what, fit):
    """The parameter is named, not X."""
    X, y = binary()
    ((name, value),) = parameters.items()
    options = {"classes": [0, 1]} if fit == "partial_fit" else {}
    message = rf"{name}={value!r} is too {what} .*{dtype}".replace("+", r"\+")
    with pytest.raises(ValueError, match=message):
        getattr(small(**parameters), fit)(X.astype(dtype), y, **options)


def test_no_advice_that_has_been_followed(monkeypatch):
    """standardize=True is not recommended where it is set, nor float64 in float64."""
    X, y = binary()
    with pytest.warns(ConvergenceWarning, match="no step of any size") as record:
        small(standardize=False, activation="relu").fit(X * 1e200, y)
    assert "standardize=True" in str(record[0].message)
    assert "float64" not in str(record[0].message)
    interrupt(monkeypatch, KroneckerStep, "propose", np.linalg.LinAlgError(), after=3)
    with pytest.warns(ConvergenceWarning, match="no step of any size") as record:
        small().fit(X.astype("float32"), y)
    assert "standardize" not in str(record[0].message)
    assert "float64" in str(record[0].message)


@pytest.mark.parametrize("batch_size", [None, 20])
def test_effective_parameters_of_a_fit_without_iterations(batch_size):
    """The curvature is looked at nevertheless."""
    model = small(cost_threshold=10.0, batch_size=batch_size).fit(*iris())
    assert model.n_iter_ == 0
    assert 0 < model.n_effective_parameters_ < 4 * 6 + 6 * 3


# Penalties that are too strong

PENALTY = r"alpha=1 keeps .* its alpha=1 is alpha=0\.005 \(or 0\.00056\) here"


@pytest.mark.parametrize("batch_size", [None, 100])
@pytest.mark.parametrize("solver", ["kronecker", "joint"])
def test_a_penalty_that_leaves_nothing_to_be_learned(solver, batch_size):
    """As an alpha of MLPClassifier may; the warning has its value here."""
    if solver == "joint" and batch_size is not None:
        pytest.skip("no mini-batches")
    X, y = digits()
    options = {"alpha": 1.0, "solver": solver, "batch_size": batch_size}
    model = small(**options, encoding=None, max_iter=40)
    with pytest.warns(ConvergenceWarning, match=PENALTY):
        model.fit(X, y)
    assert model.score(X, y) < 0.3


@pytest.mark.parametrize("case", ["weak penalty", "constant columns", "noise", "auto"])
def test_fits_that_learn_nothing_for_other_reasons(case):
    """The penalty is not blamed."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 3)), rng.integers(0, 2, 300)
    alpha = {"weak penalty": 0.05, "auto": "auto"}.get(case, 1e-3)
    if case == "weak penalty":
        y = (X[:, 0] > 0).astype(int)
    if case == "constant columns":
        X, alpha = np.ones_like(X), 1.0
    model = small(alpha=alpha).fit(X, y)
    assert model.stop_reason_ == "converged"
