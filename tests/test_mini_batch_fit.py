"""Fits in mini-batches, by the estimator."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.metrics import log_loss

from skgn import GaussNewtonMLPClassifier
from skgn._base import MAX_PASSES
from skgn.training import mini_batch
from tests.problems import DATA, multiclass


def small(**parameters):
    """Return a quick mini-batch classifier."""
    options = {"hidden_layer_sizes": (6,), "batch_size": 32, "random_state": 0}
    return GaussNewtonMLPClassifier(**{**options, **parameters})


@pytest.mark.parametrize(
    ("m", "n", "batched"), [(2999, 3, False), (3000, 3, True), (3100, 1600, False)]
)
def test_automatic_choice(m, n, batched):
    """From 3000 rows and two rows per column on."""
    X = np.random.default_rng(0).normal(size=(m, n)).astype("float32")
    y = (X[:, 0] > 0).astype(int)
    model = small(hidden_layer_sizes=(), batch_size="auto", cost_threshold=1e9)
    assert (model._batch_size_for(m, n) is not None) == batched
    if n < 10:
        model.set_params(cost_threshold=None, alpha=0.1).fit(X, y)
        assert model.stop_reason_ == ("schedule" if batched else "converged")


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fits_every_kind_of_target(data, dtype):
    """History, precision, determinism; the default number of passes."""
    X, y = DATA[data]()
    X = X.astype(dtype)
    model = small(batch_size=16).fit(X, y)
    again = small(batch_size=16).fit(X, y)
    assert model.stop_reason_ == "schedule"
    assert model.n_iter_ == MAX_PASSES
    assert all(len(v) == MAX_PASSES + 1 for v in model.history_.values())
    assert all(W.dtype == dtype for W in model.coefs_)
    P = model.predict_proba(X)
    assert P.dtype == np.float64
    assert np.array_equal(P, again.predict_proba(X))
    assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_close_to_the_full_batch():
    X, y = multiclass(600)
    full = small(batch_size=None, max_iter=300, alpha=1e-2).fit(X, y)
    batched = small(alpha=1e-2, max_iter=60).fit(X, y)
    assert batched.score(X, y) > full.score(X, y) - 0.04


def test_equal_weights_and_rows_of_weight_zero():
    X, y = multiclass()
    expected = small().fit(X, y).predict_proba(X)
    assert_allclose(small().fit(X, y, np.full(150, 2.0)).predict_proba(X), expected)
    more = np.vstack([X, X[:9] + 1e3])
    weights = np.r_[np.ones(150), np.zeros(9)]
    model = small().fit(more, np.r_[y, y[:9]], weights)
    assert_allclose(model.predict_proba(X), expected)


def test_sparse_is_about_dense():
    X, y = multiclass(400)
    X[np.abs(X) < 0.5] = 0
    dense, thin = small().fit(X, y), small().fit(sparse.csr_array(X), y)
    assert abs(dense.score(X, y) - thin.score(X, y)) < 0.06


@pytest.mark.parametrize("sizes", [(), (8,), (6, 5)])
@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_any_depth_and_batch_size(sizes, size):
    X, y = multiclass(n_classes=2)
    model = small(hidden_layer_sizes=sizes, batch_size=size, max_iter=30).fit(X, y)
    assert model.score(X, y) > (0.75 if sizes else 0.7)  # two classes, bent apart
    assert np.all(np.isfinite(model.loss_curve_))


def test_heavy_tails_stay_sensible():
    X, y = multiclass(500)
    X = np.hstack([X, np.random.default_rng(0).standard_cauchy((500, 2)) * 1e6])
    model = small().fit(X, y)
    assert log_loss(y, model.predict_proba(X)) < np.log(4)


def test_scale_of_columns_does_not_matter():
    X, y = multiclass()
    scale = 10.0 ** np.arange(-4, 4)
    one, other = small().fit(X, y), small().fit(X * scale, y)
    assert_allclose(other.predict_proba(X * scale), one.predict_proba(X), atol=1e-6)


def test_early_stopping_keeps_the_best_pass():
    X, y = multiclass(300)
    model = small(early_stopping=True).fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    best = min(model.validation_scores_)
    assert log_loss(y[200:], model.predict_proba(X[200:])) == pytest.approx(best)


def test_cost_threshold_verbose_and_warm_start(capsys):
    X, y = multiclass()
    model = small(verbose=True, max_iter=4, warm_start=True).fit(X, y)
    assert len(capsys.readouterr().out.splitlines()) == 1 + 5  # with a header
    end = model.loss_curve_[-1]
    model.set_params(verbose=False).fit(X, y)
    assert model.loss_curve_[0] < end * 1.5 < model.loss_curve_[0] * 3
    model.set_params(cost_threshold=1e9).fit(X, y)
    assert model.stop_reason_ == "cost_threshold"
    assert model.n_iter_ <= 1


@pytest.mark.parametrize("value", [0, "all", 1.5, -3])
def test_batch_sizes_out_of_range(value):
    X, y = multiclass()
    with pytest.raises(ValueError, match="The 'batch_size' parameter"):
        small(batch_size=value).fit(X, y)


def test_other_solvers_have_no_batches():
    X, y = multiclass()
    with pytest.raises(ValueError, match="batch_size=64"):
        small(solver="joint", batch_size=64).fit(X, y)


def test_an_interrupted_fit_leaves_the_estimator_as_it_was(monkeypatch):
    X, y = multiclass()
    model = small().fit(X, y)
    before = dict(vars(model))

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(mini_batch.Descent, "run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:, :3], y)
    assert vars(model) == before
