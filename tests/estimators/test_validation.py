"""Early stopping on held-out rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.metrics import log_loss

from skgn import GaussNewtonMLPClassifier
from skgn.fitting import fit
from tests.problems import DATA, binary, multiclass, multilabel, wide


def small(**parameters):
    """Return a quick classifier that stops early."""
    options = {"early_stopping": True, "random_state": 0, "tol": 0.0, "alpha": 1e-6}
    return GaussNewtonMLPClassifier(
        (8,), "tanh", **{"max_iter": 500, **options, **parameters}
    )


def halves(data):
    """Return training and validation rows."""
    X, y = data()
    return X[::2], y[::2], X[1::2], y[1::2]


def loss_of(model, X, y, weights=None):
    """Return the mean log-loss; that of labels is summed over them."""
    if y.ndim == 1:
        proba = model.predict_proba(X)
        return log_loss(y, proba, sample_weight=weights, labels=model.classes_)
    proba = model.predict_proba(X)
    losses = -np.where(y, np.log(proba), np.log1p(-proba)).sum(axis=1)
    return np.average(losses, weights=weights)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("as_sparse", [False, True])
def test_best_weights_of_given_rows(data, as_sparse):
    """The fitted weights have the lowest log-loss on the given rows of all turns."""
    X, y, X_val, y_val = halves(DATA[data])
    if as_sparse:
        X, X_val = sparse.csr_array(X), sparse.csr_array(X_val)
    model = small().fit(X, y, X_val=X_val, y_val=y_val)
    losses = model.history_["validation_loss"]
    assert model.stop_reason_ == "validation"
    assert len(losses) == model.n_iter_ + 1
    assert loss_of(model, X_val, y_val) == pytest.approx(losses.min(), rel=1e-8)
    assert losses.argmin() < model.n_iter_
    best = losses.argmin()
    assert model.best_iter_ == best
    assert_array_equal(model.validation_scores_, model.history_["validation_score"])
    accuracy = model.score(X_val, y_val)
    assert model.validation_scores_[best] == pytest.approx(accuracy, rel=1e-12)
    assert model.best_validation_score_ == max(model.validation_scores_) > 0.3
    assert model.loss_ == pytest.approx(model.loss_curve_[best], rel=1e-12)
    assert model.best_loss_ is None


@pytest.mark.parametrize("data", ["binary", "multiclass"])
def test_validation_weights(data):
    """Weighted validation rows count by their weights, like repeated ones."""
    X, y, X_val, y_val = halves(DATA[data])
    repeats = np.arange(len(y_val)) % 4
    weighted = small().fit(
        X, y, X_val=X_val, y_val=y_val, sample_weight_val=repeats.astype(float)
    )
    index = np.repeat(np.arange(len(y_val)), repeats)
    repeated = small().fit(X, y, X_val=X_val[index], y_val=y_val[index])
    assert_allclose(
        weighted.history_["validation_loss"],
        repeated.history_["validation_loss"],
        rtol=1e-10,
    )
    assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-10)
    best = loss_of(weighted, X_val, y_val, repeats)
    assert best == pytest.approx(min(weighted.history_["validation_loss"]), rel=1e-8)


def test_validation_rows_do_not_enter_the_fit():
    """Absurd validation rows change neither the statistics nor the path."""
    X, y, X_val, y_val = halves(multiclass)
    one = small(n_iter_no_change=100, max_iter=20)
    two = small(n_iter_no_change=100, max_iter=20)
    with pytest.warns(match="max_iter"):
        one.fit(X, y, X_val=X_val, y_val=y_val)
    with pytest.warns(match="max_iter"):
        two.fit(X, y, X_val=1e3 * X_val, y_val=y_val)
    assert_array_equal(one.mean_, two.mean_)
    assert_array_equal(one.loss_curve_, two.loss_curve_)
    assert not np.array_equal(
        one.history_["validation_loss"], two.history_["validation_loss"]
    )


def test_patience():
    """n_iter_no_change accepted turns without a new minimum."""
    X, y, X_val, y_val = halves(binary)
    for patience in (1, 4):
        model = small(n_iter_no_change=patience)
        model.fit(X, y, X_val=X_val, y_val=y_val)
        accepted = model.history_["step_length"] > 0
        best = np.argmin(model.history_["validation_loss"])
        assert accepted[best + 1 :].sum() == patience
    assert model.stop_reason_ == "validation"


def test_endless_patience():
    """The weights of the best iteration, after all of them."""
    X, y, X_val, y_val = halves(binary)
    model = small(n_iter_no_change=np.inf, alpha=1e-2, tol=1e-3)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    assert model.stop_reason_ == "converged"
    losses = model.history_["validation_loss"]
    assert loss_of(model, X_val, y_val) == pytest.approx(losses.min(), rel=1e-8)
    assert model.best_iter_ == losses.argmin() < model.n_iter_ - 5


@pytest.mark.parametrize("data", DATA)
def test_split(data):
    """A part of the rows is held out; with the seed given the split is repeatable."""
    X, y = DATA[data]()
    one, two, other = (
        small(random_state=seed, validation_fraction=0.3).fit(X, y) for seed in (0, 0, 1)
    )
    assert one.stop_reason_ == "validation"
    assert np.isfinite(one.history_["validation_loss"]).all()
    assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    seen = [set(model.history_["validation_loss"]) for model in (one, other)]
    assert seen[0] != seen[1]


def spy_on_split(monkeypatch, model, X, y, weights=None):
    """Return the training and validation rows of a fit."""
    parts = []
    original = fit.early_stopping_split

    def spy(*args):
        parts.extend(original(*args))
        return parts

    monkeypatch.setattr(fit, "early_stopping_split", spy)
    model.fit(X, y, weights)
    return parts


def test_split_is_stratified(monkeypatch):
    """Classes have the same share on both sides, and every row is on one side."""
    X, y = multiclass(m=200)
    keep = (y != 0) | (np.arange(200) % 3 == 0)
    X, y = X[keep], y[keep]
    model = small(validation_fraction=0.25)
    train, held_out = spy_on_split(monkeypatch, model, X, y)
    assert len(held_out.targets) == round(0.25 * len(y))
    assert len(train.targets) + len(held_out.targets) == len(y)
    for rows in (train, held_out):
        share = np.bincount(rows.targets) / len(rows.targets)
        assert_allclose(share, np.bincount(y) / len(y), atol=1 / len(rows.targets))
    together = np.vstack([train.X, held_out.X])
    assert_array_equal(np.unique(together, axis=0), np.unique(X, axis=0))


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_every_class_stays_in_training(monkeypatch, fraction):
    """A class of one row, or of few rows, is trained on whatever is held out."""
    X, y = multiclass(m=100, n_classes=2)
    y = y.copy()
    y[0], y[1], y[2:4] = 7, 8, 9
    model = small(validation_fraction=fraction)
    train, held_out = spy_on_split(monkeypatch, model, X, y)
    assert_array_equal(model.classes_, [0, 1, 7, 8, 9])
    kept = np.bincount(train.targets, minlength=5)
    held = np.bincount(held_out.targets, minlength=5)
    assert np.all(kept > 0)
    assert_array_equal(held[2:4], 0)
    assert held.sum() == round(100 * fraction)
    assert kept.sum() + held.sum() == 100


def test_rare_classes_need_a_row_on_both_sides(monkeypatch):
    """More classes than validation_fraction has rows: one of each is held out."""
    X, y = multiclass(m=60, n=12, n_classes=6)
    model = small(validation_fraction=0.02)
    train, held_out = spy_on_split(monkeypatch, model, X, y)
    assert_array_equal(np.unique(held_out.targets), np.arange(6))
    assert_array_equal(np.unique(train.targets), np.arange(6))


def test_split_keeps_the_weights_of_the_rows(monkeypatch):
    """Rows of weight zero are on neither side."""
    X, y = binary()
    weights = np.arange(120) % 3.0
    train, held_out = spy_on_split(monkeypatch, small(), X, y, weights)
    together = np.concatenate([train.weights, held_out.weights])
    assert_array_equal(np.sort(together), np.sort(weights[weights > 0]))


def test_multilabel_split(monkeypatch):
    """Labels are split without strata, also where one label occurs once."""
    X, Y = multilabel()
    Y = Y.copy()
    Y[:, 0] = 0
    Y[5, 0] = 1
    train, held_out = spy_on_split(monkeypatch, small(), X, Y)
    assert len(held_out.targets) == 12
    assert len(train.targets) == 108


def test_string_labels_in_validation_rows():
    """Labels are encoded alike on both sides, and need not all occur in y_val."""
    X, y, X_val, y_val = halves(multiclass)
    names = np.array(["d", "a", "c", "b"])
    few = y_val < 2
    model = small().fit(X, names[y], X_val=X_val[few], y_val=names[y_val[few]])
    expected = small().fit(X, y, X_val=X_val[few], y_val=y_val[few])
    assert_allclose(
        min(model.history_["validation_loss"]),
        loss_of(model, X_val[few], names[y_val[few]]),
    )
    assert set(model.classes_) == set(names)
    assert len(expected.history_["validation_loss"]) > 1


def test_early_stopping_generalises_better():
    """On noisy labels the stopped fit beats the converged one on fresh rows."""
    X, y = binary(m=400, seed=3)
    X, y, X_test, y_test = X[:200], y[:200], X[200:], y[200:]
    stopped = small(validation_fraction=0.25).fit(X, y)
    full = small(early_stopping=False, tol=1e-3).fit(X, y)
    assert loss_of(stopped, X_test, y_test) < loss_of(full, X_test, y_test)


def test_wide_rows_with_a_validation_set():
    """Validation rows enter the row space of the training rows."""
    X, y, X_val, y_val = halves(wide)
    X32, X_val32 = X.astype(np.float32), X_val.astype(np.float32)
    model = small().fit(X32, y, X_val=X_val32, y_val=y_val)
    assert loss_of(model, X_val32, y_val) == pytest.approx(
        min(model.history_["validation_loss"]), rel=1e-4
    )


def test_one_class_with_a_validation_split():
    """Nothing to fit, nothing to hold out."""
    X = np.arange(10.0)[:, None]
    model = small().fit(X, np.zeros(10))
    assert model.stop_reason_ == "single_class"
    assert_array_equal(model.predict(X), 0)
