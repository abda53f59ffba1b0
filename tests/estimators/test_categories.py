"""Columns of categories, by the estimator."""

import pickle

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skgn import GaussNewtonMLPClassifier
from skgn.data.samples import Samples
from skgn.estimators.targets import ClassTargets

NAN = np.nan


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas")


def small(**parameters):
    options = {"hidden_layer_sizes": (5,), "random_state": 0, "encoding": None}
    return GaussNewtonMLPClassifier(**{**options, **parameters})


def words(m=200, seed=0, cells="pqrs"):
    """Return a column of words, two of numbers, and labels of three classes."""
    rng = np.random.default_rng(seed)
    word, x = rng.integers(len(cells), size=m), rng.normal(size=(m, 2))
    effect = np.array([0, 2.0, -2, 1])[word % 4]
    score = effect + x[:, 0] + 0.5 * rng.logistic(size=m)
    return np.array(list(cells))[word], x, np.digitize(score, [-1, 1])


def table(pandas, **options):
    """Return the same as a frame of which the words come first, and labels."""
    word, x, y = words(**options)
    return pandas.DataFrame({"w": word, "a": x[:, 0], "b": x[:, 1]}), y


def cities(pandas, m=2000, seed=0, count=100):
    """Return many categories, each with an effect of its own, and two classes."""
    effects = 2 * np.random.default_rng(99).normal(size=count)
    rng = np.random.default_rng(seed)
    city, x = rng.integers(count, size=m), rng.normal(size=m)
    y = (effects[city] + x + rng.logistic(size=m) > 0).astype(int)
    return pandas.DataFrame({"city": [f"city {c}" for c in city], "x": x}), y


def one_hot(X, names="pqrs"):
    """Return the words of a frame as indicators, after the numbers."""
    own = [np.asarray(X["w"] == name, dtype=float) for name in names]
    return np.column_stack([X["a"], X["b"], *own])


# Which columns they are, and what they become.


@pytest.mark.parametrize("dtype", ["str", "object", "category", "string"])
@pytest.mark.parametrize("encoding", [None, "auto", "piecewise"])
def test_strings_and_categories_of_pandas(pandas, dtype, encoding):
    """They are indicators, whatever their type."""
    X, y = table(pandas)
    X["w"] = X["w"].astype(dtype)
    model = small(encoding=encoding).fit(X, y)
    names = model.encoded_feature_names_out_.tolist()
    assert names[:2] == ["a", "b"]
    assert names[-4:] == ["w_p", "w_q", "w_r", "w_s"]
    assert len(set(names)) == len(names) == len(model.coefs_[0])
    assert_array_equal(model.categories_[0], list("pqrs"))
    assert model.categories_[1:] == [None, None]
    if encoding is None:
        assert_array_equal(model.encode(X), one_hot(X))
        expected = small().fit(one_hot(X), y)
        P = expected.predict_proba(one_hot(X))
        assert_allclose(model.predict_proba(X), P, atol=1e-6)
    assert log_loss(y, model.predict_proba(X)) < 0.85


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_frames_of_other_libraries(pandas, library):
    polars = pytest.importorskip("polars")
    X, y = table(pandas)
    P = small().fit(X, y).predict_proba(X)
    frame = polars.DataFrame({name: X[name].tolist() for name in X})
    if library == "pyarrow":
        pytest.importorskip("pyarrow")
        frame = frame.to_arrow()
    model = small().fit(frame, y)
    assert_allclose(model.predict_proba(frame), P, atol=1e-9)
    assert_allclose(model.predict_proba(X), P, atol=1e-9)
    assert_array_equal(model.feature_names_in_, ["w", "a", "b"])


