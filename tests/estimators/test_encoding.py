"""Fits of encoded columns, by the estimator."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.utils._param_validation import InvalidParameterError

from skgn import GaussNewtonMLPClassifier
from skgn.data import batched_first_layer, samples
from skgn.data import encoding as encodings
from skgn.data.encoding import distribution, steps_for
from skgn.fitting import pose, problem
from tests.problems import DATA, binary, iris, multiclass, multilabel

NAN = np.nan


def knots_of(x, weights, steps):
    """Return the knots of a column, none if it is not to have steps."""
    values, totals = distribution(x, weights)
    if not len(values):
        return np.empty(0)
    return encodings.knots_of(values, totals, steps, x.dtype)


def small(**parameters):
    options = {"hidden_layer_sizes": (6,), "random_state": 0, "encoding": "piecewise"}
    return GaussNewtonMLPClassifier(**{**options, **parameters})


def batched(**parameters):
    options = {"batch_size": 50, "max_iter": 4, "alpha": 1e-3}
    return small(**{**options, **parameters})


def bent(m=600, seed=0):
    """Two classes by the sum of bumps in three columns: no line tells them apart."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-3, 3, size=(m, 3))
    return X, (np.sin(3 * X).sum(axis=1) > 0).astype(int)


def with_missing(X, share=0.1, seed=0):
    X = X.copy()
    X[np.random.default_rng(seed).uniform(size=X.shape) < share] = NAN
    return X


def same_encoder(one, other, rounding=0.0):
    """Check that nothing at all is different, but for the rounding of means."""
    assert_allclose(one.fill, other.fill, rtol=rounding, atol=rounding)
    assert_array_equal(one.flagged, other.flagged)
    assert len(one.knots) == len(other.knots)
    for a, b in zip(one.knots, other.knots, strict=True):
        assert_array_equal(a, b)
    assert len(one.categories) == len(other.categories)
    for a, b in zip(one.categories, other.categories, strict=True):
        assert_array_equal(a.table, b.table)
        assert_array_equal(a.kept, b.kept)


def forward(model, X):
    """Return probabilities by encoded columns and weights, from the definition."""
    A = model.encode(X)
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    for number, (W, b) in enumerate(layers):
        A = A @ W + b
        if number < len(layers) - 1:
            A = np.where(A > 0, A, 0.01 * A)
    if model.out_activation_ == "softmax":
        return softmax(A, axis=1)
    P = expit(A)
    return np.hstack([1 - P, P]) if len(model.classes_) == 2 else P


# The function of the network.


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(("dtype", "atol"), [("float64", 1e-8), ("float32", 1e-4)])
@pytest.mark.parametrize("batch_size", [None, 40])
def test_predictions_by_hand(data, dtype, atol, batch_size):
    """Encoded columns, through the weights that anyone can look at."""
    X, y = DATA[data]()
    X = with_missing(X).astype(dtype)
    parameters = {} if batch_size is None else {"max_iter": 3, "batch_size": batch_size}
    model = small(hidden_layer_sizes=(5, 4), alpha=1e-2, **parameters).fit(X, y)
    assert model.encode(X).dtype == dtype
    assert model.encode(X).shape == (len(X), model.encoder_.width)
    assert len(model.coefs_[0]) == len(model.mean_) == model.encoder_.width
    assert len(model.scale_) == len(model.encoded_feature_names_out_)
    assert model.encoder_.width > 3 * X.shape[1]
    assert_allclose(model.predict_proba(X), forward(model, X), atol=atol)


@pytest.mark.parametrize("encoding", ["piecewise", None])
def test_one_row_is_a_row_of_the_batch(encoding, chunks):
    X, y = multiclass()
    X = with_missing(X)
    model = small(encoding=encoding).fit(X, y)
    P = model.predict_proba(X)
    for i in (0, 1, 77, 149):
        assert_allclose(model.predict_proba(X[i : i + 1])[0], P[i], atol=1e-10)
        assert_array_equal(model.encode(X[i : i + 1])[0], model.encode(X)[i])


