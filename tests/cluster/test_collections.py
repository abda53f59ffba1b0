"""Fits to dask arrays: those of the arrays that they stand for."""

import pickle
import time
import warnings
from importlib.util import find_spec

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss

from skgn import (
    GaussNewtonMLPClassifier,
    GaussNewtonMLPEnsembleClassifier,
    GaussNewtonMLPRegressor,
)
from skgn._compat import has_callbacks
from skgn.callbacks import ScoreStopping, TimeLimit
from tests.problems import binary, multiclass, multilabel
from tests.spies import interrupting, spy

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
pytest.importorskip("distributed")
OnWorkers = pytest.importorskip("skgn.cluster.workers").OnWorkers

pytestmark = [
    pytest.mark.usefixtures("client"),
    pytest.mark.filterwarnings("ignore:The fit reached max_iter"),
]


def network(hidden=(6,), **parameters):
    """Return a classifier that takes all samples at each iteration."""
    own = {"alpha": 1e-3, "encoding": None, "batch_size": None, "activation": "tanh"}
    own["max_iter"] = 3
    return GaussNewtonMLPClassifier(hidden, random_state=0, **{**own, **parameters})


def divided(A, parts=3):
    """Return a dask array of so many parts of the rows of an array."""
    if A is None:
        return None
    sizes = [len(part) for part in np.array_split(np.arange(len(A)), parts)]
    return da.from_array(A, chunks=(tuple(sizes), *map(int, A.shape[1:])))


def in_blocks(blocks):
    """Return a dask array of given blocks, whose numbers of rows it does not know."""
    shape = (np.nan,) if blocks[0].ndim == 1 else (np.nan, blocks[0].shape[1])
    parts = [
        da.from_delayed(dask.delayed(own), shape, own.dtype, meta=own[:0])
        for own in blocks
    ]
    return da.concatenate(parts, allow_unknown_chunksizes=True)


def assert_same(own, local, X, tolerance=1e-10):
    """Check that two fits are the same, but for rounding."""
    p, q = own.predict_proba(X), local.predict_proba(X)
    assert np.abs(p - q).max() < tolerance
    assert own.n_iter_ == local.n_iter_
    assert own.stop_reason_ == local.stop_reason_
    assert_array_equal(own.classes_, local.classes_)
    names = ["class_weight_", "mean_", "scale_", "loss_curve_", "alpha_"]
    for name in names:
        ours, theirs = getattr(own, name), getattr(local, name)
        assert_allclose(ours, theirs, rtol=1e-8, atol=1e-12, err_msg=name)
    assert own.n_features_in_ == local.n_features_in_


def both(X, y, parts=3, tolerance=1e-10, fit=None, **parameters):
    """Fit arrays, and collections of them; return both."""
    fit = {} if fit is None else fit
    local = network(**parameters).fit(X, y, **fit)
    spread = {name: divided(value, 2) for name, value in fit.items()}
    if "sample_weight" in fit:
        spread["sample_weight"] = divided(fit["sample_weight"], parts)
    own = network(**parameters).fit(divided(X, parts), divided(y, parts), **spread)
    assert_same(own, local, X, tolerance)
    return own, local


KINDS = {"binary": binary, "multiclass": multiclass, "multilabel": multilabel}

OPTIONS = {
    "no hidden layer": {"hidden": ()},
    "two hidden layers": {"hidden": (5, 4)},
    "features as they are": {"standardize": False},
    "threshold": {"cost_threshold": 0.6, "max_iter": 30},
    "tolerance": {"tol": 0.03, "max_iter": 30},
}


@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_the_fit_is_the_local_one(kind, parts):
    both(*KINDS[kind](m=300), parts)


@pytest.mark.parametrize("options", OPTIONS)
def test_parameters(options):
    both(*multiclass(m=300), **OPTIONS[options])


def test_weights():
    X, y = multiclass(m=300)
    weights = np.random.default_rng(0).uniform(0, 3, 300)
    weights[:110] = 0  # all of the first part
    own, local = both(X, y, fit={"sample_weight": weights})
    assert_array_equal(own.classes_, local.classes_)
    balanced = {"class_weight": "balanced"}
    both(X, y, fit={"sample_weight": weights}, **balanced)
    both(X, y, fit={"sample_weight": weights}, class_weight={0: 2.0, 3: 0.5})