def test_columns_that_are_named(pandas):
    """A mask, positions and names say the same as the types."""
    X, y = table(pandas)
    expected = small().fit(X, y)
    for chosen in ([True, False, False], [0], ["w"], np.array([0])):
        model = small(categorical_features=chosen).fit(X, y)
        assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    array = X.to_numpy()
    for chosen in ([True, False, False], [0]):
        model = small(categorical_features=chosen).fit(array, y)
        assert_allclose(model.predict_proba(array), expected.predict_proba(X), atol=1e-9)


@pytest.mark.parametrize("dtype", [int, float, "float32", "category"])
def test_digits_as_categories_and_as_numbers(pandas, dtype):
    """As a number a digit has one weight, as a category each has its own."""
    rng = np.random.default_rng(0)
    X = pandas.DataFrame({"d": rng.integers(6, size=300), "x": rng.normal(size=300)})
    y = (X["d"] % 2).to_numpy()
    X["d"] = X["d"].astype(dtype)
    options = {"hidden_layer_sizes": (), "alpha": 1e-4, "max_iter": 500}
    model = small(categorical_features=["d"], **options).fit(X, y)
    assert model.score(X, y) == 1
    names = [f"d_{digit}" for digit in model.categories_[0]]
    assert_array_equal(model.encoded_feature_names_out_[1:], names)
    assert_array_equal(model.categories_[0], np.arange(6))
    if dtype != "category":
        number = small(**options).fit(X, y)
        assert number.score(X, y) < 0.8
        assert number.categories_ == [None, None]


def test_float32_beside_categories(pandas):
    X, y = table(pandas)
    expected = small().fit(X, y).predict_proba(X)
    X = X.astype({"a": "float32", "b": "float32"})
    model = small().fit(X, y)
    assert model.coefs_[0].dtype == model.encode(X).dtype == np.float32
    assert_allclose(model.predict_proba(X), expected, atol=0.02)


def test_categories_alone(pandas):
    X, y = table(pandas)
    model = small().fit(X[["w"]], y)
    assert_array_equal(model.encode(X[["w"]]), one_hot(X)[:, 2:])
    for word, own in X.groupby("w"):
        P = model.predict_proba(own[["w"]])
        assert_allclose(P, np.tile(P[0], (len(P), 1)), atol=1e-12)
        shares = np.bincount(y[own.index], minlength=3) / len(own)
        assert_allclose(P[0], shares, atol=0.15, err_msg=word)


@pytest.mark.parametrize("batch_size", [None, 30])
def test_the_order_of_categories_and_columns_has_no_say(pandas, batch_size):
    """Of categories as pandas has them, that is."""
    X, y = table(pandas)
    options = {"batch_size": batch_size}
    P = small(**options).fit(X, y).predict_proba(X)
    other = X.assign(w=pandas.Categorical(X["w"], categories=list("zsrqp")))
    assert_array_equal(small(**options).fit(other, y).predict_proba(other), P)


# Rare, unknown and missing ones.


def test_rare_categories(pandas):
    """Of fewer than three rows: they share a column, with those that are unknown."""
    X, y = table(pandas)
    X.loc[:1, "w"], X.loc[2, "w"], X.loc[3:5, "w"] = "two", "one", "three"
    model = small().fit(X, y)
    names = model.encoded_feature_names_out_.tolist()
    assert names[2:] == [f"w_{word}" for word in [*"pqrs", "three", "infrequent"]]
    assert len(model.categories_[0]) == 7
    rows = X.iloc[[0, 2, 0, 0]].assign(w=["two", "one", "new", "newer"])
    rows[["a", "b"]] = 0.5
    P = model.predict_proba(rows)
    assert_array_equal(model.encode(rows)[:, -1], [1, 1, 1, 1])
    assert_array_equal(P, np.tile(P[0], (4, 1)))