def test_names_of_encoded_columns():
    """Numbers, steps, and which are missing; unique."""
    X, y = binary()
    X[3, 1] = NAN
    model = small(n_knots=4).fit(X, y)
    names = model.encoded_feature_names_out_
    assert names.tolist() == [
        *(f"x{j}" for j in range(6)),
        *(f"x{j}_step{i}" for j in range(6) for i in range(3)),
        "missingindicator_x1",
    ]
    assert len(set(names)) == len(names) == len(model.coefs_[0])
    assert model.categories_ == [None] * 6


def test_names_of_columns_of_a_frame():
    pandas = pytest.importorskip("pandas")
    X, y = iris()
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = small(n_knots=3).fit(frame, y)
    assert model.encoded_feature_names_out_.tolist() == [
        *"abcd",
        *(f"{name}_step{i}" for name in "abcd" for i in range(2)),
    ]
    assert small(encoding=None).fit(frame, y).encoded_feature_names_out_.tolist() == [
        *"abcd"
    ]


def test_sparse_rows_stay_as_they_are():
    """Dense rows of the same numbers are predicted alike, whatever is encoded."""
    X, y = binary()
    X[np.abs(X) < 0.5] = 0
    model = small(encoding="auto").fit(sparse.csr_array(X), y)
    assert model.encoder_ is None
    assert sparse.issparse(model.encode(sparse.csr_array(X)))
    assert_allclose(model.predict_proba(X), model.predict_proba(sparse.csr_array(X)))
    assert model.encoded_feature_names_out_.tolist() == [f"x{j}" for j in range(6)]
    model = small().fit(X, y)
    assert_allclose(
        model.predict_proba(sparse.csr_array(X)), model.predict_proba(X), atol=1e-12
    )
    assert_array_equal(model.encode(sparse.csc_array(X)), model.encode(X))


# Knots of a fit.


def test_knots_of_a_fit():
    """Of all rows of positive weight, and as many as these call for."""
    X, y = binary(900)
    weights = np.random.default_rng(0).integers(0, 3, size=900)
    model = small().fit(X, y, weights)
    steps = steps_for(weights.sum(), 6)
    for j in range(6):
        expected = knots_of(X[:, j], weights.astype(float), steps)
        assert_array_equal(model.encoder_.knots[j], expected)
        assert len(expected) == steps + 1
    model.set_params(n_knots=5).fit(X, y, weights)
    assert all(len(knots) == 5 for knots in model.encoder_.knots)


def test_it_helps_where_lines_do_not():
    """On held-out rows; "auto" finds out, and stays with lines where those do."""
    X, y = bent()
    X_test, y_test = bent(1000, seed=1)
    loss = {}
    for encoding in (None, "piecewise", "auto"):
        model = small(encoding=encoding, hidden_layer_sizes=()).fit(X, y)
        loss[encoding] = log_loss(y_test, model.predict_proba(X_test))
        assert model.encoder_.has_steps == (encoding is not None)
    assert loss["piecewise"] < 0.6 * loss[None]
    assert_allclose(loss["auto"], loss["piecewise"], rtol=1e-4)


def test_auto_stays_with_lines_where_these_are_clearly_better():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(450, 60))
    y = (X.sum(axis=1) > 0).astype(int)
    model = small(encoding="auto", hidden_layer_sizes=()).fit(X, y)
    assert not model.encoder_.has_steps
    expected = small(encoding=None, hidden_layer_sizes=()).fit(X, y)
    assert_allclose(model.predict_proba(X), expected.predict_proba(X), atol=1e-12)


@pytest.mark.parametrize(
    "parameters",
    [
        {"solver": "joint"},
        {"solver": "sequential"},
        {"solver": "levenberg-marquardt"},
        {"m": 149},
    ],
)
def test_auto_does_not_encode_what_it_cannot_judge(parameters):
    """Fewer rows than 150, and the other solvers."""
    m = parameters.pop("m", 450)
    X, y = bent(m)
    model = small(encoding="auto", max_iter=500, tol=0.1, **parameters).fit(X, y)
    assert model.encoder_.is_plain