def test_labels():
    """Strings of different length, of which no part has all; integers; booleans."""
    X, y = multiclass(m=300)
    order = np.argsort(y, kind="stable")
    X, y = X[order], y[order]
    names = np.array(["a", "bbb", "cc", "dddddd"])[y]
    own, local = both(X, names, 4)
    assert own.classes_.dtype == local.classes_.dtype
    assert_array_equal(own.predict(X), local.predict(X))
    both(X, names.astype(object), 4)
    both(X, 10 * y - 5, 4)
    both(X, y > 1, 4)


def test_columns_of_labels():
    """One column, as of a frame: the warning of a local fit is given on the workers."""
    X, y = multiclass(m=300)
    local = network().fit(X, y)
    y = divided(y)[:, None]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A column-vector y was passed")
        own = network().fit(divided(X), y)
    assert_same(own, local, X)


def test_float32():
    X, y = make_classification(
        900, 8, n_informative=5, flip_y=0.2, n_classes=3, random_state=0
    )
    X = X.astype(np.float32)
    local = network(max_iter=12).fit(X, y)
    own = network(max_iter=12).fit(divided(X), divided(y))
    assert own.coefs_[0].dtype == np.float32
    assert own.predict_proba(X).dtype == np.float64
    assert np.abs(own.predict_proba(X) - local.predict_proba(X)).max() < 1e-4


def test_precision_is_that_of_all_parts():
    """float32 in some of them only: the fit is in float64."""
    X, y = multiclass(m=300)
    X = X.astype(np.float32)
    mixed = in_blocks([X[:100].astype(float), X[100:]])
    own = network().fit(mixed, in_blocks([y[:100], y[100:]]))
    assert own.coefs_[0].dtype == np.float64
    assert_same(own, network().fit(X.astype(float), y), X)
    whole = np.round(3 * X).astype(int)
    assert_same(network().fit(divided(whole), divided(y)), network().fit(whole, y), whole)


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix, sparse.coo_array])
def test_sparse_parts(kind):
    state = np.random.RandomState(0)
    X = sparse.random(400, 30, 0.2, "csr", random_state=state)
    y = (X.toarray()[:, :3] + 0.1 * state.standard_normal((400, 3))).argmax(axis=1)
    bounds = [(0, 150), (150, 150), (150, 400)]
    parts = in_blocks_sparse([kind(X[a:b]) for a, b in bounds])
    own = network().fit(parts, in_blocks([y[a:b] for a, b in bounds]))
    assert_same(own, network().fit(sparse.csr_array(X), y), X)
    lazily = own.predict_proba(parts)
    assert_allclose(lazily.compute(), own.predict_proba(X), rtol=1e-10, atol=1e-12)


def in_blocks_sparse(blocks):
    """Return a dask array of sparse blocks."""
    parts = [
        da.from_delayed(
            dask.delayed(own), (np.nan, own.shape[1]), own.dtype, meta=blocks[0][:0]
        )
        for own in blocks
    ]
    return da.concatenate(parts, allow_unknown_chunksizes=True)


def test_a_large_network():
    """Its weights go to the workers without a warning of dask; more than 10 MB."""
    X = sparse.random(200, 5000, 0.01, "csr", random_state=0)
    parts = in_blocks_sparse([X[:100], X[100:]])
    own = network((300,), max_iter=2).fit(parts, divided(np.arange(200) % 2, 2))
    assert sum(V.nbytes for V in own.coefs_) > 1e7


def test_sparse_and_dense_parts():
    X, y = binary(m=200)
    mixed = in_blocks([X[:100], X[100:]]).map_blocks(
        lambda block, block_info: (
            sparse.csr_array(block) if block_info[0]["chunk-location"][0] else block
        ),
        dtype=float,
        meta=X[:0],
    )
    with pytest.raises(ValueError, match="sparse in some partitions and dense in others"):
        network().fit(mixed, in_blocks([y[:100], y[100:]]))


# Partitions.