def test_weights_decide_what_is_rare(pandas):
    X, y = table(pandas)
    X.loc[:1, "w"], X.loc[2:9, "w"] = "two", "u"
    weights = np.ones(200)
    weights[:2], weights[2:10] = 2, 0.25
    names = small().fit(X, y, weights).encoded_feature_names_out_.tolist()
    assert names[2:] == ["w_p", "w_q", "w_r", "w_s", "w_two", "w_infrequent"]
    weights[2:10] = 0
    names = small().fit(X, y, weights).encoded_feature_names_out_.tolist()
    assert names[2:] == ["w_p", "w_q", "w_r", "w_s", "w_two"]


@pytest.mark.parametrize("cell", ["new", None, NAN])
def test_what_is_unknown_where_none_is_rare(pandas, cell):
    """It is the weighted mean of the columns; so is what is missing at prediction."""
    X, y = table(pandas)
    weights = np.random.default_rng(0).integers(1, 3, size=200)
    model = small().fit(X, y, weights)
    rows = X.iloc[:3].assign(w=pandas.Series([cell] * 3, dtype=object))
    mean = np.average(one_hot(X)[:, 2:], axis=0, weights=weights)
    assert_allclose(model.encode(rows)[:, 2:], np.tile(mean, (3, 1)))
    assert np.isfinite(model.predict_proba(rows)).all()


@pytest.mark.parametrize("cell", [None, NAN, "NA"])
def test_missing_is_a_category_of_its_own(pandas, cell):
    X, y = table(pandas)
    X["w"] = X["w"].astype(object)
    expected = X.copy()
    X.loc[::9, "w"] = pandas.NA if cell == "NA" else cell
    expected.loc[::9, "w"] = "zz"
    model, other = small().fit(X, y), small().fit(expected, y)
    names = model.encoded_feature_names_out_
    assert names[-1] == "w_nan"
    assert_array_equal(model.encode(X), other.encode(expected))
    assert_allclose(model.predict_proba(X), other.predict_proba(expected), atol=1e-9)


@pytest.mark.parametrize("word", ["nan", "infrequent", "mean_1"])
def test_names_are_unique_whatever_the_words(pandas, word):
    X, y = table(pandas)
    X["w"] = X["w"].astype(object)
    X.loc[:9, "w"], X.loc[10:14, "w"], X.loc[15, "w"] = word, None, "rare"
    names = small().fit(X, y).encoded_feature_names_out_
    assert len(set(names)) == len(names)


def test_names_of_a_number_and_of_the_same_number_as_a_string(pandas):
    X, y = table(pandas)
    X["w"] = pandas.Series([1, "1"] * 100, dtype=object)
    model = small().fit(X, y)
    assert model.encode(X).shape == (200, 4)
    assert len(set(model.encoded_feature_names_out_)) == 4


def test_a_column_that_is_missing_altogether(pandas):
    X, y = table(pandas)
    X["w"] = pandas.Series([None] * 200, dtype="category")
    model = small().fit(X, y)
    assert_array_equal(model.encoded_feature_names_out_, ["a", "b", "w_nan"])
    assert np.isfinite(model.predict_proba(X.assign(w="p"))).all()


# Many categories.


def test_many_categories(pandas, monkeypatch):
    """Mean targets stand beside them, and help: on rows that were not seen."""
    X, y = cities(pandas)
    X_test, y_test = cities(pandas, seed=1)
    model = small(encoding="auto").fit(X, y)
    names = model.encoded_feature_names_out_.tolist()
    assert names[-1] == "city_mean_1"
    assert len(model.encoder_.mean_targets) == 1
    loss = log_loss(y_test, model.predict_proba(X_test))
    null = log_loss(y_test, np.full(len(y_test), y.mean()))
    assert loss < 0.8 * null
    front = make_column_transformer(
        (OneHotEncoder(min_frequency=3, handle_unknown="infrequent_if_exist"), ["city"]),
        remainder="passthrough",
    )
    plain = make_pipeline(front, small(encoding="auto")).fit(X, y)
    assert loss < log_loss(y_test, plain.predict_proba(X_test)) + 0.02
    monkeypatch.setattr(ClassTargets, "means_of", lambda *_: None)
    monkeypatch.setattr(ClassTargets, "has_means", False)
    without = small(encoding="auto").fit(X, y)
    assert not without.encoder_.mean_targets
    assert loss < log_loss(y_test, without.predict_proba(X_test)) - 0.02