@pytest.mark.parametrize("alpha", ["auto", 1e-3])
def test_auto_with_a_penalty_that_is_given(alpha):
    """The encoding is searched for in any case."""
    X, y = bent()
    model = small(encoding="auto", alpha=alpha, hidden_layer_sizes=()).fit(X, y)
    assert model.encoder_.has_steps
    assert (model.alpha_path_ is None) == (alpha != "auto")


def test_the_solvers_of_the_thread_take_encoded_columns():
    X, y = multiclass()
    for solver in ("joint", "sequential"):
        model = small(solver=solver, tol=0.1, max_iter=500).fit(X, y)
        assert model.encoder_.has_steps
        assert_allclose(model.predict_proba(X), forward(model, X), atol=1e-8)


@pytest.mark.parametrize("factor", [1e-3, 1e3, 2.0**-30, 2.0**30])
@pytest.mark.parametrize("batch_size", [None, 40])
def test_the_unit_of_a_column_has_no_say(factor, batch_size):
    """Metres or millimetres: the same steps and predictions."""
    X, y = multiclass()
    X = with_missing(X, 0.05)
    X[:, 0] = np.where(X[:, 0] < 0, 0, X[:, 0])
    parameters = {} if batch_size is None else {"batch_size": batch_size}
    scaled = X * np.where(np.arange(8) % 2, factor, 1)
    one, other = small(**parameters).fit(X, y), small(**parameters).fit(scaled, y)
    numbers = slice(8, None)
    assert_allclose(
        one.encode(X)[:, numbers], other.encode(scaled)[:, numbers], atol=1e-9
    )
    assert_allclose(one.predict_proba(X), other.predict_proba(scaled), atol=1e-6)


def test_a_shift_has_no_say():
    X, y = multiclass()
    X = np.round(X * 1024) / 1024
    one, other = small().fit(X, y), small().fit(X + 4096, y)
    assert_array_equal(one.encode(X)[:, 8:], other.encode(X + 4096)[:, 8:])
    assert_allclose(one.predict_proba(X), other.predict_proba(X + 4096), atol=1e-6)


@pytest.mark.parametrize("batch_size", [None, 40])
def test_float32_with_means_of_many_deviations(batch_size):
    """As good as centred columns of the same digits."""
    X, y = binary(300)
    near = np.round(X * 32) / 32
    far = (near + 2**17).astype("float32")
    assert_array_equal(far - np.float32(2**17), near)
    parameters = {"batch_size": batch_size, "alpha": 1e-2}
    one = small(**parameters).fit(near.astype("float32"), y)
    other = small(**parameters).fit(far, y)
    P = one.predict_proba(near.astype("float32"))
    assert_allclose(other.predict_proba(far), P, atol=0.02)
    assert_allclose(other.predict_proba(far), forward_centred(other, far), atol=1e-4)


def forward_centred(model, X):
    """Return the same as `forward` for two classes, in float64 about the means."""
    A = model.encode(X).astype(np.float64) - model.mean_
    V = model._fitted.predictor.layers[0].astype(np.float64)
    A = A @ V[1:] + V[0]
    A = np.where(A > 0, A, 0.01 * A)
    P = expit(A @ model.coefs_[1] + model.intercepts_[1])
    return np.hstack([1 - P, P])


@pytest.mark.parametrize(("dtype", "size"), [("float64", 1e300), ("float32", 9e34)])
@pytest.mark.parametrize("batch_size", [None, 40])
def test_the_largest_numbers(dtype, size, batch_size):
    X, y = binary(300)
    X = X / np.abs(X).max()
    expected = small(batch_size=batch_size, alpha=1e-2).fit(X.astype(dtype), y)
    X = np.column_stack([(X[:, :5] * size), X[:, 5]]).astype(dtype)
    model = small(batch_size=batch_size, alpha=1e-2).fit(X, y)
    P = model.predict_proba(X)
    assert np.isfinite(P).all()
    loss = log_loss(y, expected.predict_proba(X / [*[size] * 5, 1]))
    assert abs(log_loss(y, P) - loss) < 0.02
    beyond = np.full((2, 6), np.finfo(dtype).max, dtype=dtype) * [[1], [-1]]
    assert np.isfinite(model.predict_proba(beyond.astype(dtype))).all()


