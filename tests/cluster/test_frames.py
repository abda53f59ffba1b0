"""Fits to frames of dask: those of the frames of pandas that they stand for."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgn import GaussNewtonMLPClassifier
from tests.problems import multiclass

dask = pytest.importorskip("dask")
dd = pytest.importorskip("dask.dataframe")
pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.usefixtures("client"),
    pytest.mark.filterwarnings("ignore:The fit reached max_iter"),
]


def network(**parameters):
    own = {"alpha": 1e-3, "encoding": None, "batch_size": None, "max_iter": 3}
    return GaussNewtonMLPClassifier((5,), "tanh", random_state=0, **{**own, **parameters})


def table(m=300, seed=0):
    """Return a frame of numbers, categories, strings and missing cells; and labels."""
    X, y = multiclass(m=m, seed=seed)
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"])
    frame["number"] = rng.integers(0, 9, m)
    frame["kind"] = pd.Categorical(np.array(["x", "yy", "zzz"])[y % 3])
    frame["word"] = np.array(["one", "two", "three", "four"])[rng.integers(0, 4, m)]
    frame.loc[::11, "b"] = np.nan
    frame.loc[::13, "kind"] = np.nan
    frame.loc[::17, "word"] = None
    return frame, pd.Series(y, name="label")


def in_parts(table, bounds):
    """Return a dask frame of parts of one of pandas, empty ones, too."""
    return dd.from_map(_rows, bounds, table=table, meta=table.iloc[:0])


def _rows(pair, table):
    return table.iloc[slice(*pair)]


BOUNDS = [(0, 120), (120, 120), (120, 121), (121, 300)]


def assert_same(own, local, X, tolerance=1e-10):
    p, q = own.predict_proba(X), local.predict_proba(X)
    assert np.abs(p - q).max() < tolerance
    assert own.n_iter_ == local.n_iter_
    assert_array_equal(own.feature_names_in_, local.feature_names_in_)
    assert_array_equal(own.classes_, local.classes_)
    for ours, theirs in zip(own.categories_, local.categories_, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert_array_equal(ours, theirs)
    names = own.encoded_feature_names_out_, local.encoded_feature_names_out_
    assert_array_equal(*names)
    assert_allclose(own.mean_, local.mean_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("parts", [1, 3])
def test_frames(parts):
    """With categories, strings and missing cells; divisions that are known."""
    X, y = table()
    own = network().fit(
        dd.from_pandas(X, npartitions=parts), dd.from_pandas(y, npartitions=parts)
    )
    local = network().fit(X, y)
    assert_same(own, local, X)
    assert sum(known is not None for known in own.categories_) == 2


def test_unknown_divisions():
    """Some partitions empty; weights, labels that are strings."""
    X, y = table()
    weights = pd.Series(np.random.default_rng(1).uniform(0, 2, 300))
    names = y.map({0: "a", 1: "bbb", 2: "cc", 3: "d"})
    own = network().fit(*(in_parts(one, BOUNDS) for one in (X, names, weights)))
    assert_same(own, network().fit(X, names, weights), X)


def test_categories_of_some_partitions():
    """A category that one partition has, strings in one only, all missing in another."""
    X, y = table()
    X["kind"] = X["kind"].cat.add_categories(["rare"])
    X.loc[250:260, "kind"] = "rare"
    X.loc[:119, "word"] = None
    mixed = X.astype({"word": object})
    mixed["object"] = np.arange(300.0) % 5
    mixed["object"] = mixed["object"].astype(object)
    mixed.loc[150:160, "object"] = "other"
    with dask.config.set({"dataframe.convert-string": False}):
        parts = in_parts(mixed, BOUNDS), in_parts(y, BOUNDS)
        own = network().fit(*parts)
        local = network().fit(mixed, y)
        assert_same(own, local, mixed)
        assert "rare" in own.categories_[4]
        assert "other" in own.categories_[6].tolist()
        assert_array_equal(own.predict(parts[0]).compute(), own.predict(mixed))


@pytest.mark.parametrize("features", [["number"], [3], "mask", []], ids=str)
def test_stated_categories(features):
    X, y = table()
    X = X[["a", "b", "c", "number"]]
    if features == "mask":
        features = [False, False, False, True]
    own = network(categorical_features=features).fit(
        in_parts(X, BOUNDS), in_parts(y, BOUNDS)
    )
    local = network(categorical_features=features).fit(X, y)
    assert_same(own, local, X)


def test_stated_categories_of_arrays():
    X, y = table()
    A = X[["a", "number"]].to_numpy()
    parts = in_parts(X[["a", "number"]], BOUNDS).to_dask_array()
    own = network(categorical_features=[1]).fit(parts, in_parts(y, BOUNDS))
    local = network(categorical_features=[1]).fit(A, y)
    assert np.abs(own.predict_proba(A) - local.predict_proba(A)).max() < 1e-10
    assert_array_equal(own.categories_[1], local.categories_[1])


def test_categories_that_are_not_to_be():
    X, y = table()
    with pytest.raises(TypeError, match="in its column 'kind', categories"):
        network(categorical_features=None).fit(in_parts(X, BOUNDS), in_parts(y, BOUNDS))
    with pytest.raises(ValueError, match=r"'nobody'.*not a valid feature name"):
        network(categorical_features=["nobody"]).fit(
            in_parts(X, BOUNDS), in_parts(y, BOUNDS)
        )
    X["day"] = pd.Timestamp("2020-01-01")
    with pytest.raises(TypeError, match="'day'"):
        network().fit(in_parts(X, BOUNDS), in_parts(y, BOUNDS))


def test_parquet(tmp_path):
    """Read by the workers."""
    X, y = table()
    for number, (a, b) in enumerate([(0, 120), (120, 300)]):
        X.assign(label=y).iloc[a:b].to_parquet(tmp_path / f"{number}.parquet")
    read = dd.read_parquet(tmp_path)
    assert not read.known_divisions
    own = network().fit(read.drop(columns="label"), read["label"])
    assert_same(own, network().fit(X, y), X)
    assert own.score(read.drop(columns="label"), read["label"]) == own.score(X, y)


def test_persisted_frames(client):
    X, y = table()
    own = network().fit(*client.persist([in_parts(X, BOUNDS), in_parts(y, BOUNDS)]))
    assert_same(own, network().fit(X, y), X)


def test_divisions_that_differ():
    X, y = table()
    rows = dd.from_pandas(X, npartitions=3)
    other = dd.from_pandas(y, npartitions=3).repartition(divisions=[0, 50, 200, 299])
    with pytest.raises(ValueError, match="X and y have different divisions"):
        network().fit(rows, other)


def test_huge_values_are_named():
    X, y = table()
    X.loc[200, "c"] = 1e301
    with pytest.raises(ValueError, match=r"Feature 'c' of X has values of size"):
        network().fit(in_parts(X, BOUNDS), in_parts(y, BOUNDS))


def test_float32():
    X, y = table()
    X = X.astype({"a": "float32", "b": "float32", "c": "float32"}).drop(columns="number")
    own = network().fit(in_parts(X, BOUNDS), in_parts(y, BOUNDS))
    assert own.coefs_[0].dtype == np.float32


def test_validation_frames():
    X, y = table(450)
    bounds = [(0, 100), (100, 300)]
    options = {"early_stopping": True, "n_iter_no_change": 1, "max_iter": 30}
    train, rest = slice(0, 300), slice(300, 450)
    local = network(**options).fit(X[train], y[train], X_val=X[rest], y_val=y[rest])
    rows = in_parts(X, bounds), in_parts(y, bounds)
    others = in_parts(X, [(300, 420), (420, 450)]), in_parts(y, [(300, 420), (420, 450)])
    spread = network(**options).fit(*rows, X_val=others[0], y_val=others[1])
    here = network(**options).fit(*rows, X_val=X[rest], y_val=y[rest])
    for own in (spread, here):
        assert_same(own, local, X)
        assert own.best_iter_ == local.best_iter_


METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]


@pytest.mark.parametrize("method", METHODS)
def test_predictions(method):
    """Lazy, of blocks of unknown length, an empty one among them."""
    X, y = table()
    model = network().fit(X, y)
    rows = in_parts(X, BOUNDS)
    own, expected = getattr(model, method)(rows), getattr(model, method)(X)
    assert isinstance(own, dask.array.Array)
    assert own.npartitions == len(BOUNDS)
    assert np.isnan(own.chunks[0]).all() and own.dtype == expected.dtype
    assert_allclose(own.compute(), expected, rtol=1e-13)
    with pytest.raises(ValueError, match="feature names should match"):
        getattr(model, method)(rows.rename(columns={"a": "z"}))


def test_scores():
    X, y = table()
    model = network().fit(X, y)
    assert model.score(in_parts(X, BOUNDS), in_parts(y, BOUNDS)) == model.score(X, y)


def test_default_fit():
    """Mini-batches with a search, of categories with mean targets."""
    X, y = table(3500)
    rng = np.random.default_rng(0)
    X["many"] = np.array([f"c{i}" for i in range(41)])[
        (7 * y + rng.integers(0, 20, 3500))
    ]
    options = {"alpha": "auto", "encoding": "auto", "batch_size": "auto", "max_iter": 3}
    own = network(**options).fit(
        dd.from_pandas(X, npartitions=3), dd.from_pandas(y, npartitions=3)
    )
    local = network(**options).fit(X, y)
    assert own.stop_reason_ == "schedule"
    assert len(own.encoder_.mean_targets) == 1
    assert own.score(X, y) > local.score(X, y) - 0.02