@pytest.mark.parametrize("batch_size", [None, 64])
def test_categories_that_say_nothing(pandas, batch_size):
    """No label speaks for itself: 600 rows of 200 categories leave the null cost."""
    rng = np.random.default_rng(0)
    number = rng.permutation(np.repeat(np.arange(200), 3))
    X = pandas.DataFrame({"id": number.astype(str)})
    y = rng.integers(2, size=600)
    model = small(batch_size=batch_size).fit(X, y)
    assert len(model.encoder_.mean_targets) == 1
    fresh = rng.integers(2, size=600)
    assert log_loss(fresh, model.predict_proba(X)) < np.log(2) + 0.06


def test_mean_targets_by_hand(pandas):
    """At prediction they are by all rows, between those of the category and of all."""
    X, y = cities(pandas, 600, count=30)
    X.loc[:1, "city"] = "rare"
    model = small().fit(X, y)
    own = model.encode(X)[:, -1]
    for city, rows in X.groupby("city"):
        value = own[rows.index]
        assert_allclose(value, value[0], rtol=1e-12, err_msg=city)
        share = y[rows.index].mean()
        low, high = sorted([share, y.mean()])
        assert low - 1e-9 <= value[0] <= high + 1e-9
        if len(rows) > 10:
            assert abs(value[0] - share) < 0.15
    unknown = model.encode(X.iloc[:1].assign(city="new"))
    assert_allclose(unknown[0, -1], y.mean())