def test_an_absurd_cell_at_fit():
    """The steps beside it do their work; the number alone would not."""
    X, y = bent()
    X_test, y_test = bent(1000, seed=1)
    expected = log_loss(y_test, small().fit(X, y).predict_proba(X_test))
    X[5, 0] = 1e12
    model = small().fit(X, y)
    assert log_loss(y_test, model.predict_proba(X_test)) < expected + 0.05


def test_an_absurd_cell_at_predict():
    """It counts as at most one step beyond the last knot, but for the number itself."""
    X, y = bent()
    encoded = small().fit(X, y).encode(np.array([[1e30, -1e30, 0]]))
    assert np.abs(encoded[:, 3:]).max() <= 2


# Rows that are encoded as they come.


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_that_are_not_copied(monkeypatch, dtype, early_stopping):
    """A fit of rows that are encoded batch by batch is that of a copy."""
    X, y = multiclass(300, n=30)
    X = with_missing(X, 0.02).astype(dtype)
    model = batched(n_knots=12, early_stopping=early_stopping).fit(X, y)
    assert model.encoder_.width > 256  # fewer are rotated, where they are copied
    P = model.predict_proba(X)
    monkeypatch.setattr(pose, "MOST_COPIED", 0)
    other = batched(n_knots=12, early_stopping=early_stopping).fit(X, y)
    same_encoder(model.encoder_, other.encoder_)
    atol = 1e-6 if dtype == "float64" else 1e-3
    assert_allclose(other.predict_proba(X), P, atol=atol)


def test_few_columns_that_are_not_copied(monkeypatch):
    """These are rotated where they are copied: the same but for the path."""
    X, y = multiclass(400)
    model = batched(max_iter=10).fit(X, y)
    monkeypatch.setattr(pose, "MOST_COPIED", 0)
    other = batched(max_iter=10).fit(X, y)
    loss = [log_loss(y, each.predict_proba(X)) for each in (model, other)]
    assert abs(loss[0] - loss[1]) < 0.1
    assert other.score(X, y) > model.score(X, y) - 0.05


@pytest.fixture
def mapped(tmp_path, monkeypatch):
    """Return a function that puts an array into a file; small ones are large enough."""
    monkeypatch.setattr(samples, "MAPPED_BYTES", 1000)

    def put(X, name="X"):
        file = np.memmap(tmp_path / name, dtype=X.dtype, mode="w+", shape=X.shape)
        file[:] = X
        file.flush()
        return np.memmap(tmp_path / name, dtype=X.dtype, mode="r", shape=X.shape)

    return put


@pytest.mark.parametrize("encoding", ["piecewise", None])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_memory_maps(monkeypatch, mapped, encoding, missing, weighted, early_stopping):
    """The fit is that in memory where both take rows as they come, in equal batches."""
    X, y = multiclass(300)
    X = with_missing(X) if missing else X
    file = mapped(X)
    assert samples.is_mapped(file)
    assert not samples.is_mapped(X)
    weights = np.random.default_rng(0).integers(0, 3, size=300) if weighted else None
    monkeypatch.setattr(pose, "MOST_COPIED", 0)
    monkeypatch.setattr(problem, "MAPPED_BLOCK", 1)
    # which draws rows of those that are kept, however few they are
    monkeypatch.setattr(batched_first_layer, "_sample", lambda X, w, *_: (X, w))
    parameters = {"encoding": encoding, "early_stopping": early_stopping}
    model = batched(**parameters).fit(X, y, weights)
    other = batched(**parameters).fit(file, y, weights)
    same_encoder(model.encoder_, other.encoder_, rounding=1e-14)
    assert len(other.encoder_.flagged) == (8 if missing else 0)
    P, Q = model.predict_proba(X), other.predict_proba(X)
    if encoding == "piecewise" or missing:
        assert_allclose(Q, P, atol=1e-6)
    else:  # in memory, plain columns are copied and rotated
        assert abs(log_loss(y, P) - log_loss(y, Q)) < 0.1
    assert_allclose(other.predict_proba(file), other.predict_proba(X), atol=1e-12)


