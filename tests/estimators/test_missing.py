"""Cells that are missing, by the estimator."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skgn import GaussNewtonMLPClassifier
from tests.problems import DATA, binary, iris, multiclass

NAN = np.nan
ENCODINGS = [None, "auto", "piecewise"]


def small(**parameters):
    options = {"hidden_layer_sizes": (5,), "random_state": 0, "encoding": None}
    return GaussNewtonMLPClassifier(**{**options, **parameters})


def with_missing(X, share=0.1, seed=0):
    X = X.copy()
    X[np.random.default_rng(seed).uniform(size=X.shape) < share] = NAN
    return X


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [None, 30])
def test_every_kind_of_target(data, dtype, batch_size):
    """All methods take missing cells, in both precisions."""
    X, y = DATA[data]()
    X = with_missing(X).astype(dtype)
    model = small(batch_size=batch_size).fit(X, y)
    assert model.coefs_[0].dtype == dtype
    for method in ("predict_proba", "predict_log_proba", "decision_function"):
        assert np.isfinite(getattr(model, method)(X)).all()
    assert model.loss_ < model.loss_curve_[0]


def test_the_same_as_means_and_indicators():
    """Of SimpleImputer, in front of a fit without missing cells."""
    X, y = binary()
    X = with_missing(X)
    model = small().fit(X, y)
    imputer = SimpleImputer(add_indicator=True)
    expected = small().fit(imputer.fit_transform(X), y)
    assert_allclose(model.encode(X), imputer.transform(X), atol=1e-12)
    assert_allclose(
        model.predict_proba(X), expected.predict_proba(imputer.transform(X)), atol=1e-6
    )
    names = imputer.get_feature_names_out()
    assert_array_equal(model.encoded_feature_names_out_, names)


def test_that_a_cell_is_missing_can_say_all():
    """The label is whether it is."""
    X, _ = binary()
    missing = np.random.default_rng(1).uniform(size=120) < 0.4
    X[missing, 2] = NAN
    for encoding in ENCODINGS:
        model = small(encoding=encoding).fit(X, missing)
        assert model.score(X, missing) == 1


@pytest.mark.parametrize("cell", [None, NAN, "NA"])
@pytest.mark.parametrize("dtype", ["object", "Float64", "float64", "Int64"])
def test_kinds_of_missing_cells(cell, dtype):
    """None, NaN and NA of pandas are the same."""
    pandas = pytest.importorskip("pandas")
    X, y = iris()
    X = np.round(X)
    holes = X.copy()
    holes[::7, 1] = NAN
    frame = pandas.DataFrame(X, columns=list("abcd")).astype(object)
    frame.loc[::7, "b"] = pandas.NA if cell == "NA" else cell
    if dtype in ("float64",) and cell == "NA":
        frame["b"] = frame["b"].astype("Float64")
    frame = frame.astype({"a": float, "b": dtype, "c": float, "d": float})
    model = small().fit(frame, y)
    assert model.encoded_feature_names_out_[-1] == "missingindicator_b"
    expected = small().fit(holes, y)
    assert_allclose(model.predict_proba(frame), expected.predict_proba(holes), atol=1e-9)


def test_arrays_and_lists_of_objects():
    X, y = iris()
    holes = X.copy()
    holes[::7, 1] = NAN
    expected = small().fit(holes, y).predict_proba(holes)
    cells = X.astype(object)
    cells[::7, 1] = None
    for table in (cells, holes.tolist()):
        assert_array_equal(small().fit(table, y).predict_proba(table), expected)
    pandas = pytest.importorskip("pandas")
    cells[::7, 1] = pandas.NA
    assert_array_equal(small().fit(cells, y).predict_proba(cells), expected)


def test_frames_of_other_libraries():
    """Of polars and pyarrow, where they are installed."""
    polars = pytest.importorskip("polars")
    X, y = iris()
    holes = X.copy()
    holes[::7, 1] = NAN
    expected = small().fit(holes, y).predict_proba(holes)
    columns = {name: holes[:, j].tolist() for j, name in enumerate("abcd")}
    columns["b"] = [None if v != v else v for v in columns["b"]]
    frame = polars.DataFrame(columns)
    P = small().fit(frame, y).predict_proba(frame)
    assert_allclose(P, expected, atol=1e-9)
    pytest.importorskip("pyarrow")
    table = frame.to_arrow()
    P = small().fit(table, y).predict_proba(table)
    assert_allclose(P, expected, atol=1e-9)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("batch_size", [None, 30])
def test_a_column_that_is_missing_altogether(encoding, batch_size):
    """It is as if it were not there, and its cells may be known later."""
    X, y = binary()
    model = small(encoding=encoding, batch_size=batch_size)
    X[:, 3] = NAN
    model.fit(X, y)
    P = model.predict_proba(X)
    assert log_loss(y, P) < 0.6
    assert_array_equal(model.encoder_.flagged, [3])
    assert model.encoder_.fill[3] == 0
    X[:, 3] = 1e3
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("dtype", "atol"), [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize("batch_size", [None, 30])
@pytest.mark.parametrize("offset", [0, 1000])
def test_missing_only_at_predict(encoding, dtype, atol, batch_size, offset):
    """Such a cell is the weighted mean of the column in training."""
    X, y = binary()
    X = (X + offset).astype(dtype)
    weights = np.random.default_rng(0).integers(0, 3, size=120)
    model = small(encoding=encoding, batch_size=batch_size).fit(X, y, weights)
    assert len(model.encoder_.flagged) == 0
    mean = np.average(X.astype(float), axis=0, weights=weights)
    assert_allclose(model.encoder_.fill, mean, rtol=1e-6)
    for cells in ([0], [2, 5], range(6)):
        holes, means = X.copy(), X.copy()
        holes[:, cells] = NAN
        means[:, cells] = mean[cells]
        P = model.predict_proba(means)
        tolerance = atol if dtype == "float64" or offset == 0 else 1e-3
        assert_allclose(model.predict_proba(holes), P, atol=tolerance)
    assert_array_equal(model.predict(holes), model.predict(means))


def test_missing_in_some_rows_does_not_change_the_others(chunks):
    X, y = multiclass()
    model = small().fit(X, y)
    P = model.predict_proba(X)
    X[5, 2] = NAN
    assert_allclose(
        np.delete(model.predict_proba(X), 5, axis=0), np.delete(P, 5, axis=0), atol=1e-10
    )


@pytest.mark.parametrize("batch_size", [None, 30])
def test_rows_of_weight_zero_do_not_make_an_indicator(batch_size):
    """The fit is that without them, by the sample or by its class."""
    X, y = multiclass()
    weights = np.ones(150)
    weights[:10] = 0
    X[:10, 1] = NAN
    model = small(batch_size=batch_size).fit(X, y, weights)
    assert len(model.encoder_.flagged) == 0
    expected = small(batch_size=batch_size).fit(X[10:], y[10:])
    assert_allclose(model.predict_proba(X), expected.predict_proba(X), atol=1e-9)
    X[10, 1] = NAN
    model.fit(X, y, weights)
    assert_array_equal(model.encoder_.flagged, [1])
    X[y == 3, 2] = NAN
    model.set_params(class_weight={3: 0}).fit(X, y, weights)
    assert 2 not in model.encoder_.flagged


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_rows_that_are_missing_altogether(encoding):
    """They are fitted, and predicted."""
    X, y = binary()
    expected = small(encoding=encoding).fit(X, y).score(X, y)
    X[::10] = NAN
    model = small(encoding=encoding).fit(X, y)
    P = model.predict_proba(X[::10])
    assert np.isfinite(P).all()
    assert_array_equal(P, np.tile(P[0], (12, 1)))
    assert model.score(X, y) > expected - 0.2
    model.fit(np.full((120, 6), NAN), y)
    assert_allclose(model.predict_proba(X[:1])[0, 1], y.mean(), atol=0.05)


@pytest.mark.parametrize("standardize", [True, False])
def test_dense_rows_with_missing_cells_after_a_sparse_fit(standardize):
    """There is no column for them."""
    X, y = binary()
    X[np.abs(X) < 0.3] = 0
    model = small(standardize=standardize).fit(sparse.csr_array(X), y)
    X[:9, 1] = NAN
    assert np.isfinite(model.predict_proba(X)).all()


def test_encode_has_no_missing_cells_after_a_sparse_fit():
    """What it returns is what the network takes."""
    X, y = binary()
    model = small().fit(sparse.csr_array(X), y)
    X[:9, 1] = NAN
    assert np.isfinite(model.encode(X)).all()


@pytest.mark.parametrize("method", ["fit", "predict", "partial_fit"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_cells_are_an_error(method, value):
    """Beside missing ones, too; the model is left as it was."""
    X, y = binary()
    model = small().fit(with_missing(X), y)
    before = dict(vars(model))
    X[3, 1], X[4, 1] = value, NAN
    arguments = {"fit": (X, y), "predict": (X,), "partial_fit": (X, y)}[method]
    with pytest.raises(ValueError, match="Input X contains infinity"):
        getattr(model, method)(*arguments)
    assert vars(model) == before


def test_infinite_cells_beside_categories():
    pandas = pytest.importorskip("pandas")
    X, y = binary()
    frame = pandas.DataFrame(X).assign(c="a").rename(columns=str)
    model = small().fit(frame, y)
    frame.loc[3, "1"] = np.inf
    for call in (lambda: small().fit(frame, y), lambda: model.predict(frame)):
        with pytest.raises(ValueError, match="Input X contains infinity"):
            call()


def test_sparse_rows_with_missing_cells_are_an_error():
    X, y = binary()
    model = small().fit(X, y)
    X[3, 1] = NAN
    for call in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            call(sparse.csr_array(X), y)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.predict(sparse.csr_array(X))


def test_missing_labels_and_weights_are_errors():
    X, y = binary()
    with pytest.raises(ValueError, match="NaN"):
        small().fit(X, np.where(y == 0, NAN, y))
    with pytest.raises(ValueError, match="NaN"):
        small().fit(X, y, np.where(y == 0, NAN, 1))


def test_tags():
    tags = small().__sklearn_tags__().input_tags
    assert tags.allow_nan
    assert tags.sparse


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_validation_rows(encoding):
    """Missing there alone: the mean; in training, too: with the indicator."""
    X, y = multiclass(450)
    model = small(encoding=encoding, early_stopping=True)
    holes = with_missing(X)
    X_val, means = holes[300:], np.where(np.isnan(holes), X[:300].mean(axis=0), holes)
    model.fit(X[:300], y[:300], X_val=X_val, y_val=y[300:])
    expected = model.history_["validation_loss"]
    model.fit(X[:300], y[:300], X_val=means[300:], y_val=y[300:])
    assert_allclose(model.history_["validation_loss"], expected, atol=1e-6)
    model.fit(holes[:300], y[:300], X_val=X_val, y_val=y[300:])
    found = log_loss(y[300:], model.predict_proba(X_val))
    assert_allclose(found, model.history_["validation_loss"][model.best_iter_], rtol=1e-9)


@pytest.mark.parametrize("batch_size", [None, 30])
def test_warm_start_with_missing_cells_that_are_new(batch_size):
    """They are the means of the first fit."""
    X, y = multiclass()
    model = small(warm_start=True, batch_size=batch_size, max_iter=200).fit(X, y)
    fill = model.encoder_.fill
    holes = with_missing(X)
    other = small(warm_start=True, batch_size=batch_size, max_iter=200).fit(X, y)
    model.fit(holes, y)
    other.fit(np.where(np.isnan(holes), X.mean(axis=0), holes), y)
    assert_array_equal(model.encoder_.fill, fill)
    assert len(model.encoder_.flagged) == 0
    assert_allclose(model.predict_proba(X), other.predict_proba(X), atol=1e-6)


def test_a_single_class():
    X, _ = binary()
    model = small().fit(with_missing(X), np.zeros(120))
    assert_array_equal(model.predict(np.full((3, 6), NAN)), [0, 0, 0])


def test_a_frame_with_strings_and_missing_cells():
    """Scores are finite, whatever the folds hold."""
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X, y = binary(200)
    frame = pandas.DataFrame(with_missing(X)).rename(columns="x{}".format)
    words = rng.choice(["a", "b", "c", "rare"], p=[0.5, 0.3, 0.19, 0.01], size=200)
    frame["c"] = pandas.Series(words, dtype=object).where(rng.uniform(size=200) < 0.9)
    for encoding in ENCODINGS:
        scores = cross_val_score(small(encoding=encoding), frame, y, error_score="raise")
        assert scores.mean() > 0.65


def test_a_pipeline_that_leaves_nothing_missing():
    """The fit is that of the array that comes out of it."""
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X, y = binary(200)
    frame = pandas.DataFrame(with_missing(X)).rename(columns="x{}".format)
    frame["c"] = rng.choice(list("abc"), size=200)
    numbers = [f"x{j}" for j in range(6)]
    front = ColumnTransformer(
        [
            ("words", OneHotEncoder(sparse_output=False), ["c"]),
            ("numbers", SimpleImputer(add_indicator=True), numbers),
        ]
    )
    model = make_pipeline(front, small()).fit(frame, y)
    array = front.fit_transform(frame)
    expected = small().fit(array, y)
    assert_array_equal(model.predict_proba(frame), expected.predict_proba(array))
    assert model[-1].encoder_.is_plain


@pytest.mark.parametrize("again", ["partial_fit", "fit"])
def test_missing_cells_after_sparse_rows(again):
    """The columns stay those of the sparse rows: the mean, and no indicator."""
    X, y = binary()
    model = small(warm_start=True)
    model.partial_fit(sparse.csr_array(X), y, classes=[0, 1])
    X[::5, 1] = NAN
    getattr(model, again)(X, y)
    assert model.encoder_.is_plain
    assert len(model.coefs_[0]) == X.shape[1]
    assert np.isfinite(model.predict_proba(X)).all()


def test_a_missing_cell_has_the_mean_of_the_fit_whatever_its_precision():
    """The mean of a column far from zero, in float32 as in float64."""
    X = 1e8 + np.linspace(-1.9, 2, 8)[:, None]
    model = GaussNewtonMLPClassifier((), random_state=0).fit(X, np.arange(8) > 3)
    gap = np.array([[NAN]])
    expected = model.predict_proba(gap)
    assert_allclose(model.predict_proba(gap.astype(np.float32)), expected, atol=1e-9)


def test_a_penalty_that_prevails_among_gaps():
    """The warning is that of a fit without gaps."""
    X = np.random.default_rng(0).normal(size=(100, 3))
    y = X[:, 0] > 0
    X[[0, 1, 2], [0, 1, 2]] = NAN
    with pytest.warns(ConvergenceWarning, match="keeps the fit"):
        small(alpha=1e3).fit(X, y)