def test_parts_of_any_size():
    """Some of them empty, known or unknown, divided differently."""
    X, y = multiclass(m=300)
    local = network().fit(X, y)
    sizes = (0, 120, 1, 0, 179, 0)
    for rows in (sizes, (100, 100, 100), (300,)):
        own = network().fit(
            divided(X, 1).rechunk((sizes, 8)), divided(y, 1).rechunk((rows,))
        )
        assert_same(own, local, X)
    starts = np.cumsum((0, *sizes))
    slices = [slice(a, a + m) for a, m in zip(starts[:-1], sizes, strict=True)]
    unknown = [in_blocks([A[own] for own in slices]) for A in (X, y)]
    assert_same(network().fit(*unknown), local, X)
    # X is known, and y is not
    known = divided(X, 1).rechunk((sizes, 8))
    assert_same(network().fit(known, unknown[1]), local, X)
    columns = divided(X).rechunk((100, 3))
    assert_same(network().fit(columns, divided(y)), local, X)
    Y = np.eye(4, dtype=int)[y]
    assert_same(
        network().fit(columns, divided(Y).rechunk((100, 1))), network().fit(X, Y), X
    )


@pytest.mark.parametrize("batch_size", [None, 60])
def test_many_parts(batch_size):
    """More than are added up at a time; one without rows is the first."""
    X, y = multiclass(m=300)
    sizes = (0, *[8] * 36, 12)
    rows = divided(X, 1).rechunk((sizes, 8)), divided(y, 1).rechunk((sizes,))
    own = network(batch_size=batch_size, max_iter=2).fit(*rows)
    if batch_size is None:
        assert_same(own, network(max_iter=2).fit(X, y), X)
    else:
        assert own.score(X, y) > 0.5


def test_lengths_that_differ():
    X, y = multiclass(m=300)
    with pytest.raises(ValueError, match="X has 300 samples, and y 299"):
        network().fit(divided(X), divided(y[1:]))
    with pytest.raises(ValueError, match="300 samples, and sample_weight 10"):
        network().fit(divided(X), divided(y), divided(np.ones(10)))
    parts = in_blocks([y[:100], y[100:190], y[200:]])
    with pytest.raises(ValueError, match="Partition 1 has 100 samples in X, 90 in y"):
        network().fit(divided(X), parts)
    weights = in_blocks([np.ones(100), np.ones(100), np.ones(99)])
    with pytest.raises(ValueError, match=r"Partition 2 .* 99 in sample_weight"):
        network().fit(divided(X), divided(y), weights)
    with pytest.raises(ValueError, match="X has 3 partitions and y 2"):
        network().fit(divided(X), in_blocks([y[:100], y[100:]]))


def test_partitions_of_different_columns():
    X, y = multiclass(m=300)
    parts = in_blocks([X[:100], X[100:, :5]])
    with pytest.raises(ValueError, match="differ in their features: 8 in one, 5 in"):
        network().fit(parts, in_blocks([y[:100], y[100:]]))


def test_targets_of_different_kinds():
    X, y = multiclass(m=300)
    Y = np.eye(4, dtype=int)[y]
    X = in_blocks([X[:100], X[100:]])
    for targets, message in [
        ([y[:100], Y[100:]], "same kind and width"),
        ([Y[:100], Y[100:, :3]], "same kind and width"),
        ([y[:100], y[100:].astype(str)], "strings in some partitions and numbers"),
        ([y[:100], y[100:] + 0.5], "Unknown label type: continuous"),
        ([Y[:100] * np.arange(4), Y[100:]], "y should be a 1d array"),
    ]:
        with pytest.raises(ValueError, match=message):
            network().fit(X, _as_they_are(targets))


def _as_they_are(blocks):
    parts = [
        da.from_delayed(dask.delayed(own), (np.nan,), blocks[0].dtype) for own in blocks
    ]
    return da.concatenate(parts, allow_unknown_chunksizes=True)


def test_nothing_to_be_fitted():
    X, y = multiclass(m=300)
    with pytest.raises(ValueError, match="positive weight"):
        network().fit(divided(X), divided(y), divided(np.zeros(300)))
    with pytest.raises(ValueError, match="positive weight"):
        network().fit(divided(X)[:0], divided(y)[:0])


