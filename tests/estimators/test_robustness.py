"""Data as it comes: degenerate, badly scaled, sparse, wide, weighted, interrupted."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skgn import GaussNewtonMLPClassifier
from tests.problems import DATA, binary, iris, multiclass, multilabel, separable, wide

METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]


def small(**parameters):
    """Return a quick classifier with a well-determined optimum path."""
    options = {"hidden_layer_sizes": (6,), "activation": "tanh", "alpha": 1e-2}
    options["encoding"] = None
    return GaussNewtonMLPClassifier(
        **{**options, "random_state": 0, "max_iter": 500, **parameters}
    )


def assert_sound(model, X):
    """Check that a fitted model holds and predicts finite numbers."""
    for array in (*model.coefs_, *model.intercepts_, *model.loss_curve_):
        assert np.isfinite(array).all()
    assert np.all(np.diff(model.loss_curve_) <= 0)
    for method in METHODS[1:]:
        assert np.isfinite(getattr(model, method)(X)).all()
    proba = model.predict_proba(X)
    assert np.all((proba >= 0) & (proba <= 1))


# Degenerate data


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("solution", ["tall", "wide"])
def test_duplicate_columns(solution, dtype):
    """Columns given twice: finite, as good, and equal weights for equal columns."""
    X, y = iris() if solution == "tall" else wide()
    X = X.astype(dtype)
    model = small().fit(np.hstack([X, X]), y)
    assert_sound(model, np.hstack([X, X]))
    assert model.score(np.hstack([X, X]), y) > 0.95
    n = X.shape[1]
    tolerance = {"float32": 1e-3, "float64": 1e-8}[dtype]
    assert_allclose(model.coefs_[0][:n], model.coefs_[0][n:], atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_doubled_columns_are_one_column_of_twice_the_weight(dtype):
    """Without hidden layers: alpha on (w, w) is alpha / 2 on the sum 2 w."""
    X, y = binary()
    X = X.astype(dtype)
    options = {"hidden_layer_sizes": (), "activation": "relu", "tol": 1e-6}
    one = small(**options, alpha=0.1).fit(X, y)
    two = small(**options, alpha=0.2).fit(np.hstack([X, X]), y)
    expected = one.predict_proba(X)
    assert_allclose(two.predict_proba(np.hstack([X, X])), expected, atol=2e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3, 1e-12, 1e12])
def test_constant_columns_change_nothing(value, dtype):
    """A constant column adds a zero: the fit of the others is that without it."""
    X, y = iris()
    X = X.astype(dtype)
    padded = np.hstack([X, np.full((len(X), 1), value, dtype)])
    model = small().fit(padded, y)
    assert_sound(model, padded)
    assert model.score(padded, y) > 0.95
    # the initial weights are drawn for one more column, and the constant one gets none
    assert_allclose(model.coefs_[0][-1], 0, atol=1e-6)


def test_columns_constant_to_rounding_change_little():
    """Timestamps of one day in float32 differ by a rounding or two: no harm done."""
    X, y = iris()
    rng = np.random.default_rng(0)
    times = (1.7e9 + 128 * rng.integers(0, 2, size=(len(X), 1))).astype(np.float32)
    padded = np.hstack([X.astype(np.float32), times])
    model = small().fit(padded, y)
    assert_sound(model, padded)
    assert model.score(padded, y) > 0.95
    assert model.loss_ < 1.2 * small().fit(X, y).loss_


@pytest.mark.parametrize("shape", [(20, 3), (3, 20)], ids=["tall", "wide"])
@pytest.mark.parametrize("standardize", [False, True])
def test_all_equal_rows(shape, standardize):
    """Rows that say nothing are given the frequencies of the classes."""
    X = np.tile(np.arange(1.0, shape[1] + 1), (shape[0], 1))
    y = np.arange(shape[0]) % 3
    model = small(standardize=standardize, tol=1e-10).fit(X, y)
    assert_sound(model, X)
    frequency = np.bincount(y) / len(y)
    atol = 1e-6 if standardize else 0.05
    assert_allclose(model.predict_proba(X), np.tile(frequency, (len(y), 1)), atol=atol)


@pytest.mark.parametrize("label", [0, 7, "only", True, 2.0])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_one_class(label, as_sparse):
    """One class: nothing to fit, no warning, that class for every row."""
    X = np.random.default_rng(0).normal(size=(12, 3))
    data = sparse.csr_array(X) if as_sparse else X
    model = small().fit(data, np.full(12, label))
    assert model.stop_reason_ == "single_class"
    assert_array_equal(model.predict(data), np.full(12, label))
    assert_array_equal(model.predict_proba(data), np.ones((12, 1)))
    assert_array_equal(model.predict_log_proba(data), np.zeros((12, 1)))
    assert model.decision_function(data).shape == (12,)
    assert model.n_iter_ == 0
    assert len(model.loss_curve_) == 1
    assert [W.shape for W in model.coefs_] == [(3, 6), (6, 1)]


def test_one_class_of_positive_weight():
    """Classes whose rows all have weight zero do not exist."""
    X, y = iris()
    model = small().fit(X, y, (y == 1).astype(float))
    assert_array_equal(model.classes_, [1])
    assert_array_equal(model.predict(X), 1)


@pytest.mark.parametrize("data", DATA)
def test_one_row(data):
    """A single row is one class, or one set of labels."""
    X, y = DATA[data]()
    model = small().fit(X[:1], y[:1])
    assert_sound(model, X)
    assert_array_equal(model.predict(X[:1]), y[:1])


@pytest.mark.parametrize("m", [2, 3])
def test_as_many_classes_as_rows(m):
    """Each row its own class."""
    X = np.random.default_rng(0).normal(size=(m, 2))
    model = small(alpha=1e-5).fit(X, np.arange(m))
    assert_sound(model, X)
    assert_array_equal(model.predict(X), np.arange(m))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_column(dtype):
    """One column, with classes in intervals."""
    X = np.linspace(-1, 1, 60, dtype=dtype)[:, None]
    y = np.digitize(X[:, 0], [-0.4, 0.3])
    model = small(alpha=1e-5).fit(X, y)
    assert_sound(model, X)
    assert model.score(X, y) > 0.95


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [(), (8,), (6, 6)])
def test_separable_without_penalty(sizes, dtype):
    """The cost goes to zero and nothing overflows on the way."""
    X, y = separable()
    model = small(hidden_layer_sizes=sizes, alpha=0.0, cost_threshold=1e-8, tol=0.0).fit(
        X.astype(dtype), y
    )
    assert model.stop_reason_ == "cost_threshold"
    assert_sound(model, X)
    assert model.score(X, y) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("data", ["separable", "wide", "iris"])
def test_fit_to_the_last_bit(data, dtype):
    """Without penalty, tolerance or threshold: to an objective of zero, but for rounding.

    It does not run on to max_iter, nor into a damping at which nothing moves.
    """
    X, y = {"separable": separable, "wide": wide, "iris": iris}[data]()
    X = X.astype(dtype)
    model = small(alpha=0.0, tol=0.0, max_iter=300).fit(X, y)
    assert_sound(model, X)
    assert model.stop_reason_ == "converged"
    assert model.loss_ <= np.finfo(dtype).eps ** 2
    assert model.score(X, y) > 0.97


def test_rare_classes():
    """A class of one row among many is learned, and known to the validation split."""
    X, y = multiclass()
    y = y.copy()
    y[0] = 9
    model = small(hidden_layer_sizes=(30,), alpha=1e-6).fit(X, y)
    assert_array_equal(model.predict(X[:1]), [9])
    stopped = small(early_stopping=True).fit(X, y)
    assert_array_equal(stopped.classes_, [0, 1, 2, 3, 9])
    assert_sound(stopped, X)


# Units


@pytest.mark.parametrize("unit", [1e-12, 1e12])
@pytest.mark.parametrize("data", ["binary", "multiclass", "wide"])
def test_column_units_in_float64(data, unit):
    """Columns in other units make the same fit."""
    X, y = DATA[data]()
    units = np.where(np.arange(X.shape[1]) % 2, unit, 1.0)
    expected = small().fit(X, y)
    model = small().fit(X * units, y)
    assert_sound(model, X * units)
    assert_allclose(model.predict_proba(X * units), expected.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("unit", [1e-12, 1e12])
@pytest.mark.parametrize("data", ["binary", "multiclass", "wide"])
def test_column_units_in_float32(data, unit):
    """In float32, fits agree as far as the rounded data do."""
    X, y = DATA[data]()
    X = X.astype(np.float32)
    unit = np.float32(2.0 ** np.round(np.log2(unit)))  # exact in float32
    units = np.where(np.arange(X.shape[1]) % 2, unit, np.float32(1))
    expected = small(alpha=0.1).fit(X, y)
    model = small(alpha=0.1).fit(X * units, y)
    assert_sound(model, X * units)
    assert_allclose(model.predict_proba(X * units), expected.predict_proba(X), atol=1e-2)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("unit", [1e-12, 1e12])
@pytest.mark.parametrize("data", ["binary", "multiclass", "wide"])
def test_raw_units_without_standardisation(data, unit, dtype):
    """Raw columns may be hopeless to fit, but nothing breaks or warns of overflow."""
    X, y = DATA[data]()
    X = (X * np.where(np.arange(X.shape[1]) % 2, unit, 1.0)).astype(dtype)
    model = small(standardize=False).fit(X, y)
    assert_sound(model, X)


@pytest.mark.parametrize("activation", ["identity", "relu", "silu"])
@pytest.mark.parametrize("unit", [1e15, 1e200])
def test_absurd_units_without_standardisation(activation, unit):
    """Raw columns that no step can serve: the fit warns of them, and of no overflow."""
    X, y = binary()
    model = small(standardize=False, activation=activation)
    with pytest.warns(ConvergenceWarning, match="standardize=True") as record:
        model.fit(X * unit, y)
    assert len(record) == 1
    assert model.stop_reason_ == "damping"
    assert_sound(model, X * unit)


@pytest.mark.parametrize("unit", [1e15, 1e200])
def test_absurd_units_saturate_units(unit):
    """They are constant signs then, on which the output layer is fitted."""
    X, y = binary()
    model = small(standardize=False).fit(X * unit, y)
    assert model.stop_reason_ == "converged"
    assert model.loss_ < 0.8 * model.loss_curve_[0]
    assert_sound(model, X * unit)


def test_float32_columns_far_from_zero():
    """A column whose mean is 1e5 deviations is fitted and predicted with its digits."""
    X, y = iris()
    X = X / X.std(axis=0)
    moved = (X + 1e5).astype(np.float32)
    exact = moved.astype(np.float64) - 1e5
    model = small(alpha=0.1).fit(moved, y)
    expected = small(alpha=0.1).fit(exact, y)
    assert_allclose(model.predict_proba(moved), expected.predict_proba(exact), atol=1e-2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("activation", ["identity", "relu", "silu", "tanh"])
def test_absurd_rows_to_predict(data, activation, as_sparse, dtype):
    """Test rows of the largest numbers there are give finite predictions."""
    X, y = DATA[data]()
    model = small(activation=activation, hidden_layer_sizes=(5, 4)).fit(
        X.astype(dtype), y
    )
    largest = 1e300 if dtype == "float64" else 1e35
    absurd = np.array([np.full(X.shape[1], largest), np.full(X.shape[1], -largest)])
    absurd[1, ::2] = largest
    absurd = absurd.astype(dtype)
    absurd = sparse.csr_array(absurd) if as_sparse else absurd
    for method in METHODS:
        assert np.isfinite(getattr(model, method)(absurd)).all()


@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_absurd_validation_rows(dtype, as_sparse):
    """Absurd validation rows have a finite loss."""
    X, y = binary()
    absurd = X.astype(dtype)
    absurd[::3] *= 1e300 if dtype == "float64" else 1e35
    absurd = sparse.csr_array(absurd) if as_sparse else absurd
    model = small(early_stopping=True).fit(X.astype(dtype), y, X_val=absurd, y_val=y)
    assert np.isfinite(model.history_["validation_loss"]).all()


# Sparse, memory-mapped and differently laid out


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "matrix", "unsorted"])
def test_sparse_equals_dense(data, kind):
    """Sparse rows in any format make the fit of dense ones, tall and wide."""
    X, y = DATA[data]()
    X = np.where(np.random.default_rng(0).uniform(size=X.shape) < 0.5, 0, X)
    expected = small().fit(X, y)
    rows = {
        "csr": sparse.csr_array,
        "csc": sparse.csc_array,
        "coo": sparse.coo_array,
        "matrix": sparse.csr_matrix,
        "unsorted": lambda X: sparse.csr_array(sparse.csc_array(X[:, ::-1]))[:, ::-1],
    }[kind](X)
    model = small().fit(rows, y)
    assert model.n_iter_ == expected.n_iter_
    for either in (X, rows):
        assert_allclose(
            model.predict_proba(either), expected.predict_proba(either), atol=1e-6
        )


def test_sparse_rows_with_repeated_entries():
    """Entries of a sparse matrix that were stored in two parts are added up."""
    X, y = binary()
    X[X < 0] = 0
    m, n = X.shape
    indices = np.tile(np.repeat(np.arange(n), 2), m)
    data = np.repeat(X.ravel() / 2, 2)
    parts = sparse.csr_array((data, indices, np.arange(m + 1) * 2 * n), shape=(m, n))
    assert_allclose(parts.toarray(), X)
    expected = small().fit(X, y).predict_proba(X)
    stored = parts.nnz
    model = small().fit(parts, y)
    assert_allclose(model.predict_proba(X), expected, atol=1e-6)
    assert_allclose(model.predict_proba(parts), expected, atol=1e-6)
    assert parts.nnz == stored  # the caller's matrix stays as it is


def test_sparse_with_large_indices():
    """64-bit indices."""
    X, y = binary()
    rows = sparse.csr_array(X)
    rows.indices = rows.indices.astype(np.int64)
    rows.indptr = rows.indptr.astype(np.int64)
    expected = small().fit(X, y).predict_proba(X)
    assert_allclose(small().fit(rows, y).predict_proba(rows), expected, atol=1e-6)


@pytest.mark.parametrize("data", DATA)
def test_read_only_memory_maps(data, tmp_path):
    """Rows, targets and weights that cannot be written to."""
    X, y = DATA[data]()
    weights = np.random.default_rng(0).uniform(size=len(y))
    expected = small().fit(X, y, weights).predict_proba(X)
    mapped = []
    for name, array in {"X": X, "y": y, "weights": weights}.items():
        np.save(tmp_path / f"{name}.npy", array)
        mapped.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    assert not mapped[0].flags.writeable
    actual = small().fit(*mapped).predict_proba(mapped[0])
    assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    "layout",
    [np.asfortranarray, lambda X: np.repeat(X, 2, axis=1)[:, ::2]],
    ids=["Fortran", "strided"],
)
def test_memory_layout(layout):
    """Any layout of the same numbers makes the same fit."""
    X, y = multiclass()
    expected = small().fit(X, y).predict_proba(X)
    data = layout(X)
    assert_allclose(small().fit(data, y).predict_proba(data), expected, rtol=1e-8)


# Wide data


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_row_space_gives_the_fit_of_the_columns(standardize, as_sparse):
    """Around n = m both ways of training exist, and weights carry one to the other."""
    X, y = wide(m=60, n=60)
    weights = np.ones(60)
    # rows 0 and 1 as one row of weight 2 have m < n, which trains in the row space
    X[1], y[1] = X[0], y[0]
    data = sparse.csr_array(X) if as_sparse else X
    tall = small(standardize=standardize).fit(data, y, weights)
    weights[0], keep = 2, np.arange(60) != 1
    by_rows = small(standardize=standardize).fit(data[keep], y[keep], weights[keep])
    assert by_rows.n_iter_ == tall.n_iter_
    assert_allclose(by_rows.predict_proba(data), tall.predict_proba(data), atol=1e-6)


def test_truncated_factor_still_fits(monkeypatch):
    """Past the limit of complete decompositions the fit is sound and as good."""
    monkeypatch.setattr("skgn.data.first_layer.LARGEST_SIDE", 20)
    monkeypatch.setattr("skgn.data.first_layer.TRUNCATED_RANK", 8)
    X, y = wide(m=40, n=90)
    for data in (X, sparse.csr_array(X), X.astype(np.float32)):
        model = small().fit(data, y)
        assert_sound(model, data)
        assert model.score(data, y) == 1


def test_wide_data_needs_no_square_matrix_of_its_columns(monkeypatch):
    """Nothing that numpy allocates on the way has n x n entries."""
    X = np.random.default_rng(0).normal(size=(20, 3000)).astype(np.float32)
    y = np.arange(20) % 2
    sides = []
    eigh = np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda A: sides.append(len(A)) or eigh(A))
    model = small(alpha=1e-4).fit(X, y)
    assert max(sides) <= 21
    assert model.score(X, y) == 1


# Row weights


def weighted_and_repeated(X, y, repeats, **parameters):
    """Return the fits on weighted rows and on repeated ones."""
    index = np.repeat(np.arange(len(y)), repeats)
    weighted = small(**parameters).fit(X, y, repeats.astype(float))
    return weighted, small(**parameters).fit(X[index], y[index])


@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize("sizes", [(), (6,), (5, 4)])
@pytest.mark.parametrize("data", DATA)
def test_weights_are_repetition(data, sizes, as_sparse):
    """A weight of 2 is a row twice, a weight of 0 no row; turn by turn."""
    X, y = DATA[data]()
    repeats = np.random.default_rng(0).integers(0, 4, size=len(y))
    rows = sparse.csr_array(X) if as_sparse else X
    one, two = weighted_and_repeated(rows, y, repeats, hidden_layer_sizes=sizes)
    assert one.n_iter_ == two.n_iter_
    assert_allclose(one.loss_curve_, two.loss_curve_, rtol=1e-8)
    assert_allclose(one.predict_proba(X), two.predict_proba(X), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("data", ["binary", "multiclass"])
def test_weights_are_repetition_under_class_weights(data):
    """Class weights are counted in row weights."""
    X, y = DATA[data]()
    repeats = np.random.default_rng(0).integers(0, 4, size=len(y))
    for class_weight in ("balanced", {0: 2.0, 1: 0.5}):
        if class_weight != "balanced" and data == "multiclass":
            class_weight = {**class_weight, 2: 1.0, 3: 3.0}
        one, two = weighted_and_repeated(X, y, repeats, class_weight=class_weight)
        assert_allclose(one.predict_proba(X), two.predict_proba(X), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("data", DATA)
def test_rows_of_weight_zero_do_not_exist(data):
    """Absurd rows of weight zero leave no trace, not even in the classes."""
    X, y = DATA[data]()
    extra = np.full((3, X.shape[1]), 1e200)
    X_more, y_more = np.vstack([X, extra]), np.concatenate([y, y[:3]])
    if data != "multilabel":
        y_more[-3:] = 99
    weights = np.r_[np.ones(len(y)), np.zeros(3)]
    expected, model = small().fit(X, y), small().fit(X_more, y_more, weights)
    assert_array_equal(model.classes_, expected.classes_)
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


@pytest.mark.parametrize("factor", [1e-6, 3.0, 1e6])
def test_scale_of_the_weights_does_not_matter(factor):
    """Cost and penalty are relative to the sum of the weights."""
    X, y = multiclass()
    weights = np.random.default_rng(0).uniform(0.1, 1, len(y))
    one, two = small().fit(X, y, weights), small().fit(X, y, factor * weights)
    assert_allclose(one.predict_proba(X), two.predict_proba(X), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_of_very_different_size(dtype):
    """Weights over twelve orders of magnitude: the light rows hardly count."""
    X, y = binary()
    X = X.astype(dtype)
    weights = np.where(np.arange(120) < 60, 1.0, 1e-12)
    model = small().fit(X, y, weights)
    assert_sound(model, X)
    expected = small().fit(X[:60], y[:60])
    assert abs(model.score(X[:60], y[:60]) - expected.score(X[:60], y[:60])) < 0.05


def test_multilabel_with_few_rows():
    """Labels on two rows."""
    X, Y = multilabel()
    model = small().fit(X[:2], Y[:2])
    assert_sound(model, X)