@pytest.mark.parametrize("batch_size", [50, None])
def test_a_memory_map_with_missing_numbers_in_held_out_rows_alone(mapped, batch_size):
    """Of early stopping: they are the mean there, and no column says which they are."""
    X, y = multiclass(300)
    model = batched(early_stopping=True, batch_size=batch_size, max_iter=30)
    held_out = held_out_rows(model, X, y)
    X[held_out[:20], 2] = NAN
    for encoding in ("piecewise", None):
        model.set_params(encoding=encoding).fit(mapped(X, f"{encoding}"), y)
        assert len(model.encoder_.flagged) == 0
        assert np.isfinite(model.history_["validation_loss"]).all()
        assert np.isfinite(model.predict_proba(X)).all()


def held_out_rows(model, X, y):
    """Return the rows that a fit holds out for early stopping: those that it ignores."""
    marked = np.column_stack([X, np.arange(1.0, len(y) + 1)])
    knots = clone(model).set_params(encoding=None).fit(marked, y)
    from skgn.estimators.targets import learned
    from skgn.fitting.fit import early_stopping_split

    targets, values, weights = learned(y, np.ones(len(y)), None)
    every = samples.Samples(np.arange(len(y))[:, None], values, weights)
    state = np.random.RandomState(model.random_state)
    train, held_out = early_stopping_split(model._settings(), every, targets, state)
    total = float(np.mean(train.X + 1))
    assert_allclose(knots.encoder_.fill[-1], total)  # it is the split of the fit
    return held_out.X[:, 0]


def test_a_memory_map_in_blocks(mapped):
    """As it is by default: sixteen neighbours at a time, about as good."""
    X, y = multiclass(600)
    model = batched(max_iter=10).fit(X, y)
    other = batched(max_iter=10).fit(mapped(X), y)
    same_encoder(model.encoder_, other.encoder_)
    assert other.score(X, y) > model.score(X, y) - 0.06


def test_a_memory_map_with_the_search(mapped):
    """Encoding and penalty are found as in memory."""
    X, y = bent(900)
    parameters = {"encoding": "auto", "alpha": "auto", "hidden_layer_sizes": ()}
    model = batched(**parameters).fit(mapped(X), y)
    assert model.encoder_.has_steps
    assert model.score(X, y) > 0.9


# Nothing leaks.


@pytest.mark.parametrize("batch_size", [50, None])
@pytest.mark.parametrize("given", [False, True])
def test_validation_rows_have_no_part_in_the_encoder(batch_size, given):
    """Whether they are given or split off, and whatever they hold."""
    X, y = multiclass(450)
    model = batched(early_stopping=True, batch_size=batch_size, max_iter=40)
    X[::50, 1] = NAN
    held_out = held_out_rows(model, X, y)
    train = np.setdiff1d(np.arange(450), held_out)

    def fitted(X, y):
        if not given:
            return clone(model).fit(X, y)
        return clone(model).fit(X[train], y[train], X_val=X[held_out], y_val=y[held_out])

    expected = fitted(X, y)
    rng = np.random.default_rng(0)
    for change in ("extreme", "missing", "labels"):
        X_new, y_new = X.copy(), y.copy()
        if change == "extreme":
            X_new[held_out] = 1e9 * rng.normal(size=(len(held_out), 8))
        elif change == "missing":
            X_new[held_out, 3] = NAN
        elif given:
            y_new[held_out] = rng.permutation(y[held_out])
        else:
            y_new[held_out] = y[held_out]  # a stratified split is by the labels
        other = fitted(X_new, y_new)
        same_encoder(expected.encoder_, other.encoder_)
        assert_array_equal(expected.encoder_.flagged, [1])