def test_nan_in_a_part():
    """Flagged as missing in dense X, an error in sparse X and in y."""
    X, y = multiclass(m=300)
    X = X.copy()
    X[50, 3] = np.nan
    own, local = both(X, y)
    assert_array_equal(own.encoder_.flagged, local.encoder_.flagged)
    rows = in_blocks_sparse([sparse.csr_array(X[:100]), sparse.csr_array(X[100:])])
    with pytest.raises(ValueError, match="sparse X cannot be missing"):
        network().fit(rows, divided(y).rechunk(((100, 200),)))
    Y = y.astype(float)
    Y[7] = np.nan
    with pytest.raises(ValueError, match="y contains NaN"):
        network().fit(divided(X), divided(Y))
    X[50, 3] = np.inf
    with pytest.raises(ValueError, match="X contains infinity"):
        network().fit(divided(X), divided(y))


def test_huge_values():
    X, y = multiclass(m=300)
    X = X.copy()
    X[50, 3] = 1e301
    with pytest.raises(ValueError, match=r"Feature 3 of X has values of size 1.0e\+301"):
        network().fit(divided(X), divided(y))


def test_weights_that_are_no_weights():
    X, y = multiclass(m=300)
    weights = np.ones(300)
    weights[150] = -1
    with pytest.raises(ValueError, match=r"Negative values|sample_weight"):
        network().fit(divided(X), divided(y), divided(weights))


# Validation samples.


@pytest.mark.parametrize("weighted", [False, True])
def test_validation_samples(weighted):
    """Arrays or collections, with weights of their own or not."""
    X, y = multiclass(m=500)
    train, rest = slice(0, 350), slice(350, 500)
    fit = {"X_val": X[rest], "y_val": y[rest]}
    if weighted:
        fit["sample_weight_val"] = np.random.default_rng(0).uniform(0, 2, 150)
    options = {"early_stopping": True, "n_iter_no_change": 1, "max_iter": 30}
    own, local = both(X[train], y[train], fit=fit, **options)
    here = network(**options).fit(divided(X[train]), divided(y[train]), **fit)
    for model in (own, here):
        assert_same(model, local, X)
        assert model.best_iter_ == local.best_iter_
        assert_allclose(model.validation_scores_, local.validation_scores_)


def test_validation_samples_that_cannot_be():
    X, y = multiclass(m=300)
    model, fit = network(early_stopping=True), (divided(X), divided(y))
    other = y.copy()
    other[3] = 9
    with pytest.raises(ValueError, match=r"y_val contains labels that y lacks: \[9\]"):
        model.fit(*fit, X_val=fit[0], y_val=divided(other))
    with pytest.raises(TypeError, match="y_val must be a dask array or frame"):
        model.fit(*fit, X_val=fit[0], y_val=y)
    with pytest.raises(ValueError, match="5 features"):
        model.fit(*fit, X_val=fit[0][:, :5], y_val=fit[1])
    with pytest.raises(ValueError, match="positive weight"):
        model.fit(*fit, X_val=fit[0][:0], y_val=fit[1][:0])
    with pytest.raises(ValueError, match="positive weight"):
        weights = divided(np.zeros(300))
        model.fit(*fit, X_val=fit[0], y_val=fit[1], sample_weight_val=weights)
    with pytest.raises(ValueError, match="early_stopping is False"):
        network().fit(*fit, X_val=fit[0], y_val=fit[1])
    with pytest.raises(TypeError, match="X must be a dask array or frame"):
        model.fit(X, y, X_val=fit[0], y_val=fit[1])


def test_a_split_for_early_stopping():
    X, y = multiclass(m=600)
    local = network(early_stopping=True).fit(X, y)
    model = network(early_stopping=True).fit(divided(X), divided(y))
    assert len(model.validation_scores_) == model.n_iter_ + 1
    assert model.best_validation_score_ > local.best_validation_score_ - 0.1
    assert model.score(X, y) > local.score(X, y) - 0.05


# Going on, callbacks, interrupts.


