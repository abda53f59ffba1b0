"""Fits in mini-batches, by the estimator."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from skgn import GaussNewtonMLPClassifier
from skgn.fitting import fit
from skgn.fitting.settings import MAX_EPOCHS
from skgn.steps.running_kronecker import RunningFactors
from skgn.training import mini_batch
from tests.problems import DATA, digits, global_state, multiclass


def small(**parameters):
    """Return a quick mini-batch classifier."""
    options = {"batch_size": 32, "alpha": 1e-4, "random_state": 0}
    options |= {"hidden_layer_sizes": (6,), "encoding": None}
    return GaussNewtonMLPClassifier(**{**options, **parameters})


@pytest.mark.parametrize(
    ("m", "n", "batched"), [(2999, 3, False), (3000, 3, True), (3100, 1600, False)]
)
def test_automatic_choice(m, n, batched):
    """From 3000 rows and two rows per column on."""
    X = np.random.default_rng(0).normal(size=(m, n)).astype("float32")
    y = (X[:, 0] > 0).astype(int)
    model = small(hidden_layer_sizes=(), batch_size="auto", cost_threshold=1e9)
    assert (model._settings().batch_size_for(m, n) is not None) == batched
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
    assert model.n_iter_ == MAX_EPOCHS
    assert all(len(v) == MAX_EPOCHS + 1 for v in model.history_.values())
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


# Weights of classes


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 6.0}])
def test_class_weight_shifts_predictions_as_in_the_full_batch(class_weight):
    """Of a rare class among noise, which is hardly predicted without."""
    X, y = make_classification(4000, 6, weights=[0.85], flip_y=0.2, random_state=0)
    frequency = {}
    for size in (None, 64):
        for weight in (None, class_weight):
            model = small(batch_size=size, class_weight=weight, alpha=1e-2).fit(X, y)
            frequency[size, weight is None] = np.mean(model.predict(X) == 1)
    assert frequency[64, False] > frequency[64, True] + 0.1
    for plain in (False, True):
        assert abs(frequency[64, plain] - frequency[None, plain]) < 0.03


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 0.5}, {2: 0.0}])
def test_class_weight_is_sample_weight(class_weight, early_stopping):
    """To rounding, on top of given weights; a class of weight 0 is left out."""
    X, y = multiclass(300)
    y[y == 3] = 0
    given = np.random.default_rng(0).uniform(0.5, 2, 300)
    if class_weight == "balanced":
        totals = np.bincount(y, given)
        per_class = totals.sum() / totals
    else:
        per_class = compute_class_weight(class_weight, classes=np.arange(3), y=y)
    model = small(class_weight=class_weight, early_stopping=early_stopping)
    model.fit(X, y, given)
    expected = small(early_stopping=early_stopping).fit(X, y, given * per_class[y])
    assert_allclose(
        model.class_weight_ / model.class_weight_[0], per_class / per_class[0]
    )
    P = model.predict_proba(X)
    if class_weight == {2: 0.0}:
        assert np.all(P.argmax(axis=1) < 2)
        P = P[:, :2]
    assert P.shape == (300, len(expected.classes_))
    if class_weight != {2: 0.0}:
        assert_allclose(P, expected.predict_proba(X), atol=1e-6)


# Columns


def add_columns(X, kind):
    """Return X with columns that say nothing new, or in other units."""
    if kind == "duplicates":
        return np.hstack([X, X[:, :30], X[:, 10:40]])
    if kind == "constants":
        return np.hstack([X, np.zeros((len(X), 2)), np.full((len(X), 3), 1e6)])
    if kind == "scales":
        return X * 10.0 ** np.linspace(-9, 9, X.shape[1])
    return np.hstack([X] * 5)  # beyond the columns that are rotated


@pytest.mark.parametrize(
    ("storage", "dtype"), [(np.asarray, "float32"), (sparse.csr_array, "float64")]
)
@pytest.mark.parametrize("kind", ["duplicates", "constants", "scales", "many"])
def test_columns_that_say_nothing_new(kind, storage, dtype):
    """Accuracy on other rows as without them, in the mean, and finite weights."""
    X, y = digits()
    scores = np.zeros((2, 3))
    for i, columns in enumerate((X, add_columns(X, kind))):
        columns = storage(columns.astype(dtype))
        for seed in range(3):
            model = small(hidden_layer_sizes=(20,), batch_size=64, random_state=seed)
            model.fit(columns[:1000], y[:1000])
            weights = (*model.coefs_, *model.intercepts_)
            assert all(np.all(np.isfinite(W)) for W in weights)
            assert np.all(np.isfinite(model.loss_curve_))
            scores[i, seed] = model.score(columns[1000:], y[1000:])
    without, added = scores.mean(axis=1)
    assert without > 0.9
    assert abs(added - without) < 0.02


# Validation rows


def hold_out(monkeypatch):
    """Record the rows that early stopping splits off."""
    split, held_out = fit.early_stopping_split, []

    def recording(*args):
        parts = split(*args)
        held_out.append(parts[1])
        return parts

    monkeypatch.setattr(fit, "early_stopping_split", recording)
    return held_out


@pytest.mark.parametrize("given", [False, True])
def test_early_stopping_keeps_the_best_pass(monkeypatch, given):
    """On rows given, or split off; the network overfits, so that it stops early."""
    held_out = hold_out(monkeypatch)
    X, y = make_classification(600, 8, flip_y=0.5, random_state=0)
    model = small(hidden_layer_sizes=(30,), early_stopping=True, max_iter=60)
    if given:
        X_val, y_val = X[400:], y[400:]
        model.fit(X[:400], y[:400], X_val=X_val, y_val=y_val)
        assert not held_out
    else:
        model.fit(X, y)
        X_val, y_val = held_out[0].X, held_out[0].targets.ravel()
        assert len(y_val) == 60
    scores = model.history_["validation_loss"]
    best = int(np.argmin(scores))
    assert model.best_iter_ == best
    assert model.stop_reason_ == "validation"
    assert 0 < best == model.n_iter_ - model.n_iter_no_change
    assert model.loss_ == model.loss_curve_[best]
    assert log_loss(y_val, model.predict_proba(X_val)) == pytest.approx(scores[best])


@pytest.mark.parametrize("given", [False, True])
def test_validation_rows_are_not_trained_on(monkeypatch, given):
    """Moved far away, they change the validation losses and nothing else."""
    held_out = hold_out(monkeypatch)
    X, y = multiclass(300)
    model = small(early_stopping=True, n_iter_no_change=99)
    fits = []
    for shift in (0, 50):
        if given:
            model.fit(X[:200], y[:200], X_val=X[200:] + shift, y_val=y[200:])
        else:
            if shift:
                there = np.any(np.all(X[:, None] == held_out[0].X, axis=2), axis=1)
                X = X + shift * there[:, None]
            model.fit(X, y)
        fits.append({**vars(model), "mean_": model.mean_})
    one, other = fits
    assert one["loss_curve_"] == other["loss_curve_"]
    assert np.array_equal(one["mean_"], other["mean_"])
    assert not np.array_equal(*(fit["history_"]["validation_loss"] for fit in fits))


# Fits that fail or are interrupted


def failing(monkeypatch, after, failure):
    """Let directions fail after some; return the number of calls so far."""
    direction, calls = RunningFactors.direction, []

    def patched(self, here, random_state):
        calls.append(here)
        D = direction(self, here, random_state)
        return D if len(calls) <= after else failure(D, here)

    monkeypatch.setattr(RunningFactors, "direction", patched)
    return calls


def not_finite(D, here):
    return np.full_like(D, np.nan)


def exploding(D, here):
    """A step that the slope does not give away: orthogonal to the gradient."""
    G = here.gradient
    D = np.random.default_rng(0).normal(size=len(D))
    return 1e250 * (D - (D @ G) / (G @ G) * G) * np.finfo(float).eps


def no_direction(D, here):
    raise np.linalg.LinAlgError("a factor is not finite")


@pytest.mark.parametrize("failure", [not_finite, exploding, no_direction])
@pytest.mark.parametrize("validated", [False, True])
def test_a_fit_that_diverges_keeps_its_best_pass(monkeypatch, failure, validated):
    """And warns, saying what to do."""
    X, y = multiclass(400)
    val = {"X_val": X[300:], "y_val": y[300:]} if validated else {}
    # the same schedule without the failure
    expected = small(early_stopping=validated, max_iter=8)
    reports = {}
    run = mini_batch.Descent.run

    def recording(self, *args):
        means = run(self, *args)
        reports[len(reports) + 1] = self.theta.copy()
        return means

    monkeypatch.setattr(mini_batch.Descent, "run", recording)
    expected.fit(X[:300], y[:300], **val)
    sound = dict(reports)
    reports.clear()
    # 9 batches of a pass: in the middle of the fifth
    calls = failing(monkeypatch, 4 * 9 + 4, failure)
    model = small(early_stopping=validated, max_iter=8)
    with pytest.warns(ConvergenceWarning, match="stopped after 4 epochs.*Increase"):
        model.fit(X[:300], y[:300], **val)
    assert model.stop_reason_ == "diverged"
    assert model.n_iter_ == 4
    assert len(reports) == 5
    assert len(calls) <= 4 * 9 + 6  # at once, without the other batches of the pass
    assert model.loss_curve_ == expected.loss_curve_[:5]
    curve = model.history_["validation_loss"] if validated else model.loss_curve_
    best = int(np.argmin(curve))
    assert best > 0
    assert model.loss_ == model.loss_curve_[best]
    assert all(np.all(np.isfinite(W)) for W in (*model.coefs_, *model.intercepts_))
    # the layer above the first one is not re-expressed for raw columns
    above = np.concatenate([model.intercepts_[1][None], model.coefs_[1]])
    assert np.array_equal(above.ravel(), sound[best][-above.size :])


def test_a_fit_that_diverges_at_once_keeps_its_initial_weights(monkeypatch):
    X, y = multiclass()
    failing(monkeypatch, 0, not_finite)
    with pytest.warns(ConvergenceWarning, match="stopped after 0 epochs"):
        model = small().fit(X, y)
    assert model.n_iter_ == 0
    assert model.loss_curve_ == [model.loss_]
    assert log_loss(y, model.predict_proba(X)) < np.log(4) + 1


def stop(D, here):
    raise KeyboardInterrupt


@pytest.mark.parametrize("warm_start", [False, True])
def test_a_fit_interrupted_in_its_first_epoch_changes_nothing(monkeypatch, warm_start):
    """Weights, too, none of which is changed in place."""
    X, y = multiclass()
    model = small(warm_start=warm_start).fit(X, y)
    before, expected = dict(vars(model)), model.predict_proba(X)
    calls = failing(monkeypatch, 7, stop)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*multiclass(300, seed=1))
    assert len(calls) == 8
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before)
    assert np.array_equal(model.predict_proba(X), expected)


def test_a_first_fit_interrupted_in_its_first_epoch_leaves_nothing(monkeypatch):
    failing(monkeypatch, 3, stop)
    model = small()
    before = dict(vars(model))
    with pytest.raises(KeyboardInterrupt):
        model.fit(*multiclass())
    assert vars(model) == before


@pytest.mark.parametrize("validated", [False, True])
def test_an_interrupted_fit_keeps_its_epochs(monkeypatch, validated):
    """The weights of the last one, or of the best: no batch of the next one."""
    X, y = multiclass(400)
    val = {"X_val": X[300:], "y_val": y[300:]} if validated else {}
    ends = [None]
    run = mini_batch.Descent.run

    def recording(self, *args):
        means = run(self, *args)
        ends.append(self.theta.copy())
        return means

    monkeypatch.setattr(mini_batch.Descent, "run", recording)
    # 9 batches of an epoch: in the middle of the fourth
    failing(monkeypatch, 3 * 9 + 4, stop)
    model = small(early_stopping=validated, n_iter_no_change=np.inf)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:300], y[:300], **val)
    assert model.stop_reason_ == "interrupted"
    assert model.n_iter_ == 3 == len(ends) - 1
    assert {len(column) for column in model.history_.values()} == {4}
    kept = int(np.argmin(model.history_["validation_loss"])) if validated else 3
    assert model.best_iter_ == kept > 0
    above = np.concatenate([model.intercepts_[1][None], model.coefs_[1]])
    assert np.array_equal(above.ravel(), ends[kept][-above.size :])


# Going on


def test_pieces_are_as_good_as_the_whole():
    """Five calls of three epochs, against one of fifteen: means of three splits."""
    X, y = digits()
    losses, expected = np.zeros(5), 0.0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(y))
        train, test = order[:1200], order[1200:]
        noisy = X + 4 * rng.normal(size=X.shape)
        options = {"alpha": "auto", "hidden_layer_sizes": (30,), "batch_size": 64}
        whole = small(**options, max_iter=15).fit(noisy[train], y[train])
        expected += log_loss(y[test], whole.predict_proba(noisy[test]))
        pieces = small(**options, warm_start=True, max_iter=3)
        for i in range(5):
            pieces.fit(noisy[train], y[train])
            losses[i] += log_loss(y[test], pieces.predict_proba(noisy[test]))
    assert losses[-1] < 1.05 * expected < losses[0]


def test_a_penalty_that_was_found_is_kept():
    """No other is searched for, until one is asked for; nor after pickling."""
    X, y = multiclass(500)
    model = small(alpha="auto", warm_start=True, max_iter=2).fit(X, y)
    alpha, path = model.alpha_, model.alpha_path_
    copy = pickle.loads(pickle.dumps(model))
    for fitted in (model, copy):
        fitted.fit(X[:450], y[:450])
        assert fitted.alpha_ == alpha
        assert_array_equal(fitted.alpha_path_["alpha"], path["alpha"])
        assert fitted.n_iter_ == 2
    assert_array_equal(model.coefs_[0], copy.coefs_[0])
    assert model.set_params(alpha=0.5 * alpha).fit(X, y).alpha_path_ is None
    model.set_params(alpha="auto").fit(X[:450], y[:450])
    assert model.alpha_path_ is not None
    assert model.alpha_ != alpha


@pytest.mark.parametrize("n", [8, 300])
def test_going_on_begins_where_the_last_fit_ended(n):
    """In other rows with other statistics, too: the same function to begin with."""
    X, y = multiclass(400, n=8)
    if n > 8:  # columns that are not rotated
        X = np.hstack([X, np.random.default_rng(0).normal(size=(400, n - 8))])
    model = small(warm_start=True, max_iter=4).fit(X, y)
    before = model.decision_function(X)
    model.set_params(cost_threshold=1e9).fit(1.2 * X[100:] + 0.3, y[100:])
    assert model.n_iter_ == 0
    assert_allclose(model.decision_function(X), before, atol=1e-8)


def test_what_is_gone_on_with_is_kept_for_a_warm_start_alone():
    """Otherwise a fit is as small as before."""
    X, y = multiclass(400)
    assert small().fit(X, y)._fitted.descent is None
    assert small(warm_start=True).fit(X, y)._fitted.descent is not None


# What random_state decides


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("many", [False, True])
def test_random_state_decides_all(early_stopping, many):
    """Bit by bit; another one gives another fit, and numpy's own is not touched."""
    X, y = multiclass(400)
    if many:
        X = np.hstack([X] * 40)
    before = global_state()

    def weights(random_state):
        model = small(
            early_stopping=early_stopping, random_state=random_state, max_iter=4
        )
        model.fit(X, y)
        return np.concatenate([W.ravel() for W in (*model.coefs_, *model.intercepts_)])

    first = weights(3)
    assert np.array_equal(weights(3), first)
    assert np.array_equal(weights(np.random.RandomState(3)), first)
    assert global_state() == before
    assert not np.allclose(weights(4), first, atol=1e-3)
    shared = np.random.RandomState(3)
    assert np.array_equal(weights(shared), first)
    assert not np.allclose(weights(shared), first, atol=1e-3)


def test_the_order_of_rows_hardly_matters():
    """Sorted by class they would be learnt and forgotten, but for the shuffle."""
    X, y = digits()
    orders = {"drawn": np.random.default_rng(0).permutation(1000)}
    orders["sorted"] = np.argsort(y[:1000], kind="stable")
    orders["reversed"] = orders["sorted"][::-1]
    scores = {}
    for name, order in orders.items():
        model = small(hidden_layer_sizes=(20,), batch_size=100, max_iter=3)
        model.fit(X[order], y[order])
        assert np.all(np.isfinite(model.loss_curve_))
        scores[name] = model.score(X[1000:], y[1000:])
    assert min(scores.values()) > 0.85
    assert max(scores.values()) - min(scores.values()) < 0.025