def test_validation_rows_are_encoded():
    """Their losses are those of the predictions."""
    X, y = multiclass(450)
    X = with_missing(X)
    model = small(early_stopping=True).fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    losses = model.history_["validation_loss"]
    found = log_loss(y[300:], model.predict_proba(X[300:]))
    assert_allclose(found, losses[model.best_iter_], rtol=1e-9)


# Streams.


def test_a_stream_takes_the_knots_of_its_first_chunk():
    X, y = bent(600)
    model = small().partial_fit(X[:200], y[:200], classes=[0, 1])
    knots = model.encoder_.knots
    steps = steps_for(200, 3)
    for j in range(3):
        assert_array_equal(knots[j], knots_of(X[:200, j], np.ones(200), steps))
    model.partial_fit(X[200:] * 2, y[200:])
    for a, b in zip(knots, model.encoder_.knots, strict=True):
        assert_array_equal(a, b)
    assert_allclose(model.predict_proba(X), forward(model, X), atol=1e-8)
    assert small(encoding="auto").partial_fit(X, y, classes=[0, 1]).encoder_.is_plain


def test_a_stream_learns_what_lines_do_not():
    X, y = bent(1000)
    loss = {}
    for encoding in (None, "piecewise"):
        model = small(encoding=encoding, hidden_layer_sizes=())
        for _ in range(10):
            model.partial_fit(X, y, classes=[0, 1])
        loss[encoding] = log_loss(y, model.predict_proba(X))
    assert loss["piecewise"] < 0.7 * loss[None]


def test_weights_of_the_first_chunk():
    """Rows of weight zero have no knots; a weight of two is a row repeated."""
    X, y = binary(200)
    X[:20] += 1e3
    weights = np.r_[np.zeros(20), np.tile([1.0, 2], 90)]
    model = small().partial_fit(X, y, classes=[0, 1], sample_weight=weights)
    repeated = np.repeat(X, weights.astype(int), axis=0)
    other = small().partial_fit(repeated, np.repeat(y, weights.astype(int)), [0, 1])
    for a, b in zip(model.encoder_.knots, other.encoder_.knots, strict=True):
        assert_array_equal(a, b)
    assert_allclose(model.encoder_.fill, other.encoder_.fill)


@pytest.mark.parametrize("encoding", ["piecewise", None, "auto"])
def test_missing_numbers_in_later_chunks(encoding):
    """They are the mean of the first chunk: no column is added."""
    X, y = binary(300)
    model = small(encoding=encoding).partial_fit(X[:150], y[:150], classes=[0, 1])
    fill, width = model.encoder_.fill, model.encoder_.width
    other = pickle.loads(pickle.dumps(model))
    later = with_missing(X[150:])
    model.partial_fit(later, y[150:])
    other.partial_fit(np.where(np.isnan(later), X[:150].mean(axis=0), later), y[150:])
    assert model.encoder_.width == width
    assert_array_equal(model.encoder_.fill, fill)
    assert_allclose(model.predict_proba(X), other.predict_proba(X), atol=1e-9)


@pytest.mark.parametrize("encoding", ["piecewise", "auto"])
def test_a_stream_after_a_fit(encoding):
    """It goes on with the encoder of the fit."""
    X, y = bent(600)
    model = small(encoding=encoding).fit(X, y)
    before, P = model.encoder_, model.predict_proba(X)
    assert before.has_steps
    model.partial_fit(with_missing(X), y)
    same_encoder(before, model.encoder_)
    assert log_loss(y, model.predict_proba(X)) < log_loss(y, P) + 0.2


# Going on, searching, saving.