def test_warm_start():
    """From a local fit or another one on workers; and a local fit from one on workers."""
    X, y = multiclass(m=400)
    first, second = (X[:200], y[:200]), (X[200:], y[200:])
    spread = [tuple(map(divided, own)) for own in (first, second)]

    def fitted(*several):
        model = network(warm_start=True)
        for data in several:
            model.fit(*data)
        return model

    local = fitted(first, second)
    assert_same(fitted(spread[0], spread[1]), local, X)
    assert_same(fitted(first, spread[1]), local, X)
    assert_same(fitted(spread[0], second), local, X)
    other = divided(np.where(y == 3, 5, y))
    with pytest.raises(ValueError, match="the same classes"):
        fitted(first, (divided(X), other))
    with pytest.raises(ValueError, match="Previously got 8 features, now 5"):
        fitted(first, (divided(X[:, :5]), divided(y)))


def test_a_failed_fit_leaves_the_earlier_one():
    X, y = multiclass(m=300)
    model = network().fit(X, y)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="continuous"):
        model.fit(divided(X), divided(y + 0.5))
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before)


def test_verbose(capsys):
    X, y = multiclass(m=300)
    both(X, y, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    half = len(lines) // 2
    assert half == 5 and len(lines) == 2 * half
    assert [line[:30] for line in lines[:half]] == [line[:30] for line in lines[half:]]


needed = pytest.mark.skipif(not has_callbacks, reason="scikit-learn before 1.9")


@needed
def test_callbacks():
    from sklearn.callback import ProgressBar, ScoringMonitor

    X, y = multiclass(m=300)
    rows = divided(X), divided(y)
    plain = network().fit(*rows)
    bar = [ProgressBar()] if find_spec("rich") else []  # which it is drawn by
    for callback in (TimeLimit(1000), *bar):
        told = network().set_callbacks(callback).fit(*rows)
        assert_allclose(
            told.predict_proba(X), plain.predict_proba(X), rtol=1e-10, atol=1e-12
        )
    short = network().set_callbacks(TimeLimit(1e-9)).fit(*rows)
    assert short.stop_reason_ == "callback" and short.n_iter_ == 1
    options = {"batch_size": 100, "max_iter": 8}
    stop = ScoreStopping("neg_log_loss", n_iter_no_change=1, tol=0.5)
    ended = network(early_stopping=True, **options).set_callbacks(stop)
    ended.fit(*rows, X_val=X, y_val=y)
    assert ended.stop_reason_ == "callback" and ended.n_iter_ < 8
    monitor = ScoringMonitor(scoring="accuracy")
    assert network().set_callbacks(monitor).fit(*rows).n_iter_ == 3


@pytest.mark.parametrize(("batch_size", "call"), [(None, 8), (100, 16)])
def test_an_interrupt_keeps_the_best_weights(monkeypatch, batch_size, call):
    X, y = multiclass(m=400)
    model = network(batch_size=batch_size, max_iter=6)
    with monkeypatch.context() as patch:
        interrupting(patch, OnWorkers, "sum", call)
        with pytest.raises(KeyboardInterrupt) as error:
            model.fit(divided(X), divided(y))
    assert type(error.value) is KeyboardInterrupt
    assert model.stop_reason_ == "interrupted"
    assert model.score(X, y) > 0.5
    assert model.fit(divided(X), divided(y)).stop_reason_ != "interrupted"


def test_a_warning_of_the_end_names_the_caller():
    X, y = multiclass(m=300)
    with pytest.warns(ConvergenceWarning, match="max_iter=2") as caught:
        network(max_iter=2).fit(divided(X), divided(y))
    assert caught[0].filename == __file__


# Mini-batches.


def test_default_fits_are_as_good():
    """Mini-batches, a search for penalty and encoding; partitions sorted by label."""
    X, y = make_classification(
        5000, 20, n_informative=10, n_classes=3, flip_y=0.1, random_state=0
    )
    train, test = slice(0, 3500), slice(3500, None)
    order = np.argsort(y[train], kind="stable")
    local = GaussNewtonMLPClassifier((30,), random_state=0, max_iter=4)
    own = GaussNewtonMLPClassifier((30,), random_state=0, max_iter=4)
    local.fit(X[train], y[train])
    own.fit(divided(X[train][order], 5), divided(y[train][order], 5))
    assert own.stop_reason_ == local.stop_reason_ == "schedule"
    assert own.alpha_path_ is not None
    losses = [log_loss(y[test], model.predict_proba(X[test])) for model in (own, local)]
    assert losses[0] < 1.06 * losses[1]


def test_fits_are_repeated(client):
    """By seed and division; who has done the work matters to the last digits alone."""
    X, y = multiclass(m=900)
    options = {"alpha": "auto", "batch_size": 100, "encoding": "auto", "max_iter": 2}
    rows = divided(X, 4), divided(y, 4)
    first, again = (network(**options).fit(*rows) for _ in range(2))
    assert_allclose(first.coefs_[0], again.coefs_[0], rtol=1e-10, atol=1e-12)
    workers = list(client.scheduler_info()["workers"])
    placed = client.persist(rows, workers=workers[:1])
    alone = network(**options).fit(*placed)
    assert_allclose(first.coefs_[0], alone.coefs_[0], rtol=1e-10, atol=1e-12)


# Predictions.


METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_lazy(kind, method):
    X, y = KINDS[kind](m=300)
    model = network().fit(X, y)
    expected = getattr(model, method)(X)
    computed = []

    def block(part):
        if len(part):  # dask looks at an empty one
            computed.append(len(part))
        return part

    own = getattr(model, method)(divided(X).map_blocks(block, meta=X[:0]))
    assert isinstance(own, da.Array)
    assert not computed
    assert own.chunks[0] == (100, 100, 100)
    assert own.shape == expected.shape and own.dtype == expected.dtype
    assert_allclose(
        own.compute(scheduler="synchronous"), expected, rtol=1e-10, atol=1e-12
    )
    assert computed == [100] * 3
    sizes = in_blocks([X[:100], X[:0], X[100:]])
    unknown = getattr(model, method)(sizes)
    assert np.isnan(unknown.chunks[0]).all()
    assert_allclose(unknown.compute(), expected, rtol=1e-10, atol=1e-12)
    empty = getattr(model, method)(divided(X)[:0])
    assert empty.compute().shape == (0, *expected.shape[1:])
    columns = getattr(model, method)(divided(X).rechunk((100, 3)))
    assert_allclose(columns.compute(), expected, rtol=1e-10, atol=1e-12)


def test_predicted_labels_are_strings():
    X, y = multiclass(m=300)
    names = np.array(["a", "bbb", "cc", "dddddd"])[y]
    model = network().fit(divided(X), divided(names))
    own = model.predict(divided(X))
    assert own.dtype == model.classes_.dtype
    assert_array_equal(own.compute(), model.predict(X))


def test_wrong_columns_are_seen_at_once():
    X, y = multiclass(m=300)
    model = network().fit(X, y)
    with pytest.raises(ValueError, match="X has 5 features"):
        model.predict(divided(X)[:, :5])
    with pytest.raises(AttributeError, match="not fitted"):
        network().predict(divided(X))


def test_scores():
    X, y = multiclass(m=300)
    model = network().fit(X, y)
    weights = np.linspace(0, 1, 300)
    rows = divided(X), divided(y)
    assert model.score(*rows) == model.score(X, y)
    assert model.score(*rows, divided(weights)) == model.score(X, y, weights)
    assert model.score(divided(X, 4), rows[1]) == model.score(X, y)
    unknown = in_blocks([X[:120], X[120:]]), in_blocks([y[:120], y[120:]])
    assert model.score(*unknown) == model.score(X, y)
    assert model.score(*rows) == model.score(rows[0], y)


def test_regressors_predict_lazily():
    X, _ = multiclass(m=300)
    model = GaussNewtonMLPRegressor((4,), random_state=0).fit(X, X[:, 0])
    assert_allclose(
        model.predict(divided(X)).compute(), model.predict(X), rtol=1e-10, atol=1e-12
    )
    parts = in_blocks([X[:100], X[100:]])
    own = model.score(parts, in_blocks([X[:100, 0], X[100:, 0]]))
    assert own == pytest.approx(model.score(X, X[:, 0]), rel=1e-12)
    with pytest.raises(ValueError, match="one array only"):
        model.predict(divided(X), return_std=True)


def test_the_fitted_estimator_is_local():
    """It holds no future, and its file is that of a local fit."""
    X, y = multiclass(m=300)
    own, local = both(X, y, warm_start=True)
    for model in (own, local):
        model.history_["seconds"][:] = 0
    sizes = [len(pickle.dumps(model)) for model in (own, local)]
    assert abs(sizes[0] - sizes[1]) < 200
    text = repr(pickle.dumps(own))
    assert "distributed" not in text and "dask" not in text


def test_nothing_stays_on_the_cluster(client):
    """Once the fit is over, its futures are let go of."""
    X, y = multiclass(m=300)
    before = set(client.futures)
    for batch_size in (None, 100):
        network(batch_size=batch_size).fit(divided(X), divided(y))
        deadline = time.monotonic() + 5
        while set(client.futures) - before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not set(client.futures) - before


# What does not take collections.


def test_what_takes_no_collection():
    X, y = multiclass(m=300)
    rows = divided(X), divided(y)
    refused = pytest.raises(TypeError, match="dask collection, which only the fit")
    model = network().fit(X, y)
    with refused:
        network().partial_fit(*rows, classes=np.arange(4))
    with refused:
        model.hidden_activations(rows[0])
    with refused:
        model.encode(rows[0])
    ensemble = GaussNewtonMLPEnsembleClassifier([{}, {}])
    with refused:
        ensemble.fit(*rows)
    regressor = GaussNewtonMLPRegressor((4,), random_state=0)
    with pytest.raises(ValueError, match="GaussNewtonMLPRegressor needs all samples"):
        regressor.fit(rows[0], divided(X[:, 0]))
    with refused:
        regressor.partial_fit(rows[0], divided(X[:, 0]))


def test_ensembles_predict_lazily():
    X, y = multiclass(m=300)
    model = GaussNewtonMLPEnsembleClassifier([{}, {}], random_state=0).fit(X, y)
    for name in ("predict", "predict_proba", "predict_log_proba"):
        method = getattr(model, name)
        result = method(divided(X))
        assert isinstance(result, da.Array)
        assert_array_equal(result.compute(), method(X))


@pytest.mark.parametrize("solver", ["sequential", "joint", "levenberg-marquardt"])
def test_other_solvers_need_all_samples(solver):
    X, y = multiclass(m=300)
    with pytest.raises(ValueError, match=f"solver='{solver}' needs all samples"):
        GaussNewtonMLPClassifier(solver=solver).fit(divided(X), divided(y))


def test_what_is_no_collection_of_rows():
    X, y = multiclass(m=300)
    rows = divided(X), divided(y)
    with pytest.raises(TypeError, match=r"y must be a dask array or frame.*ndarray"):
        network().fit(rows[0], y)
    with pytest.raises(TypeError, match=r"X must be a dask array or frame.*ndarray"):
        network().fit(X, rows[1])
    with pytest.raises(TypeError, match="sample_weight must be a dask array or frame"):
        network().fit(*rows, np.ones(300))
    with pytest.raises(TypeError, match=r"X must be a dask array or frame.*Delayed"):
        network().fit(dask.delayed(X), rows[1])
    with pytest.raises(TypeError, match=r"X must be a dask array or frame.*Delayed"):
        network().fit(X, y).predict(dask.delayed(X))
    with pytest.raises(ValueError, match="two dimensions; got 1"):
        network().fit(rows[1], rows[1])
    with pytest.raises(ValueError, match="two dimensions; got 3"):
        network().fit(rows[0][:, :, None], rows[1])


def test_traffic(monkeypatch):
    """Rounds, and the bytes that they move, are taken note of."""
    X, y = multiclass(m=300)
    seen = []
    spy(monkeypatch, OnWorkers, "sum", lambda _, own, ask: seen.append(own.traffic))
    model = network().fit(divided(X), divided(y))
    traffic = seen[-1]
    assert 2 * model.n_iter_ < traffic.rounds < 2 * model.n_iter_ + 10
    assert traffic.sent > 0 and traffic.received > 0 and traffic.seconds > 0
