"""Graphs of ONNX predict what the estimators predict."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_iris, make_classification, make_friedman1
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgn import (
    GaussNewtonMLPClassifier,
    GaussNewtonMLPEnsembleClassifier,
    GaussNewtonMLPEnsembleRegressor,
    GaussNewtonMLPRegressor,
)
from skgn.estimators.real_targets import LOSSES
from skgn.model.activations import ACTIVATIONS

skl2onnx = pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

import skgn.onnx  # noqa: E402

DOCS = Path(__file__).parents[1] / "docs"
TYPES = skl2onnx.common.data_types
TOLERANCE = 1e-5

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def registered():
    skgn.onnx.register()
    skgn.onnx.register()  # does no harm


def net(sizes=(6,), **parameters):
    own = {
        "alpha": 1e-3,
        "max_iter": 8,
        "random_state": 0,
        "encoding": None,
        **parameters,
    }
    return GaussNewtonMLPClassifier(sizes, **own)


def problem(targets="binary", m=240, n=6, seed=0):
    """Return X, of different units, and y."""
    n_classes = 2 if targets in ("binary", "labels", "one") else 4
    X, y = make_classification(
        m, n, n_informative=n - 1, n_redundant=0, n_classes=n_classes, random_state=seed
    )
    X = X * 10.0 ** np.arange(-2, n - 2) + np.arange(n)
    if targets == "strings":
        return X, np.array(["ab", "c", "ä", "z"])[y]
    if targets == "objects":
        return X, np.array(["ab", "c", "ä", "z"], dtype=object)[y]
    if targets == "labels":
        return X, y.astype(bool)
    if targets == "floats":
        return X, y * 2.0 - 3
    if targets == "large":
        return X, y.astype(np.int64) * 2**40 - 7
    if targets == "one":
        return X, np.full(m, 3)
    if targets == "multilabel":
        return X, np.column_stack([y == 0, y > 1, y == 3]).astype(int)
    return X, y


def session(model, types, **parameters):
    graph = skl2onnx.convert_sklearn(model, initial_types=types, **parameters)
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def matrix(n, kind=TYPES.FloatTensorType):
    return [("X", kind([None, n]))]


def outputs(model, X, kind=TYPES.FloatTensorType, **parameters):
    """Return labels and probabilities of a graph that takes one matrix."""
    own = {"options": {id(model): {"zipmap": False}}, **parameters}
    return session(model, matrix(X.shape[1], kind), **own).run(None, {"X": X})


def check(model, X, tolerance=TOLERANCE, kind=TYPES.FloatTensorType, **parameters):
    """Compare a graph that takes one matrix with the model."""
    label, proba = outputs(model, X, kind, **parameters)
    agree(model, X, label, proba, tolerance)
    return label, proba


def agree(model, X, label, proba, tolerance=TOLERANCE):
    expected = model.predict_proba(X)
    assert proba.shape == expected.shape
    np.testing.assert_allclose(proba, expected, rtol=0, atol=tolerance)
    predicted = model.predict(X)
    assert label.shape == predicted.shape
    # where two labels are equally likely, rounding decides
    margin = np.abs(np.diff(np.sort(expected, axis=1)[:, -2:], axis=1)).ravel()
    if predicted.ndim == 2:
        sure = np.abs(expected - 0.5) > tolerance
        assert np.array_equal(label[sure], predicted[sure])
    else:
        sure = margin > 2 * tolerance if len(margin) else slice(None)
        assert np.array_equal(label[sure], predicted[sure])


# Networks.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [(5,), (7, 5)])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_activations(activation, sizes, dtype):
    X, y = problem("multiclass")
    model = net(sizes, activation=activation).fit(X.astype(dtype), y)
    label, proba = check(model, X.astype("f"))
    assert (label.dtype, proba.dtype) == (np.int64, np.float32)


def test_activations_may_differ_from_layer_to_layer():
    X, y = problem("multiclass")
    model = net((6, 5, 4), activation=["silu", "tanh", "leaky_relu"]).fit(X, y)
    check(model, X.astype("f"))


@pytest.mark.parametrize(
    "targets",
    ["binary", "multiclass", "strings", "objects", "labels", "floats", "large", "one"],
)
@pytest.mark.parametrize("encoding", [None, "piecewise"])
@pytest.mark.parametrize("sizes", [(), (6,)])
def test_targets(sizes, encoding, targets):
    X, y = problem(targets)
    model = net(sizes, encoding=encoding).fit(X, y)
    label, _ = check(model, X.astype("f"))
    strings = targets in ("strings", "objects")
    assert label.dtype == (object if strings else np.int64)


@pytest.mark.parametrize("n_labels", [1, 2, 3])
def test_multilabel(n_labels):
    X, Y = problem("multilabel")
    model = net().fit(X, Y[:, :n_labels] if n_labels > 1 else Y)
    label, _ = check(model, X.astype("f"))
    assert label.dtype == np.int64


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("encoding", [None, "piecewise"])
def test_without_standardising(encoding, standardize):
    X, y = problem()
    X /= X.std(axis=0)
    check(net(standardize=standardize, encoding=encoding).fit(X, y), X.astype("f"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("encoding", [None, "piecewise"])
@pytest.mark.parametrize("in_fit", [True, False])
def test_missing_numbers(in_fit, encoding, dtype):
    X, y = problem("multiclass")
    holes = X.copy()
    holes[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    model = net(encoding=encoding).fit((holes if in_fit else X).astype(dtype), y)
    check(model, holes.astype("f"))


@pytest.mark.parametrize("encoding", [None, "piecewise"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_means_of_many_deviations(dtype, encoding):
    X, y = problem("multiclass")
    X = (X / X.std(axis=0) + np.array([0, 10, 100, 1e3, 1e4, 1e5])).astype("f")
    check(net(encoding=encoding).fit(X.astype(dtype), y), X)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_heavy_tails(dtype):
    """Knots are close to each other, far from the mean."""
    X, y = problem("multiclass")
    X = np.exp(3 * X / X.std(axis=0)).astype("f")
    check(net(encoding="piecewise").fit(X.astype(dtype), y), X)


def test_a_sparse_fit_takes_dense_inputs():
    X, y = problem()
    X[np.abs(X) < np.median(np.abs(X))] = 0
    model = net().fit(sparse.csr_array(X), y)
    check(model, X.astype("f"))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("size", [1e6, 1e12, 1e30, 3e38])
def test_values_of_any_size(size, activation):
    """What is far beyond the training samples leaves no NaN."""
    X, y = problem()
    model = net((6, 5), activation=activation).fit(X, y)
    far = np.vstack([size * np.eye(6), -size * np.eye(6)]).astype("f")
    check(model, far)


@pytest.mark.parametrize("dtype, tolerance", [("float32", TOLERANCE), ("float64", 1e-12)])
def test_doubles(dtype, tolerance):
    """A graph of doubles has the precision of the fit."""
    X, y = problem("multiclass")
    model = net((7, 5), encoding="piecewise", activation="leaky_relu")
    model.fit(X.astype(dtype), y)
    _, proba = check(model, X, tolerance, TYPES.DoubleTensorType)
    assert proba.dtype == np.float64


def test_integers():
    X, y = load_iris(return_X_y=True)
    X = np.rint(10 * X).astype(np.int64)
    check(net(encoding="piecewise").fit(X, y), X, kind=TYPES.Int64TensorType)


@pytest.mark.parametrize("opset", [13, 15, 18, 20, 21, 22])
def test_opsets(opset):
    if opset > skl2onnx.__max_supported_opset__:
        pytest.skip("skl2onnx is older")
    X, y = problem("strings")
    X[::7, 0] = np.nan
    X[:, 1] = np.rint(X[:, 1]) % 3
    model = net((6, 5), encoding="piecewise", activation="silu", categorical_features=[1])
    check(model.fit(X, y), X.astype("f"), target_opset=opset)


# Options, and models of models.


def test_zipmap():
    X, y = problem("strings")
    model = net().fit(X, y)
    X = X[:5].astype("f")
    label, maps = session(model, matrix(6)).run(None, {"X": X})
    assert label.tolist() == model.predict(X).tolist()
    expected = model.predict_proba(X)
    for row, proba in zip(maps, expected, strict=True):
        assert list(row) == model.classes_.tolist()
        np.testing.assert_allclose(list(row.values()), proba, atol=TOLERANCE)
    columns = session(model, matrix(6), options={id(model): {"zipmap": "columns"}})
    _, *parts = columns.run(None, {"X": X})
    np.testing.assert_allclose(np.transpose(parts), expected, atol=TOLERANCE)


def test_zipmap_of_doubles():
    """Maps hold float32."""
    X, y = problem()
    model = net().fit(X, y)
    own = session(model, matrix(6, TYPES.DoubleTensorType))
    _, maps = own.run(None, {"X": X})
    proba = [list(row.values()) for row in maps]
    np.testing.assert_allclose(proba, model.predict_proba(X), atol=TOLERANCE)


def test_class_labels_and_their_numbers():
    X, y = problem("strings")
    model = net().fit(X, y)
    options = {id(model): {"zipmap": False, "output_class_labels": True}}
    *_, classes = session(model, matrix(6), options=options).run(
        None, {"X": X.astype("f")}
    )
    assert classes.tolist() == model.classes_.tolist()
    options = {id(model): {"zipmap": False, "nocl": True}}
    label, _ = outputs(model, X.astype("f"), options=options)
    assert np.array_equal(model.classes_[label], model.predict(X.astype("f")))


@pytest.mark.parametrize("targets", ["binary", "multiclass", "multilabel"])
def test_raw_scores(targets):
    X, y = problem(targets)
    model, X = net().fit(X, y), X.astype("f")
    options = {id(model): {"zipmap": False, "raw_scores": True}}
    label, scores = outputs(model, X, options=options)
    expected = model.decision_function(X)
    if targets == "binary":
        expected = np.column_stack([-expected, expected])
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-4)
    assert np.array_equal(label, model.predict(X))


def test_pipeline():
    X, y = problem("strings")
    model = make_pipeline(StandardScaler(), net()).fit(X, y)
    check(model, X.astype("f"), options={id(model): {"zipmap": False}})
    assert len(session(model, matrix(6)).run(None, {"X": X.astype("f")})) == 2


def test_column_transformer():
    X, y = table()
    X = X[["age", "city"]].dropna()
    steps = [("a", StandardScaler(), ["age"]), ("c", OneHotEncoder(), ["city"])]
    columns = ColumnTransformer(steps, sparse_threshold=0)
    model = make_pipeline(columns, net()).fit(X, y[X.index])
    own = session(model, TABLE_TYPES[:2], options={id(model): {"zipmap": False}})
    cells = {"age": X[["age"]].to_numpy("f"), "city": X[["city"]].to_numpy(object)}
    agree(model, X, *own.run(None, cells))


def test_grid_search():
    X, y = problem()
    model = GridSearchCV(net(), {"alpha": [1e-3, 1e-2]}, cv=2).fit(X, y)
    check(model, X.astype("f"))
    check(model.best_estimator_, X.astype("f"))


@pytest.mark.parametrize("targets", ["binary", "strings", "multilabel", "one"])
def test_ensemble(targets):
    X, y = problem(targets)
    X[::9, 2] = np.nan
    given = [
        {"hidden_layer_sizes": (5,), "encoding": "piecewise"},
        {"hidden_layer_sizes": (6, 4), "activation": "silu", "encoding": None},
    ]
    model = GaussNewtonMLPEnsembleClassifier(given, random_state=0).fit(X, y)
    check(model, X.astype("f"))
    check(model, X, 1e-12, TYPES.DoubleTensorType)


def test_default_ensemble_in_a_pipeline():
    X, y = load_iris(return_X_y=True)
    ensemble = GaussNewtonMLPEnsembleClassifier(random_state=0)
    model = make_pipeline(StandardScaler(), ensemble).fit(X, y)
    check(model, X.astype("f"))


# Regressors.


def regressor(sizes=(6,), **parameters):
    own = {"alpha": 1e-3, "max_iter": 8, "random_state": 0, **parameters}
    return GaussNewtonMLPRegressor(sizes, **own)


def real_problem(m=240, seed=0):
    """Return X, of different units, and positive y of another one."""
    X, y = make_friedman1(m, 6, noise=0.5, random_state=seed)
    X = X * 10.0 ** np.arange(-2, 4) + np.arange(6)
    return X, 1e3 * (y - y.min() + 0.1)


def agree_on_targets(model, X, predicted, tolerance=TOLERANCE):
    """Compare predictions, relative to their scale."""
    expected = model.predict(X).reshape(len(X), -1)
    assert predicted.shape == expected.shape
    size = np.abs(expected).mean(axis=0)
    np.testing.assert_allclose(predicted / size, expected / size, rtol=0, atol=tolerance)


def check_regressor(model, X, tolerance=TOLERANCE, kind=TYPES.FloatTensorType, **more):
    own = session(model, matrix(X.shape[1], kind), **more)
    (predicted,) = own.run(["variable"], {"X": X})
    agree_on_targets(model, X, predicted, tolerance)
    return predicted


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("encoding", [None, "piecewise"])
@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_regressor(loss, encoding, dtype):
    X, y = real_problem()
    X[::9, 2] = np.nan
    model = regressor((7, 5), loss=loss, encoding=encoding).fit(X.astype(dtype), y)
    predicted = check_regressor(model, X.astype("f"))
    assert predicted.dtype == np.float32
    own = 1e-13 if dtype == "float64" else TOLERANCE
    predicted = check_regressor(model, X, own, TYPES.DoubleTensorType)
    assert predicted.dtype == np.float64


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_activations_of_a_regressor(activation):
    X, y = real_problem()
    model = regressor((7, 5), activation=activation).fit(X, y)
    check_regressor(model, X.astype("f"))


@pytest.mark.parametrize("standardize", [True, False])
def test_several_targets(standardize):
    """Of different units."""
    X, y = real_problem()
    Y = np.column_stack([y, 1e-9 * y**2, 50 - y / 1e3])
    if not standardize:
        X, Y = X / X.std(axis=0), Y / Y.std(axis=0)
    model = regressor(standardize=standardize, encoding="piecewise").fit(X, Y)
    check_regressor(model, X.astype("f"))
    check_regressor(model, X, 1e-13, TYPES.DoubleTensorType)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_ensemble_of_regressors(loss):
    X, y = real_problem()
    given = [
        {"hidden_layer_sizes": (5,)},
        {"activation": "tanh", "encoding": "piecewise"},
    ]
    model = GaussNewtonMLPEnsembleRegressor(given, loss=loss, random_state=0).fit(X, y)
    check_regressor(model, X.astype("f"))
    check_regressor(model, X, 1e-12, TYPES.DoubleTensorType)
    if loss == "squared_error":
        Y = np.column_stack([y, 1e-9 * y**2])
        check_regressor(model.fit(X, Y), X.astype("f"))


def test_linear_and_constant_regressors():
    X, y = real_problem()
    check_regressor(regressor((), encoding=None).fit(X, y), X.astype("f"))
    check_regressor(regressor().fit(X, np.full(len(y), 7.0)), X.astype("f"))


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("size", [1e6, 1e12, 1e30, 3e38])
def test_predictions_of_any_size(size, loss):
    """What is far beyond the training samples is large, but not infinite."""
    X, y = real_problem()
    model = regressor(loss=loss, encoding=None, activation="relu").fit(X, y)
    far = np.vstack([size * np.eye(6), -size * np.eye(6)]).astype("f")
    (predicted,) = session(model, matrix(6)).run(None, {"X": far})
    assert np.isfinite(predicted).all()
    if size < 1e15:  # beyond, standardised values are clipped
        expected = model.predict(far).clip(-3.4028234e38, 3.4028234e38)
        np.testing.assert_allclose(predicted[:, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("unit", [1e-60, 1e60])
def test_targets_beyond_float32(unit):
    X, y = real_problem()
    model = regressor().fit(X, y * unit)
    with pytest.raises(ValueError, match="features or targets of very"):
        session(model, matrix(6))
    check_regressor(model, X, 1e-13, TYPES.DoubleTensorType)


def test_a_single_scale_near_one():
    """Which the runtime must not take for one."""
    X, y = real_problem()
    unit = 1 + 3e-8
    x, y = (own / own.std() * unit for own in (X[:, 3], y - y.mean()))
    for encoding in (None, "piecewise"):
        model = regressor(encoding=encoding).fit(x[:, None], y)
        check_regressor(model, x[:, None], 1e-13, TYPES.DoubleTensorType)


def test_models_of_regressors():
    X, y = real_problem()
    single = X.astype("f")
    check_regressor(make_pipeline(StandardScaler(), regressor()).fit(X, y), single)
    grid = GridSearchCV(regressor(), {"alpha": [1e-3, 1e-2]}, cv=2).fit(X, y)
    check_regressor(grid, single)
    gamma = MultiOutputRegressor(regressor(loss="gamma"))
    check_regressor(gamma.fit(X, np.c_[y, np.sqrt(y)]), single)


@pytest.mark.parametrize("opset", [13, 15, 18, 20, 21, 22])
def test_opsets_of_a_regressor(opset):
    if opset > skl2onnx.__max_supported_opset__:
        pytest.skip("skl2onnx is older")
    X, y = real_problem()
    model = regressor(loss="poisson", encoding="piecewise").fit(X, y)
    check_regressor(model, X.astype("f"), target_opset=opset)
    check_regressor(model, X, 1e-13, TYPES.DoubleTensorType, target_opset=opset)


def test_integers_of_a_regressor():
    X, y = real_problem()
    X = np.rint(X).astype(np.int64)
    check_regressor(regressor().fit(X, y), X, kind=TYPES.Int64TensorType)


def test_transformed_targets():
    """Which skl2onnx cannot convert, as the page says."""
    X, y = real_problem()
    model = TransformedTargetRegressor(regressor(), func=np.log, inverse_func=np.exp)
    with pytest.raises(Exception, match="shape calculator") as raised:
        session(model.fit(X, y), matrix(6))
    assert type(raised.value).__name__ == "MissingShapeCalculator"


def test_a_regressor_has_no_options():
    X, y = real_problem()
    model = regressor().fit(X, y)
    with pytest.raises(NameError, match="zipmap"):
        session(model, matrix(6), options={id(model): {"zipmap": False}})


# Tables.

pandas = pytest.importorskip("pandas")


def table(m=400, n_cities=4, seed=0):
    """Return a frame of numbers and strings with gaps, and labels."""
    rng = np.random.default_rng(seed)
    city, number = rng.integers(n_cities, size=m), rng.integers(5, size=m)
    age, income = rng.uniform(18, 80, m), rng.lognormal(8, 1, m)
    income[rng.random(m) < 0.1] = np.nan
    names = np.array([f"city {c}" for c in city], dtype=object)
    names[rng.random(m) < 0.1] = None
    z = np.sin(age / 8) + (city % 3 == 1) + (number == 2) - 1
    y = np.where(rng.random(m) < 1 / (1 + np.exp(-3 * z)), "yes", "no")
    age, income = age.astype("f").astype(float), income.astype("f").astype(float)
    X = pandas.DataFrame({"age": age, "city": names, "income": income, "kind": number})
    return X, y


TABLE_TYPES = [
    ("age", TYPES.FloatTensorType([None, 1])),
    ("city", TYPES.StringTensorType([None, 1])),
    ("income", TYPES.FloatTensorType([None, 1])),
    ("kind", TYPES.Int64TensorType([None, 1])),
]


def feed(X, others=()):
    """Return the columns of a table as inputs, with "" for missing strings."""
    types = {"age": "f", "city": object, "income": "f", "kind": np.int64}
    return {
        name: X[[name]].fillna("").to_numpy()
        if dtype is object
        else X[[name]].to_numpy(dtype)
        for name, dtype in types.items()
        if name not in others
    }


def check_table(model, X, types=TABLE_TYPES, **cells):
    own = session(model, types, options={id(model): {"zipmap": False}})
    agree(model, X, *own.run(None, {**feed(X, cells), **cells}))


@pytest.mark.parametrize("n_cities", [4, 40])  # of many there are mean targets
@pytest.mark.parametrize("encoding", [None, "piecewise"])
def test_strings(encoding, n_cities):
    X, y = table(n_cities=n_cities)
    model = net(encoding=encoding).fit(X, y)
    assert bool(model.encoder_.mean_targets) == (n_cities > 20)
    check_table(model, X)
    X.loc[::5, "city"] = "elsewhere"
    X.loc[::7, "city"] = None
    check_table(model, X)


def test_missing_strings():
    """None, NaN and NA are what the runtime makes of them, if nothing else is."""
    X, y = table()
    model = net().fit(X, y)
    cells = feed(X)["city"].copy()
    for missing in (None, np.nan, pandas.NA, "", "None"):
        cells[X["city"].isna().to_numpy(), 0] = missing
        check_table(model, X, city=cells)
    X["city"] = X["city"].fillna("")  # which is a category now
    model.fit(X, y)
    assert "" in model.categories_[1]
    check_table(model, X)


def test_columns_of_doubles():
    X, y = table()
    model = net(encoding="piecewise").fit(X, y)
    types = [
        (name, kind if name == "city" else TYPES.DoubleTensorType([None, 1]))
        for name, kind in TABLE_TYPES
    ]
    own = session(model, types, options={id(model): {"zipmap": False}})
    cells = {**feed(X), **{n: X[[n]].to_numpy(float) for n in ("age", "income", "kind")}}
    agree(model, X, *own.run(None, cells), tolerance=1e-12)


def test_categories_that_are_numbers():
    """Of an input of their own, integer or not, and of one matrix."""
    X, y = table()
    X["kind"] = X["kind"] * 3 - 2
    model = net(categorical_features=["city", "kind"]).fit(X, y)
    check_table(model, X)
    kind = TYPES.FloatTensorType([None, 1])
    with_gaps = X.astype({"kind": float})
    with_gaps.loc[::6, "kind"] = np.nan
    with_gaps.loc[1::6, "kind"] = 2.5
    own = [*TABLE_TYPES[:3], ("kind", kind)]
    check_table(model, with_gaps, own, kind=with_gaps[["kind"]].to_numpy(np.float32))

    numbers = with_gaps[["age", "kind", "income"]].to_numpy()
    model = net(categorical_features=[1], encoding="piecewise").fit(numbers, y)
    numbers[::11, 1] = 17
    check(model, numbers.astype("f"))
    check(model, numbers, 1e-12, TYPES.DoubleTensorType)


def test_categories_alone():
    X, y = table()
    model = net().fit(X[["city"]], y)
    own = session(model, [TABLE_TYPES[1]], options={id(model): {"zipmap": False}})
    agree(model, X[["city"]], *own.run(None, {"city": feed(X)["city"]}))


def test_booleans_as_categories():
    X, y = table()
    X = pandas.DataFrame({"age": X["age"], "member": X["kind"] > 2})
    model = net(categorical_features=["member"]).fit(X, y)
    types = [TABLE_TYPES[0], ("member", TYPES.BooleanTensorType([None, 1]))]
    own = session(model, types, options={id(model): {"zipmap": False}})
    cells = {"age": X[["age"]].to_numpy("f"), "member": X[["member"]].to_numpy()}
    agree(model, X, *own.run(None, cells))


def test_ensemble_of_a_table():
    X, y = table()
    given = [{"hidden_layer_sizes": (5,), "encoding": e} for e in (None, "piecewise")]
    model = GaussNewtonMLPEnsembleClassifier(given, random_state=0).fit(X, y)
    check_table(model, X)


@pytest.mark.parametrize("n_cities", [4, 40])  # of many there are mean targets
@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_table_of_a_regressor(loss, n_cities):
    X, _ = table(n_cities=n_cities)
    effect = X["city"].fillna("").str.len() + X["kind"]
    y = np.exp(np.sin(X["age"] / 8) + 0.1 * effect).to_numpy()
    features = ["city", "kind"] if n_cities == 4 else "from_dtype"
    model = regressor(loss=loss, categorical_features=features).fit(X, y)
    assert bool(model.encoder_.mean_targets) == (n_cities > 20)
    X.loc[::5, "city"] = "elsewhere"
    X.loc[::7, "city"] = None
    own = session(model, TABLE_TYPES)
    agree_on_targets(model, X, *own.run(None, feed(X)))


# What cannot be converted.


def refused(error, match, model, types):
    with pytest.raises(error, match=match):
        skl2onnx.convert_sklearn(
            model, initial_types=types, options={id(model): {"zipmap": False}}
        )


def test_wrong_inputs():
    X, y = table()
    model = net().fit(X, y)
    refused(ValueError, "4 columns together", model, TABLE_TYPES[:3])
    refused(ValueError, "4 columns together", model, matrix(5))
    refused(ValueError, "in the order of the features", model, TABLE_TYPES[::-1])
    number = [("a", TABLE_TYPES[0][1]), ("b", TABLE_TYPES[0][1])]
    refused(
        ValueError,
        "Feature 1 has categories that are strings",
        model,
        [*number, *TABLE_TYPES[2:]],
    )
    string = [TABLE_TYPES[0], TABLE_TYPES[1], ("a", TABLE_TYPES[1][1]), TABLE_TYPES[3]]
    refused(ValueError, "feature 2 was a column of numbers", model, string)
    model = net(categorical_features=["city", "kind"]).fit(X, y)
    string = [*TABLE_TYPES[:3], ("a", TABLE_TYPES[1][1])]
    refused(ValueError, "Feature 3 has categories that are numbers", model, string)


def test_categories_of_two_kinds():
    X, y = table()
    X["city"] = X["city"].where(X["kind"] > 0, 7)
    model = net().fit(X, y)
    refused(NotImplementedError, "both numbers and strings", model, TABLE_TYPES)


def test_categories_beyond_float32():
    X, y = table()
    numbers = np.column_stack([X["age"], 2**24 + X["kind"] % 2])
    model = net(categorical_features=[1]).fit(numbers, y)
    refused(ValueError, "the same in float32", model, matrix(2))
    types = [("age", TABLE_TYPES[0][1]), ("kind", TYPES.Int64TensorType([None, 1]))]
    own = session(model, types, options={id(model): {"zipmap": False}})
    cells = {"age": feed(X)["age"], "kind": numbers[:, 1:].astype(np.int64)}
    agree(model, numbers, *own.run(None, cells))


def test_numbers_beyond_float32():
    X, y = problem()
    for unit in (1e-60, 1e60):
        model = net().fit(X * unit, y)
        refused(ValueError, "does not fit into float32", model, matrix(6))
        check(model, X * unit, 1e-12, TYPES.DoubleTensorType)


@pytest.mark.parametrize("encoding", [None, "piecewise"])
@pytest.mark.parametrize("unit", [1e-60, 1e60])
def test_a_single_feature_beyond_float32(unit, encoding):
    X, y = problem()
    X = 5 + X[:, :1] / X[:, :1].std()
    model = net(encoding=encoding).fit(X * unit, y)
    check(model, X * unit, 1e-12, TYPES.DoubleTensorType)


def test_labels_that_are_fractions():
    X, y = problem()
    model = net().fit(X, np.array(["0.5", "1.5"])[y])
    check(model, X.astype("f"))
    model.classes_ = np.array([0.5, 1.5])
    refused(ValueError, "integers or strings", model, matrix(6))


def test_an_old_opset():
    X, y = problem()
    model = net().fit(X, y)
    with pytest.raises(NotImplementedError, match="target_opset=13"):
        session(model, matrix(6), target_opset=12)


def test_not_fitted():
    refused(ValueError, "not fitted", net(), matrix(6))


def test_without_skl2onnx(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=re.escape('pip install "skgn[onnx]"')):
        skgn.onnx.register()


def test_the_package_does_not_import_it():
    code = (
        "import sys, skgn; "
        "loaded = {'skgn.onnx', 'onnx', 'skl2onnx'} & set(sys.modules); "
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# The page.


def test_the_page_on_deploying(tmp_path, monkeypatch):
    """Its blocks without prompts run, one after the other."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(
        r"```python\n(.*?)```", (DOCS / "deploying.md").read_text("utf-8"), re.S
    )
    plain = [block for block in blocks if ">>>" not in block]
    assert len(plain) == 3
    names = {}
    for block in plain:
        exec(block, names)