@pytest.mark.parametrize("batch_size", [None, 50])
def test_warm_start_keeps_the_encoder(batch_size):
    X, y = bent(600)
    model = small(warm_start=True, batch_size=batch_size).fit(X, y)
    encoder, loss = model.encoder_, model.loss_
    model.fit(with_missing(X, 0.01), y)
    same_encoder(encoder, model.encoder_)
    assert model.loss_curve_[0] < 3 * loss + 0.2
    for name, value in (("encoding", None), ("n_knots", 5)):
        other = clone(model).fit(X, y).set_params(**{name: value})
        with pytest.raises(ValueError, match="encoding and n_knots"):
            other.fit(X, y)
    with pytest.raises(ValueError, match="dense X"):
        model.fit(sparse.csr_array(X), y)


def test_a_grid_of_encodings():
    X, y = bent(300)
    grid = {"encoding": [None, "piecewise"], "n_knots": ["auto", 4, 12]}
    search = GridSearchCV(small(hidden_layer_sizes=()), grid, cv=3).fit(X, y)
    assert search.best_params_["encoding"] == "piecewise"
    assert search.best_params_["n_knots"] != 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_model_that_is_saved():
    X, y = multilabel()
    X = with_missing(X)
    model = small().fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert_array_equal(again.encoded_feature_names_out_, model.encoded_feature_names_out_)
    same_encoder(again.encoder_, model.encoder_)


@pytest.mark.parametrize("encoding", ["piecewise", None])
def test_weights_and_repetitions(encoding):
    """Below 400 rows."""
    X, y = multiclass()
    X = with_missing(X)
    weights = np.random.default_rng(0).integers(0, 4, size=150)
    model = small(encoding=encoding).fit(X, y, weights)
    repeated = np.repeat(np.arange(150), weights)
    assert len(repeated) < 400
    other = small(encoding=encoding).fit(X[repeated], y[repeated])
    assert_allclose(model.encoder_.fill, other.encoder_.fill, atol=1e-12)
    assert_allclose(other.predict_proba(X), model.predict_proba(X), atol=1e-6)


def test_columns_without_knots():
    """Constant ones, and those of few values: encoded as they are."""
    X, y = binary(200)
    X = np.column_stack([X[:, 0] > 0, np.ones(200), np.round(np.tanh(X[:, 1]))])
    model = small().fit(X.astype(float), y)
    assert not model.encoder_.has_steps
    assert model.encode(X).shape == (200, 3)
    expected = small(encoding=None).fit(X.astype(float), y).predict_proba(X)
    assert_allclose(model.predict_proba(X), expected)


# Errors.


@pytest.mark.parametrize(
    "parameters",
    [
        {"encoding": "linear"},
        {"encoding": True},
        {"encoding": ["piecewise"]},
        {"n_knots": 2},
        {"n_knots": 0},
        {"n_knots": 4.5},
        {"n_knots": "many"},
        {"n_knots": None},
        {"categorical_features": "all"},
        {"categorical_features": 3},
    ],
)
def test_parameters_that_are_refused(parameters):
    X, y = binary()
    (name,) = parameters
    model = small(**parameters)
    with pytest.raises(InvalidParameterError, match=f"'{name}' parameter"):
        model.fit(X, y)
    with pytest.raises(InvalidParameterError, match=f"'{name}' parameter"):
        model.partial_fit(X, y, classes=[0, 1])


def test_sparse_rows_cannot_have_steps():
    X, y = binary()
    X = sparse.csr_array(X)
    with pytest.raises(ValueError, match=r"encoding='piecewise'.*sparse X.*toarray"):
        small().fit(X, y)
    with pytest.raises(ValueError, match="encoding='piecewise'"):
        small().partial_fit(X, y, classes=[0, 1])


def test_what_a_model_that_is_not_fitted_says():
    X, y = binary()
    with pytest.raises(AttributeError):
        _ = small().encoder_
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        small().encode(X)
    with pytest.raises(ValueError, match="6 features"):
        small().fit(X, y).encode(X[:, :5])