def test_mean_targets_of_several_classes(pandas):
    X, _ = cities(pandas, 600, count=30)
    y = np.array(list("uvw"))[np.random.default_rng(0).integers(3, size=600)]
    model = small().fit(X, y)
    names = model.encoded_feature_names_out_.tolist()
    assert names[-3:] == ["city_mean_u", "city_mean_v", "city_mean_w"]
    assert_allclose(model.encode(X)[:, -3:].sum(axis=1), 1, atol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_label_has_no_part_in_its_own_mean_target(n_classes):
    """It has in those of the category in other folds; in none of its own fold."""
    rng = np.random.default_rng(0)
    index = rng.integers(4, size=200)
    labels = rng.integers(n_classes, size=200)
    form = ClassTargets(np.arange(n_classes), np.ones(n_classes))

    def means_of(labels):
        values, weights = form.encoded(labels, np.ones(200))
        samples = Samples(index[:, None].astype(float), values, weights)
        return form.means_of(index, 6, samples, np.random.RandomState(0))

    own, table = means_of(labels)
    assert own.shape == (200, n_classes if n_classes > 2 else 1)
    assert table.shape == (6, own.shape[1])
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    fold = np.empty(200)
    for number, (_, rows) in enumerate(folds.split(index, labels)):
        fold[rows] = number
    # neighbours of a fold may change labels: the folds, which are by these, stay
    pairs = np.flatnonzero((labels[1:] != labels[:-1]) & (fold[1:] == fold[:-1]))
    pairs = [i for i in pairs if index[i] != index[i + 1]]
    pairs = [i for i in pairs if i > 20]  # which have no part in the order of classes
    assert len(pairs) > 5
    for i in pairs:
        changed = labels.copy()
        changed[[i, i + 1]] = labels[[i + 1, i]]
        found, _ = means_of(changed)
        same = np.isclose(found, own, rtol=1e-12, atol=1e-12).all(axis=1)
        assert same[fold == fold[i]].all()
        touched = np.isin(index, index[[i, i + 1]]) & (fold != fold[i])
        assert not same[touched].any()


def test_folds_of_mean_targets_by_hand():
    """Each row's is found by rows of other folds alone: there are five values."""
    rng = np.random.default_rng(1)
    index, labels = rng.integers(3, size=300), rng.integers(2, size=300)
    form = ClassTargets(np.arange(2), np.ones(2))
    values, weights = form.encoded(labels, np.ones(300))
    samples = Samples(index[:, None].astype(float), values, weights)
    own, table = form.means_of(index, 5, samples, np.random.RandomState(0))
    for code in range(3):
        found = own[index == code, 0]
        distinct = np.unique(found.round(12))
        assert 2 <= len(distinct) <= 5
        mine = labels[index == code]
        # within folds of one value, the mean label falls as the value rises
        shares = [mine[np.isclose(found, value)].mean() for value in distinct]
        assert np.corrcoef(distinct, shares)[0, 1] < -0.9
    assert_allclose(table[3:], labels.mean())


# Nothing leaks.


def same_encoder(one, other):
    assert_array_equal(one.fill, other.fill)
    assert_array_equal(one.flagged, other.flagged)
    for a, b in zip(one.knots, other.knots, strict=True):
        assert_array_equal(a, b)
    for name in ("categories", "mean_targets"):
        for a, b in zip(getattr(one, name), getattr(other, name), strict=True):
            assert_array_equal(a.table, b.table)


@pytest.mark.parametrize("batch_size", [None, 64])
def test_validation_rows_have_no_part_in_the_encoder(pandas, batch_size):
    """New categories, other labels: all is as it was, bit for bit."""
    X, y = cities(pandas, 600, count=30)
    X_val, y_val = cities(pandas, 200, seed=1, count=30)
    model = small(early_stopping=True, encoding="piecewise", batch_size=batch_size)
    expected = clone(model).fit(X, y, X_val=X_val, y_val=y_val)
    changes = [
        (X_val.assign(city="new"), y_val),
        (X_val.assign(city=None), y_val),
        (X_val.assign(x=1e9), y_val),
        (X_val, 1 - y_val),
    ]
    for X_new, y_new in changes:
        other = clone(model).fit(X, y, X_val=X_new, y_val=y_new)
        same_encoder(other.encoder_, expected.encoder_)
        assert_array_equal(other.categories_[0], expected.categories_[0])


@pytest.mark.parametrize("batch_size", [None, 64])
def test_rows_that_are_split_off_have_no_part_in_the_encoder(
    pandas, batch_size, monkeypatch
):
    """Their categories and numbers may change: the encoder stays."""
    X, y = cities(pandas, 600, count=30)
    held_out = np.arange(0, 600, 10)

    def split(self, samples, n_held_out, random_state):
        return np.setdiff1d(np.arange(len(samples.weights)), held_out), held_out

    from skgn.fitting import fit

    def own(settings, samples, targets, random_state):
        train, others = split(None, samples, 60, random_state)
        return samples.take(train), samples.take(others)

    monkeypatch.setattr(fit, "early_stopping_split", own)
    model = small(early_stopping=True, encoding="piecewise", batch_size=batch_size)
    expected = clone(model).fit(X, y)
    rng = np.random.default_rng(0)
    for change in ("categories", "missing", "numbers", "labels"):
        X_new, y_new = X.copy(), y.copy()
        if change == "categories":
            X_new.loc[held_out, "city"] = rng.permutation(X["city"])[:60]
        elif change == "missing":
            X_new.loc[held_out, ["city", "x"]] = None, NAN
        elif change == "numbers":
            X_new.loc[held_out, "x"] = 1e9 * rng.normal(size=60)
        else:
            y_new[held_out] = 1 - y[held_out]
        other = clone(model).fit(X_new, y_new)
        same_encoder(other.encoder_, expected.encoder_)


def test_new_categories_of_rows_that_are_split_off_have_no_column(pandas, monkeypatch):
    X, y = table(pandas, m=300)
    from skgn.fitting import fit

    def own(settings, samples, targets, random_state):
        rows = np.arange(300)
        return samples.take(rows[60:]), samples.take(rows[:60])

    monkeypatch.setattr(fit, "early_stopping_split", own)
    expected = small(early_stopping=True).fit(X, y)
    X.loc[:59, "w"] = "new"
    model = small(early_stopping=True).fit(X, y)
    assert_array_equal(
        model.encoded_feature_names_out_, expected.encoded_feature_names_out_
    )
    assert_array_equal(model.encode(X[60:]), expected.encode(X[60:]))


# Streams, and going on.


def test_a_stream(pandas):
    """Categories are those of the first chunk; others are unknown, and no harm."""
    X, y = table(pandas, m=600)
    model = small(encoding="piecewise").partial_fit(X[:200], y[:200], classes=[0, 1, 2])
    names = model.encoded_feature_names_out_
    for _ in range(10):
        model.partial_fit(X[200:], y[200:])
    later = X[200:].copy()
    later.loc[later.index[:20], "w"] = "new"
    later.loc[later.index[20:40], "w"] = None
    model.partial_fit(later, y[200:])
    assert_array_equal(model.encoded_feature_names_out_, names)
    assert_array_equal(model.categories_[0], list("pqrs"))
    assert log_loss(y, model.predict_proba(X)) < 0.95
    other = small().partial_fit(X.iloc[:0:-1], y[:0:-1], classes=[0, 1, 2])
    with pytest.raises(ValueError, match="feature names"):
        other.partial_fit(X[["w", "a"]], y)


def test_a_stream_after_a_fit_with_mean_targets(pandas):
    X, y = cities(pandas, 600, count=30)
    model = small().fit(X, y)
    encoder, loss = model.encoder_, log_loss(y, model.predict_proba(X))
    model.partial_fit(X.assign(city="new"), y)
    model.partial_fit(X, y)
    same_encoder(model.encoder_, encoder)
    assert log_loss(y, model.predict_proba(X)) < loss + 0.1


def test_a_fit_after_a_stream_with_many_categories(pandas):
    """It goes on with the columns of the stream."""
    X, y = cities(pandas, 600, count=30)
    model = small(warm_start=True).partial_fit(X, y, classes=[0, 1])
    model.fit(X, y)
    assert log_loss(y, model.predict_proba(X)) < np.log(2)


@pytest.mark.parametrize("batch_size", [None, 64])
@pytest.mark.parametrize("count", [4, 30])
def test_warm_start_with_new_categories(pandas, batch_size, count):
    X, y = cities(pandas, 600, count=count)
    model = small(warm_start=True, batch_size=batch_size).fit(X, y)
    names, known = model.encoded_feature_names_out_, model.categories_[0]
    X.loc[:30, "city"], X.loc[31:50, "city"], X.loc[51:60, "x"] = "new", None, NAN
    model.fit(X, y)
    assert_array_equal(model.encoded_feature_names_out_, names)
    assert_array_equal(model.categories_[0], known)
    assert np.isfinite(model.predict_proba(X)).all()


def test_warm_start_with_other_columns(pandas):
    X, y = table(pandas)
    model = small(warm_start=True, categorical_features=["w"]).fit(X, y)
    P = model.predict_proba(X)
    with pytest.raises(ValueError, match=r"columns \[0\]; got columns \[0, 1\]"):
        model.set_params(categorical_features=["w", "a"]).fit(X, y)
    assert_array_equal(model.predict_proba(X), P)


# With the rest of scikit-learn.


def test_saved_and_cloned(pandas, tmp_path):
    X, y = cities(pandas, 600, count=30)
    model = small(encoding="piecewise", categorical_features=["city"]).fit(X, y)
    P = model.predict_proba(X)
    joblib.dump(model, tmp_path / "model")
    for again in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model")):
        assert_array_equal(again.predict_proba(X), P)
        assert_array_equal(again.categories_[0], model.categories_[0])
        names = again.encoded_feature_names_out_
        assert_array_equal(names, model.encoded_feature_names_out_)
    other = clone(model)
    assert other.get_params() == model.get_params()
    assert_array_equal(other.fit(X, y).predict_proba(X), P)


def test_a_grid_of_columns(pandas):
    """As numbers and as categories, in every combination with encodings."""
    rng = np.random.default_rng(0)
    X = pandas.DataFrame({"d": rng.integers(6, size=300), "x": rng.normal(size=300)})
    y = (X["d"] % 2).to_numpy()
    grid = {
        "categorical_features": ["from_dtype", None, ["d"], [0], [True, False]],
        "encoding": [None, "piecewise"],
        "n_knots": ["auto", 3],
    }
    model = small(hidden_layer_sizes=(), alpha=1e-3)
    search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(X, y)
    assert search.best_score_ == 1
    scores = search.cv_results_["mean_test_score"]
    chosen = search.cv_results_["param_categorical_features"]
    as_numbers = [c is None or isinstance(c, str) for c in chosen]
    assert max(scores[np.array(as_numbers)][1::2]) < 1
    assert min(scores[~np.array(as_numbers)]) == 1


def test_folds_that_lack_a_category(pandas):
    X, y = table(pandas)
    X["w"] = X["w"].astype(object)
    X.loc[:4, "w"], X.loc[5:60:7, "w"], X.loc[::9, "a"] = "first fold", None, NAN
    for encoding in (None, "piecewise"):
        scores = cross_val_score(small(encoding=encoding), X, y, error_score="raise")
        assert scores.mean() > 0.55


def test_a_pipeline_in_front(pandas):
    """What comes out of it is numbers, dense or sparse: nothing is encoded again."""
    X, y = table(pandas)
    X.loc[::9, "a"] = NAN
    for sparse_output in (True, False):
        front = ColumnTransformer(
            [
                ("w", OneHotEncoder(sparse_output=sparse_output), ["w"]),
                ("n", SimpleImputer(), ["a", "b"]),
            ],
            sparse_threshold=float(sparse_output),
        )
        model = make_pipeline(front, small()).fit(X, y)
        matrix = front.fit_transform(X)
        assert sparse.issparse(matrix) == sparse_output
        expected = small().fit(matrix, y).predict_proba(matrix)
        assert_array_equal(model.predict_proba(X), expected)
        assert model.score(X, y) > 0.6


@pytest.mark.parametrize("encoding", [None, "piecewise"])
def test_weights_and_repetitions(pandas, encoding):
    """Below 400 rows a weight of two is a row repeated, missing cells and all."""
    X, y = table(pandas, m=150)
    X["w"] = X["w"].astype(object)
    X.loc[:1, "w"], X.loc[::11, "w"], X.loc[::8, "a"] = "rare", None, NAN
    weights = np.random.default_rng(1).integers(0, 4, size=150)
    rows = np.repeat(np.arange(150), weights)
    assert len(rows) < 400
    model = small(encoding=encoding).fit(X, y, weights)
    other = small(encoding=encoding).fit(X.iloc[rows], y[rows])
    assert_array_equal(model.encoded_feature_names_out_, other.encoded_feature_names_out_)
    assert_allclose(model.predict_proba(X), other.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("count", [4, 30])
def test_several_labels(pandas, count):
    """There are no mean targets of these; indicators there are."""
    X, _ = cities(pandas, 600, count=count)
    city = X["city"].str.split().str[1].astype(int)
    Y = np.column_stack([city % 2, city > count // 2]).astype(int)
    model = small(categorical_features=["city"], alpha=1e-4).fit(X, Y)
    assert model.predict_proba(X).shape == (600, 2)
    assert not model.encoder_.mean_targets
    if count == 4:
        assert model.score(X, Y) == 1


def test_class_weight(pandas):
    """What is rare goes by the weights with those of the classes."""
    X, y = cities(pandas, 300, count=5)
    expected = small(class_weight={0: 1, 1: 3}).fit(X, y)
    factors = expected.class_weight_[y]
    other = small().fit(X, y, factors)
    assert_allclose(expected.predict_proba(X), other.predict_proba(X), atol=1e-9)
    balanced = small(class_weight="balanced").fit(X, y)
    assert abs(np.average(balanced.predict_proba(X)[:, 1]) - 0.5) < 0.1


def test_a_single_class(pandas):
    X, _ = table(pandas)
    model = small().fit(X, np.zeros(200))
    assert_array_equal(model.predict(X.assign(w="new")), np.zeros(200))
    assert len(model.encoded_feature_names_out_) == len(model.coefs_[0])


@pytest.mark.parametrize("solver", ["joint", "sequential"])
def test_the_solvers_of_the_thread(pandas, solver):
    X, y = table(pandas)
    model = small(solver=solver, tol=0.1, max_iter=500).fit(X, y)
    assert log_loss(y, model.predict_proba(X)) < 0.9


# Errors.


def test_strings_in_a_column_of_numbers(pandas):
    X, y = table(pandas)
    model = small().fit(X, y)
    other = X.assign(a=X["a"].astype(object))
    other.loc[3, "a"] = "much"
    with pytest.raises(ValueError, match="column 'a', strings"):
        model.predict(other)
    with pytest.raises(ValueError, match="column 'a', strings"):
        model.partial_fit(other, y)
    X, other = X.assign(w=X["a"]), other.assign(w=X["a"])
    with pytest.raises(ValueError, match="column 'a', strings"):
        small().fit(X, y).predict(other)


def test_strings_that_are_not_to_be_read(pandas):
    X, y = table(pandas)
    with pytest.raises(TypeError, match=r"column 'w', categories or strings.*from_dtype"):
        small(categorical_features=None).fit(X, y)
    with pytest.raises(TypeError, match="column 'w'"):
        small(categorical_features=["a"]).fit(X, y)


def test_dates_beside_categories(pandas):
    X, y = table(pandas)
    dates = X.assign(b=pandas.date_range("2026-01-01", periods=200))
    with pytest.raises(TypeError, match="column 'b', dates"):
        small().fit(dates, y)
    with pytest.raises(TypeError, match="column 'b', dates"):
        small().fit(X, y).predict(dates)


def test_a_number_that_is_too_large_is_named(pandas):
    """Columns of numbers are counted as they are in X, not as they are encoded."""
    X, y = table(pandas)
    X.loc[3, "b"] = 1e302
    for call in (small().fit, small().partial_fit):
        arguments = (X, y) if call.__name__ == "fit" else (X, y, [0, 1, 2])
        with pytest.raises(ValueError, match="Feature 'b' of X"):
            call(*arguments)
    array = X.to_numpy()
    with pytest.raises(ValueError, match="Feature 2 of X"):
        small(categorical_features=[0]).fit(array, y)


@pytest.mark.parametrize(
    "chosen", [["nothing"], [7], [True, False], [-1], [1.5, 2.5]], ids=str
)
def test_columns_that_there_are_none_of(pandas, chosen):
    X, y = table(pandas)
    with pytest.raises(ValueError, match="categorical_features"):
        small(categorical_features=chosen).fit(X, y)


def test_sparse_rows_have_no_categories(pandas):
    X, y = table(pandas)
    with pytest.raises(ValueError, match="Sparse X takes no categories"):
        small(categorical_features=[0]).fit(sparse.csr_array(one_hot(X)), y)


def test_a_model_is_as_it_was_after_an_error(pandas):
    X, y = table(pandas)
    model = small().fit(X, y)
    before = dict(vars(model))
    for bad in (X.assign(a=np.inf), X.assign(b="word").assign(w=1j)):
        with pytest.raises((TypeError, ValueError)):
            model.fit(bad, y)
        assert vars(model) == before
